"""Weights carried from one program's convention into another's leave the gradient where it was."""

import functools
import itertools

import pytest
import torch

from impasto import images, presets
from impasto.backbones import Architecture, Backbone
from impasto.conventions import Convention, convert
from impasto.errors import OptionError
from impasto.objective import make_objective, make_terms
from impasto.options import PaintOptions
from impasto.scene import Picture, View
from impasto.shelf import Shelf

CHANNELS = ((6, 6), (8, 8), (10, 10), (12, 12), (14,))
TINY = Architecture("for tests", CHANNELS, ((0.5,) * 3, (0.25,) * 3), pooling="average")
SHAPE = 48, 64
GRAM_PRESETS = ("gatys2015", "gatys2016", "ryanchankh", "assignment4", "fast-basic", "blog")


def tiny(activation_scale: float = 1.0) -> Backbone:
    """A random chain whose activations are `activation_scale` times as large in every layer."""
    generator = torch.Generator().manual_seed(5)
    weights = {}
    for key, shape in TINY.shapes.items():
        tensor = torch.randn(shape, generator=generator) * (
            0.25 if key.endswith("bias") else (2 / (9 * shape[1])) ** 0.5
        )
        scaled = key.endswith("bias") or key == "conv1_1.weight"  # ReLU networks are homogeneous in these together
        weights[key] = tensor * activation_scale if scaled else tensor
    return Backbone("tiny", TINY, weights)


def gradient(options: PaintOptions, backbone: Backbone) -> torch.Tensor:
    """Of unit length, at a random image."""
    found = raw_gradient(options, backbone)
    return found / found.norm()


def raw_gradient(options: PaintOptions, backbone: Backbone) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    content, style, image = (torch.rand(1, 3, *SHAPE, generator=generator) for _ in range(3))
    image.requires_grad_()
    view = View(content, (Picture(images.resize(style, SHAPE[1])),))
    losses = make_objective(view, backbone, make_terms(view, backbone, options, Shelf()))(image)
    (found,) = torch.autograd.grad(sum(value.sum() for value in losses.values()), image)
    return found


def shapes(options: PaintOptions) -> dict[str, tuple[int, int]]:
    features = tiny()(torch.rand(1, 3, *SHAPE), (*options.content_layers, *options.style_layers))
    return {layer: (x.shape[1], x[0, 0].numel()) for layer, x in features.items()}


@functools.cache
def balanced(preset: str) -> PaintOptions:
    """A preset whose content and style terms pull equally hard, so that both show in the direction."""
    plain = presets.options_for(preset, style_weight=1.0, content_weight=1.0, tv_weight=0.0, range_weight=0.0)
    style, content = (raw_gradient(plain.replace(**{name: 0.0}), tiny()) for name in ("content_weight", "style_weight"))
    return plain.replace(content_weight=float(style.norm() / content.norm()))


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(GRAM_PRESETS, 2)))
def test_converted_weights_give_the_same_direction(source: str, target: str) -> None:
    options = balanced(source)
    converted = convert(options, Convention.of(balanced(target)), shapes(options))
    difference = gradient(options, tiny()) - gradient(converted, tiny())
    assert difference.norm() < 1e-4


def test_copied_weights_do_not() -> None:
    options = balanced("gatys2015")
    other = Convention.of(balanced("assignment4"))
    copied = options.replace(
        content_reduction=other.content_reduction,
        gram_normalization=other.gram_normalization,
        style_reduction=other.style_reduction,
    )
    assert (gradient(options, tiny()) - gradient(copied, tiny())).norm() > 0.1


def test_activations_ten_times_larger_move_the_ratio_by_a_hundred() -> None:
    options = balanced("ryanchankh")
    larger = Convention("half", "elements", "quarter", activation_scale=10.0)
    converted = convert(options, larger, shapes(options))
    ratio = converted.content_weight / converted.style_weight / (options.content_weight / options.style_weight)
    assert ratio == pytest.approx(100, rel=1e-6)
    assert (gradient(options, tiny()) - gradient(converted, tiny(activation_scale=10.0))).norm() < 1e-4


@pytest.mark.parametrize("preset", ["default", "crowson"])
def test_losses_without_fixed_constants_are_refused(preset: str) -> None:
    with pytest.raises(OptionError, match="depend on the pictures"):
        Convention.of(presets.options_for(preset))
