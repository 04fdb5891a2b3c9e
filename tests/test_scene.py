"""Scenes: styles in every form, where each goes and where the photo stays, and paintings that follow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from impasto import backbones, images, losses, saving, scene
from impasto.canvas import crop
from impasto.errors import InputError, OptionError
from impasto.objective import make_objective, make_terms
from impasto.options import PaintOptions
from impasto.painting import Painting, paint
from impasto.regions import on_grid
from impasto.saving import read_recipe
from impasto.scene import Style, list_styles
from impasto.shelf import Shelf
from impasto.shipped import DEMO

FAST: dict[str, Any] = {"size": 32, "first_steps": 3, "start": "content", "device": "cpu", "precision": "float32"}
CPU = torch.device("cpu")


def random_image(height: int, width: int, seed: int = 0) -> Tensor:
    coarse = torch.rand((1, 3, 5, 5), generator=torch.Generator().manual_seed(seed))
    return images.resize_to(coarse, (height, width))


CONTENT, STYLE, OTHER = random_image(30, 40), random_image(36, 36, seed=1), random_image(30, 50, seed=2)


def view(styles: Any, protect: Any = None, content: Any = CONTENT, margin: int = 0, **given: Any) -> scene.View:
    options = PaintOptions(**{"mask_softness": 0.0, **given})
    return scene.load(content, list_styles(styles), protect, CPU, options.replace(size=40)).view(40, margin, options)


def cutout(opacity: Tensor) -> Image.Image:
    """CONTENT as a picture with this opacity (30, 40)."""
    picture = images.to_picture(CONTENT)
    picture.putalpha(Image.fromarray((opacity * 255).round().to(torch.uint8).numpy()))
    return picture


@pytest.fixture(scope="module")
def plain() -> Painting:
    return paint(CONTENT, STYLE, **FAST)


# -------------------------------------------------------------------------------------------------------- styles


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.jpg", [("a.jpg", 1.0, None)]),
        (["a.jpg", "b.jpg"], [("a.jpg", 1.0, None), ("b.jpg", 1.0, None)]),
        ([("a.jpg", 0.7), ("b.jpg", 3, "left")], [("a.jpg", 0.7, None), ("b.jpg", 3, "left")]),
        (Style("a.jpg", mask="top"), [("a.jpg", 1.0, "top")]),
    ],
)
def test_styles_may_be_given_in_every_form(given: Any, expected: list[tuple[Any, ...]]) -> None:
    assert [tuple(style) for style in list_styles(given)] == expected


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf"), True, "0.5"])
def test_a_bad_weight_is_refused(weight: Any) -> None:
    with pytest.raises(OptionError, match="must be a number above 0"):
        list_styles([("a.jpg", weight)])


def test_no_style_is_refused() -> None:
    with pytest.raises(OptionError, match="empty"):
        list_styles([])


def test_weights_are_shares_of_one_another() -> None:
    (region,) = view([(STYLE, 3), (OTHER, 1)]).regions
    assert region.shares == (0.75, 0.25)
    assert region.weights is None


# -------------------------------------------------------------------------------------------------------- places


def shares_of(found: scene.View) -> Tensor:
    """Each style's share of what is painted at every pixel, (K, H, W), from hard masks."""
    return sum(torch.tensor(region.shares).view(-1, 1, 1) * region.weights[0] for region in found.regions)


def test_a_style_without_a_mask_takes_what_is_left() -> None:
    shares = shares_of(view([(STYLE, 1, "left"), OTHER]))
    assert torch.equal(shares[0], (torch.arange(40) < 20).float().expand(30, 40))
    torch.testing.assert_close(shares.sum(0), torch.ones(30, 40))


def test_where_masks_overlap_weights_decide() -> None:
    shares = shares_of(view([(STYLE, 3, "all"), (OTHER, 1, "top")]))
    torch.testing.assert_close(shares[1], 0.25 * (torch.arange(30) < 15).float().view(-1, 1).expand(30, 40))


def test_where_no_mask_reaches_the_photo_stays() -> None:
    found = view([(STYLE, 1, "left")])
    assert found.kept is not None
    assert torch.equal(found.kept[0, 0], (torch.arange(40) >= 20).float().expand(30, 40))
    torch.testing.assert_close(shares_of(found)[0], 1 - found.kept[0, 0])


def test_protection_and_opacity_take_from_what_is_painted() -> None:
    opacity = torch.ones(30, 40)
    opacity[:10] = 0.2
    found = view([STYLE], protect="right", content=cutout(opacity))
    torch.testing.assert_close(shares_of(found)[0], opacity * (torch.arange(40) < 20), atol=0.01, rtol=0)


def test_masks_have_the_margin_of_the_canvas_and_regions_none() -> None:
    found = view([(STYLE, 1, "left")], margin=5)
    assert found.content.shape[2:] == found.kept.shape[2:] == (40, 50)
    assert found.regions[0].weights.shape[2:] == (30, 40)
    assert torch.equal(crop(found.kept, 5), view([(STYLE, 1, "left")]).kept)


@pytest.mark.parametrize("protect", ["all", torch.ones(30, 40)])
def test_a_picture_with_nothing_left_to_paint_is_refused(protect: Any) -> None:
    with pytest.raises(OptionError, match="leave nothing to paint"):
        paint(CONTENT, STYLE, protect=protect, **FAST)


@pytest.mark.parametrize("mask", ["ellipse:20,15,10,10", torch.zeros(30, 40)])
def test_a_mask_that_covers_nothing_is_refused(mask: Any) -> None:
    for given in ({"style": [(STYLE, 1, mask), OTHER]}, {"style": STYLE, "protect": mask}):
        with pytest.raises(OptionError, match="covers nothing"):
            paint(CONTENT, **given, **FAST)


def test_a_picture_that_is_transparent_everywhere_is_refused() -> None:
    with pytest.raises(InputError, match="transparent everywhere"):
        paint(cutout(torch.zeros(30, 40)), STYLE, **FAST)


@pytest.mark.parametrize("styles", [STYLE, [(STYLE, 1, "left"), (OTHER, 1)]])
def test_what_is_cut_off_is_no_part_of_the_picture_s_statistics(styles: Any) -> None:
    """relu1_1 sees one pixel around: beyond it in the margin nothing moves the style loss, inside everything does."""
    seen = view(styles, margin=16)
    options = PaintOptions(style_layers=("relu1_1",), content_weight=0, tv_weight=0, range_weight=0)
    backbone = backbones.load("petit", dtype=torch.float32)
    canvas = seen.content.clone().requires_grad_()
    make_objective(seen, backbone, make_terms(seen, backbone, options, Shelf()))(canvas)["style"].sum().backward()
    assert canvas.grad is not None
    felt = canvas.grad.abs().sum(1)[0] > 0
    assert felt[16:-16, 16:-16].float().mean() > 0.99
    felt[15:-15, 15:-15] = False
    assert not felt.any()


# ------------------------------------------------------------------------------------------------------ paintings


@pytest.mark.parametrize(
    "styles", [[STYLE], [(STYLE, 0.3), (STYLE, 0.7)], [(STYLE, 1, "all")], [(STYLE, 1, "gradient:left"), STYLE]]
)
def test_one_style_in_many_words_is_one_style(styles: Any, plain: Painting) -> None:
    """With a soft mask between equal styles there are many regions, each matched alone: the same look, not the same sum."""
    tolerance = 1e-3 if len(styles) == 1 or not isinstance(styles[0], tuple) or len(styles[0]) == 2 else 0.3
    torch.testing.assert_close(paint(CONTENT, styles, **FAST).image, plain.image, atol=tolerance, rtol=0)


def test_half_of_two_styles_lies_between_them() -> None:
    alone = [paint(CONTENT, style, **FAST).recipe["loss"] for style in (STYLE, OTHER)]
    assert min(alone) * 0.2 < paint(CONTENT, [STYLE, OTHER], **FAST).recipe["loss"] < max(alone) * 1.5


@pytest.mark.parametrize("colors", ["style", "keep"])
@pytest.mark.parametrize("start", ["content", "noise"])
def test_what_is_protected_is_the_photo(colors: str, start: str) -> None:
    mask = torch.zeros(30, 40)
    mask[:, :20] = 1
    result = paint(
        CONTENT, STYLE, protect=mask, **{**FAST, "size": 40, "first_steps": 6, "start": start}, colors=colors
    ).image
    torch.testing.assert_close(result[..., :20], CONTENT[..., :20], atol=1e-5, rtol=0)
    assert float((result - CONTENT)[..., 20:].abs().mean()) > 0.005


def test_each_half_comes_nearer_to_its_own_style() -> None:
    red, blue = (torch.tensor(c).view(1, 3, 1, 1) * (0.5 + 0.5 * STYLE) for c in ((1.0, 0.2, 0.1), (0.1, 0.2, 1.0)))
    styles = [(red, 1, "left"), (blue, 1, "right")]
    image = paint(CONTENT, styles, **{**FAST, "first_steps": 20, "content_weight": 0}).image
    left, right = image[..., :12].mean((0, 2, 3)), image[..., -12:].mean((0, 2, 3))
    assert left[0] > right[0] + 0.1
    assert right[2] > left[2] + 0.1


LAYERS = {f"relu{block}_1": 0.2 for block in range(1, 6)}


def style_distance(image: Tensor, style: Tensor, place: slice) -> float:
    """Wasserstein-2 between some columns of an image and a style, on the shipped network."""
    backbone, loss = backbones.load("petit"), losses.style_loss(LAYERS, "wasserstein", "relative", "positions")
    features, mask = backbone(image, tuple(LAYERS)), torch.zeros(1, 1, *image.shape[2:])
    mask[..., place] = 1
    target = loss.target(backbone(style, tuple(LAYERS)))
    found = [loss.distance(loss.statistic(x, weights=on_grid(mask, x)), target[name]) for name, x in features.items()]
    return float(torch.stack(found).mean())


@torch.no_grad()
def test_two_regions_are_as_near_to_their_styles_as_two_paintings_and_no_band_lies_between() -> None:
    photo, one, other = (images.resize(images.load(DEMO / f"{name}.jpg"), 96) for name in ("valley", "swirl", "mosaic"))
    options = {**FAST, "size": 96, "min_scale": 96, "first_steps": 60, "canvas_padding": 8, "style_frame": "keep"}
    with torch.enable_grad():
        alone = [paint(photo, style, **options).image for style in (one, other)]
        both = paint(photo, [(one, 1, "left"), other], **options, mask_softness=0.15).image
    places = slice(0, 43), slice(53, 96)
    for image, style, place in zip(alone, (one, other), places, strict=True):
        assert style_distance(both, style, place) < 1.1 * style_distance(image, style, place)
        assert style_distance(both, style, place) < 0.5 * style_distance(photo, style, place)
    energy = both.diff(dim=3).square().mean((0, 1, 2))
    left, middle, right = (float(energy[part].mean()) for part in (places[0], slice(43, 53), places[1]))
    assert 0.8 * min(left, right) < middle < 1.2 * max(left, right)


def test_transparent_in_transparent_out(tmp_path: Path) -> None:
    opacity = torch.ones(30, 40)
    opacity[:, :10], opacity[:, 10:14] = 0, 0.5
    result = paint(cutout(opacity), STYLE, **{**FAST, "size": 40})
    assert result.opacity is not None
    torch.testing.assert_close(result.opacity[0, 0], opacity, atol=0.01, rtol=0)
    assert result.picture.mode == "RGBA"
    with Image.open(result.save(tmp_path / "out.png")) as written:
        assert torch.equal(torch.from_numpy(np.array(written.getchannel("A"))), (opacity * 255).round().to(torch.uint8))
    on_white = images.load(tmp_path / "out.png")  # half opaque on white, nothing is darker than gray
    expected = result.image.clamp_min(0.5 * (opacity < 0.9).float())[..., 10:]
    torch.testing.assert_close(on_white[..., 10:], expected, atol=0.01, rtol=0)
    opaque = images.load(result.save(tmp_path / "out.jpg"))
    assert float(opaque[..., :8].mean()) > 0.97


def test_what_is_transparent_in_a_style_is_not_its_style() -> None:
    """Two styles that differ only where they are transparent paint the same picture."""
    opacity = Image.new("L", (36, 36), 255)
    opacity.paste(0, (0, 0, 18, 36))
    pictures = []
    for seed in (1, 2):
        picture = images.to_picture(torch.cat([random_image(36, 18, seed), STYLE[..., 18:]], 3))
        picture.putalpha(opacity)
        pictures.append(paint(CONTENT, picture, **{**FAST, "size": 36}).image)
    assert torch.equal(*pictures)


@pytest.mark.parametrize("way", ["keep", "match", "histogram"])
def test_colors_are_matched_to_what_is_seen(way: str) -> None:
    """A photo's and a style's white ground are not in their palettes."""
    half = torch.zeros(30, 40)
    half[:, :20] = 1
    options = PaintOptions(colors=way)
    photo, style = (scene.Picture(picture, half[None, None]) for picture in (CONTENT, OTHER[..., :40]))
    found = scene.style_at(40, style, photo, options).image[..., :20]
    parts = (scene.Picture(picture.image[..., :20]) for picture in (style, photo))
    torch.testing.assert_close(found, scene.style_at(30, *parts, options).image, atol=1e-4, rtol=0)


# --------------------------------------------------------------------------------------------------------- recipe


def test_the_recipe_holds_styles_weights_and_masks(tmp_path: Path) -> None:
    saving.save(torch.ones(1, 3, 30, 40), tmp_path / "mask.png")
    saving.save(STYLE, tmp_path / "style.png")
    styles = [(tmp_path / "style.png", 0.7, "left"), (OTHER, 0.3, str(tmp_path / "mask.png")), STYLE]
    result = paint(CONTENT, styles, protect="ellipse:0.5,0.5,0.1,0.1", **{**FAST, "first_steps": 1})
    inputs = result.recipe["inputs"]
    assert list(inputs) == ["content", "style", "mask", "style-2", "mask-2", "style-3", "protect"]
    assert (inputs["style"]["name"], inputs["style"]["weight"]) == ("style.png", 0.7)
    assert inputs["mask"] == {"shape": "left"}
    assert inputs["mask-2"]["name"] == "mask.png"
    assert len(inputs["mask-2"]["sha256"]) == 64
    assert inputs["protect"] == {"shape": "ellipse:0.5,0.5,0.1,0.1"}
    assert str(tmp_path) not in json.dumps(result.recipe)
    assert read_recipe(result.save(tmp_path / "out.png")) == result.recipe


def test_one_plain_style_s_recipe_is_as_short_as_ever(plain: Painting) -> None:
    assert [sorted(entry) for entry in plain.recipe["inputs"].values()] == [["bytes", "name", "sha256"]] * 2
