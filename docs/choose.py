"""Paint the sheets of docs/choose.md.

python docs/choose.py [NAME ...]        writes docs/images/choose/NAME.jpg
"""

import sys
import tempfile
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
    """Every style loss, and the default one by a pyramid."""
    ways = {loss: {"style_loss": loss} for loss in LOSSES}
    ways["wasserstein, by a pyramid"] = {"parametrization": "pyramid"}
    cells = [
        sheets.Cell(impasto.paint(DEMO / "valley.jpg", DEMO / "swirl.jpg", size=SIZE, **given).image, name)
        for name, given in ways.items()
    ]
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
