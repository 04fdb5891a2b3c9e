"""Draw the pictures of docs/report.md from the shipped pictures, with the commands that stand there.

python docs/report.py [NAME ...]        writes docs/images/report/NAME.jpg, of card, doctor and compare
"""

import runpy
import shlex
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from impasto import images, sheets
from impasto.doctor import examine
from impasto.sheets import Cell, Sheet
from impasto.shipped import DEMO

HERE = Path(__file__).parent
OUT = HERE / "images" / "report"

PAINT = "impasto paint valley.jpg swirl.jpg --size 384 -o out.png"
EVALUATE = "impasto evaluate out.png --content valley.jpg --style swirl.jpg -o card.png"
COMPARE = "impasto compare valley.jpg swirl.jpg --size 256 -o compare.png"


def run(command: str, folder: Path) -> None:
    """A command of the page, where the demo pictures and its own are."""
    subprocess.run([sys.executable, "-m", "impasto", *shlex.split(command)[1:]], cwd=folder, check=True)


def keep(path: Path, name: str) -> None:
    """A picture as a small JPEG beside the page."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((1400, 1400))
    small.save(OUT / f"{name}.jpg", quality=86, optimize=True)


def faults(folder: Path) -> None:
    """The planted faults, at medium severity, with what it says."""
    planted = runpy.run_path(str(HERE.parent / "benchmarks" / "faults.py"))
    image = images.load(folder / "out.png")
    photo, style = (images.load(folder / name) for name in ("valley.jpg", "swirl.jpg"))
    photo, style = images.resize_to(photo, (image.shape[2], image.shape[3])), images.resize(style, max(image.shape[2:]))
    shown = [Cell(image[:, :, 120:264, 180:372], "as painted")]
    for name in planted["FAULTS"]:
        faulty = planted["plant"](name, "medium", image, torch.Generator().manual_seed(1))
        score = examine(faulty, photo, [style]).scores[name]
        # the corner of the border, the middle of the others
        part = faulty[:, :, -144:, -192:] if name == "border" else faulty[:, :, 120:264, 180:372]
        shown.append(Cell(part, f"{name}, score {score:.1f}"))
    sheet = Sheet("Planted faults, medium severity", "A score of 1 counts as found.", ["", ""], [""] * 4,
                  [shown[:4], [*shown[4:], Cell(None)]])  # fmt: skip
    sheets.save(sheet, folder / "doctor.png")


DRAWN = {"card": partial(run, EVALUATE), "doctor": faults, "compare": partial(run, COMPARE)}

if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in DEMO.glob("*.jpg"):
            (folder / path.name).write_bytes(path.read_bytes())
        pictures = sys.argv[1:] or ["card", "doctor", "compare"]
        if {"card", "doctor"} & {*pictures}:
            run(PAINT, folder)
        for picture in pictures:
            DRAWN[picture](folder)
            keep(folder / f"{picture}.png", picture)
