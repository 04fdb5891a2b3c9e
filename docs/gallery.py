"""Draw the figures that docs/figures.md and docs/documents.md show.

    python docs/gallery.py [NAME ...]

Each is what `impasto figure NAME` draws from the shipped pictures, as a JPEG in docs/images/figures; those of `SIZES` are
larger. Finished cells stay in runs/figures, so a run that was stopped continues. Seconds are left out: other work on the
machine changes them. `presets` is the comparison of docs/peers.md.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image

from impasto import comparison, curves, images, sheets
from impasto.figures import making, table
from impasto.figures.layout import Plan
from impasto.presets import FIGURE_SHEET
from impasto.shipped import DEMO

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "images" / "figures"
SIZES = {"gallery": 384, "any-style": 384}
COMPARED = ("default", "gatys2015", "ryanchankh", "assignment4", "blog", "crowson")


def compared() -> Plan:
    """What `impasto compare valley.jpg swirl.jpg --presets ... --backbone petit --size 256` lays out."""
    pair = (DEMO / f"{name}.jpg" for name in ("valley", "swirl"))
    laid = comparison.plan(*pair, presets=COMPARED, backbone="petit", size=256)
    caption = (
        "Under each: how much of the way to the style is left, the distance to the photo, and what the doctor found."
    )
    return replace(laid, caption=caption)


def draw(name: str) -> None:
    """The figure's sheet, and its curves if it has any."""
    laid = compared() if name == "presets" else table.plan(name, size=SIZES.get(name, FIGURE_SHEET["size"]))
    made = [
        replace(one, recipe={key: said for key, said in one.recipe.items() if key != "seconds"})
        for one in making.cells(laid, ROOT / "runs" / "figures")
    ]
    with tempfile.TemporaryDirectory() as folder:
        drawn = [(name, sheets.save(making.sheet(laid, made), Path(folder, "sheet.png")))]
        if laid.curves:
            plot = curves.save_curves(making.histories(laid, made), Path(folder, "curve.png"))
            drawn.append((f"{name}-curve", plot))
        for stem, path in drawn:
            picture = images.load_picture(path)
            picture.thumbnail((1600, 1600), Image.Resampling.LANCZOS)
            picture.save(OUT / f"{stem}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or (*table.FIGURES, "presets"):
        draw(name)
        print(name)
