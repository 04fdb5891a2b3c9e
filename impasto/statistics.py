"""Statistics of features: Gram matrices, and mean and covariance, over positions, with and without weights.

Features are (N, C, H, W). Symbols: C channels, M = H·W positions, F the C x M matrix of a layer's features, G a Gram
matrix of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto import samples
from impasto.samples import Exemplars, Quantiles, Samples

# G = factor · F Fᵀ, by the names of those who divide so; (C, M) -> factor
GRAM_NORMALIZATIONS: dict[str, Callable[[int, int], float]] = {
    "none": lambda c, m: 1.0,  # Gatys et al. 2015, equation 3
    "positions": lambda c, m: 1 / m,  # Gatys' own notebook; style-transfer-pytorch's `gram`
    "elements": lambda c, m: 1 / (c * m),  # Johnson et al. 2016, equation 4; neural-style; torch's tutorial
    "root": lambda c, m: (c * m) ** -0.5,  # dividing the *squared* difference by C·M, as system E does
}


def gram(
    features: Tensor, normalization: str = "positions", weights: Tensor | None = None, positions: int | None = None
) -> Tensor:
    """Gram matrix: inner products between channels over all positions, or over those that weigh something.

    (N, C, H, W) -> (N, C, C), float32. `normalization` is a key of `GRAM_NORMALIZATIONS`. weights: (1, 1, H, W), at
    least 0; a region's matrix is scaled up to as many positions as there are, so that regions can be compared.
    positions: how many the whole has of which these features are a part, to which the part's matrix is scaled up.
    Source: Gatys, Ecker, Bethge, "A Neural Algorithm of Artistic Style" (2015), equation 3.
    """
    channels, positions = features.shape[1], positions or features[0, 0].numel()
    _, product = MeanAndSecond.apply(features, False, weights)
    return product * (GRAM_NORMALIZATIONS[normalization](channels, positions) * positions)


class Moments(NamedTuple):
    """Mean (N, C) and covariance (N, C, C) of features over positions."""

    mean: Tensor
    covariance: Tensor


def moments(features: Tensor, weights: Tensor | None = None, positions: int | None = None) -> Moments:
    """Mean and (biased) covariance of the C channels over all positions. (N, C, H, W) -> Moments, float32.

    The mean is taken away before multiplying: E[xx] - E[x]E[x] would lose small variances to rounding.
    weights: (1, 1, H, W), at least 0: how much each position counts. positions: as of `gram`; moments are the same
    whatever it is.
    """
    return Moments(*MeanAndSecond.apply(features, True, weights))


class Sketch(NamedTuple):
    """Moments and samples of the same features; of a target, what is made of its samples to compare others with."""

    moments: Moments
    samples: Samples | Quantiles | Exemplars


def sketch(features: Tensor, weights: Tensor | None = None, positions: int | None = None) -> Sketch:
    """(N, C, H, W) -> Sketch. weights, positions: as of `moments`."""
    return Sketch(moments(features, weights), samples.samples(features, weights))


def blend(statistics: Sequence[Any], shares: Sequence[float]) -> Any:
    """The statistic of a mixture of which each statistic's features make up a share; the shares add up to 1.

    Gram matrices and raw moments E[x], E[xxᵀ] combine linearly; so a mixture's covariance is the mean covariance and that
    of the means.
    """
    if isinstance(statistics[0], Samples):
        return samples.union(list(statistics), list(shares))
    if isinstance(statistics[0], Sketch):
        return Sketch(*(blend(list(kind), shares) for kind in zip(*statistics, strict=True)))
    parts = list(zip(statistics, shares, strict=True))
    if not isinstance(statistics[0], Moments):
        return sum(share * statistic for statistic, share in parts)
    mean = sum(share * part.mean for part, share in parts)
    apart = [(part.covariance, (part.mean - mean).unsqueeze(2), share) for part, share in parts]
    return Moments(mean, sum(share * (covariance + d @ d.transpose(1, 2)) for covariance, d, share in apart))


def exact(features: Tensor) -> torch.dtype:
    """The dtype in which sums over positions are taken: float32, or float64 for float64."""
    return torch.promote_types(features.dtype, torch.float32)


CHUNK = 8192  # positions summed at a time: what stays in a processor's cache from one use of it to the next


class MeanAndSecond(torch.autograd.Function):
    """E[x] and E[(x - c)(x - c)ᵀ] over positions, c the mean if `central` and 0 otherwise.

    (N, C, H, W) -> (N, C), (N, C, C). With weights (1, 1, H, W) positions count by these, otherwise equally.

    Written by hand because the gradient of both, (x - c) times one C x C matrix plus one vector, is a single product in
    the features' own precision: autograd would keep a float32 copy of the features and multiply in float32. The mean as
    center may be taken as constant: E[x - c] = 0 there. One pass is enough: sums are taken about a sample's mean, which
    is so near to the mean that moving them there afterwards costs no digits.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, central: bool, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        dtype = exact(features)
        count = features[0, 0].numel() if weights is None else weights.sum().clamp_min(1e-20)
        near = (
            sample(features).mean((2, 3), dtype=dtype) if central else features.new_zeros(features.shape[:2]).to(dtype)
        )
        total, shift = near.new_zeros(*near.shape, near.shape[1]), torch.zeros_like(near)
        for band in bands(features):
            x = (band_of(features, band) - near.view(len(near), 1, 1, -1)).flatten(1, 2)
            weighted = x if weights is None else x * band_of(weights, band).flatten(1, 2)
            total.baddbmm_(weighted.transpose(1, 2), x)
            shift += weighted.sum(1)
        shift /= count
        total /= count
        mean = near + shift
        if central:
            total.baddbmm_(shift.unsqueeze(2), shift.unsqueeze(1), alpha=-1)
        ctx.save_for_backward(features, mean if central else near, weights)
        return mean, total

    @staticmethod
    def backward(ctx: Any, of_mean: Tensor, of_second: Tensor) -> tuple[Tensor, None, None]:
        features, center, weights = ctx.saved_tensors
        count = features[0, 0].numel() if weights is None else weights.sum().clamp_min(1e-20)
        matrix = (of_second + of_second.transpose(1, 2)) / count
        offset = (of_mean.unsqueeze(1) / count - center.unsqueeze(1) @ matrix).to(features.dtype)
        matrix = matrix.to(features.dtype)
        gradient = torch.empty_like(features, memory_format=torch.channels_last)
        for band in bands(features):
            product = torch.baddbmm(offset, band_of(features, band).flatten(1, 2), matrix)
            if weights is not None:
                product *= band_of(weights, band).flatten(1, 2).to(product.dtype)
            band_of(gradient, band).flatten(1, 2).copy_(product)
        return gradient, None, None


def sample(features: Tensor) -> Tensor:
    """Every so many rows and columns of features, at least 16 of each if there are, a view."""
    down, across = (max(1, edge // 16) for edge in features.shape[2:])
    return features[:, :, ::down, ::across]


def bands(features: Tensor) -> list[slice]:
    """The rows of features, cut into bands of about `CHUNK` positions."""
    height, width = features.shape[2:]
    step = max(1, CHUNK // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def band_of(features: Tensor, band: slice) -> Tensor:
    """(N, C, H, W) -> (N, rows, W, C): a view, whose positions lie side by side where the layout is channels last."""
    return features[:, :, band].permute(0, 2, 3, 1)
