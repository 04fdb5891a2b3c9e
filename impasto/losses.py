"""The weighted sums that every method in the field is made of.

Features are a mapping from a layer's name to a tensor (N, C, H, W); the image itself is the layer "pixels". A
`FeatureLoss` says which layers, which statistic and which distance; it holds no tensors, so the same loss can have any
target. An `Objective` ties losses to targets and a backbone. Most losses also know how a whole picture's value follows
from its parts; `tiling` lives on that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto import samples
from impasto.distances import (
    REDUCTIONS,
    measured,
    moment_error,
    normal,
    of_samples,
    squared_error,
    wasserstein,
    with_moments,
)
from impasto.parts import Place, Share
from impasto.statistics import exact, gram, moments, sketch

Features = Mapping[str, Tensor]
Backbone = Callable[[Tensor, Sequence[str]], Features]


ROWS = 64  # of features that are squared at once


def identity(features: Any) -> Any:
    """The features themselves: what a content loss compares. (N, C, H, W) -> the same."""
    return features


@dataclass(frozen=True)
class FeatureLoss:
    """A weighted sum over layers of a distance between statistics. Holds no tensors.

    layers: layer name -> weight. statistic: features (N, C, H, W) -> anything; a style's also takes `weights` of the
    positions. distance: (value, target) -> (N,).
    prepare: what is done once to a target's statistic, for distances that need more of it.

    For pictures that are seen a part at a time, `part`: (a part's features, the whole's target, its place) -> shares, one
    for each region of the target; `whole`: (each region's joined statistic, target) -> (N,). None where the loss is no
    function of sums over positions, as with nearest neighbours.
    """

    layers: Mapping[str, float]
    statistic: Callable[..., Any]
    distance: Callable[[Any, Any], Tensor]
    prepare: Callable[[Any], Any] = identity
    part: Callable[[Tensor, Any, Place], Sequence[Share]] | None = None
    whole: Callable[[Sequence[Any], Any], Tensor] | None = None

    def target(self, features: Features) -> dict[str, Any]:
        """What `features` should be matched to: plain data, without gradients; N = 1 broadcasts over a batch."""
        return {layer: self.prepare(self.statistic(features[layer].detach())) for layer in self.layers}

    def by_layer(self, features: Features, target: Mapping[str, Any]) -> dict[str, Tensor]:
        """Layer -> weighted distance (N,)."""
        return {
            layer: weight * self.distance(self.statistic(features[layer]), target[layer])
            for layer, weight in self.layers.items()
        }

    def __call__(self, features: Features, target: Mapping[str, Any]) -> Tensor:
        """The weighted sum, one number an image: (N,)."""
        return torch.stack(list(self.by_layer(features, target).values())).sum(0)


def content_loss(layers: Mapping[str, float], reduction: str, power: float = 1.0) -> FeatureLoss:
    """Squared difference of the features themselves, raised to `power`. `reduction` is a key of `REDUCTIONS`.

    A power of 1 is everyone's content loss. Ours is 2: one weight then serves landscapes, which may drift, and faces,
    whose drift a plain squared error bought too cheaply.
    """

    def distance(value: Tensor, target: Tensor) -> Tensor:
        return squared_error(value, target, reduction) ** power

    def part(features: Tensor, target: Tensor, place: Place) -> list[Share]:
        cut = place.cut(target)
        return [Share(cut[0, 0].numel(), squared_error(features, cut, "sum") / cut[0, 0].numel())]

    def whole(errors: Sequence[Tensor], target: Tensor) -> Tensor:
        # not a norm, which adds up with less care; in bands, as a large picture's features twice over are a gigabyte
        size = torch.stack([band.to(exact(band)).square().sum((1, 2, 3)) for band in target.split(ROWS, 2)]).sum(0)
        return REDUCTIONS[reduction](errors[0] * target[0, 0].numel(), target[0].numel(), size) ** power

    return FeatureLoss(layers, identity, distance, identity, part, whole)


def style_loss(layers: Mapping[str, float], kind: str, reduction: str, gram_normalization: str) -> FeatureLoss:
    """The style loss of that name; only "gram" reads `gram_normalization`.

    The moments beside "histogram" and "earth-mover" are part of both papers' losses: see `samples`.
    """
    kinds: dict[str, tuple[Callable[..., Any], Callable[..., Tensor], Callable[[Any], Any]]] = {
        "gram": (partial(gram, normalization=gram_normalization), squared_error, identity),
        "moments": (moments, moment_error, identity),
        "wasserstein": (moments, wasserstein, normal),
        "sliced": (samples.samples, measured(samples.sliced), samples.along_basis),
        "histogram": (sketch, with_moments(samples.sliced), of_samples(samples.along_channels)),
        "earth-mover": (sketch, with_moments(samples.earth_mover), of_samples(samples.exemplars)),
        "nearest": (samples.samples, measured(samples.nearest), samples.exemplars),
    }
    statistic, distance, prepare = kinds[kind]
    distance = partial(distance, reduction=reduction)
    if statistic in (samples.samples, sketch):
        return FeatureLoss(layers, statistic, distance, prepare)

    def part(features: Tensor, target: Any, place: Place) -> list[Share]:
        return [Share(features[0, 0].numel(), statistic(features, positions=place.positions))]

    def whole(values: Sequence[Any], target: Any) -> Tensor:
        return distance(values[0], target)

    return FeatureLoss(layers, statistic, distance, prepare, part, whole)


def pixel_loss(function: Callable[[Tensor], Tensor]) -> FeatureLoss:
    """A loss of the pixels alone, such as total variation, in the shape of every other loss."""
    return FeatureLoss({"pixels": 1.0}, identity, lambda image, _: function(image))


class Term(NamedTuple):
    """One summand of an objective: weight · loss(features, target)."""

    weight: float
    loss: FeatureLoss
    target: Mapping[str, Any]

    def label(self, name: str, layer: str) -> str:
        """What one layer's summand is called: "content", but "style relu1_1" where the term has several layers."""
        return f"{name} {layer}" if len(self.loss.layers) > 1 else name


@dataclass(frozen=True)
class Objective:
    """What an optimiser lowers: terms by name, over one pass of one backbone."""

    backbone: Backbone
    terms: Mapping[str, Term]

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that some term reads."""
        return tuple(dict.fromkeys(layer for term in self.terms.values() for layer in term.loss.layers))

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> summand -> weighted loss (N,), differentiable.

        One summand for each layer of a term, named by `Term.label`.
        """
        features = self.backbone(image, self.layers)
        return {
            term.label(name, layer): term.weight * loss
            for name, term in self.terms.items()
            for layer, loss in term.loss.by_layer(features, term.target).items()
        }
