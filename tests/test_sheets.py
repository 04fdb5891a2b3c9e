"""Contact sheets: the pictures and words that go in come out of the PNG, the PDF and the page, and nothing else does."""

import io
import re
import sys
import zlib
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from impasto import images, sheets
from impasto.errors import OptionError, OutputError
from impasto.sheets import Cell, Sheet, check_output, save

SUFFIXES = [".png", ".pdf", ".html"]
HOSTILE = "</td></script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7 * 7 }} $\\frac{1}$ \0\ud800"
VOID = {"img", "input", "meta", "br", "hr", "link"}


def flat(red: float, green: float, blue: float, height: int = 120, width: int = 160) -> Tensor:
    return torch.tensor([red, green, blue], dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, height, width).clone()


def sheet(rows: int = 2, columns: int = 3, *, slider: bool = False, **cell: Any) -> Sheet:
    """Cells of noise with heads and captions that tell where they are."""
    grid = [
        [Cell(**{"image": torch.rand(1, 3, 120, 160), "caption": f"cell {r} {c}"} | cell) for c in range(columns)]
        for r in range(rows)
    ]
    heads = [f"row {r}" for r in range(rows)], [f"column {c}" for c in range(columns)]
    return Sheet("A sheet", "made by a test", *heads, grid, slider)


def written(sheet: Sheet, path: Path) -> bytes:
    assert save(sheet, path) == path
    return path.read_bytes()


# ------------------------------------------------------------------------------------------------------- all formats


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (4, 4), (12, 2)])
def test_grids_of_any_shape_are_written_and_equal_sheets_are_equal_files(
    suffix: str, rows: int, columns: int, tmp_path: Path
) -> None:
    grid = sheet(rows, columns, image=torch.rand(1, 3, 30, 40))
    assert written(grid, tmp_path / f"one{suffix}") == written(grid, tmp_path / f"two{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_blanks_empty_texts_and_mixed_shapes_are_fine(suffix: str, tmp_path: Path) -> None:
    shapes = [Cell(None), Cell(flat(1, 0, 0, 4, 200)), Cell(flat(0, 1, 0, 200, 4)), Cell(flat(0, 0, 1, 5, 5))]
    blank = [Cell(None, "a caption of nothing")] * 4
    written(Sheet("", "", ["", ""], [""] * 4, [shapes, blank], slider=True), tmp_path / f"sheet{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hostile_text_does_no_harm(suffix: str, tmp_path: Path) -> None:
    cell = Cell(flat(1, 0, 0), HOSTILE, {HOSTILE: HOSTILE})
    written(Sheet(HOSTILE, HOSTILE, [HOSTILE], [HOSTILE], [[cell]]), tmp_path / f"sheet{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_save_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"sheet{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(Exception, match="not a number"):
        save(sheet(image=flat(1, 0, 0) * torch.nan), path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_library_is_a_sentence(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "jinja2" if suffix == ".html" else "matplotlib"
    monkeypatch.setitem(sys.modules, name, None)
    for use in (lambda path: save(sheet(), path), check_output):
        with pytest.raises(OutputError, match=rf"^Sheets need {name}: pip install 'impasto\[figures\]'\.$"):
            use(tmp_path / f"sheet{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("use", [lambda path: save(sheet(), path), check_output])
def test_what_cannot_be_written_is_a_sentence(use: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"suffix '\.gif': use one of \.png, \.pdf, \.html\.$"):
        use(tmp_path / "sheet.gif")
    with pytest.raises(OutputError, match="create its folder"):
        use(tmp_path / "missing" / "sheet.png")


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        check_output(tmp_path / f"sheet{suffix.upper()}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("rows", "cells"), [(1, [[1], [1]]), (2, [[1], [1, 1]]), (1, [[]]), (0, [])])
def test_a_ragged_grid_is_refused(rows: int, cells: list[list[int]]) -> None:
    with pytest.raises(OptionError, match="give a head for each"):
        Sheet("", "", [""] * rows, [""], [[Cell(None) for _ in row] for row in cells])


# --------------------------------------------------------------------------------------------------------------- PNG


def pixels(sheet: Sheet, path: Path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(written(sheet, path))))


def test_a_picture_keeps_its_pixels_in_the_png(tmp_path: Path) -> None:
    """Found by its frame of pure magenta, which nothing else on the sheet has."""
    image = torch.rand(1, 3, 90, 160) * 0.9
    image[:, :, [0, -1], :] = image[:, :, :, [0, -1]] = torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)
    shown = pixels(Sheet("A title", "", ["row"], ["column"], [[Cell(image, "caption")]]), tmp_path / "sheet.png")
    ys, xs = np.nonzero((shown == (255, 0, 255)).all(axis=2))
    found = shown[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    assert (found == np.asarray(images.to_picture(image))).all()


def test_cells_are_in_their_places(tmp_path: Path) -> None:
    colors = [[(1, 0, 0), (0, 1, 0)], [(0, 0, 1), None]]
    cells = [[Cell(flat(*color) if color else None) for color in row] for row in colors]
    shown = pixels(Sheet("", "", ["", ""], ["", ""], cells), tmp_path / "sheet.png")
    quarters = [np.array_split(half, 2, axis=1) for half in np.array_split(shown, 2, axis=0)]
    for row, line in zip(colors, quarters, strict=True):
        for color, quarter in zip(row, line, strict=True):
            center = quarter[quarter.shape[0] // 2, quarter.shape[1] // 2]
            assert tuple(center) == (tuple(255 * part for part in color) if color else (255, 255, 255))


def test_the_margins_are_even_and_white(tmp_path: Path) -> None:
    grid = Sheet("", "", [""], ["", ""], [[Cell(flat(0, 0, 0, 256, 256))] * 2])
    shown = pixels(grid, tmp_path / "sheet.png")
    ys, xs = np.nonzero((shown < 255).any(axis=2))
    margins = ys.min(), xs.min(), shown.shape[0] - 1 - ys.max(), shown.shape[1] - 1 - xs.max()
    assert max(margins) - min(margins) <= 2
    assert min(margins) > 20


def test_a_large_sheet_is_reduced(tmp_path: Path) -> None:
    shown = pixels(sheet(1, 5, image=torch.zeros(1, 3, 100, 1500)), tmp_path / "sheet.png")
    assert sheets.MOST_PIXELS - 2 <= max(shown.shape) <= sheets.MOST_PIXELS + 1


# --------------------------------------------------------------------------------------------------------------- PDF


def streams(data: bytes) -> list[bytes]:
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            found.append(match[1])
    return found


def pdf_text(data: bytes) -> str:
    """The strings of every page, kerning left out; a line for each text."""
    blocks = [block for stream in streams(data) for block in re.findall(rb"BT(.*?)ET", stream, re.DOTALL)]
    return "\n".join(
        b"".join(re.findall(rb"\((.*?)(?<!\\)\)", block)).replace(b"\0", b"").decode("latin-1") for block in blocks
    )


def test_text_in_the_pdf_is_text(tmp_path: Path) -> None:
    data = written(sheet(), tmp_path / "sheet.pdf")
    lines = pdf_text(data).splitlines()
    for text in ("A sheet", "made by a test", "row 1", "column 2", "cell 1 2"):
        assert text in lines
    assert b"/Type3" not in data
    assert b"/FontFile2" in data, "TrueType, embedded"


def test_pictures_in_the_pdf_keep_their_size(tmp_path: Path) -> None:
    data = written(sheet(1, 2, image=torch.rand(1, 3, 33, 57)), tmp_path / "sheet.pdf")
    assert len(re.findall(rb"/Height 33\b", data)) == len(re.findall(rb"/Width 57\b", data)) == 2


def test_the_user_s_matplotlib_style_changes_nothing(tmp_path: Path) -> None:
    import matplotlib

    before = written(sheet(1, 1, image=flat(1, 0, 0)), tmp_path / "a.pdf")
    with matplotlib.rc_context({"pdf.fonttype": 3, "font.family": "serif", "savefig.bbox": "tight", "font.size": 30}):
        style = dict(matplotlib.rcParams)
        assert written(sheet(1, 1, image=flat(1, 0, 0)), tmp_path / "b.pdf") == before
        assert dict(matplotlib.rcParams) == style


# -------------------------------------------------------------------------------------------------------------- text


@settings(max_examples=25, deadline=None)
@given(text=st.text(max_size=60), width=st.floats(5, 200))
def test_wrapping_keeps_every_letter_and_the_width(text: str, width: float) -> None:
    with sheets.plotting("Sheets"):
        lines = sheets._wrap(text, sheets.CAPTION, width)
        assert all(len(line) == 1 or sheets.CAPTION.width(line) <= width for line in lines)
    letters = "".join(filter(str.isprintable, "".join(text.split())))
    assert re.sub("[ ·]", "", "".join(lines)) == letters.replace("·", "")


def test_wrapping_leaves_out_a_dot_between_words_at_the_break_but_none_of_a_word() -> None:
    with sheets.plotting("Sheets"):
        width = sheets.CAPTION.width("photo")
        assert sheets._wrap("style · photo", sheets.CAPTION, width) == ["style", "photo"]
        assert "".join(sheets._wrap("0·1·", sheets.CAPTION, 5)) == "0·1·"


# -------------------------------------------------------------------------------------------------------------- HTML


class Page(HTMLParser):
    """Every element with its attributes, all text, and whether tags are closed in order."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(data.decode("utf-8"))
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_is_well_formed_and_has_one_image_and_one_button_for_each_cell(tmp_path: Path) -> None:
    page = Page(written(sheet(2, 3, slider=True), tmp_path / "sheet.html"))
    pictures = page.all("img")
    assert [picture["alt"] for picture in pictures] == [f"row {r} · column {c}" for r in range(2) for c in range(3)]
    assert sum("cell" in (button.get("class") or "").split() for button in page.all("button")) == 6
    assert len(page.all("input")) == 2, "a slider for each row"
    assert {"A sheet", "made by a test", "row 1", "column 2", "cell 1 2"} <= set(page.text)


def test_without_slider_the_page_has_none(tmp_path: Path) -> None:
    assert not Page(written(sheet(), tmp_path / "sheet.html")).all("input")


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    data = written(sheet(slider=True), tmp_path / "sheet.html")
    page = Page(data)
    assert not re.search(rb"https?:|url\(|@import|fetch\(|XMLHttp|import\(", data)
    links = [value for _, attributes in page.elements for name in ("src", "href") if (value := attributes.get(name))]
    assert all(link.startswith("data:image/jpeg;base64,") for link in links)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_images_of_the_page_are_the_pictures(tmp_path: Path, smooth_image: Tensor) -> None:
    page = Page(written(sheet(1, 1, image=smooth_image), tmp_path / "sheet.html"))
    shown = images.load(b64decode((page.all("img")[0]["src"] or "").partition(",")[2]))
    assert shown.shape == smooth_image.shape
    assert (shown - smooth_image).abs().mean() < 0.02


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    cell = Cell(flat(1, 0, 0), HOSTILE, {HOSTILE: HOSTILE, "inner": {"deep": HOSTILE}})
    harmless = Cell(flat(1, 0, 0), "x", {"x": "x", "inner": {"deep": "x"}})
    bad = Page(written(Sheet(HOSTILE, HOSTILE, [HOSTILE], [HOSTILE], [[cell]], True), tmp_path / "bad.html"))
    good = Page(written(Sheet("x", "x", ["x"], ["x"], [[harmless]], True), tmp_path / "good.html"))
    assert [(tag, set(attributes)) for tag, attributes in bad.elements] == [
        (tag, set(attributes)) for tag, attributes in good.elements
    ]
    assert sum("{{ 7 * 7 }}" in text for text in bad.text) >= 6, "not rendered as a template either"


def test_settings_become_a_readable_table(tmp_path: Path) -> None:
    recipe = {
        "size": 512,
        "rate": 0.1 + 0.2,
        "offline": False,
        "weights": None,
        "options": {"layers": ("a", "b"), "none": ()},
    }
    text = Page(written(sheet(1, 1, settings=recipe), tmp_path / "sheet.html")).text
    table = text[text.index("size") : text.index("options › none") + 2]
    assert table == [
        *("size", "512"),
        *("rate", "0.3"),
        *("offline", "no"),
        *("weights", "–"),
        *("options › layers", "a, b"),
        *("options › none", "–"),
    ]
