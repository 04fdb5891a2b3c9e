"""Textures and reconstructions: what one picture's features or statistics keep of it."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import impasto
from impasto import backbones, distances, images, statistics
from impasto.errors import OptionError
from impasto.synthesis import reconstruct_options, texture_options

RELUS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def scene() -> Tensor:
    """A small picture with shapes, colors and texture: (1, 3, 64, 80)."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 80), indexing="ij")
    waves = 0.5 + 0.5 * torch.sin(40 * rows + 6 * torch.sin(9 * columns))
    disc = (((rows - 0.4) ** 2 + (columns - 0.6) ** 2) < 0.06).float()
    return torch.stack([0.8 * waves * (1 - disc) + 0.2, 0.3 + 0.5 * disc, 0.9 * columns * (1 - disc)])[None]


def psnr(one: Tensor, other: Tensor) -> float:
    return -10 * math.log10(float((one - other).square().mean()))


def gram_distance(one: Tensor, other: Tensor, layers: Sequence[str] = RELUS) -> Tensor:
    """Relative Gram distance, mean over the layers, by the shipped network in float32."""
    petit = backbones.load()
    first, second = petit(one, layers), petit(other, layers)
    return torch.stack(
        [
            distances.squared_error(statistics.gram(first[k]), statistics.gram(second[k]), "relative").sqrt()
            for k in layers
        ]
    ).mean()


def test_a_reconstruction_from_the_first_layer_is_the_picture_and_fades_with_depth() -> None:
    picture = scene()
    found = [psnr(impasto.reconstruct(picture, layer=layer, size=80, steps=120).image, picture) for layer in RELUS]
    assert found[0] >= 25
    assert found == sorted(found, reverse=True)


def test_two_seeds_give_two_pictures_of_one_texture() -> None:
    style = scene()
    one, two = (impasto.texture(style, size=80, first_steps=120, seed=seed).image for seed in (1, 2))
    assert psnr(one, two) < 20
    noise = torch.rand(one.shape, generator=torch.Generator().manual_seed(0))
    to_style = [float(gram_distance(image, style)) for image in (one, two)]
    assert max(to_style) < 0.5 * float(gram_distance(noise, style))
    assert to_style[0] == pytest.approx(to_style[1], abs=0.1 * float(gram_distance(noise, style)))


def test_a_seamless_texture_has_no_seam() -> None:
    image = impasto.texture(scene(), width=64, height=64, seamless=True, first_steps=60).image
    assert image.shape == (1, 3, 64, 64)
    for axis in (2, 3):
        inside = image.diff(dim=axis).abs().mean(1).flatten()
        first, last = image.select(axis, 0), image.select(axis, -1)
        assert float((first - last).abs().mean()) <= float(torch.quantile(inside, 0.99))


def test_an_ordinary_texture_keeps_the_aspect_or_takes_the_shape_that_is_asked_for() -> None:
    quick = {"first_steps": 2, "steps": 2}
    assert impasto.texture(scene(), size=40, **quick).image.shape == (1, 3, 32, 40)
    assert impasto.texture(scene(), width=48, height=32, **quick).image.shape == (1, 3, 32, 48)


def test_style_layers_reconstruct_statistics_not_places() -> None:
    picture = scene()
    painting = impasto.reconstruct(picture, style_layers=("relu1_1", "relu2_1"), size=80, steps=100, canvas_padding=0)
    assert painting.recipe["options"]["content_weight"] == 0
    assert psnr(painting.image, picture) < 20
    assert float(gram_distance(painting.image, picture, ("relu1_1", "relu2_1"))) < 0.2


def test_steps_can_be_watched_and_left() -> None:
    steps = impasto.texture_steps(scene(), size=32, first_steps=50)
    first = next(steps)
    steps.close()
    assert (first.index, first.total) == (1, 50)
    images.to_picture(first.painting.image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 64}, "both --width and --height"),
        ({"width": 64, "height": -3}, "--height is -3; it must be a whole number from 16 to 16384"),
        ({"width": 0, "height": 64}, "--width is 0"),
        ({"width": 300, "height": "200"}, "--height is '200'"),
        ({"content_weight": 1.0}, "has no content"),
        ({"start": "content"}, "no content to start from"),
        ({"colors": "keep"}, "no photo for --colors keep"),
    ],
)
def test_a_texture_refuses_what_makes_no_sense(given: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        texture_options(**given)  # type: ignore[arg-type]


def test_a_tile_that_the_network_cannot_close_is_refused() -> None:
    with pytest.raises(OptionError, match="multiple of 16"):
        impasto.texture(scene(), width=72, height=64, seamless=True)


def test_so_many_steps_are_so_many_at_the_first_scale_too() -> None:
    assert (texture_options().first_steps, texture_options(steps=6).first_steps) == (100, 0)
    assert texture_options(steps=6, first_steps=9).first_steps == 9


def test_single_options_go_before_a_bundle() -> None:
    quick = {"min_scale": 16384, "first_steps": 0, "device": "cpu", "precision": "float32"}
    bundle = texture_options(size=64, steps=2, **quick)
    woven = impasto.texture(scene(), bundle, steps=1, width=32, height=48)
    assert (len(woven.history), woven.image.shape) == (1, (1, 3, 48, 32))
    with pytest.raises(OptionError, match="Did you mean 'steps'"):
        impasto.texture(scene(), bundle, step=1)
    inside = impasto.reconstruct(scene(), reconstruct_options(size=32, steps=1, **quick), layer="relu2_1")
    assert inside.recipe["options"]["content_layers"] == ["relu2_1"]


def test_a_reconstruction_reads_relu4_2_unless_told_otherwise() -> None:
    assert reconstruct_options().content_layers == ("relu4_2",)
    assert reconstruct_options(layer="relu2_1").content_layers == ("relu2_1",)
    assert reconstruct_options(style_layers=("relu1_1",)).content_weight == 0
