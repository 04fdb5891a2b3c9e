"""Paint the sheets of docs/choose.md.

python docs/choose.py [NAME ...]        writes docs/images/choose/NAME.jpg
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from trials import save_small

import impasto
from impasto import choosing, sheets
from impasto.figures import making
from impasto.shipped import DEMO

HERE = Path(__file__).parent
SIZE = 384
LOSSES = ("wasserstein", "moments", "gram", "sliced", "histogram", "earth-mover", "nearest")


def losses() -> sheets.Sheet:
    """Every style loss and the pyramid, with the processor's seconds of each."""
    ways = {loss: {"style_loss": loss} for loss in LOSSES}
    ways["wasserstein, by a pyramid"] = {"parametrization": "pyramid"}
    cells = []
    for given in ways.values():
        began = time.process_time()
        painting = impasto.paint(
            DEMO / "valley.jpg",
            DEMO / "swirl.jpg",
            size=SIZE,
            precision="float32",
            **given,
        )
        cells.append(sheets.Cell(painting.image, f"{time.process_time() - began:.0f} s of a processor"))
    cells = [sheets.Cell(cell.image, f"{name} · {cell.caption}") for name, cell in zip(ways, cells, strict=True)]
    caption = f"{SIZE} pixels; python docs/choose.py losses"
    return sheets.Sheet("What is matched", caption, ["", ""], [""] * 4, [cells[:4], cells[4:]])


def dial() -> sheets.Sheet:
    """What `impasto dial valley.jpg woodcut.jpg` draws."""
    laid = choosing.dial(DEMO / "valley.jpg", DEMO / "woodcut.jpg")
    laid = replace(laid, caption="impasto dial valley.jpg woodcut.jpg")
    with tempfile.TemporaryDirectory() as folder:
        return making.sheet(laid, list(making.cells(laid, folder)))


SHEETS = {"losses": losses, "dial": dial}

if __name__ == "__main__":
    (HERE / "images" / "choose").mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or SHEETS:
        save_small(SHEETS[name](), HERE / "images" / "choose" / f"{name}.jpg")
