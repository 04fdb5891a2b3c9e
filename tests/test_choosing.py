"""The dial's sheet: what it lays out, how it looks closer, and the command."""

from pathlib import Path

import pytest

from impasto import choosing, cli
from impasto.errors import InputError, OptionError
from impasto.figures.layout import Job
from impasto.shipped import DEMO

PHOTO, STYLE = DEMO / "valley.jpg", DEMO / "swirl.jpg"


def grid(**given: object) -> list[list[tuple[float | None, float | str]]]:
    laid = choosing.dial(PHOTO, STYLE, **given)  # type: ignore[arg-type]
    rows = [[job for job in row if isinstance(job, Job)] for row in laid.jobs]
    return [[(job.options.strength, job.options.style_scale) for job in row] for row in rows]


def test_the_whole_dial_is_strengths_by_style_sizes() -> None:
    assert grid() == [[(float(s), scale) for s in (20, 40, 60, 80, 100)] for scale in (0.5, 1.0, 2.0)]


def test_a_cell_is_the_center_of_the_next_sheet() -> None:
    closer = grid(strength=60, style_scale=2.0)
    assert closer[1][2] == (60, 2.0)
    assert closer[0] == [(float(s), 1.6) for s in (50, 55, 60, 65, 70)]
    assert [row[0][1] for row in closer] == [1.6, 2.0, 2.5]


@pytest.mark.parametrize(("strength", "expected"), [(97.0, [87, 92, 97, 100]), (0.0, [0, 5, 10])])
def test_strengths_end_at_the_ends(strength: float, expected: list[float]) -> None:
    assert [cell[0] for cell in grid(strength=strength)[0]] == expected


@pytest.mark.parametrize(("scale", "expected"), [(0.05, [0.05, 0.06]), (20.0, [16, 20])])
def test_style_sizes_end_at_the_ends(scale: float, expected: list[float]) -> None:
    assert [row[0][1] for row in grid(style_scale=scale)] == expected


@pytest.mark.parametrize(
    ("given", "said"), [({"style_scale": 0.04}, "--style-scale is 0.04"), ({"strength": 101}, "101")]
)
def test_what_is_off_the_dial_is_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        grid(**given)


def test_auto_looks_around_what_it_finds() -> None:
    middle = grid(style_scale="auto")[1][0][1]
    assert middle in (0.5, 0.7, 1.0, 1.4, 2.0)


def test_under_a_picture_stand_the_flags_that_paint_it() -> None:
    laid = choosing.dial(PHOTO, STYLE, size=48)
    job = laid.cells[0]
    assert job.label == "--strength 20 --style-scale 0.5"
    assert job.options.size == 48
    assert laid.caption.startswith(f"impasto paint {PHOTO} {STYLE} with the flags")


def test_what_cannot_be_read_or_made_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        choosing.dial(tmp_path / "none.jpg", STYLE)
    with pytest.raises(OptionError, match="--content-weight"):
        choosing.dial(PHOTO, STYLE, content_weight=1.0)


def test_the_command_draws_a_sheet_and_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "sheet.html"
    flags = ["--strength", "0", "--size", "32", "--first-steps", "1", "-o", str(target)]
    assert cli.run(["dial", str(PHOTO), str(STYLE), *flags]) == 0
    assert "--strength 5 --style-scale 1.25" in target.read_text(encoding="utf-8")
    assert "impasto dial" in capsys.readouterr().err
