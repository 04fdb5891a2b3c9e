"""The canvas: what it shows before the first step, and its margin.

Networks see a border where there is none in the world. So a picture is painted with a mirrored margin that is cut off at
the end; a canvas that shall tile has no border at all, its margin is the opposite edge.
"""

import os

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import images
from impasto.errors import OptionError
from impasto.options import STARTS, PaintOptions


def start(content: Tensor, style: Tensor, options: PaintOptions) -> Tensor:
    """The canvas before the first step, of the content's shape: noise·α + start·(1 - α). It may be `content` itself."""
    canvas = unmixed(content, style, options)
    if not options.start_noise:
        return canvas
    return noise(content, options.seed) * options.start_noise + canvas * (1 - options.start_noise)


def normal(content: Tensor, seed: int) -> Tensor:
    """Numbers of mean 0 and deviation 1 in the content's shape."""
    return torch.randn(content.shape, generator=torch.Generator().manual_seed(seed)).to(content)


def noise(content: Tensor, seed: int) -> Tensor:
    """Gray noise in [0, 1] in the content's shape."""
    return normal(content, seed).mul_(0.25).add_(0.5).clamp_(0, 1)


def unmixed(content: Tensor, style: Tensor, options: PaintOptions) -> Tensor:
    """What `options.start` names, without the noise over it. Raises OptionError for a file that is not there."""
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
