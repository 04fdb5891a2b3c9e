"""Which painting covers a photo's features, and at what size."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import impasto
from impasto import cli, coverage, images
from impasto.errors import InputError, OptionError
from impasto.saving import read_recipe
from impasto.shipped import DEMO

FAST: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 1, "device": "cpu", "precision": "float32"}


def stripes(period: int, size: int = 240) -> Tensor:
    """Soft stripes across, over a slow change down; (1, 3, size, size)."""
    across = 0.5 + 0.4 * torch.sin(torch.arange(size) * (2 * torch.pi / period))
    down = torch.linspace(0.2, 0.8, size).view(-1, 1)
    return torch.stack([across.expand(size, size), (across * down), down.expand(size, size)]).unsqueeze(0)


def test_a_picture_covers_itself_wholly_and_another_less() -> None:
    valley, swirl = (
        coverage.features_of(images.resize(images.load(DEMO / f"{name}.jpg"), 96)) for name in ("valley", "swirl")
    )
    assert coverage.distance(valley, valley) == pytest.approx(0, abs=1e-5)
    assert coverage.distance(valley, swirl) > 0.1


def test_coverage_ignores_where_things_are_and_grows_with_what_there_is() -> None:
    photo, style = ({layer: torch.randn(1, 40, 6) for layer in coverage.LAYERS} for _ in range(2))
    moved = {layer: rows[:, torch.randperm(40)] for layer, rows in style.items()}
    assert coverage.distance(photo, moved) == pytest.approx(coverage.distance(photo, style), rel=1e-5)
    fewer = {layer: rows[:, :20] for layer, rows in style.items()}
    assert coverage.distance(photo, fewer) > coverage.distance(photo, style)


def test_the_photo_itself_ranks_first_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    failures: list[InputError] = []
    paths = [DEMO / f"{name}.jpg" for name in ("swirl", "valley", "woodcut")]
    found = coverage.scout(DEMO / "valley.jpg", [broken, *paths], on_failure=failures.append)
    assert found[0].path == paths[1]
    assert found[0].distance == pytest.approx(0, abs=1e-5)
    assert sorted(found, key=lambda one: one.distance) == found
    assert len(found) == 3
    assert "broken.jpg" in str(failures[0])
    with pytest.raises(InputError, match="None of the styles"):
        coverage.scout(DEMO / "valley.jpg", [broken])


@pytest.mark.parametrize(("period", "scale"), [(8, 2.0), (16, 1.0), (32, 0.5)])
def test_the_best_scale_brings_stripes_to_the_photo_s_width(period: int, scale: float) -> None:
    assert coverage.best_scale(stripes(16), stripes(period)) == pytest.approx(scale, rel=0.45)


def test_auto_is_settled_before_painting_and_stands_in_the_recipe(tmp_path: Path) -> None:
    painting = impasto.paint(stripes(16), stripes(8), **FAST, style_scale="auto")
    assert painting.recipe["options"]["style_scale"] > 1
    stylized = impasto.stylize(stripes(16), stripes(8), size=48, engine="torch", style_scale="auto")
    assert stylized.recipe["options"]["style_scale"] == painting.recipe["options"]["style_scale"]
    painting.save(tmp_path / "out.png")
    assert read_recipe(tmp_path / "out.png") is not None


def test_of_several_styles_the_mean_counts() -> None:
    one, other = (impasto.paint(stripes(16), stripes(p), **FAST, style_scale="auto") for p in (8, 16))
    both = impasto.paint(stripes(16), [(stripes(8), 1), (stripes(16), 1)], **FAST, style_scale="auto")
    a, b, mean = (painting.recipe["options"]["style_scale"] for painting in (one, other, both))
    assert mean == pytest.approx((a * b) ** 0.5, abs=0.01)


def test_a_texture_has_no_photo_to_choose_for() -> None:
    with pytest.raises(OptionError, match="no photo to choose a style scale for"):
        impasto.texture(F.interpolate(stripes(16), 64), style_scale="auto", size=32)


def test_the_command_lists_the_best_and_draws_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.html"
    assert cli.run(["scout", str(DEMO / "valley.jpg"), str(DEMO), "--most", "2", "-o", str(sheet)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert str(DEMO / "valley.jpg") not in " ".join(lines)  # the photo is no painting of itself
    assert "swirl" in sheet.read_text() or lines[1].split("/")[-1] in sheet.read_text()
    assert cli.run(["scout", str(DEMO / "valley.jpg"), str(tmp_path)]) == 2  # there is the sheet alone
    capsys.readouterr()
    assert cli.run(["scout", str(DEMO / "valley.jpg"), str(DEMO), "--most", "-1"]) == 2
    assert "--most is -1; it must be a whole number of at least 0" in capsys.readouterr().err
    assert cli.run(["scout", str(DEMO / "valley.jpg"), str(tmp_path / "none.jpg")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_scout_writes_over_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = shutil.copy(DEMO / "valley.jpg", tmp_path / "photo.png")
    assert cli.run(["scout", str(photo), str(DEMO), "-o", str(photo)]) == 2
    assert "would replace" in capsys.readouterr().err
    assert photo.read_bytes() == (DEMO / "valley.jpg").read_bytes()
