"""Half-painted pictures for training: what a feature network sees while a picture is being painted.

    python training/painted.py --data DATA --out DATA/painted

Random pictures of DATA/photos are painted in the manner of random ones of DATA/paintings, a few steps far, from the photo
or from noise, by the shipped network. Pictures that are there already are kept, so a run that was stopped continues.
"""

import argparse
from pathlib import Path

import numpy as np
from pictures import SUFFIXES

import impasto


def pictures(folder: Path, every: int) -> list[Path]:
    """The folder's pictures but for those that petit.py holds out, each `every`-th."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return [path for i, path in enumerate(paths) if i % every]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ and paintings/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--size", type=int, default=256, help="longer side in pixels")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    photos, paintings = pictures(args.data / "photos", 20), pictures(args.data / "paintings", 16)
    for i in range(args.count):
        out = args.out / f"{i:03}.png"
        if out.exists():
            continue
        random = np.random.default_rng(i)
        options = impasto.PaintOptions(
            size=args.size,
            steps=int(np.exp(random.uniform(np.log(2), np.log(40)))),
            start=str(random.choice(["content", "noise"])),  # type: ignore[arg-type]
            content_weight=float(0.015 * np.exp(random.uniform(-1.5, 1.5))),
            tv_weight=float(random.choice([0.0, 0.02, 0.05])),
            seed=i,
        )
        photo, painting = photos[random.integers(len(photos))], paintings[random.integers(len(paintings))]
        impasto.paint(photo, painting, options).save(out)


if __name__ == "__main__":
    main()
