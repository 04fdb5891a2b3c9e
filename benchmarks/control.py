"""Measure what masks and kept colors promise.

python benchmarks/control.py [--judge FILE.py] [--size 256] [PHOTO STYLE STYLE]

- Two styles, each on a half with a soft edge between them: how far each half is from its own style, against the same half
  of a painting in that style alone; and how much the edge's gradients stand out from the rest.
- Kept colors: the mean distance of the picture's chroma to the photo's in OKLab, and its lightness beside that of the style
  as it is painted from, which is matched to the photo's.

The judge is a file with a class `Judge` whose `score(content, style, picture)` of three PIL pictures gives {"style": ...};
without one petit judges, by Gram matrices at five layers.
"""

import argparse
import runpy
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import impasto
from impasto import colors, evaluation, images
from impasto.shipped import DEMO

PICTURES = [DEMO / f"{name}.jpg" for name in ("valley", "swirl", "woodcut")]
EDGE = 0.1  # of the width on both sides of the middle: what lies there belongs to no style alone


class Petit:
    """The shipped network as judge."""

    def score(self, content: Image.Image, style: Image.Image, picture: Image.Image) -> dict[str, float]:
        """The report card's figure."""
        return {"style": evaluation.evaluate(picture, content, style)["style"]}


def halves(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """What lies left and right of the soft edge."""
    width, height = picture.size
    return (
        picture.crop((0, 0, round(width * (0.5 - EDGE)), height)),
        picture.crop((round(width * (0.5 + EDGE)), 0, width, height)),
    )


def energy(image: Tensor) -> Tensor:
    """Mean squared difference of horizontal neighbours, column by column: (W - 1,)."""
    return image.diff(dim=3).square().mean((0, 1, 2))


def regions(judge: Any, photo: Path, styles: list[Path], size: int) -> None:
    """Print a line for each half, and one for the edge."""
    both = impasto.paint(photo, [(styles[0], 1, "left"), (styles[1], 1)], size=size, mask_softness=EDGE)
    content = halves(Image.open(photo).convert("RGB"))
    for side, style in enumerate(styles):
        alone = impasto.paint(photo, style, size=size).picture
        goal = Image.open(style).convert("RGB")
        shared, single = (judge.score(content[side], goal, halves(one)[side])["style"] for one in (both.picture, alone))
        print(f"{style.stem}: {shared:.3f} on its half, {single:.3f} alone: {shared / single - 1:+.1%}", flush=True)
    columns = energy(both.image)
    middle, reach = len(columns) // 2, round(EDGE * len(columns) / 2)
    edge = columns[middle - reach : middle + reach].mean()
    rest = torch.stack([part.mean() for part in columns.split(2 * reach)])
    print(f"gradient energy at the edge {edge:.4f}; elsewhere {rest.min():.4f} to {rest.max():.4f}")


def kept(photo: Path, style: Path, size: int) -> None:
    """Print how near the colors are to the photo's, and the lightness to the style's."""
    painting = colors.to_oklab(impasto.paint(photo, style, size=size, colors="keep").image)
    photograph, goal = (images.resize(images.load(path), size) for path in (photo, style))
    goal = colors.to_oklab(colors.prepare(goal, photograph, "keep"))[:, 0]
    apart = (painting[:, 1:] - colors.to_oklab(photograph)[:, 1:]).norm(dim=1).mean()
    print(f"{style.stem}: chroma {apart:.4f} from the photo's in the mean;", end=" ")
    print(f"lightness {painting[:, 0].mean():.3f} +- {painting[:, 0].std():.3f}, the matched style's", end=" ")
    print(f"{goal.mean():.3f} +- {goal.std():.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, default=PICTURES)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    judge = runpy.run_path(str(arguments.judge))["Judge"]() if arguments.judge else Petit()
    photo, *styles = arguments.pictures
    regions(judge, photo, styles, arguments.size)
    for style in styles:
        kept(photo, style, arguments.size)
