"""Paint the shipped pictures with petit, with the teacher that it learnt its deep layers from, and with random filters.

    python docs/rivals.py --data DATA [--judge FILE.py]        writes docs/images/petit-rivals.jpg
    python docs/rivals.py --data DATA --judge FILE.py --contents PHOTO... --styles PAINTING... [--networks ...] [...]

DATA is as for training/petit.py. The rest of the recipe is the default's; nothing is trained. The judge is a file with a
class `Judge` whose `score(content, style, picture)` of three PIL pictures gives the distances "style" and "content"; a line
is printed for each picture.

The second form paints every photo in every style at both of `--content-weight`, and prints for every network the medians
over the pairs. Two networks compare only where they keep as much of the photo: so it also prints the style's distance where
the content's is `--at`, on the line through both.
"""

import argparse
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from trials import save_small

from impasto import backbones, painting, sheets
from impasto.backbones import BACKBONES, Architecture, Backbone
from impasto.machine import has_bfloat16
from impasto.painting import Painting
from impasto.shipped import DEMO

SHEET = Path(__file__).parent / "images" / "petit-rivals.jpg"
STYLES = ("swirl", "woodcut", "mosaic")
PLAIN = {"start": "content", "min_scale": 192, "first_steps": 100}  # presto's picture would hide what a network lacks
TEACHER = Architecture(
    "VGG-19 of a sixteenth of the parameters",
    ((16,) * 2, (32,) * 2, (64,) * 4, (128,) * 4, (128,)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    padding="reflect",
    pooling="max",
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


def painted(load: Callable[[], Backbone], content: Path, style: Path, **options: Any) -> Painting:
    """A painting, seen through another network."""
    painting.load_backbone = lambda *_: load()  # type: ignore[assignment]  (the options know only networks that ship)
    return painting.paint(content, style, **options)


def cell(painting: Painting, style: str, judge: Any) -> sheets.Cell:
    """A picture of the sheet, with what the judge says of it."""
    caption = ""
    if judge is not None:
        photo, goal = (Image.open(DEMO / f"{name}.jpg").convert("RGB") for name in ("valley", style))
        found = judge.score(photo, goal, painting.picture)
        caption = f"style {found['style']:.3f}, content {found['content']:.3f}"
        print(style, caption, flush=True)
    return sheets.Cell(painting.image, caption)


def sheet(networks: Mapping[str, Callable[[], Backbone]], judge: Any, size: int) -> sheets.Sheet:
    """The valley in three styles by every network: a row a style."""
    cells = [
        [
            cell(painted(load, DEMO / "valley.jpg", DEMO / f"{style}.jpg", size=size, **PLAIN), style, judge)
            for load in networks.values()
        ]
        for style in STYLES
    ]
    return sheets.Sheet("What each network paints", "", list(STYLES), list(networks), cells)


def medians(
    load: Callable[[], Backbone], judge: Any, pairs: list[tuple[Path, Path]], **options: Any
) -> tuple[float, float]:
    """(style, content): the medians over the pairs of the judge's distances."""
    scores = []
    for content, style in pairs:
        picture = painted(load, content, style, **options).picture
        scores.append(judge.score(*(Image.open(path).convert("RGB") for path in (content, style)), picture))
        print(f"  {content.stem} in {style.stem}: {scores[-1]['style']:.3f}, {scores[-1]['content']:.3f}", flush=True)
    return median(one["style"] for one in scores), median(one["content"] for one in scores)


def between(near: tuple[float, float], far: tuple[float, float], content: float) -> float:
    """The style's distance where the content's is `content`, on the line through two (style, content)."""
    return near[0] + (far[0] - near[0]) * (content - near[1]) / (far[1] - near[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with teacher/")
    parser.add_argument("--size", type=int, help="384 for the sheet, 512 for pairs, if not given")
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--contents", nargs="+", type=Path, default=[])
    parser.add_argument("--styles", nargs="+", type=Path, default=[])
    parser.add_argument("--content-weight", nargs=2, type=float, default=[0.01, 0.012])
    parser.add_argument("--at", type=float, default=0.75)
    parser.add_argument("--optimizer", choices=["adam", "lbfgs"], default="adam", help="of pairs")
    parser.add_argument("--networks", nargs="+", choices=["petit", "its teacher", "random filters"])
    args = parser.parse_args()
    file = args.data / "teacher" / "vgg19_distilled_16x_to_conv5_1.safetensors"
    dtype = torch.bfloat16 if has_bfloat16(torch.device("cpu")) else torch.float32
    known: dict[str, Callable[[], Backbone]] = {
        "petit": lambda: backbones.load("petit", dtype=dtype),
        "its teacher": lambda: Backbone("teacher", TEACHER, teacher(file)),  # max pooling wants float32
        "random filters": lambda: Backbone("petit", BACKBONES["petit"], random_filters(), dtype=dtype),
    }
    networks = {name: known[name] for name in args.networks or known}
    judge = runpy.run_path(str(args.judge))["Judge"]() if args.judge else None
    pairs = [(content, style) for content in args.contents for style in args.styles]
    if not pairs:
        save_small(sheet(networks, judge, args.size or 384), SHEET)
        return
    for name, load in networks.items():
        given = {"size": args.size or 512, "optimizer": args.optimizer}
        found = [medians(load, judge, pairs, content_weight=weight, **given) for weight in args.content_weight]
        for weight, (style, content) in zip(args.content_weight, found, strict=True):
            print(f"{name}, content weight {weight:g}: style {style:.3f}, content {content:.3f}", flush=True)
        print(f"{name}: style {between(*found, args.at):.3f} at content {args.at:g}", flush=True)


if __name__ == "__main__":
    main()
