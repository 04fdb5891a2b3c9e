"""Pairs: paintings lie over their photos, are made once, and are what the content is compared with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto import pairs
from impasto.errors import InputError, OptionError
from impasto.options import PaintOptions, TrainOptions
from impasto.pairs import make_pairs
from impasto.photos import Photos
from impasto.presets import options_for
from impasto.processes import Team

ALONE = Team()
TINY: dict[str, Any] = {"size": 64, "crop": 64, "batch": 2, "device": "cpu", "precision": "float32", "painted": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos and a broken one."""
    (tmp_path / "photos").mkdir()
    for number in range(4):
        coarse = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((90, 75), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture
def style() -> Image.Image:
    coarse = np.random.default_rng(9).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 64), Image.Resampling.NEAREST)


class Inverse:
    """Stands for a painting: the photo's negative."""

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture

    def save(self, path: Path) -> None:
        Image.fromarray(255 - np.asarray(self.picture)).save(path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the optimiser was asked; what it paints is the photo's negative."""
    asked: list[int] = []
    monkeypatch.setattr(pairs, "paint", lambda picture, *_: (asked.append(1), Inverse(picture))[1])
    return asked


def made(folder: Path, style: Image.Image | Path, team: Team = ALONE, **given: Any) -> pairs.Pairs:
    options = TrainOptions(**{**TINY, **given})
    photos = Photos(folder / "photos", options.size, options.crop, options.seed)
    styles = [style] if isinstance(style, Path) else [style, style.rotate(90)]
    return make_pairs(photos, styles, options, folder / "paintings", team)


def test_a_painting_s_crop_is_where_its_photo_s_is(folder: Path, style: Image.Image, calls: list[int]) -> None:
    found = made(folder, style)
    crops = found.photos.crops(range(12))
    painted = found.crops(range(12), [0, 1, 2] * 4)
    assert len(calls) == 4  # two photos in two styles
    for row, crop, painting in zip([0, 1, 2] * 4, crops, painted, strict=True):
        torch.testing.assert_close(painting, crop if row == 2 else 1 - crop, atol=1.5 / 255, rtol=0)


def test_a_teacher_paints_what_paint_paints(folder: Path, style: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[PaintOptions] = []
    monkeypatch.setattr(pairs, "paint", lambda picture, _, options: (asked.append(options), Inverse(picture))[1])
    made(folder, style, size=200)
    assert asked[0] == options_for(size=200, device="cpu", precision="float32")


def test_what_is_there_is_not_painted_again(folder: Path, style: Image.Image, calls: list[int]) -> None:
    made(folder, style)
    made(folder, style)
    assert len(calls) == 4
    next((folder / "paintings").iterdir()).write_bytes(b"cut off")
    made(folder, style)
    assert len(calls) == 5
    made(folder, style, size=72)
    assert len(calls) == 9


def test_paintings_with_and_without_the_style_s_frame_are_others(
    folder: Path, style: Image.Image, calls: list[int]
) -> None:
    for way in ("cut", "keep", "keep"):
        made(folder, style, style_frame=way)
    assert len(calls) == 8  # two photos in two styles, twice


def test_a_style_that_is_missing_is_said(folder: Path, calls: list[int]) -> None:
    with pytest.raises(InputError, match=r"none\.png does not exist: check the spelling"):
        made(folder, folder / "none.png")
    assert calls == []


def test_several_processes_paint_each_a_part(folder: Path, style: Image.Image, calls: list[int]) -> None:
    class Alone(Team):
        def wait(self) -> None:
            """There is nobody to wait for."""

    with pytest.raises(impasto.InputError):  # the other half is not there yet
        made(folder, style, Alone(0, 2))
    assert len(calls) == 2
    made(folder, style, Alone(1, 2))
    assert len(calls) == 4


def test_a_network_learns_from_paintings_and_goes_on_bit_for_bit(
    folder: Path, style: Image.Image, calls: list[int]
) -> None:
    def trained(steps: int, checkpoint: str) -> torch.Tensor:
        *_, last = impasto.train(
            style, folder / "photos", **TINY, teacher="paint", steps=steps, decay=0.0,
            checkpoint=folder / checkpoint, paintings=folder / "paintings", save_every=1,
        )  # fmt: skip
        return torch.cat([tensor.flatten() for tensor in last.trained.network.state_dict().values()])

    whole = trained(3, "a.safetensors")
    trained(2, "b.safetensors")
    assert torch.equal(trained(3, "b.safetensors"), whole)
    *_, photo = impasto.train(style, folder / "photos", **TINY, steps=3, decay=0.0)
    other = torch.cat([tensor.flatten() for tensor in photo.trained.network.state_dict().values()])
    assert not torch.equal(other, whole)
    assert len(calls) == 2


def test_a_place_for_the_paintings_has_to_be_named(folder: Path, style: Image.Image) -> None:
    with pytest.raises(OptionError, match="name it with `paintings`"):
        next(impasto.train(style, folder / "photos", **TINY, teacher="paint"))
