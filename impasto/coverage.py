"""How well a style's features cover a photo's: which painting suits a photo, and at what size.

Every position of the photo looks for the nearest of the style's, by the angle of their features around the photo's mean. A
painting that knows of skies, walls and leaves lends each its own strokes; one that knows of nothing similar has to bend
the photo. The shipped network looks, at small size.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from impasto import backbones, frames, images, samples
from impasto.backbones import Backbone
from impasto.errors import InputError
from impasto.images import ImageSource
from impasto.opening import FilePath
from impasto.options import Options
from impasto.scene import Scene

Opts = TypeVar("Opts", bound=Options)
LAYERS = ("relu3_1", "relu4_1")
SIZE = 128  # pixels: a few hundred positions a layer
SCALES = (0.5, 0.7, 1.0, 1.4, 2.0)  # of a style, for `best_scale`
PAIR = 224  # pixels of the photo there: the size at which a painting finds its large forms
DRAWN, DRAWS = 100, 8  # so many of a style's positions, so often: a larger picture covers more only by having more


@dataclass(frozen=True)
class Found:
    """A painting and its distance to the photo: 0, it covers the photo's features; 1, it knows nothing like them."""

    path: FilePath
    distance: float
    image: Tensor  # (1, 3, H, W), as small as it was looked at


@cache
def looker() -> Backbone:
    """The shipped network in float32."""
    return backbones.load("petit")


@torch.no_grad()
def features_of(image: Tensor) -> dict[str, Tensor]:
    """(1, 3, H, W) -> layer -> its features as rows (1, P, C)."""
    return {layer: samples.samples(found).rows for layer, found in looker()(image.cpu(), LAYERS).items()}


@torch.no_grad()
def distance(photo: Mapping[str, Tensor], style: Mapping[str, Tensor]) -> float:
    """Mean cosine distance from the photo's features to the nearest of the style's, over the layers."""
    errors = []
    for layer in LAYERS:
        center = photo[layer].mean(1, keepdim=True)
        own, others = samples.rays(photo[layer], center), samples.rays(style[layer], center)
        errors.append(1 - (own @ others.mT).amax(2).mean())
    return float(torch.stack(errors).mean())


def scout(
    content: ImageSource,
    styles: Sequence[FilePath],
    *,
    on_picture: Callable[[int, int], object] | None = None,
    on_failure: Callable[[InputError], object] | None = None,
) -> list[Found]:
    """The styles for a photo, the one that covers it best first.

    on_picture: (looked at, in all). on_failure: told at the end of every style that could not be read and was left out.
    Raises InputError where the content cannot be read or no style is left.
    """
    photo = features_of(images.resize(images.load(content, SIZE), SIZE))
    found, failures = [], []
    for index, (path, image) in enumerate(small(styles), start=1):
        if isinstance(image, Tensor):
            found.append(Found(path, distance(photo, features_of(image)), image))
        else:
            failures.append(image)
        if on_picture is not None:
            on_picture(index, len(styles))
    if not found:
        raise InputError(f"None of the styles can be read: {failures[0] if failures else 'none was given.'}")
    if on_failure is not None:
        for failure in failures:
            on_failure(failure)
    return sorted(found, key=lambda one: one.distance)


def small(paths: Sequence[FilePath]) -> Iterator[tuple[FilePath, Tensor | InputError]]:
    """Every picture at `SIZE`, or what is wrong with it; read ahead while the last one is looked at."""

    def read(path: FilePath) -> Tensor | InputError:
        try:
            return images.resize(frames.without(images.load(path, SIZE)), SIZE)
        except InputError as error:
            return error

    with ThreadPoolExecutor(2) as readers:
        yield from zip(paths, readers.map(read, paths), strict=True)


def best_scale(content: Tensor, style: Tensor) -> float:
    """The size of the style's features against the picture's, of `SCALES`, at which they cover the photo's best.

    content, style: (1, 3, H, W). A size twice as large or small must be better by a hundredth.
    """
    photo = features_of(images.resize(content, PAIR))

    def badness(scale: float) -> float:
        features = features_of(images.resize(style, round(PAIR * scale)))
        errors = [distance(photo, drawn(features, seed)) for seed in range(DRAWS)]
        return sum(errors) / DRAWS * (1 + 0.01 * abs(math.log2(scale)))

    return min(SCALES, key=badness)


def settled(options: Opts, pictures: Scene) -> Opts:
    """The options with a number for a style scale of auto: the mean, in ratios, of what suits each style.

    A trained network has its own: there are no styles then.
    """
    if options.style_scale != "auto" or not pictures.styles:
        return options
    powers = [
        weight * math.log2(best_scale(pictures.content.image, style.image))
        for style, weight in zip(pictures.styles, pictures.weights, strict=True)
    ]
    return options.replace(style_scale=round(2 ** (sum(powers) / sum(pictures.weights)), 2))


def drawn(features: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """`DRAWN` positions of every layer (1, P, C)."""
    generator = torch.Generator().manual_seed(seed)
    return {
        layer: rows[:, torch.randperm(rows.shape[1], generator=generator)[:DRAWN]] for layer, rows in features.items()
    }
