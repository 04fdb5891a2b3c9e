"""Masks: shapes by their areas and places, pictures and opacity, and what is refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from impasto import masks, saving
from impasto.errors import InputError, OptionError

PHOTO = torch.zeros(1, 3, 60, 80)
SHAPE = (60, 80)


def draw(source: Any, shape: tuple[int, int] = SHAPE, softness: float = 0.0, opacity: Tensor | None = None) -> Tensor:
    mask = masks.load(source, PHOTO, opacity)(shape, softness)
    assert mask.shape == (1, 1, *shape)
    assert 0 <= mask.min() <= mask.max() <= 1
    return mask


@pytest.mark.parametrize(
    ("source", "area"),
    [
        ("all", 1.0),
        ("left", 0.5),
        ("bottom", 0.5),
        ("gradient:top", 0.5),
        ("box:0.25,0.5,0.75,1", 0.25),
        ("ellipse:0.5,0.5,0.4,0.3", math.pi * 0.4 * 0.3),
        ("ellipse:0,0,0.5,0.5", math.pi * 0.5 * 0.5 / 4),
    ],
)
@pytest.mark.parametrize("softness", [0.0, 0.1])
def test_a_shape_has_its_area_at_every_size_and_softness(source: str, area: float, softness: float) -> None:
    for shape in (SHAPE, (480, 640), (200, 100)):
        assert float(draw(source, shape, softness).mean()) == pytest.approx(area, abs=0.015)


@pytest.mark.parametrize(("one", "other"), [("left", "right"), ("top", "bottom"), ("gradient:left", "gradient:right")])
@pytest.mark.parametrize("softness", [0.0, 0.3])
def test_opposite_sides_add_up_to_everything(one: str, other: str, softness: float) -> None:
    torch.testing.assert_close(draw(one, softness=softness) + draw(other, softness=softness), torch.ones(1, 1, *SHAPE))


@pytest.mark.parametrize(
    ("source", "inside", "beyond"),
    [
        ("left", (30, 5), (30, 75)),
        ("right", (30, 75), (30, 5)),
        ("top", (5, 40), (55, 40)),
        ("bottom", (55, 40), (5, 40)),
        ("gradient:bottom", (59, 40), (0, 40)),
        ("box:0.5,0,1,0.5", (10, 60), (50, 60)),
        ("ellipse:0.25,0.75,0.1,0.1", (45, 20), (15, 20)),
    ],
)
def test_a_shape_lies_where_its_name_says(source: str, inside: tuple[int, int], beyond: tuple[int, int]) -> None:
    mask = draw(source, softness=0.02)[0, 0]
    assert mask[inside] > 0.98
    assert mask[beyond] < 0.02


def test_an_edge_is_as_soft_as_asked_in_every_direction() -> None:
    mask = draw("ellipse:0.5,0.5,0.25,0.5", (200, 400), softness=0.1)[0, 0]  # a circle of 100 pixels
    for line in (mask[100], mask[:, 200]):
        between = int(((line > 0) & (line < 1)).sum())
        assert between == pytest.approx(2 * 40, abs=4) or between == pytest.approx(2 * 20, abs=4)  # cut by the border


def test_a_picture_is_a_mask_by_its_brightness_and_opacity(tmp_path: Path) -> None:
    pixels = np.zeros((30, 40, 4), np.uint8)
    pixels[:, :20] = 255
    pixels[:15, :, 3], pixels[15:, :, 3] = 255, 0
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    mask = draw(str(tmp_path / "mask.png"), (30, 40))
    expected = torch.zeros(1, 1, 30, 40)
    expected[:, :, :15, :20] = 1
    assert torch.equal(mask, expected)


@pytest.mark.parametrize("form", [lambda x: x, lambda x: x[None], lambda x: x[None, None], lambda x: x.numpy()])
def test_a_mask_may_be_a_tensor_or_an_array(form: Any) -> None:
    mask = torch.rand(60, 80, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(draw(form(mask)), mask[None, None])


def test_the_photo_s_own_opacity_is_a_mask() -> None:
    opacity = torch.rand(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw("alpha", opacity=opacity), opacity)
    assert torch.equal(draw("alpha"), torch.ones(1, 1, *SHAPE))


def test_a_file_with_a_shape_s_name_needs_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saving.save(torch.ones(1, 3, 60, 80), "ellipse:a.png")
    saving.save(torch.ones(1, 3, 60, 80), "box.png")
    assert float(draw("box.png").mean()) == 1
    assert float(draw("./ellipse:a.png").mean()) == 1


@pytest.mark.parametrize(
    "source",
    [
        "ellipse:0.5,0.5",
        "ellipse:a,b,c,d",
        "ellipse:0.5,0.5,0,1",
        "box:0.5,0,0.2,1",
        "gradient:middle",
        "box:nan,0,1,1",
    ],
)
def test_a_shape_gone_wrong_is_refused_with_an_example(source: str) -> None:
    with pytest.raises(OptionError, match=r"such as ellipse:0.5,0.4,0.2,0.3"):
        masks.load(source, PHOTO, None)


def test_what_is_neither_file_nor_shape_is_refused() -> None:
    with pytest.raises(OptionError, match=r"'lef' is neither a file nor a shape. The shapes are left, right"):
        masks.load("lef", PHOTO, None)


def test_a_mask_of_another_aspect_is_refused() -> None:
    with pytest.raises(InputError, match="80 x 80 pixels and the photo 80 x 60"):
        masks.load(torch.ones(80, 80), PHOTO, None)
