"""Measure the strength dial: how far is each strength from the style, whatever paints?

python docs/strength.py [--judge FILE.py] [--size 160 224] [CONTENT STYLE ...]

For each pair of pictures, a shipped one if none is given: strengths 10 to 90, two optimisers, two starts, two sizes, two
losses. Prints for every strength the mean style distance, where 1 is the photo's own, and its coefficient of variation.
The judge is a file with a class `Judge` whose `score(content, style, picture)` of three PIL pictures gives {"style": ...};
without one petit judges, by Gram matrices at five layers.
"""

import argparse
import itertools
import runpy
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import torch
from PIL import Image

import impasto
from impasto import backbones, images
from impasto.shipped import DEMO
from impasto.statistics import gram

STRENGTHS = (10, 30, 50, 70, 90)
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Petit:
    """The shipped network as judge."""

    def __init__(self) -> None:
        self.backbone = backbones.load("petit")

    @torch.no_grad()
    def score(self, content: Image.Image, style: Image.Image, picture: Image.Image) -> dict[str, float]:
        """Mean over the layers of |Gram(picture) - Gram(style)| / |Gram(content) - Gram(style)|."""
        size = max(picture.size)
        seen = [self.backbone(images.resize(images.load(one), size), LAYERS) for one in (content, style, picture)]
        photo, goal, painted = ({layer: gram(features[layer]) for layer in LAYERS} for features in seen)
        ways = [float((painted[k] - goal[k]).norm() / (photo[k] - goal[k]).norm()) for k in LAYERS]
        return {"style": fmean(ways)}


def load_judge(path: Path | None) -> Any:
    """The `Judge` of a file, or petit."""
    return Petit() if path is None else runpy.run_path(str(path))["Judge"]()


def measure(judge: Any, content: Path, style: Path, sizes: list[int]) -> None:
    """Print a line for every painting of a pair, and a line for every strength."""
    photo, painting = (Image.open(path).convert("RGB") for path in (content, style))
    ways = list(itertools.product(("lbfgs", "adam"), ("content", "noise"), sizes, ("wasserstein", "gram")))
    found: dict[int, list[float]] = {strength: [] for strength in STRENGTHS}
    for strength in STRENGTHS:
        for optimizer, start, size, loss in ways:
            given = {"optimizer": optimizer, "start": start, "size": size, "style_loss": loss, "strength": strength}
            picture = impasto.paint(content, style, **given).picture
            found[strength].append(judge.score(photo, painting, picture)["style"])
            print(strength, optimizer, start, size, loss, f"{found[strength][-1]:.3f}", flush=True)
    rising = all(a > b for one in zip(*found.values(), strict=True) for a, b in itertools.pairwise(one))
    print(f"\n{content.stem} in {style.stem}: {'' if rising else 'not '}monotone in each of {len(ways)} ways")
    print("| strength | style distance | least | most | variation |\n| --- | --- | --- | --- | --- |")
    for strength, values in found.items():
        mean = fmean(values)
        print(f"| {strength} | {mean:.3f} | {min(values):.3f} | {max(values):.3f} | {pstdev(values) / mean:.1%} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, default=[DEMO / "valley.jpg", DEMO / "woodcut.jpg"])
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--size", nargs=2, type=int, default=[160, 224])
    arguments = parser.parse_args()
    judge = load_judge(arguments.judge)
    for pair in zip(arguments.pictures[::2], arguments.pictures[1::2], strict=True):
        measure(judge, *pair, arguments.size)
