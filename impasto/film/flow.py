"""Optical flow: where every pixel of one picture is in another, and whether that can be trusted.

A flow is a function of two pictures (1, 3, H, W) in [0, 1] that gives (1, 2, H, W), pixels to the right and down: what is
at x in the first picture is at x + flow in the second. `dis` needs no weights; any other function of this form will do.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.film.extra import library

Flow: TypeAlias = Callable[[Tensor, Tensor], Tensor]

FLOW_SIZE = 320  # pixels of the longer side: DIS gains little from more, and vectors scale with the picture
RESIDUAL = 0.12  # mean difference of colors, of 1, beyond which pixels are not the same thing
CUT = 0.4  # the share of trusted pixels below which two frames have nothing to do with each other


class Motion(NamedTuple):
    """The flow from one picture to another, (1, 2, H, W), and where it can be trusted, (1, 1, H, W), 1 or 0."""

    flow: Tensor
    trust: Tensor


def dis(first: Tensor, second: Tensor) -> Tensor:
    """Dense inverse search by OpenCV, preset "medium". Source: Kroeger et al. 2016.

    Raises OutputError where OpenCV is not installed.
    """
    cv2 = library("cv2")
    search = cv2.DISOpticalFlow_create(
        cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    )  # anew: one that has seen a small picture changes
    found = torch.from_numpy(search.calc(gray(first), gray(second), None))
    return found.permute(2, 0, 1)[None].contiguous().to(first.device)


def gray(image: Tensor) -> np.ndarray[Any, Any]:
    """Luma as bytes (H, W)."""
    luma = (image * image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)
    return luma[0].mul(255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def warp(image: Tensor, flow: Tensor, cubic: bool = True) -> Tensor:
    """`image` (1, C, H, W) as it looks after its pixels have moved: the result at x is the image at x + flow(x).

    Beyond the edge the edge's pixels go on. Between pixels it is bicubic or bilinear. By OpenCV: `grid_sample` takes three
    times as long. Raises OutputError where that is not installed.
    """
    cv2 = library("cv2")
    (right, down), (height, width) = flow[0].cpu().numpy(), flow.shape[2:]
    x, y = np.arange(width, dtype=np.float32) + right, np.arange(height, dtype=np.float32)[:, None] + down
    kind = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    moved = [cv2.remap(plane, x, y, kind, borderMode=cv2.BORDER_REPLICATE) for plane in image[0].cpu().numpy()]
    return torch.from_numpy(np.stack(moved)[None]).to(image.device)


def trust(forward: Tensor, backward: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Where the flow from the first picture to the second holds: (1, 1, H, W), 1 or 0.

    It holds where going there and back ends where it began, inside the picture, on the same colors; what was hidden in the
    second picture fails in one of these. forward, backward: from the first to the second and back, (1, 2, H, W).
    Source: Sundaram, Brox, Keutzer 2010, equation 5; the colors are ours, for what DIS takes across an edge.
    """
    back = warp(backward, forward, cubic=False)
    length = (forward.square() + back.square()).sum(1, keepdim=True)
    returns = (forward + back).square().sum(1, keepdim=True) <= 0.01 * length + 0.5
    difference = (warp(second, forward, cubic=False) - first).abs().mean(1, keepdim=True)
    alike = F.avg_pool2d(difference, 3, 1, 1, count_include_pad=False) < RESIDUAL
    return (returns & inside(forward) & alike).to(forward.dtype)


def inside(flow: Tensor) -> Tensor:
    """Which pixels (1, 1, H, W) a flow does not take beyond the edge."""
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device).view(1, 1, 1, -1) + flow[:, :1]
    y = torch.arange(height, device=flow.device).view(1, 1, -1, 1) + flow[:, 1:]
    return (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)


def between(first: Tensor, second: Tensor, flow: Flow = dis) -> Motion:
    """Where the pixels of the first picture are in the second, found at `FLOW_SIZE` at most."""
    return motion(small(first), small(second), first.shape[2:], flow)


def small(image: Tensor) -> Tensor:
    """A picture as flow sees it."""
    height, width = image.shape[2:]
    factor = min(1.0, FLOW_SIZE / max(height, width))
    return F.interpolate(image, (max(16, round(height * factor)), max(16, round(width * factor))), mode="area")


def motion(first: Tensor, second: Tensor, shape: Sequence[int], flow: Flow = dis) -> Motion:
    """As `between`, of pictures that are `small`. shape: (height, width) of the pictures."""
    (height, width), (tall, wide) = shape, first.shape[2:]
    forward = flow(first, second)
    trusted = trust(forward, flow(second, first), first, second)
    scale = forward.new_tensor([width / wide, height / tall]).view(1, 2, 1, 1)
    return Motion(enlarged(forward, shape) * scale, enlarged(trusted, shape))


def enlarged(field: Tensor, shape: Sequence[int]) -> Tensor:
    """(1, C, H, W) brought to the shape of the pictures."""
    return (
        field if field.shape[2:] == shape else F.interpolate(field, list(shape), mode="bilinear", align_corners=False)
    )


def is_cut(trusted: Tensor) -> bool:
    """Whether there is a cut between two pictures, by the mask of what could be followed."""
    return float(trusted.mean()) < CUT
