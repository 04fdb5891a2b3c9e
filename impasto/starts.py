"""What the canvas shows before the first step: presto's picture, the photo, the style, noise, a flat tone or a file."""

import os
from dataclasses import replace

import torch
from torch import Tensor

from impasto import images, machine
from impasto.canvas import cover, crop, pad
from impasto.errors import OptionError
from impasto.options import STARTS, PaintOptions, StylizeOptions
from impasto.presto import Presto
from impasto.scene import View
from impasto.shelf import Shelf


def start(view: View, options: PaintOptions, shelf: Shelf) -> Tensor:
    """The canvas before the first step, of the content's shape: noise·α + start·(1 - α). It may be the content itself."""
    canvas = unmixed(view, options, shelf)
    if not options.start_noise:
        return canvas
    return noise(canvas, options.seed) * options.start_noise + canvas * (1 - options.start_noise)


def sketch(view: View, options: PaintOptions, shelf: Shelf, passes: int | None = None) -> Tensor:
    """The view as presto paints it, as strong as the painting is to be; with the view's margin, mirrored."""
    wanted = StylizeOptions(
        size=options.size,
        device=str(view.content.device),
        precision=options.precision,
        engine="torch",
        passes=passes,
        strength=100 if options.strength is None else options.strength,
    )
    presto: Presto = shelf.take(("presto", wanted.device, wanted.precision), lambda: Presto(wanted))
    presto.take(wanted, options.tile)
    picture = presto.image(replace(view, content=crop(view.content, view.margin), margin=0))
    machine.hand_back_freed_memory()  # what presto took, painting takes in other pieces
    return pad(picture, view.margin)


def normal(content: Tensor, seed: int) -> Tensor:
    """Numbers of mean 0 and deviation 1 in the content's shape."""
    return torch.randn(content.shape, generator=torch.Generator().manual_seed(seed)).to(content)


def noise(content: Tensor, seed: int) -> Tensor:
    """Gray noise in [0, 1] in the content's shape."""
    return normal(content, seed).mul_(0.25).add_(0.5).clamp_(0, 1)


def unmixed(view: View, options: PaintOptions, shelf: Shelf) -> Tensor:
    """What `options.start` names, without the noise over it. Raises OptionError for a file that is not there."""
    content, style = view.content, view.styles[0].image
    if options.start == "presto":
        return sketch(view, options, shelf)
    if options.start == "content":
        return content
    if options.start == "style":
        return cover(style, content.shape[2:])
    if options.start == "noise":
        return noise(content, options.seed)
    if options.start == "style-noise":  # noise of the style's mean and deviation, as style-transfer-pytorch has it
        deviation, mean = torch.std_mean(style, (2, 3), keepdim=True)
        return (mean + deviation * normal(content, options.seed)).clamp(0, 1)
    if options.start in ("white", "gray"):
        return torch.full_like(content, {"white": 1.0, "gray": 0.5}[options.start])
    if os.path.lexists(options.start):  # unlike exists(), it never raises
        return cover(images.load(options.start).to(content), content.shape[2:])
    raise OptionError(
        f"--start {options.start} is neither a file nor one of {', '.join(STARTS)}. Choose one of these or a picture."
    )
