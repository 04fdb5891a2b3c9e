"""Loss curves: tables that read back as they were, and drawings that name what they show."""

import csv
import math
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from impasto import curves
from impasto.curves import check_output, save_curve, save_curves
from impasto.errors import OptionError, OutputError
from impasto.sheets import plotting

DRAWN = [".png", ".pdf", ".svg"]


def run(steps: int = 8, sizes: tuple[int, ...] = (256, 512), rate: float = 0.3) -> list[dict[str, Any]]:
    """Every scale begins high again; "range" is there at times and often 0."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        for index in range(steps):
            terms = {"content": 0.1 / 3, "style": math.exp(-rate * index)} | ({"range": 0.0} if index % 2 else {})
            rows.append({"step": len(rows) + 1, "size": size, "loss": sum(terms.values()), **terms})
    return rows


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def svg_texts(path: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------------- tables


def test_a_table_reads_back_to_the_very_numbers(tmp_path: Path) -> None:
    history = run()
    rows = table(save_curve(history, tmp_path / "curve.csv"))
    assert list(rows[0]) == ["step", "size", "loss", "content", "style", "range"]
    assert [{name: float(value) for name, value in row.items() if value} for row in rows] == history


def test_a_table_of_several_runs_names_each(tmp_path: Path) -> None:
    rows = table(save_curves({"Adam": run(2), "L-BFGS": run(1)}, tmp_path / "curves.csv"))
    assert [row["run"] for row in rows] == ["Adam"] * 4 + ["L-BFGS"] * 2


# ----------------------------------------------------------------------------------------------------------- drawings


@pytest.mark.parametrize("suffix", DRAWN)
@pytest.mark.parametrize("logarithmic", [True, False])
def test_equal_curves_are_equal_files(suffix: str, logarithmic: bool, tmp_path: Path) -> None:
    one, two = (save_curve(run(), tmp_path / f"{name}{suffix}", logarithmic=logarithmic) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "history",
    [
        run(1, (64,)),
        [{"step": 1, "loss": 0.0}, {"step": 2, "loss": -1.0}],
        [{"step": 1, "size": 9, "loss": math.nan}, {"step": 2, "size": 9, "loss": math.inf}],
        [{"step": step, "size": 9, "loss": 1.0, **{f"$relu_{n}^": 1.0 for n in range(40)}} for step in (1, 2)],
        [{"step": step, "size": step, "loss": 10.0**-step} for step in range(1, 30)],
    ],
    ids=["one step", "never positive", "never finite", "many terms", "many scales"],
)
@pytest.mark.parametrize("logarithmic", [True, False])
def test_odd_histories_are_drawn(history: list[dict[str, Any]], logarithmic: bool, tmp_path: Path) -> None:
    path = save_curve(history, tmp_path / "curve.png", logarithmic=logarithmic)
    with Image.open(path) as picture:
        assert picture.size == tuple(round(side * curves.DENSITY) for side in curves.SIZE)


def test_lines_and_scales_are_named(tmp_path: Path) -> None:
    texts = svg_texts(save_curve(run(), tmp_path / "curve.svg"))
    assert {"step", "loss", "total", "content", "style", "256 px", "512 px"} <= set(texts)
    assert "range" not in texts, "it is always 0, which a logarithmic scale does not show"
    assert "range" in svg_texts(save_curve(run(), tmp_path / "linear.svg", logarithmic=False))


def test_a_single_scale_needs_no_name(tmp_path: Path) -> None:
    assert not any("px" in text for text in svg_texts(save_curve(run(sizes=(256,)), tmp_path / "curve.svg")))


def test_runs_are_named_and_scales_only_where_all_have_the_same(tmp_path: Path) -> None:
    same = svg_texts(save_curves({"Adam": run(), "L-BFGS": run(rate=0.9)}, tmp_path / "same.svg"))
    other = svg_texts(save_curves({"Adam": run(), "L-BFGS": run(5)}, tmp_path / "other.svg"))
    assert {"Adam", "L-BFGS", "512 px"} <= set(same)
    assert "512 px" not in other


def test_lines_break_between_scales() -> None:
    """A loss at one size cannot be compared with that at another."""
    curve = curves._curve("total", run(3), "loss", "black")
    assert [math.isnan(value) for value in curve.values] == [False] * 3 + [True] + [False] * 3


def test_a_noisy_run_is_drawn_by_its_running_mean(tmp_path: Path) -> None:
    """What goes up and down from step to step is gone, a straight course is as it was, and every value is counted."""
    steps = list(range(200))
    zigzag = curves._Curve("total", steps, [step + 5 * (-1) ** step for step in steps], "black", strong=True)
    smooth = curves._smoothed(zigzag).values
    assert smooth[20:-20] == pytest.approx(steps[20:-20], abs=0.5)
    assert smooth[0] == pytest.approx(sum(zigzag.values[:9]) / 9)
    history = run(100, (64,))
    assert "total" in svg_texts(save_curve(history, tmp_path / "noisy.svg", noisy=True))
    read = table(save_curve(history, tmp_path / "noisy.csv", noisy=True))
    assert [float(row["loss"]) for row in read] == [row["loss"] for row in history], "a table tells what was measured"


def test_a_vanishing_term_does_not_flatten_the_others() -> None:
    history = [row | {"range": 1e-20} for row in run()]
    with plotting("Curves"):
        total, tiny = (curves._curve(name, history, name, "black", name == "loss") for name in ("loss", "range"))
        low, high = curves._figure([total, tiny], [], logarithmic=True).axes[0].get_ylim()
    assert 0.05 < low < high < 2


@given(heights=st.lists(st.floats(0, 1), max_size=60).map(sorted))
def test_labels_keep_apart_and_in_order(heights: list[float]) -> None:
    spread = curves._spread(heights)
    step = min(curves.LABEL_STEP, 1 / max(len(heights), 1))
    assert all(after - before >= step - 1e-9 for before, after in pairwise(spread))
    assert all(-1e-9 <= height <= 1 for height in spread)


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("use", [lambda path: save_curve(run(), path), check_output])
def test_what_cannot_be_written_is_a_sentence(use: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"suffix '\.txt': use one of \.csv, \.png, \.pdf, \.svg\.$"):
        use(tmp_path / "curve.txt")
    with pytest.raises(OutputError, match="create its folder"):
        use(tmp_path / "missing" / "curve.csv")


@pytest.mark.parametrize("save", [lambda path: save_curve([], path), lambda path: save_curves({}, path)])
@pytest.mark.parametrize("suffix", [".csv", *DRAWN])
def test_no_steps_are_refused_and_the_old_file_stays(save: Any, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"curve{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(OptionError, match="at least one step"):
        save(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("use", [lambda path: save_curve(run(), path), check_output])
def test_only_drawings_need_matplotlib(use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    use(tmp_path / "curve.csv")
    with pytest.raises(OutputError, match=r"^Curves need matplotlib: pip install 'impasto\[figures\]'\.$"):
        use(tmp_path / "curve.png")
