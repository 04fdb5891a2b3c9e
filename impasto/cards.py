"""A report card as text, and drawn: the three pictures above, the figures by layer as bars and the others as a table."""

from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from impasto import images, saving
from impasto.curves import COLORS, FAINT
from impasto.errors import OutputError
from impasto.evaluation import MEASURES, Report
from impasto.opening import FilePath
from impasto.sheets import GRAY, INK, library, plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = 7.6, 6.0  # inches
DENSITY = 180  # pixels per inch of a PNG
SUFFIXES = (".png", ".pdf", ".svg")
TEXT = 7.5  # points

# What is drawn as bars, and what as rows of the table: name -> (words, format)
BARS = {"style": "way to the style that is left", "content": "feature distance to the photo"}
ROWS = {
    "strength": ("strength, from 0 to 100", ".0f"),
    "ssim": ("structural similarity to the photo", ".2f"),
    "contours": ("contours of the photo kept", ".2f"),
    "perceptual": ("LPIPS-like distance to the photo", ".2f"),
    "gram": ("Gram distance to the style", ".2f"),
    "moments": ("distance of means and covariances", ".2f"),
    "wasserstein": ("Wasserstein-2 distance to the style", ".2f"),
    "fid": ("single-image FID, on this network", ".3g"),
    "color": ("colors to the style's", ".3f"),
    "color_to_photo": ("colors to the photo's", ".3f"),
}
COMPARED = {"sharpness": ".3f", "saturation": ".3f", "clipping": ".1%"}


# ------------------------------------------------------------------------------------------------------------- text


def text(report: Report) -> str:
    """Every figure on a line of its own, with what it means; then what the doctor found."""
    lines = [f"{report.width} x {report.height} pixels, judged by {report.backbone}"]
    for name, measure in MEASURES.items():
        value = report.values[name]
        parts = "  ".join(f"{key} {one:.3g}" for key, one in value.items()) if isinstance(value, dict) else ""
        headline = "" if name in COMPARED else f"{report[name]:.3g}"
        lines.append(f"{name:15}{headline:10}{measure.says}" + (f"\n{'':25}{parts}" if parts else ""))
    return "\n".join([*lines, *verdict(report)])


def verdict(report: Report) -> list[str]:
    """The doctor's findings, a line each."""
    return [f"doctor: {finding}" for finding in report.findings] or ["doctor: nothing found"]


# ---------------------------------------------------------------------------------------------------------- drawing


def check_output(path: FilePath) -> None:
    """Raise OutputError if `save` could not write `path`, libraries included."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"A card cannot be written with the suffix {Path(path).suffix!r}: use one of {', '.join(SUFFIXES)}."
        )
    library("matplotlib", "Cards")
    saving.check_writable(path)


def save(report: Report, path: FilePath, name: str = "picture") -> Path:
    """Draw the card to a .png, .pdf or .svg, whole or not at all. name: of the picture. Raises OutputError."""
    check_output(path)
    buffer = BytesIO()
    with plotting("Cards"):
        suffix = Path(path).suffix.lower()[1:]
        metadata = {"Software": None} if suffix == "png" else {"Creator": "impasto"}
        _figure(report, name).savefig(buffer, format=suffix, dpi=DENSITY, metadata=metadata)
    saving.write(buffer.getvalue(), path)
    return Path(path)


def _figure(report: Report, name: str) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(SIZE, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.03)  # type: ignore[union-attr, call-arg]
    above, below = np.ravel(figure.subfigures(2, 1, height_ratios=[1, 1.5]))  # type: ignore[arg-type]
    panels = above.subplots(1, 3)
    for axes, (role, image) in zip(panels, report.pictures.items(), strict=True):
        _show(axes, role if role != "picture" else name, np.asarray(images.to_picture(image)))
    style, content, table = below.subplots(1, 3, width_ratios=[1, 1, 1.25])
    for axes, (measure, color) in zip((style, content), zip(BARS, COLORS, strict=False), strict=True):
        values = report.values[measure]
        assert isinstance(values, dict)
        _bars(axes, BARS[measure], values, color)
    _table(table, report)
    foot = f"{report.width} x {report.height} pixels, judged by {report.backbone}. " + "; ".join(verdict(report)) + "."
    figure.supxlabel(fill(foot, 130), fontsize=TEXT, color=GRAY, x=0.015, ha="left")
    return figure


def _show(axes: "Axes", title: str, pixels: np.ndarray) -> None:
    axes.imshow(pixels, interpolation="lanczos", aspect="equal")
    axes.set_anchor("N")
    axes.set_axis_off()
    axes.set_title(title, fontsize=TEXT + 1, color=INK, pad=4)


def _bars(axes: "Axes", title: str, values: dict[str, float], color: str) -> None:
    """A bar for each layer, the shallowest on top, with its number at the end."""
    names = list(values)[::-1]
    lengths = [values[name] for name in names]
    axes.barh(names, lengths, color=color, height=0.5)
    axes.set_xlim(0, max(1.0, *lengths) * 1.16)
    for place, length in enumerate(lengths):
        axes.text(length, place, f" {length:.2f}", va="center", fontsize=TEXT, color=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(FAINT)
    axes.axvline(1, color=FAINT, linewidth=0.8, zorder=0)
    axes.tick_params(length=0, labelsize=TEXT, labelcolor=GRAY)
    axes.set_xticks([0, 1], ["0", "1"])
    axes.set_title(title, fontsize=TEXT + 0.5, color=INK, loc="left", pad=6)


def _table(axes: "Axes", report: Report) -> None:
    """Names on the left, numbers on the right; sharpness and its like for picture, photo and style."""
    axes.set_axis_off()
    count = len(ROWS) + len(COMPARED) + 1.6
    heights = iter(1 - (row + 0.5) / count for row in range(len(ROWS)))
    for name, (words, form) in ROWS.items():
        _row(axes, next(heights), words, {1.0: format(report[name], form)})
    columns = {"picture": 0.56, "photo": 0.78, "style": 1.0}
    y = 1 - (len(ROWS) + 1.1) / count
    _row(axes, y, "", {x: role for role, x in columns.items()}, GRAY)
    for row, (name, form) in enumerate(COMPARED.items(), 1):
        values = report.values[name]
        assert isinstance(values, dict)
        _row(axes, y - row / count, name, {x: format(values[role], form) for role, x in columns.items()})


def _row(axes: "Axes", y: float, words: str, numbers: dict[float, str], color: str = INK) -> None:
    axes.text(0, y, words, fontsize=TEXT, color=GRAY, va="center", transform=axes.transAxes)
    for x, number in numbers.items():
        axes.text(x, y, number, fontsize=TEXT, color=color, ha="right", va="center", transform=axes.transAxes)
