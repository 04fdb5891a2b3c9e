"""Losses of the pixels alone: total variations, and a wall around the range."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def squared_variation(image: Tensor) -> Tensor:
    """Mean squared difference of neighbours down and across. (N, C, H, W) -> (N,)"""
    return SquaredVariation.apply(image)


class SquaredVariation(torch.autograd.Function):
    """Written by hand, as `OutOfRange` is, because autograd would keep copies of the picture, which may be large."""

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        ctx.save_for_backward(image)
        return sum(mean_square(image.diff(dim=axis)) for axis in (2, 3))  # type: ignore[return-value]

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (image,) = ctx.saved_tensors
        gradient = torch.zeros_like(image)
        for axis in (2, 3):
            change = image.diff(dim=axis)
            change *= slope.view(-1, 1, 1, 1) * (2 / max(1, change[0].numel()))
            length = change.shape[axis]
            gradient.narrow(axis, 1, length).add_(change)
            gradient.narrow(axis, 0, length).sub_(change)
        return gradient


def mean_square(x: Tensor) -> Tensor:
    """(N, ...) -> (N,)"""
    return torch.linalg.vector_norm(x.flatten(1), dim=1).square() / max(1, x[0].numel())


def absolute_variation(image: Tensor) -> Tensor:
    """Sum of absolute differences of neighbours down and across, as neural-style has it. (N, C, H, W) -> (N,)"""
    down, across = image.diff(dim=2), image.diff(dim=3)
    return down.abs().sum((1, 2, 3)) + across.abs().sum((1, 2, 3))


def nine_point_variation(image: Tensor) -> Tensor:
    """Mean squared differences to the eight neighbours, the diagonal ones for a quarter. (N, C, H, W) -> (N,)

    Source: style-transfer-pytorch, whose stencil this is: 2·(d₁/3 + d₂/3 + d₃/12 + d₄/12) on a replicated border.
    """
    x = F.pad(image, (1, 1, 1, 1), mode="replicate")
    straight = x[:, :, 1:].diff(dim=3), x[:, :, :, 1:].diff(dim=2)
    diagonal = x[:, :, 1:, 1:] - x[:, :, :-1, :-1], x[:, :, 1:, :-1] - x[:, :, :-1, 1:]
    sums = [
        (weight, d.square().mean((1, 2, 3))) for d, weight in zip((*straight, *diagonal), (4, 4, 1, 1), strict=True)
    ]
    return torch.stack([weight / 6 * value for weight, value in sums]).sum(0)


def wrapped(variation: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same variation of an image whose opposite edges meet."""
    return lambda image: variation(F.pad(image, (0, 1, 0, 1), mode="circular"))


TOTAL_VARIATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": squared_variation,
    "absolute": absolute_variation,
    "nine-point": nine_point_variation,
}


def out_of_range(image: Tensor) -> Tensor:
    """Mean squared excess of pixels over [0, 1]: a soft wall for optimisers that cannot clamp. (N, C, H, W) -> (N,)"""
    return OutOfRange.apply(image)


class OutOfRange(torch.autograd.Function):
    """See `SquaredVariation`."""

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        ctx.save_for_backward(image)
        return mean_square(image.clamp(0, 1).sub_(image))

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (image,) = ctx.saved_tensors
        return image.clamp(0, 1).sub_(image).mul_(slope.view(-1, 1, 1, 1) * (-2 / image[0].numel()))
