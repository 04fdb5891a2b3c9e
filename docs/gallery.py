"""Draw the figures that docs/figures.md and docs/documents.md show.

    python docs/gallery.py [NAME ...]

Each is what `impasto figure NAME --size 128` draws from the shipped pictures, as a JPEG in docs/images/figures; any-style,
which costs next to nothing, is larger. Finished cells stay in runs/figures, so a run that was stopped continues.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from impasto import curves, figures, sheets

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "images" / "figures"


def draw(name: str) -> None:
    """The figure's sheet, and its curves if it has any."""
    laid = figures.plan(name, size=320 if name == "any-style" else 128)
    made = list(figures.cells(laid, ROOT / "runs" / "figures"))
    with tempfile.TemporaryDirectory() as folder:
        drawn = [(name, sheets.save(figures.sheet(laid, made), Path(folder, "sheet.png")))]
        if laid.curves:
            plot = curves.save_curves(figures.histories(laid, made), Path(folder, "curve.png"))
            drawn.append((f"{name}-curve", plot))
        for stem, path in drawn:
            with Image.open(path) as picture:
                picture.convert("RGB").save(OUT / f"{stem}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or figures.FIGURES:
        draw(name)
        print(name)
