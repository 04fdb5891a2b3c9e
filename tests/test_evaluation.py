"""The report card: known cases in their right order, and figures that agree with the losses they are made of."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from impasto import backbones, evaluation, images, losses, saving
from impasto.errors import InputError
from impasto.evaluation import CONTENT_LAYERS, MEASURES, STYLE_LAYERS, Report, evaluate
from impasto.options import StylizeOptions
from impasto.painting import Painting, paint
from impasto.shipped import DEMO
from impasto.stylizer import Stylizer
from impasto.synthesis import texture

SIZE = 192
PHOTO, STYLE = DEMO / "valley.jpg", DEMO / "swirl.jpg"


@pytest.fixture(scope="module")
def judge() -> backbones.Backbone:
    return backbones.load("petit")


@pytest.fixture(scope="module")
def output() -> Painting:
    return Stylizer(StylizeOptions(size=SIZE, engine="torch", passes=1, strength=75)).paint(PHOTO, STYLE)


def judged(image: Tensor, judge: backbones.Backbone) -> Report:
    return evaluate(image, PHOTO, STYLE, backbone=judge)


@pytest.fixture(scope="module")
def as_painted(output: Painting, judge: backbones.Backbone) -> Report:
    return judged(output.image, judge)


@pytest.mark.parametrize("damaged", [{"options": {"tv_weight": "x"}}, {"options": []}, {"verb": 3}, {"passes": "x"}])
def test_a_recipe_that_cannot_be_followed_is_no_hindrance(
    damaged: dict[str, object], output: Painting, judge: backbones.Backbone, tmp_path: Path
) -> None:
    saving.save(output.image, tmp_path / "out.png", recipe={**output.recipe, **damaged})
    assert evaluate(tmp_path / "out.png", PHOTO, STYLE, backbone=judge)["style"] < 1


def test_photo_half_strength_full_strength_and_style_come_in_this_order(
    output: Painting, as_painted: Report, judge: backbones.Backbone
) -> None:
    half = Stylizer(StylizeOptions(size=SIZE, engine="torch", strength=50, passes=1)).paint(PHOTO, STYLE).image
    shape = (output.image.shape[2], output.image.shape[3])
    ends = [images.resize_to(images.load(path), shape) for path in (PHOTO, STYLE)]
    photo, middle, style = (judged(one, judge) for one in (ends[0], half, ends[1]))
    cards = [photo, middle, as_painted, style]
    for falling in ("style", "gram", "moments", "wasserstein", "fid", "color", "ssim", "contours"):
        values = [card[falling] for card in cards]
        assert values == sorted(values, reverse=True), (falling, values)
    for rising in ("content", "perceptual", "color_to_photo"):
        values = [card[rising] for card in cards]
        assert values == sorted(values), (rising, values)


def test_the_photo_is_nowhere_on_the_way_and_the_style_at_its_end(judge: backbones.Backbone) -> None:
    photo, style = (images.resize(images.load(path), SIZE) for path in (PHOTO, STYLE))
    first, last = evaluate(photo, photo, style, backbone=judge), evaluate(style, PHOTO, style, backbone=judge)
    assert first.values["style"] == pytest.approx(dict.fromkeys(STYLE_LAYERS, 1.0))
    assert first["strength"] == pytest.approx(0, abs=0.1)
    assert first["content"] == first["perceptual"] == first["color_to_photo"] == 0
    assert first["ssim"] == pytest.approx(1)
    assert last["style"] < 0.02
    assert last["strength"] > 98
    assert last["gram"] == last["color"] == 0


def test_a_blurred_output_has_lost_sharpness_and_fine_style(
    output: Painting, as_painted: Report, judge: backbones.Backbone
) -> None:
    small = images.resize(output.image, SIZE // 3)
    blurred = judged(images.resize_to(small, (output.image.shape[2], output.image.shape[3])), judge)
    sharp, soft = as_painted.values["sharpness"], blurred.values["sharpness"]
    assert isinstance(sharp, dict)
    assert isinstance(soft, dict)
    assert soft["picture"] < sharp["picture"] / 2
    assert blurred["style"] > as_painted["style"]
    assert blurred["color"] == pytest.approx(as_painted["color"], abs=0.01)


def test_a_color_shifted_output_is_further_in_color_and_keeps_its_contours(
    output: Painting, as_painted: Report, judge: backbones.Backbone
) -> None:
    shifted = judged(output.image[:, [1, 2, 0]], judge)
    assert shifted["color"] > 2 * as_painted["color"]
    assert shifted["style"] > as_painted["style"]
    assert shifted["contours"] > 0.7 * as_painted["contours"]


def test_a_shuffled_output_keeps_its_style_and_loses_its_content(
    output: Painting, as_painted: Report, judge: backbones.Backbone
) -> None:
    """Twelve tiles, none of them cut off."""
    tile = SIZE // 4
    tiles = output.image[0].unfold(1, tile, tile).unfold(2, tile, tile)
    rows, columns = tiles.shape[1:3]
    order = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(0))
    mixed = tiles.flatten(1, 2)[:, order].unflatten(1, (rows, columns))
    image = mixed.permute(0, 1, 3, 2, 4).reshape(1, 3, rows * tile, columns * tile)
    shuffled = judged(image, judge)
    assert shuffled["content"] > as_painted["content"]
    assert shuffled["ssim"] < as_painted["ssim"] / 2
    assert shuffled["contours"] < as_painted["contours"] / 2
    assert shuffled["color"] == pytest.approx(as_painted["color"], abs=1e-3)
    assert shuffled["gram"] == pytest.approx(as_painted["gram"], abs=0.15)


# ----------------------------------------------------------------------------------------- the same by the losses


def test_style_distances_are_those_of_the_losses(
    output: Painting, as_painted: Report, judge: backbones.Backbone
) -> None:
    style = images.resize(images.load(STYLE), SIZE)
    with torch.no_grad():
        given, wanted = (judge(one, STYLE_LAYERS) for one in (output.image, style))
        for name, kind, power in (("gram", "gram", 2), ("moments", "moments", 2), ("wasserstein", "wasserstein", 2)):
            loss = losses.style_loss(dict.fromkeys(STYLE_LAYERS, 1.0), kind, "relative", "positions")
            expected = {layer: float(one) for layer, one in loss.by_layer(given, loss.target(wanted)).items()}
            values = as_painted.values[name]
            assert isinstance(values, dict)
            assert {layer: one**power for layer, one in values.items()} == pytest.approx(expected, rel=1e-3)


def test_two_styles_are_judged_as_their_mixture(judge: backbones.Backbone) -> None:
    photo = images.resize(images.load(PHOTO), SIZE)
    twice = evaluate(photo, photo, [(STYLE, 0.3), (STYLE, 0.7)], backbone=judge)
    once = evaluate(photo, photo, STYLE, backbone=judge)
    assert twice.values["gram"] == pytest.approx(once.values["gram"], rel=1e-4)
    assert twice["color"] == pytest.approx(once["color"], rel=0.02)
    ends = [evaluate(photo, photo, [(STYLE, a), (DEMO / "woodcut.jpg", 1 - a)], backbone=judge)["color"]
            for a in (0.999, 0.5, 0.001)]  # fmt: skip
    assert ends == sorted(ends) or ends == sorted(ends, reverse=True)


def test_the_network_that_judges_stands_in_the_report(as_painted: Report, judge: backbones.Backbone) -> None:
    data = json.loads(json.dumps(as_painted.as_dict()))
    assert data["judge"] == {"backbone": "petit", "weights_sha256": judge.fingerprint}
    assert set(data["measures"]) == set(MEASURES)
    assert set(data["measures"]["content"]) == set(CONTENT_LAYERS)


def test_a_painting_reports_on_itself(output: Painting, as_painted: Report) -> None:
    assert output.report().values == as_painted.values
    assert output.recipe["doctor"]["scores"].keys() == evaluation.doctor.FAULTS.keys()


def test_an_optimised_painting_is_examined_once_at_its_end() -> None:
    painting = paint(PHOTO, STYLE, size=64, min_scale=64, first_steps=2, canvas_padding=4)
    assert "doctor" in painting.recipe
    assert painting.report()["style"] < 1.05


@pytest.mark.parametrize(("height", "width"), [(10, 100), (10, 12), (64, 15)])
def test_a_picture_too_small_to_be_judged_is_refused(height: int, width: int, judge: backbones.Backbone) -> None:
    with pytest.raises(InputError, match=f"The picture is {width} x {height} pixels, but each side needs 16"):
        judged(torch.rand(1, 3, height, width), judge)


def test_a_texture_has_no_photo_to_report_on() -> None:
    with pytest.raises(InputError, match="photo and style"):
        texture(STYLE, size=32, min_scale=32, first_steps=1).report()
