"""Contact sheets: a labelled grid of pictures as PNG, as vector PDF, or as one HTML page that needs nothing else.

`Sheet` and `Cell` say what is shown, `save` writes it. PNG and PDF share one layout, in points (1/72 inch) from the
upper left corner: `_Page` places every line of text and every picture, and what follows only draws them.

Matplotlib and Jinja2 come with `pip install 'impasto[figures]'` and are imported when first needed.
"""

import importlib
import math
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor

from impasto import images, saving
from impasto.errors import OptionError, OutputError
from impasto.opening import FilePath
from impasto.shipped import ASSETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GRAY = "#1f1e1c", "#77736c"
# Arial and Liberation Sans have equal widths, so that layouts agree; DejaVu Sans is part of Matplotlib.
FONTS = ("Arial", "Liberation Sans", "DejaVu Sans")
STYLE = {
    "pdf.fonttype": 42,  # TrueType: text that can be searched, copied and edited
    "svg.fonttype": "none",
    "svg.hashsalt": "impasto",  # equal figures become equal files
    "text.hinting": "no_hinting",  # hinted letters stand apart unevenly
    "text.parse_math": False,  # a dollar sign in a file name is no formula
}

MOST_PIXELS = 4000  # on the longer side of a PNG
LEAST_SIDE = 96  # pixels; smaller pictures are enlarged, for a caption needs room
LEAST_DENSITY = 100 / 72  # pixels per point; a caption is then 10 pixels high

# All in points. Pictures share the roomy area until they would be smaller or larger than the limits.
ROOMY, SMALLEST, LARGEST = (520, 680), 96, 330
MARGIN, GAP, ROW_GAP, HEAD_GAP, CAPTION_GAP, BLOCK_GAP = 28, 8, 14, 12, 4, 16
HEAD_WIDTH, TEXT_WIDTH = 96, 190  # the widest row head; the narrowest title
LEADING = 1.35  # from one baseline to the next, times the type size


@dataclass(frozen=True)
class Cell:
    """A picture (1, 3, H, W) in [0, 1], or None for a blank, with its caption and whatever it was made with."""

    image: Tensor | None
    caption: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """Cells in rows, under a head for each column and beside one for each row, which may be empty.

    slider: the HTML page also shows each row large, one column at a time. Raises OptionError for a ragged grid.
    """

    title: str
    caption: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    slider: bool = False

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.cells}
        if not self.rows or not self.columns or len(self.cells) != len(self.rows) or widths != {len(self.columns)}:
            raise OptionError(
                f"The sheet has {len(self.rows)} row heads and {len(self.columns)} column heads, but rows of "
                f"{[len(row) for row in self.cells]} cells: give a head for each, or an empty one."
            )


def save(sheet: Sheet, path: FilePath) -> Path:
    """Write a .png, .pdf or .html, whole or not at all; returns its path. Raises OutputError."""
    saving.write(_encoder(path)(sheet), path)
    return Path(path)


def check_output(path: FilePath) -> None:
    """Raise OutputError if `save` could not write `path`, libraries included: ask before painting."""
    _encoder(path)
    saving.check_writable(path)
    library("jinja2" if Path(path).suffix.lower() == ".html" else "matplotlib", "Sheets")


def _encoder(path: FilePath) -> Callable[[Sheet], bytes]:
    encoders = {".png": _png, ".pdf": _pdf, ".html": _html}
    suffix = Path(path).suffix
    try:
        return encoders[suffix.lower()]
    except KeyError:
        raise OutputError(
            f"A sheet cannot be written with the suffix {suffix!r}: use one of {', '.join(encoders)}."
        ) from None


# ------------------------------------------------------------------------------------- what drawing needs, curves too


def library(name: str, what: str) -> ModuleType:
    """Import what `impasto[figures]` installs. Raises OutputError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OutputError(f"{what} need {name}: pip install 'impasto[figures]'.") from error


@contextmanager
def plotting(what: str) -> Iterator[None]:
    """Matplotlib in impasto's style, whatever the user's own is, and silent where a font lacks a character."""
    library("matplotlib", what)
    from matplotlib import style

    fonts = {"font.family": list(_fonts())}
    with style.context(["default", STYLE | fonts]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _fonts() -> tuple[str, ...]:
    """Those of FONTS that are installed; Matplotlib would complain of the others."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FONTS if name in installed)


# ------------------------------------------------------------------------------------------------- text, measured


@dataclass(frozen=True)
class _Type:
    size: float
    color: str
    weight: Literal["normal", "bold"] = "normal"

    @property
    def leading(self) -> float:
        return self.size * LEADING

    def width(self, text: str) -> float:
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        properties = FontProperties(size=self.size, weight=self.weight)
        return float(text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0])


TITLE, HEAD, CAPTION = _Type(12, INK, "bold"), _Type(8.5, INK), _Type(7.5, GRAY)


def _wrap(text: str, type: _Type, width: float) -> list[str]:
    """Break text into lines no wider than `width`; a wider word is cut, a lone · at the break left out."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            for piece in _pieces("".join(filter(str.isprintable, word)), type, width):
                longer = f"{line} {piece}".lstrip()
                if line and type.width(longer) > width:
                    lines.append(line.removesuffix(" ·"))
                    longer = "" if word == "·" else piece
                line = longer
        lines.append(line)
    return lines


def _pieces(word: str, type: _Type, width: float) -> Iterator[str]:
    while len(word) > 1 and type.width(word) > width:
        end = max((n for n in range(2, len(word)) if type.width(word[:n]) <= width), default=1)
        yield word[:end]
        word = word[end:]
    yield word


# ------------------------------------------------------------------------------------------------- the page, placed


@dataclass(frozen=True)
class _Line:
    """A line of text; y is its baseline."""

    text: str
    type: _Type
    x: float
    y: float
    align: Literal["left", "center"]


@dataclass(frozen=True)
class _Frame:
    """A picture and where it goes."""

    image: Tensor
    x: float
    y: float
    width: float
    height: float


class _Page:
    """Where everything goes. Pictures have equal longer sides and stand on the bottom line of their row."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        sides = [max(cell.image.shape[2:]) for row in sheet.cells for cell in row if cell.image is not None]
        longest = max(sides, default=LEAST_SIDE)
        pixels = longest * math.ceil(LEAST_SIDE / longest)
        self.side = _picture_side(sheet, pixels)
        self._place_across()
        self._place_down()
        self.density = min(pixels / self.side, MOST_PIXELS / max(self.width, self.height))  # pixels per point

    def _place_across(self) -> None:
        self.row_heads = [_wrap(head, HEAD, HEAD_WIDTH) for head in self.sheet.rows]
        head_width = max((HEAD.width(line) for head in self.row_heads for line in head), default=0)
        columns = zip(*self.sheet.cells, strict=True)
        self.widths = [max(self._size(cell)[0] for cell in column) or self.side for column in columns]
        self.xs = _starts(MARGIN + (head_width + HEAD_GAP if head_width else 0), self.widths, GAP)
        self.text_width = max(self.xs[-1] + self.widths[-1] - MARGIN, TEXT_WIDTH)
        self.width = self.text_width + 2 * MARGIN

    def _place_down(self) -> None:
        self.title = _wrap(self.sheet.title, TITLE, self.text_width)
        self.column_heads = [
            _wrap(head, HEAD, width) for head, width in zip(self.sheet.columns, self.widths, strict=True)
        ]
        self.captions = [
            [_wrap(cell.caption, CAPTION, width) for cell, width in zip(row, self.widths, strict=True)]
            for row in self.sheet.cells
        ]
        self.foot = _wrap(self.sheet.caption, CAPTION, self.text_width)
        self.heights = [max(self._size(cell)[1] for cell in row) or self.side for row in self.sheet.cells]
        depths = [max(_depth(lines, CAPTION, CAPTION_GAP) for lines in row) for row in self.captions]
        top = MARGIN + _depth(self.title, TITLE, BLOCK_GAP)
        top += max(_depth(head, HEAD, CAPTION_GAP) for head in self.column_heads)
        rows = [height + depth for height, depth in zip(self.heights, depths, strict=True)]
        self.ys = _starts(top, rows, ROW_GAP if any(depths) else GAP)
        self.bottom = self.ys[-1] + rows[-1]
        self.height = self.bottom + _depth(self.foot, CAPTION, BLOCK_GAP) + MARGIN

    def _size(self, cell: Cell) -> tuple[float, float]:
        """(width, height) of a cell's picture."""
        if cell.image is None:
            return 0, 0
        height, width = cell.image.shape[2:]
        scale = self.side / max(height, width)
        return width * scale, height * scale

    def frames(self) -> Iterator[_Frame]:
        for row, y, deepest in zip(self.sheet.cells, self.ys, self.heights, strict=True):
            for cell, x, widest in zip(row, self.xs, self.widths, strict=True):
                if cell.image is not None:
                    width, height = self._size(cell)
                    yield _Frame(cell.image, x + (widest - width) / 2, y + deepest - height, width, height)

    def lines(self) -> Iterator[_Line]:
        centers = [x + width / 2 for x, width in zip(self.xs, self.widths, strict=True)]
        yield from _block(self.title, TITLE, MARGIN, MARGIN, "left")
        for head, center in zip(self.column_heads, centers, strict=True):
            yield from _block(head, HEAD, center, self.ys[0] - _depth(head, HEAD, CAPTION_GAP), "center")
        for head, captions, y, height in zip(self.row_heads, self.captions, self.ys, self.heights, strict=True):
            yield from _block(head, HEAD, MARGIN, y + (height - _depth(head, HEAD)) / 2, "left")
            for caption, center in zip(captions, centers, strict=True):
                yield from _block(caption, CAPTION, center, y + height + CAPTION_GAP, "center")
        yield from _block(self.foot, CAPTION, MARGIN, self.bottom + BLOCK_GAP, "left")


def _picture_side(sheet: Sheet, pixels: int) -> float:
    """The longer side of every picture: small on a crowded page, and never so large that text would be tiny in it."""
    roomy = min(ROOMY[0] / len(sheet.columns), ROOMY[1] / len(sheet.rows))
    return min(max(roomy, SMALLEST), LARGEST, pixels / LEAST_DENSITY)


def _starts(first: float, lengths: Sequence[float], gap: float) -> list[float]:
    return list(accumulate((length + gap for length in lengths[:-1]), initial=first))


def _depth(lines: Sequence[str], type: _Type, gap: float = 0) -> float:
    """What a block takes of the height, with a gap to what is next to it; nothing if it is empty."""
    return len(lines) * type.leading + gap if lines else 0


def _block(
    lines: Sequence[str], type: _Type, x: float, top: float, align: Literal["left", "center"]
) -> Iterator[_Line]:
    for index, text in enumerate(lines):
        yield _Line(text, type, x, top + index * type.leading + type.size, align)


# ----------------------------------------------------------------------------------------------------- PNG and PDF


def _png(sheet: Sheet) -> bytes:
    """Matplotlib draws the text; the pictures are pasted, so that those of the longest side keep their very pixels."""
    with plotting("Sheets"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        page = _Page(sheet)
        canvas = FigureCanvasAgg(_figure(page, dpi=72 * page.density))
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    for frame in page.frames():
        x, y, width, height = (round(length * page.density) for length in (frame.x, frame.y, frame.width, frame.height))
        picture.paste(images.to_picture(images.resize_to(frame.image, (max(1, height), max(1, width)))), (x, y))
    buffer = BytesIO()
    picture.save(buffer, "PNG", dpi=(72 * page.density,) * 2)
    return buffer.getvalue()


def _pdf(sheet: Sheet) -> bytes:
    """Text stays text, and every picture is embedded with its own pixels."""
    with plotting("Sheets"):
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        page = _Page(sheet)
        figure = _figure(page)
        for frame in page.frames():
            bottom = page.height - frame.y - frame.height
            axes = figure.add_axes(
                (frame.x / page.width, bottom / page.height, frame.width / page.width, frame.height / page.height)
            )
            axes.set_axis_off()
            axes.imshow(np.asarray(images.to_picture(frame.image)), aspect="auto", interpolation="none")
        buffer = BytesIO()
        FigureCanvasPdf(figure).print_pdf(
            buffer, metadata={"Title": " ".join(page.title), "Creator": "impasto", "CreationDate": None}
        )
    return buffer.getvalue()


def _figure(page: _Page, dpi: float = 72) -> "Figure":
    """The page with all its text, without its pictures."""
    from matplotlib.figure import Figure

    figure = Figure((page.width / 72, page.height / 72), dpi, facecolor="white")
    for line in page.lines():
        figure.text(
            line.x / page.width,
            1 - line.y / page.height,
            line.text,
            fontsize=line.type.size,
            fontweight=line.type.weight,
            color=line.type.color,
            ha=line.align,
            va="baseline",
        )
    return figure


# ------------------------------------------------------------------------------------------------------------- HTML


def _html(sheet: Sheet) -> bytes:
    jinja2 = library("jinja2", "Sheets")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = (ASSETS / "sheet.html").read_text(encoding="utf-8")
    rows = [[_html_cell(cell) for cell in row] for row in sheet.cells]
    page = environment.from_string(source).render(sheet=sheet, rows=rows)
    return str(page).encode(errors="replace")  # a file name may hold what is no character


def _html_cell(cell: Cell) -> dict[str, Any] | None:
    """What the template shows of a cell, or None for a blank."""
    if cell.image is None:
        return None
    data = b64encode(saving.encode(cell.image, ".jpg", quality=90)).decode("ascii")
    height, width = cell.image.shape[2:]
    return {
        "source": f"data:image/jpeg;base64,{data}",
        "width": width,
        "height": height,
        "caption": cell.caption,
        "settings": list(_settings(cell.settings)),
    }


def _settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(name, value) as people read them; of a mapping inside, each under both names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{name} › ")
        else:
            yield f"{prefix}{name}", _readable(value)


def _readable(value: Any) -> str:
    if value is None or value in ((), [], ""):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_readable, value))
    return str(value)
