"""`impasto figure`: sheets in every form, kept when stopped."""

from pathlib import Path
from typing import Any

import pytest
from typed import FAST, contents

from impasto import cli
from impasto.figures import making
from impasto.figures.table import FIGURES

FIGURE = ["--contents", "content.png", "--styles", "style.png", *FAST]


def test_figures_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["figure"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FIGURES)


def test_a_figure_is_written_in_every_form_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["figure", "starts", *FIGURE, "-o", "out.png", "-o", "out.pdf", "-o", "out.html"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    assert Path("out.pdf").read_bytes().startswith(b"%PDF")
    assert "<!doctype html>" in Path("out.html").read_text()
    assert len(list(Path("out.cells").glob("*.png"))) == 4


def test_optimisers_come_with_their_curves(folder: Path) -> None:
    assert cli.run(["figure", "optimisers", *FIGURE, "-q"]) == 0
    assert Path("impasto-optimisers-curve.png").read_bytes().startswith(b"\x89PNG")
    assert cli.run(["figure", "optimisers", *FIGURE, "-q", "--curve", "both.csv"]) == 0
    assert {line.split(",")[0] for line in Path("both.csv").read_text().splitlines()[1:]} == {"Adam", "L-BFGS"}


def test_a_figure_that_ctrl_c_stops_keeps_what_is_finished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, calls = making.make, []

    def stop_at_the_second(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make(*arguments)

    monkeypatch.setattr(making, "make", stop_at_the_second)
    assert cli.run(["figure", "starts", *FIGURE]) == 130
    assert not Path("impasto-starts.png").exists()
    assert cli.run(["figure", "starts", *FIGURE]) == 0
    assert len(calls) == 5  # of four cells, the third tried twice


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nothing"], "There is no figure 'nothing'"),
        (["starts", "-o", "out.gif"], "suffix '.gif'"),
        (["starts", "-o", "content.png", *FIGURE], "would replace"),
        (["starts", "--contents", "none.png"], "none.png"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_said_before_painting(
    folder: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert cli.run(["figure", *flags]) == 2
    assert message in capsys.readouterr().err
    assert contents(folder) == before
