"""Loss curves: what every step of a run cost, as a table (.csv) or drawn (.png, .pdf, .svg).

A history is what `Painting.history` holds: a row for each step with "step", "size", "loss" and the terms of the loss.
Its rows may differ in their terms.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from impasto import saving
from impasto.errors import OptionError, OutputError
from impasto.opening import FilePath
from impasto.sheets import GRAY, INK, library, plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History: TypeAlias = Sequence[Mapping[str, Any]]

SIZE = 6.4, 3.6  # inches
DENSITY = 200  # pixels per inch of a PNG
TEXT_SIZE = 8  # points
LABEL_STEP = 0.055  # of the height; labels at line ends that are nearer would touch
# Told apart by the color-blind too, and of about the same weight on white.
COLORS = "#2f6fa8", "#c8552b", "#5b8a3a", "#8b5aa5", "#b08a1e", "#2a8c88", "#b8487a", "#6f6a63", "#4a4fa3", "#97423f"
FAINT = "#dedad4"
WINDOW = 0.08  # of a noisy run's steps are averaged
DEPTH = 1e-4  # of the least total; what is less does not count for a logarithmic scale, lest it flatten all others

# Suffix -> what is written besides the drawing; None for no date, so that equal curves are equal files.
_DRAWN: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": "impasto", "CreationDate": None},
    ".svg": {"Creator": "impasto", "Date": None},
}


def save_curve(history: History, path: FilePath, *, logarithmic: bool = True, noisy: bool = False) -> Path:
    """Write the loss and each of its terms over the steps, whole or not at all; returns the path.

    noisy: every step's loss is of other pictures, as in training, so what is drawn are running means, and the loss itself
    pale behind them. Raises OutputError, or OptionError if there are no steps.
    """
    terms = [name for name in _names(history) if name not in ("step", "size", "loss")]
    curves = [_curve("total", history, "loss", INK, strong=True)]
    curves += [_curve(name, history, name, color) for name, color in zip(terms, cycle(COLORS))]
    if noisy:
        curves = [replace(curves[0], name="", color=FAINT, strong=False), *map(_smoothed, curves)]
    return _save(path, history, curves, _scales([history]), logarithmic)


def save_curves(
    histories: Mapping[str, History],
    path: FilePath,
    *,
    logarithmic: bool = True,
    labels: tuple[str, str] = ("step", "loss"),
) -> Path:
    """Write the losses of several runs, such as one for each optimizer, into one plot, or all columns into one table.

    labels: of the axes, where "step" and "loss" stand for something else. Raises as `save_curve` does.
    """
    curves = [
        _curve(name, history, "loss", color, strong=True)
        for (name, history), color in zip(histories.items(), cycle(COLORS))
    ]
    rows = [{"run": name, **row} for name, history in histories.items() for row in history]
    return _save(path, rows, curves, _scales(histories.values()), logarithmic, labels)


def check_output(path: FilePath) -> None:
    """Raise OutputError if a curve could not be written to `path`, libraries included: ask before painting."""
    if _suffix(path) in _DRAWN:
        library("matplotlib", "Curves")
    saving.check_writable(path)


# ----------------------------------------------------------------------------------------------------- what is shown


@dataclass(frozen=True)
class _Curve:
    """A line, which is broken where its value is not a number, and without a label if it has no name."""

    name: str
    steps: list[int]
    values: list[float]
    color: str
    strong: bool


def _curve(name: str, history: History, column: str, color: str, strong: bool = False) -> _Curve:
    """A column of a history. It is broken between two scales too, whose losses are not comparable."""
    points: list[tuple[int, float]] = []
    for before, row in pairwise([{}, *history]):
        if before and row.get("size") != before.get("size"):
            points.append((row["step"], math.nan))
        points.append((row["step"], float(row.get(column, math.nan))))
    return _Curve(name, [step for step, _ in points], [value for _, value in points], color, strong)


def _smoothed(curve: _Curve) -> _Curve:
    """Its mean over `WINDOW` of its steps around each, or over as many as there are at the ends."""
    window = np.ones(2 * round(len(curve.values) * WINDOW / 2) + 1)
    counts = np.convolve(np.ones(len(curve.values)), window, "same")
    return replace(curve, values=(np.convolve(curve.values, window, "same") / counts).tolist())


def _scales(histories: Iterable[History]) -> list[tuple[int, int]]:
    """(first step, size) of every scale, if there are several and all runs have the same."""
    first, *others = [_changes(history) for history in histories] or [[]]
    return first if len(first) > 1 and all(other == first for other in others) else []


def _changes(history: History) -> list[tuple[int, int]]:
    return [
        (row["step"], row["size"]) for before, row in pairwise([{}, *history]) if row.get("size") != before.get("size")
    ]


def _names(rows: History) -> list[str]:
    """The columns of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


# ---------------------------------------------------------------------------------------------------------- writing


def _save(
    path: FilePath,
    rows: History,
    curves: list[_Curve],
    scales: list[tuple[int, int]],
    logarithmic: bool,
    labels: tuple[str, str] = ("step", "loss"),
) -> Path:
    suffix = _suffix(path)
    if not rows:
        raise OptionError("A curve needs at least one step, and there is none: paint first.")
    data = _csv(rows) if suffix == ".csv" else _drawing(suffix, curves, scales, logarithmic, labels)
    saving.write(data, path)
    return Path(path)


def _suffix(path: FilePath) -> str:
    suffix = Path(path).suffix
    if suffix.lower() not in (allowed := (".csv", *_DRAWN)):
        raise OutputError(f"A curve cannot be written with the suffix {suffix!r}: use one of {', '.join(allowed)}.")
    return suffix.lower()


def _csv(rows: History) -> bytes:
    text = StringIO()
    writer = csv.DictWriter(text, _names(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(errors="replace")


def _drawing(
    suffix: str, curves: list[_Curve], scales: list[tuple[int, int]], logarithmic: bool, labels: tuple[str, str]
) -> bytes:
    buffer = BytesIO()
    with plotting("Curves"):
        figure = _figure(curves, scales, logarithmic, labels)
        figure.savefig(buffer, format=suffix[1:], dpi=DENSITY, metadata=_DRAWN[suffix])
    return buffer.getvalue()


# ---------------------------------------------------------------------------------------------------------- drawing


def _figure(
    curves: list[_Curve],
    scales: list[tuple[int, int]],
    logarithmic: bool,
    labels: tuple[str, str] = ("step", "loss"),
) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(SIZE, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr, call-arg]
    axes = figure.add_subplot()
    _frame(axes, labels)
    for curve in curves:
        marker = "o" if len(curve.steps) == 1 else None  # a line through one point is none
        width = 1.8 if curve.strong else 1
        axes.plot(curve.steps, curve.values, color=curve.color, linewidth=width, marker=marker, zorder=2 + curve.strong)
    _limit(axes, curves, logarithmic)
    _mark_scales(axes, scales)
    _label_ends(axes, curves)
    return figure


def _frame(axes: "Axes", labels: tuple[str, str]) -> None:
    """Light lines to read values from, and words instead of boxes."""
    from matplotlib.ticker import MaxNLocator

    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(which="both", length=0, pad=5, labelsize=TEXT_SIZE, labelcolor=GRAY)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=labels[0] == "step"))
    axes.set_xlabel(labels[0], fontsize=TEXT_SIZE, color=GRAY)
    axes.set_ylabel(labels[1], fontsize=TEXT_SIZE, color=GRAY)


def _limit(axes: "Axes", curves: list[_Curve], logarithmic: bool) -> None:
    """Choose scale, limits and ticks."""
    first = min(curve.steps[0] for curve in curves if curve.steps)
    last = max(curve.steps[-1] for curve in curves if curve.steps)
    axes.set_xlim(first, last) if last > first else axes.set_xlim(first - 1, last + 1)
    values = [value for curve in curves for value in curve.values if math.isfinite(value)]
    totals = [value for curve in curves if curve.strong for value in curve.values if 0 < value < math.inf]
    if not (logarithmic and totals):
        axes.set_ylim(bottom=min(0, *values, 0))
        return
    counted = [value for value in values if value >= min(totals) * DEPTH]
    low, high = min(counted), max(counted)
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylim(low / 1.2, high * 1.2)
    _tick_decades(axes, math.log10(high / low))


def _tick_decades(axes: "Axes", decades: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    subdivisions = (1,) if decades > 2.5 else (1, 2, 5) if decades > 1.2 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axes.yaxis.set_major_locator(LogLocator(subs=subdivisions))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _mark_scales(axes: "Axes", scales: list[tuple[int, int]]) -> None:
    for index, (step, size) in enumerate(scales):
        if index:
            axes.axvline(step, color=FAINT, linewidth=0.8, zorder=1)
        axes.text(step, 1.03, f"{size} px", transform=axes.get_xaxis_transform(), fontsize=TEXT_SIZE - 0.5, color=GRAY)


def _label_ends(axes: "Axes", curves: list[_Curve]) -> None:
    """Name every line beside its end, in its color; lines that do not show have no name."""
    low, high = axes.get_ylim()
    ends = []
    for curve in curves:
        shown = [value for value in curve.values if low <= value <= high]
        if shown and curve.name:
            last = axes.transAxes.inverted().transform(axes.transData.transform((0, shown[-1])))[1]
            ends.append((float(last), curve))
    ends.sort(key=lambda end: end[0])
    for height, (_, curve) in zip(_spread([height for height, _ in ends]), ends, strict=True):
        axes.text(
            1.015,
            height,
            curve.name,
            transform=axes.transAxes,
            va="center",
            fontsize=TEXT_SIZE,
            fontweight="bold" if curve.strong else "normal",
            color=curve.color,
        )


def _spread(heights: Sequence[float]) -> list[float]:
    """Rising heights in 0 to 1, moved no more than needed to be a label apart."""
    step = min(LABEL_STEP, 1 / max(len(heights), 1))
    spread: list[float] = []
    for height in heights:
        spread.append(max(height, spread[-1] + step) if spread else height)
    ceiling = 1.0
    for index in reversed(range(len(spread))):
        spread[index] = min(spread[index], ceiling)
        ceiling = spread[index] - step
    return spread
