"""The strength dial: what is aimed at, what holds the photo, and that both ignore units and paths."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

import impasto
from impasto import cli, images, saving
from impasto.backbones import Backbone
from impasto.distances import squared_error
from impasto.errors import OptionError
from impasto.losses import FeatureLoss, Term
from impasto.objective import make_objective, make_terms, style_target
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.regions import Region
from impasto.scene import Picture, View
from impasto.shelf import Shelf
from impasto.statistics import gram
from impasto.strength import balanced
from impasto.synthesis import reconstruct_options, texture_options

LAYERS: dict[str, Any] = {"content_layers": ("relu3_1",), "style_layers": ("relu1_1", "relu2_1")}
FAST: dict[str, Any] = {"size": 48, "min_scale": 48, "first_steps": 25, "device": "cpu", "precision": "float32"}


def random_image(height: int, width: int, seed: int) -> Tensor:
    """Soft random colors, (1, 3, H, W) in [0, 1]."""
    coarse = torch.rand((1, 3, 5, 5), generator=torch.Generator().manual_seed(seed))
    return images.resize_to(coarse, (height, width))


PHOTO, STYLE = random_image(30, 40, 0), random_image(36, 36, 1) ** 3
VIEW = View(PHOTO, (Picture(STYLE),))


def terms_of(backbone: Backbone, view: View = VIEW, **given: Any) -> dict[str, Term]:
    return make_terms(view, backbone, PaintOptions(**LAYERS, **given), Shelf())


@pytest.mark.parametrize("strength", [0.0, 30.0, 100.0])
def test_the_aim_lies_so_far_between_the_photo_and_the_style(strength: float, tiny_backbone: Backbone) -> None:
    """Gram matrices of mixtures lie on a straight line, so the way left is the share that the strength leaves."""
    options = PaintOptions(**LAYERS, style_loss="gram", strength=strength)
    _, target = style_target(VIEW, tiny_backbone, options, Shelf(), None, strength / 100)
    for layer in LAYERS["style_layers"]:
        own, goal = (gram(tiny_backbone(picture, (layer,))[layer]) for picture in (PHOTO, STYLE))
        left = (target[layer] - goal).norm() / (own - goal).norm()
        assert left.item() == pytest.approx(1 - strength / 100, abs=1e-5)


def test_a_region_aims_between_its_own_photo_and_its_own_style(tiny_backbone: Backbone) -> None:
    left = torch.zeros(1, 1, 30, 40)
    left[..., :20] = 1
    view = View(PHOTO, (Picture(STYLE), Picture(1 - STYLE)), (Region((1.0, 0.0), left), Region((0.0, 1.0), 1 - left)))
    options = PaintOptions(**{**LAYERS, "style_layers": ("pixels",)}, style_loss="gram")
    _, target = style_target(view, tiny_backbone, options, Shelf(), None, 0.25)
    for part, own, goal in zip(target["pixels"], PHOTO.split(20, 3), (STYLE, 1 - STYLE), strict=True):
        torch.testing.assert_close(part.target, 0.75 * gram(own) + 0.25 * gram(goal))


@pytest.mark.parametrize("kind", ["gram", "moments", "wasserstein", "sliced", "histogram", "earth-mover"])
def test_at_strength_0_the_photo_is_as_good_as_can_be(kind: str, tiny_backbone: Backbone) -> None:
    terms = terms_of(tiny_backbone, style_loss=kind, strength=0)
    values = make_objective(VIEW, tiny_backbone, terms)(PHOTO)
    scale = terms["photo"].weight
    assert sum(float(value) for value in values.values()) == pytest.approx(0, abs=3e-4 * scale)


@pytest.mark.parametrize("content", ["relative", "mean", "sum", "half"])
@pytest.mark.parametrize(("style", "factor"), [("mean", 1.0), ("sum", 16.0), ("quarter", 4.0)])
def test_units_cancel(content: str, style: str, factor: float, tiny_backbone: Backbone) -> None:
    """Whatever losses are divided by, their sum is the same picture's, but for a factor."""
    given: dict[str, Any] = {"style_layers": ("relu1_1",), "style_loss": "gram", "strength": 40, "tv_weight": 0}
    image = random_image(30, 40, 2)
    totals = []
    for reductions in ({}, {"content_reduction": content, "style_reduction": style}):
        options = PaintOptions(**{**LAYERS, "style_reduction": "mean", "range_weight": 0, **given, **reductions})
        terms = make_terms(VIEW, tiny_backbone, options, Shelf())
        totals.append(sum(float(v) for v in make_objective(VIEW, tiny_backbone, terms)(image).values()))
    assert totals[1] == pytest.approx(factor * totals[0], rel=1e-3)


def test_the_stronger_the_less_holds_the_photo(tiny_backbone: Backbone) -> None:
    found = [terms_of(tiny_backbone, strength=strength) for strength in (0, 10, 50, 90, 100)]
    assert all(more["content"].weight > less["content"].weight > 0 for more, less in pairwise(found))
    assert all(more["photo"].weight > less["photo"].weight for more, less in pairwise(found[:-1]))
    assert "photo" not in found[-1]


def test_without_a_strength_the_weights_are_those_that_were_given(tiny_backbone: Backbone) -> None:
    terms = terms_of(tiny_backbone, content_weight=0.3, style_weight=2.0, tv_weight=0.7)
    assert {name: term.weight for name, term in terms.items()} == {
        "content": 0.3,
        "style": 2.0,
        "variation": 0.7,
        "range": 10.0,
    }


@pytest.mark.parametrize("start", ["content", "noise"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_strength_goes_from_the_photo_to_the_style(start: str, optimizer: str) -> None:
    """Measured by gram matrices of pixels and their edges, which no term of the objective reads."""

    def look(image: Tensor) -> Tensor:
        return gram(torch.cat([image[:, :, 1:, 1:], image.diff(dim=2)[..., 1:], image.diff(dim=3)[:, :, 1:]], 1))

    photo, style = images.resize(PHOTO, 48), images.resize(STYLE, 48)
    ways = []
    for strength in (5, 50, 95):
        painting = impasto.paint(PHOTO, STYLE, **FAST, strength=strength, start=start, optimizer=optimizer)
        ways.append(float((look(painting.image) - look(style)).norm() / (look(photo) - look(style)).norm()))
        assert set(painting.recipe["weights"]) == {"content", "style", "variation", "range", "photo"}
    assert ways[0] > ways[1] > ways[2]
    assert ways[0] == pytest.approx(1, abs=0.25)


def test_a_protected_region_stays_and_masks_work() -> None:
    styles, given = [(STYLE, 1, "left"), (1 - STYLE, 1)], {**FAST, "mask_softness": 0}
    painting = impasto.paint(PHOTO, styles, **given, strength=60, protect="box:0,0,0.3,0.3")
    change = (painting.image - images.resize(PHOTO, 48)).abs()
    assert change[..., :8, :8].max() < 1e-3
    assert change[..., :24].mean() > 0.01
    assert change[..., 24:].mean() > 0.01


def test_tiles_find_the_same_weights() -> None:
    photo = random_image(96, 128, 0)
    given = {**FAST, "size": 128, "min_scale": 128, "first_steps": 1, "strength": 40, "canvas_padding": 0}
    whole, tiled = (impasto.paint(photo, STYLE, **given, tile=tile).recipe["weights"] for tile in (0, 64))
    assert tiled == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("kind", ["sliced", "histogram", "earth-mover", "nearest"])
@pytest.mark.parametrize("mask", [None, "left"])
def test_losses_that_keep_positions_refuse_tiles(kind: str, mask: str | None) -> None:
    given = {**FAST, "size": 128, "min_scale": 128, "first_steps": 1, "canvas_padding": 0, "tile": 64}
    with pytest.raises(OptionError, match="compares positions with each other"):
        impasto.paint(random_image(96, 128, 0), [(STYLE, 1, mask)], **given, style_loss=kind)


@pytest.mark.parametrize("make", [options_for, texture_options])
def test_what_cannot_go_with_a_strength_is_refused(make: Any) -> None:
    with pytest.raises(OptionError, match="--strength"):
        make("default", strength=50, content_weight=0.0)
    with pytest.raises(OptionError, match="--strength"):
        reconstruct_options(strength=50)
    with pytest.raises(OptionError, match=r"--strength is 101.*from 0 to 100 or none"):
        PaintOptions(strength=101)


def test_the_command_says_the_weights_it_found(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    saving.save(PHOTO, tmp_path / "photo.png")
    saving.save(STYLE, tmp_path / "style.png")
    flags = ["--size", "32", "--min-scale", "32", "--first-steps", "2", "--strength", "50"]
    assert cli.run(["paint", str(tmp_path / "photo.png"), str(tmp_path / "style.png"), *flags]) == 0
    assert "strength 50: content weight " in capsys.readouterr().err
    assert cli.run(["paint", "a.png", "b.png", "--strength", "50", "--content-weight", "1"]) == 2
    assert "Give one of them" in capsys.readouterr().err


def test_a_layer_far_beyond_the_others_does_not_silence_them() -> None:
    """As relu5_1 of a face, whose Gram matrix is six times a painting's away from it."""
    apart = {"relu1_1": 0.2, "relu2_1": 0.05, "relu5_1": 35.0}
    layers = balanced(FeatureLoss(dict.fromkeys(apart, 1 / 3), gram, squared_error), apart).layers
    shares = [layers[layer] * 3 * apart[layer] for layer in apart]  # `apart` holds the old weights already
    assert shares == pytest.approx([sum(apart.values()) / 3] * 3)
