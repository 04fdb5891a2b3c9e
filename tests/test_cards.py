"""Report cards as text and drawn."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from impasto import cards
from impasto.doctor import Finding
from impasto.errors import OutputError
from impasto.evaluation import MEASURES, Report, evaluate


@pytest.fixture(scope="module")
def report() -> Report:
    generator = torch.Generator().manual_seed(0)
    return evaluate(*(torch.rand(1, 3, 48, 64, generator=generator) for _ in range(3)))


def test_the_text_has_a_line_for_every_measure_and_says_who_judged(report: Report) -> None:
    lines = cards.text(report).splitlines()
    assert "judged by petit" in lines[0]
    assert {line.split()[0] for line in lines[1:] if line[0] != " "} == {*MEASURES, "doctor:"}
    assert lines[-1] == "doctor: nothing found"


def test_a_tiny_figure_stands_apart_from_its_meaning(report: Report) -> None:
    tiny = cards.text(replace(report, values={**report.values, "perceptual": 0.000123}))
    assert "0.000123  LPIPS-like" in tiny


def test_what_the_doctor_found_is_said(report: Report) -> None:
    ill = Report(
        report.backbone, report.weights_sha256, 64, 48, report.values, [Finding("haze", 4.0, "a veil", {"steps": 128})]
    )
    assert cards.text(ill).endswith("doctor: a veil (severe): try --steps 128")


@pytest.mark.parametrize("suffix", cards.SUFFIXES)
def test_a_card_is_drawn(suffix: str, report: Report, tmp_path: Path) -> None:
    path = cards.save(report, tmp_path / f"card{suffix}", "$a_b$.png")
    assert path.stat().st_size > 1000
    if suffix == ".png":
        with Image.open(path) as picture:
            assert picture.size == tuple(round(side * cards.DENSITY) for side in cards.SIZE)


def test_every_measure_is_drawn() -> None:
    assert {*cards.BARS, *cards.ROWS, *cards.COMPARED} == set(MEASURES)


def test_the_names_of_the_pictures_stand_at_one_height(report: Report) -> None:
    pictures = {**report.pictures, "style": torch.rand(1, 3, 90, 40)}
    figure = cards._figure(replace(report, pictures=pictures), "painting.png")
    figure.draw_without_rendering()
    tops = [axes.title.get_window_extent().y0 for axes in figure.subfigs[0].axes]
    assert max(tops) - min(tops) < 1


def test_another_suffix_is_refused(report: Report, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.jpg"):
        cards.save(report, tmp_path / "card.jpg")
