"""Draw the demonstration pictures: python artwork/draw.py [NAME...] [--out DIR]."""

import argparse
import importlib
import time
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = ("valley", "swirl", "woodcut", "mosaic", "points", "fauve")
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "impasto" / "assets" / "demo"


def save(picture: np.ndarray, path: Path) -> None:
    """Write an array of floats in 0..1 as a progressive JPEG."""
    pixels = np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=88, optimize=True, progressive=True)


def main() -> None:
    """Draw the pictures named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the pictures")
    options = parser.parse_args()
    unknown = set(options.names) - set(PICTURES)
    if unknown:
        parser.error(f"no such picture: {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or PICTURES:
        start = time.perf_counter()
        path = options.out / f"{name}.jpg"
        save(importlib.import_module(name).draw(), path)
        seconds = time.perf_counter() - start
        print(f"{path}  {path.stat().st_size / 1024:.0f} KiB  {seconds:.1f} s")


if __name__ == "__main__":
    main()
