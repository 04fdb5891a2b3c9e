"""Frames: what is planted is found to the pixel, what has none is let alone, and painting leaves them out."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import impasto
from impasto import cli, frames, images, saving
from impasto.frames import Frame
from impasto.presets import PRESETS
from impasto.shipped import DEMO

TINY = {"size": 48, "min_scale": 48, "steps": 2, "start": "content"}
WOOD = (0.35, 0.2, 0.1)


def framed(picture: Tensor, left: int, top: int, right: int, bottom: int, color: tuple[float, ...] = WOOD) -> Tensor:
    """The picture (1, 3, H, W) with its outermost pixels in that color."""
    height, width = picture.shape[2:]
    found = torch.tensor(color).view(1, 3, 1, 1).expand_as(picture).clone()
    inside = ..., slice(top, height - bottom), slice(left, width - right)
    found[inside] = picture[inside]
    return found


@pytest.fixture
def swirl() -> Tensor:
    """A painting of 400 x 300 pixels without a frame."""
    return images.resize_to(images.load(DEMO / "swirl.jpg"), (300, 400))


@pytest.mark.parametrize("widths", [(9, 7, 12, 10), (3, 3, 3, 3), (30, 20, 25, 22), (8, 8, 8, 0), (0, 6, 6, 6)])
def test_a_planted_frame_is_found(swirl: Tensor, widths: tuple[int, int, int, int]) -> None:
    found = frames.find(framed(swirl, *widths))
    assert found is not None
    pixels = [share * edge for share, edge in zip(found, (400, 300, 400, 300), strict=True)]
    for wide, planted in zip(pixels, widths, strict=True):
        assert planted <= wide <= planted + (3 if planted else 0)


def test_of_a_frame_in_several_bands_all_is_cut(swirl: Tensor) -> None:
    found = frames.find(framed(framed(swirl, 14, 14, 14, 14, (0.8, 0.7, 0.3)), 6, 6, 6, 6, (0.0, 0.0, 0.0)))
    assert found is not None
    assert min(found.left * 400, found.top * 300, found.right * 400, found.bottom * 300) >= 14


def test_a_frame_is_as_wide_at_any_size(swirl: Tensor) -> None:
    picture = framed(swirl, 12, 9, 12, 9)
    small, large = frames.find(picture), frames.find(F.interpolate(picture, scale_factor=4, mode="nearest"))
    assert small is not None
    assert large is not None
    assert max(abs(one - other) for one, other in zip(small, large, strict=True)) < 0.02


@pytest.mark.parametrize("name", ["swirl", "woodcut", "points", "fauve", "valley"])
def test_what_has_no_frame_is_let_alone(name: str) -> None:
    picture = images.load(DEMO / f"{name}.jpg")
    assert frames.find(picture) is None
    assert frames.without(picture) is picture


def test_a_horizon_near_an_edge_is_no_frame(swirl: Tensor) -> None:
    assert frames.find(framed(swirl, 0, 12, 0, 0)) is None
    assert frames.find(framed(swirl, 0, 12, 0, 15)) is None


@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (40, 17)])
def test_a_tiny_picture_has_none(shape: tuple[int, int]) -> None:
    assert frames.find(torch.full((1, 3, *shape), 0.5)) is None


def test_cutting_leaves_what_is_inside(swirl: Tensor) -> None:
    assert torch.equal(Frame(0.1, 0.02, 0.05, 0.0).cut(swirl), swirl[:, :, 6:, 40:380])


def test_painting_leaves_the_frame_out(swirl: Tensor) -> None:
    style = framed(swirl, 9, 9, 9, 9)
    cut = frames.without(style)
    assert cut.shape[2:] != style.shape[2:]
    painted, expected, whole = (
        impasto.paint(DEMO / "valley.jpg", one, **TINY, style_frame=way)
        for one, way in ((style, "cut"), (cut, "keep"), (style, "keep"))
    )
    assert torch.equal(painted.image, expected.image)
    assert not torch.equal(painted.image, whole.image)
    found = frames.find(style)
    assert found is not None
    assert painted.recipe["inputs"]["style"]["frame"] == [round(share, 4) for share in found]
    assert "frame" not in whole.recipe["inputs"]["style"]


def test_a_texture_has_the_shape_of_what_is_inside(swirl: Tensor) -> None:
    made = impasto.texture(framed(swirl, 30, 9, 30, 9), size=48, steps=1, first_steps=1)
    assert made.image.shape[2] > 48 * 300 / 400


def test_a_stylized_picture_and_its_report_leave_it_out(swirl: Tensor, tmp_path: Path) -> None:
    style = framed(swirl, 9, 9, 9, 9)
    saving.write(saving.encode(style, ".png"), tmp_path / "framed.png")
    saving.write(saving.encode(frames.without(style), ".png"), tmp_path / "inside.png")
    painted, expected = (
        impasto.stylize(DEMO / "valley.jpg", tmp_path / f"{name}.png", size=48, engine="torch")
        for name in ("framed", "inside")
    )
    assert torch.equal(painted.image, expected.image)
    photo = images.resize(images.load(DEMO / "valley.jpg"), 48)
    cards = [impasto.evaluate(photo, photo, tmp_path / f"{name}.png").values for name in ("framed", "inside")]
    assert cards[0] == cards[1]


@pytest.mark.parametrize("way", ["cut", "keep"])
def test_a_report_goes_by_what_the_picture_s_recipe_says(swirl: Tensor, tmp_path: Path, way: str) -> None:
    style, painted = framed(swirl, 9, 9, 9, 9), tmp_path / "out.png"
    impasto.paint(DEMO / "valley.jpg", style, **TINY, style_frame=way).save(painted)
    shown = impasto.evaluate(painted, DEMO / "valley.jpg", style).pictures["style"]
    expected = style if way == "keep" else frames.without(style)
    assert torch.equal(shown, images.resize(expected, 48))


def test_the_command_says_so(
    swirl: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saving.write(saving.encode(framed(swirl, 9, 9, 9, 9), ".png"), tmp_path / "framed.png")
    brief = ["--size", "48", "--min-scale", "48", "--steps", "1"]
    for flags, says in (([], True), (["--style-frame", "keep"], False), (["--quiet"], False)):
        assert cli.run(["paint", str(DEMO / "valley.jpg"), "framed.png", "-o", "out.png", *brief, *flags]) == 0
        assert ("framed.png: without the frame around it" in capsys.readouterr().err) is says


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "default"])
def test_a_published_recipe_paints_with_the_frame(name: str) -> None:
    assert PRESETS[name].options["style_frame"] == "keep"
