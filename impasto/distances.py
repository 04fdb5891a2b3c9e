"""Distances between statistics, and how a sum of squares becomes a loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto import samples
from impasto.eigen import eigh, eigvalsh
from impasto.statistics import Moments, Sketch, exact

# How a sum of squares becomes a loss: (sum of squares (N,), how many numbers, the target's own size (N,)) -> (N,)
REDUCTIONS: dict[str, Callable[[Tensor, int, Tensor], Tensor]] = {
    "sum": lambda error, count, size: error,
    "half": lambda error, count, size: error / 2,  # Gatys et al. 2015, equation 1 (content)
    "quarter": lambda error, count, size: error / 4,  # equation 4 (style), once G is divided by C·M
    "mean": lambda error, count, size: error / count,  # torch's mse_loss, and so most programs
    "relative": lambda error, count, size: error / size.clamp_min(1e-12),  # ours: the same whatever the network's units
}


def squared_error(value: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared difference of two statistics of one shape (N or 1, ...), reduced to (N,).

    `reduction` is a key of `REDUCTIONS`; "relative" divides by the target's own sum of squares. Computed in float32, or
    in float64 where that is given.
    """
    value, target = value.to(exact(value)), target.to(exact(target))
    axes = tuple(range(1, value.ndim))  # not flattened: that would copy what lies channels last
    error = (value - target).square().sum(axes)
    return REDUCTIONS[reduction](error, value[0].numel(), target.square().sum(axes))


def moment_error(value: Moments, target: Moments, reduction: str = "relative") -> Tensor:
    """Squared differences of means and of covariances, each reduced on its own, added. -> (N,)

    With "relative" the mean's is measured against the target's `extent`, the covariance's against its own norm.
    """
    error = (value.mean - target.mean).square().sum(1)
    mean = REDUCTIONS[reduction](error, value.mean.shape[1], extent(target))
    return mean + squared_error(value.covariance, target.covariance, reduction)


def extent(target: "Moments | Normal") -> Tensor:
    """What a squared distance to these moments is measured against: the total variance tr Σ*. -> (N,)

    A hundredth of |μ*|² on top matters only where the target hardly varies, as a plain color does.
    """
    return trace(target.covariance) + 0.01 * target.mean.square().sum(1)


def trace(matrix: Tensor) -> Tensor:
    """(N, C, C) -> (N,)"""
    return matrix.diagonal(dim1=1, dim2=2).sum(1)


class Normal(NamedTuple):
    """A normal distribution: mean (N, C), covariance (N, C, C) and a factor L of it, covariance = L Lᵀ."""

    mean: Tensor
    covariance: Tensor
    factor: Tensor


def normal(target: Moments) -> Normal:
    """Moments with the factor that `wasserstein` needs, so that a target's is computed once.

    L comes from the eigenvalues: Cholesky's fails in float32 where Σ is singular, as with fewer positions than channels.
    """
    # channels that are zero everywhere break MKL's eigenvalues in float32 unless something stands on the diagonal
    scales, axes = eigh(target.covariance + torch.diag_embed(1e-12 * unit(target)))
    return Normal(target.mean, target.covariance, axes * scales.clamp_min(0).sqrt().unsqueeze(1))


def unit(target: Moments | Normal) -> Tensor:
    """The mean variance of a channel, for each channel: what counts as rounding is measured by it. -> (N, C)"""
    return (trace(target.covariance) / target.mean.shape[1]).clamp_min(1e-10).unsqueeze(1).expand_as(target.mean)


def wasserstein(value: Moments, target: Moments | Normal, reduction: str = "relative") -> Tensor:
    """Squared Wasserstein-2 distance between the two normal distributions of these moments. -> (N,)

        W² = |μ - μ*|² + tr Σ + tr Σ* - 2 tr (Σ*^½ Σ Σ*^½)^½

    Source: Olkin and Pukelsheim 1982; as a style loss, Vacher et al. 2020 and style-transfer-pytorch. Where we depart:
    with Σ* = L Lᵀ the last trace is the sum of the roots of the eigenvalues of Lᵀ Σ L, so one symmetric eigenvalue
    problem replaces the iterated matrix root, and its gradient is exact.
    "mean" divides by C; "relative" by the target's `extent`.
    """
    target = target if isinstance(target, Normal) else normal(target)
    # the floor bounds the root's gradient where the picture does not vary at all
    floor = (1e-8 * unit(target)).square()
    inner = target.factor.transpose(1, 2) @ value.covariance @ target.factor + torch.diag_embed(floor)
    roots = eigvalsh(inner).clamp_min(4 * floor).sqrt()
    covariance = trace(value.covariance) + trace(target.covariance) - 2 * roots.sum(1)
    error = (value.mean - target.mean).square().sum(1) + covariance
    return REDUCTIONS[reduction](error, value.mean.shape[1], extent(target))


def measured(distance: Callable[[Any, Any], samples.Measured]) -> Callable[..., Tensor]:
    """A distance of `samples` as one that takes a `reduction`."""
    return lambda value, target, reduction="relative": REDUCTIONS[reduction](*distance(value, target))


def with_moments(distance: Callable[[Any, Any], samples.Measured]) -> Callable[..., Tensor]:
    """`moment_error` added to a distance of `samples`, for a `Sketch`."""

    def both(value: Sketch, target: Sketch, reduction: str = "relative") -> Tensor:
        error = measured(distance)(value.samples, target.samples, reduction)
        return error + moment_error(value.moments, target.moments, reduction)

    return both


def of_samples(prepare: Callable[[Any], Any]) -> Callable[[Sketch], Sketch]:
    """What is done once to a target's samples, done to those of a sketch."""
    return lambda target: Sketch(target.moments, prepare(target.samples))
