"""Paint the shipped pictures with petit, with the teacher that it learnt its deep layers from, and with random filters.

    python docs/rivals.py --data DATA [--judge FILE.py]        writes docs/images/petit-rivals.jpg

DATA is as for training/petit.py. The rest of the recipe is the default's; nothing is trained. The judge is a file with a
class `Judge` whose `score(content, style, picture)` of three PIL pictures gives the distances "style" and "content"; a line
is printed for each picture.
"""

import argparse
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from trials import save_small

from impasto import backbones, painting, sheets
from impasto.backbones import BACKBONES, Architecture, Backbone
from impasto.painting import Painting

SHEET = Path(__file__).parent / "images" / "petit-rivals.jpg"
DEMO = Path(painting.__file__).parent / "assets" / "demo"
STYLES = ("swirl", "woodcut", "mosaic")
PLAIN = {"start": "content", "min_scale": 192, "first_steps": 100}  # presto's picture would hide what a network lacks
TEACHER = Architecture(
    "VGG-19 of a sixteenth of the parameters",
    ((16,) * 2, (32,) * 2, (64,) * 4, (128,) * 4, (128,)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    padding="reflect",
    pooling="average",
)


def teacher(path: Path) -> dict[str, Tensor]:
    """The file's weights, its 1x1 preprocessing folded into the first convolution."""
    weights = load_file(path)
    first, mix = weights["conv1_1.weight"], weights["preprocess.weight"][:, :, 0, 0]
    weights["conv1_1.bias"] += (first.sum((2, 3)) @ weights["preprocess.bias"]).view(-1)
    weights["conv1_1.weight"] = torch.einsum("okyx,kc->ocyx", first, mix)
    return {key: weights[key] for key in TEACHER.shapes}


def random_filters() -> dict[str, Tensor]:
    """Weights of petit's shapes as He et al. 2015 draw them."""
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=generator) * (2 / (9 * shape[1])) ** 0.5
        if len(shape) == 4
        else torch.zeros(shape)
        for key, shape in BACKBONES["petit"].shapes.items()
    }


def painted(load: Callable[[], Backbone], style: str, size: int) -> Painting:
    """The valley in a style, seen through another network."""
    painting.load_backbone = lambda *_: load()  # type: ignore[assignment]  (the options know only networks that ship)
    return painting.paint(DEMO / "valley.jpg", DEMO / f"{style}.jpg", size=size, **PLAIN)


def cell(painting: Painting, style: str, judge: Any) -> sheets.Cell:
    """A picture of the sheet, with what the judge says of it."""
    caption = ""
    if judge is not None:
        photo, goal = (Image.open(DEMO / f"{name}.jpg").convert("RGB") for name in ("valley", style))
        found = judge.score(photo, goal, painting.picture)
        caption = f"style {found['style']:.3f}, content {found['content']:.3f}"
        print(style, caption, flush=True)
    return sheets.Cell(painting.image, caption)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with teacher/")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--judge", type=Path)
    args = parser.parse_args()
    file = args.data / "teacher" / "vgg19_distilled_16x_to_conv5_1.safetensors"
    rivals: dict[str, Callable[[], Backbone]] = {
        "petit": lambda: backbones.load("petit", dtype=torch.bfloat16),
        "its teacher": lambda: Backbone("teacher", TEACHER, teacher(file), dtype=torch.bfloat16),
        "random filters": lambda: Backbone("petit", BACKBONES["petit"], random_filters(), dtype=torch.bfloat16),
    }
    judge = runpy.run_path(str(args.judge))["Judge"]() if args.judge else None
    cells = [[cell(painted(load, style, args.size), style, judge) for load in rivals.values()] for style in STYLES]
    title = "What each network paints"
    save_small(sheets.Sheet(title, "", list(STYLES), list(rivals), cells), SHEET)


if __name__ == "__main__":
    main()
