"""The canvas: its shape and its margin.

Networks see a border where there is none in the world. So a picture is painted with a mirrored margin that is cut off at
the end; a canvas that shall tile has no border at all, its margin is the opposite edge.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import images


def cover(image: Tensor, shape: torch.Size) -> Tensor:
    """`image` enlarged or reduced until it covers (height, width), its aspect kept, its overhang cut evenly."""
    height, width = image.shape[2:]
    factor = max(shape[0] / height, shape[1] / width)
    larger = images.resize_to(image, (max(shape[0], round(height * factor)), max(shape[1], round(width * factor))))
    top, left = (larger.shape[2] - shape[0]) // 2, (larger.shape[3] - shape[1]) // 2
    return larger[:, :, top : top + shape[0], left : left + shape[1]].contiguous()


def pad(image: Tensor, margin: int) -> Tensor:
    """Mirror the border outwards, so that what networks do at borders falls on what is cut off."""
    least = min(margin, image.shape[2] - 1, image.shape[3] - 1)  # a mirror is no wider than the picture
    image = F.pad(image, (least,) * 4, mode="reflect") if least else image
    return F.pad(image, (margin - least,) * 4, mode="replicate") if margin > least else image


def crop(image: Tensor, margin: int) -> Tensor:
    """Undo `pad`."""
    return image[:, :, margin : image.shape[2] - margin, margin : image.shape[3] - margin]


def resized(canvas: Tensor, shape: tuple[int, int], seamless: bool) -> Tensor:
    """`canvas` at (height, width); where it tiles, pixels beyond an edge are those of the opposite one."""
    if not seamless:
        return images.resize_to(canvas, shape)
    reach = 8  # pixels on each side, more than bicubic interpolation looks at
    margins = [round(reach * new / old) for new, old in zip(shape, canvas.shape[2:], strict=True)]
    wrapped = F.pad(canvas, (reach,) * 4, mode="circular")
    larger = images.resize_to(wrapped, (shape[0] + 2 * margins[0], shape[1] + 2 * margins[1]))
    return larger[:, :, margins[0] : margins[0] + shape[0], margins[1] : margins[1] + shape[1]]
