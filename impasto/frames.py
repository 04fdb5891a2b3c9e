"""The frame that a picture of a painting shows around it, or the edge of its scan: found, so that it can be left out.

A style's statistics count every place alike, so a frame's long straight bars come back as bars across the painting.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from impasto import images
from impasto.options import StyleFrame

LOOKED_AT = 512  # pixels of the longer side at which a frame is looked for
DEEPEST = 0.08  # of a side: what is deeper in is a part of the picture
STEP = 0.06  # in sRGB, as a length: the least that a frame's edge differs across two pixels
SHARE = 0.7  # of a side's length along which it must do so, and the same way
SIDES = 3  # that must have such an edge: a frame runs around, while a horizon may lie near one side


class Frame(NamedTuple):
    """How wide a frame is, as shares of the picture's width (left, right) and height (top, bottom)."""

    left: float
    top: float
    right: float
    bottom: float

    def cut(self, image: Tensor) -> Tensor:
        """What of (1, C, H, W) is inside."""
        height, width = image.shape[2:]
        top, bottom = round(self.top * height), height - round(self.bottom * height)
        left, right = round(self.left * width), width - round(self.right * width)
        return image[:, :, top:bottom, left:right]


def find(image: Tensor) -> Frame | None:
    """The frame in (1, 3, H, W), sRGB in [0, 1], or None."""
    height, width = image.shape[2:]
    small = images.resize(image, LOOKED_AT)[0] if max(height, width) > LOOKED_AT else image[0]
    sides = small.transpose(1, 2), small, small.transpose(1, 2).flip(1), small.flip(1)
    depths = [depth(side) / side.shape[1] for side in sides]
    return Frame(*depths) if sum(found > 0 for found in depths) >= SIDES else None


def depth(picture: Tensor) -> int:
    """How many rows of (3, H, W), counted from the first, are frame: those up to the last edge that runs along them."""
    height, width = picture.shape[1:]
    reach, corner = int(DEEPEST * height), int(DEEPEST * width)
    rows = picture[:, : reach + 2, corner : width - corner]
    steps = rows[:, 2:] - rows[:, :-2]  # the edges of a scan are soft
    along = (steps * F.normalize(steps.mean(2, keepdim=True), dim=0)).sum(0)
    edges = ((along > STEP).float().mean(1) > SHARE).nonzero()
    return int(edges.max()) + 3 if len(edges) else 0


def without(image: Tensor, style_frame: StyleFrame = "cut") -> Tensor:
    """(1, 3, H, W) without its frame: the whole of it where it has none, or where that is kept."""
    found = find(image) if style_frame == "cut" else None
    return image if found is None else found.cut(image)
