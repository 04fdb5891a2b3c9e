"""Masks: where in a picture something holds, as a number from 0 to 1 for every pixel.

A mask comes from a picture (white 1, black 0, transparent 0), from the photo's own opacity, or from a shape in words:

    left, right, top, bottom         half of the picture
    gradient:left, ...               1 at that edge, falling evenly to 0 at the opposite one
    ellipse:X,Y,RX,RY                center and radii
    box:LEFT,TOP,RIGHT,BOTTOM        its edges
    all                              everywhere

Numbers are shares of the picture's width and height, (0, 0) is its upper left corner. A shape is drawn anew at every
scale, with an edge as soft as asked; a picture is as soft as its maker made it.
"""

import math
import os
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from impasto import images
from impasto.errors import InputError, OptionError
from impasto.images import ImageSource

SIDES = ("left", "right", "top", "bottom")
WORDS = f"{', '.join(SIDES)}, gradient:left, ellipse:X,Y,RX,RY, box:LEFT,TOP,RIGHT,BOTTOM, all, alpha"

# (height, width), softness as a share of the longer side -> (1, 1, H, W) in [0, 1]
Mask: TypeAlias = Callable[[tuple[int, int], float], Tensor]


def load(source: ImageSource, photo: Tensor, opacity: Tensor | None) -> Mask:
    """What `source` names, ready to be drawn at any size. "alpha" is the photo's `opacity`, (1, 1, H, W).

    Raises InputError for a picture of another aspect than the photo's, OptionError for what is no shape.
    """
    if not isinstance(source, str) or is_file(source):
        return picture(source, photo)
    kind, _, rest = source.partition(":")
    if kind == "alpha":
        return drawn(torch.ones_like(photo[:, :1]) if opacity is None else opacity)
    if kind == "gradient":
        return lambda shape, softness: gradient(rest, shape).to(photo)
    numbers = tuple(float(number) for number in rest.split(",")) if rest else ()
    return lambda shape, softness: soft(outside(kind, numbers, shape), softness).to(photo)


def is_file(source: str) -> bool:
    """Whether this names a file and not a shape. Raises OptionError where it is neither."""
    if is_shape(source):
        return False
    if not os.path.lexists(source):
        raise OptionError(f"The mask {source!r} is neither a file nor a shape. The shapes are {WORDS}.")
    return True


def is_shape(source: str) -> bool:
    """Whether these are the words of a shape and not the name of a file. Raises OptionError for a shape gone wrong."""
    kind, colon, rest = source.partition(":")
    if not colon:
        return kind in (*SIDES, "all", "alpha")
    if kind == "gradient" and rest in SIDES:
        return True
    if kind not in ("gradient", "ellipse", "box"):
        return False
    try:
        numbers = [float(number) for number in rest.split(",")]
    except ValueError:
        numbers = []
    sizes = numbers[2:] if kind == "ellipse" else [b - a for a, b in zip(numbers[:2], numbers[2:], strict=False)]
    if kind == "gradient" or len(numbers) != 4 or not all(map(math.isfinite, numbers)) or min(sizes) <= 0:
        raise OptionError(
            f"The mask {source!r} is no shape: write gradient:left (right, top, bottom), ellipse:X,Y,RX,RY or "
            "box:LEFT,TOP,RIGHT,BOTTOM, numbers as shares of the width and height, such as ellipse:0.5,0.4,0.2,0.3."
        )
    return True


def picture(source: ImageSource, photo: Tensor) -> Mask:
    """The mask in a picture of the photo's aspect: its brightness times its opacity."""
    if isinstance(source, Tensor) and (source.ndim == 2 or source.shape[-3] == 1):
        source = source.reshape(1, *source.shape[-2:]).expand(3, -1, -1)
    size = max(photo.shape[2:])
    image = images.load(source, size)
    (height, width), (rows, columns) = image.shape[2:], photo.shape[2:]
    if not 0.97 < (height * columns) / (width * rows) < 1.03:
        raise InputError(
            f"The mask is {width} x {height} pixels and the photo {columns} x {rows}, which is another shape: "
            "make the mask from the photo, at any size."
        )
    opacity = images.load_opacity(source, size)
    mask = image.mean(1, keepdim=True)
    return drawn((mask if opacity is None else mask * opacity).to(photo))


def drawn(mask: Tensor) -> Mask:
    """A mask (1, 1, H, W) that is resampled to the size that is asked for."""
    return lambda shape, softness: images.resize_to(mask, shape)


def gradient(side: str, shape: tuple[int, int]) -> Tensor:
    """1 at one side, 0 at the opposite one."""
    x, y, _ = grid(shape)
    return {"left": 1 - x, "right": x, "top": 1 - y, "bottom": y}[side].expand(1, 1, *shape)


def outside(kind: str, numbers: tuple[float, ...], shape: tuple[int, int]) -> Tensor:
    """How far each pixel lies outside a shape, in the longer side's length; negative inside. -> (1, 1, H, W)"""
    x, y, (width, height) = grid(shape)
    if kind == "ellipse":
        across, down, *radii = numbers
        reach = (((x - across) / radii[0]) ** 2 + ((y - down) / radii[1]) ** 2).sqrt()
        return ((reach - 1) * min(radii[0] * width, radii[1] * height)).expand(1, 1, *shape)
    boxes = {"left": (-9, -9, 0.5, 9), "right": (0.5, -9, 9, 9), "top": (-9, -9, 9, 0.5), "bottom": (-9, 0.5, 9, 9)}
    left, top, right, bottom = numbers or boxes.get(kind, (-9, -9, 9, 9))
    beyond = torch.maximum((left - x) * width, (x - right) * width), torch.maximum((top - y), (y - bottom)) * height
    return torch.maximum(*beyond).expand(1, 1, *shape)


def grid(shape: tuple[int, int]) -> tuple[Tensor, Tensor, tuple[float, float]]:
    """(x, y, (width, height)): centers of the pixels as shares of the sides, and the sides as shares of the longer one."""
    height, width = shape
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    return x.view(1, -1), y.view(-1, 1), (width / max(shape), height / max(shape))


def soft(distance: Tensor, softness: float) -> Tensor:
    """1 inside, 0 outside, and a smooth step `softness` wide between them."""
    ramp = (0.5 - distance / max(softness, 1e-6)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)
