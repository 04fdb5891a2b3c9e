"""Statistics of features: Gram matrices, and mean and covariance, over positions, with and without weights.

Features are (N, C, H, W). Symbols: C channels, M = H·W positions, F the C x M matrix of a layer's features, G a Gram
matrix of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
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


# positions summed at a time, in exact numbers and in half precision: what stays in a processor's cache from one use of it
# to the next, and enough to share among its cores
CHUNK, HALF_CHUNK = 8192, 65536
# positions of a product in half precision, roughly, and how many products a band has at least and at most: of few the
# rounding does not average out, and adding up many costs more than they do
PIECE, FEWEST, MOST = 512, 8, 64


class MeanAndSecond(torch.autograd.Function):
    """(c, E[(x - c)(x - c)ᵀ]) over positions, c the mean E[x] if `central` and 0 otherwise.

    (N, C, H, W) -> (N, C), (N, C, C). With weights (1, 1, H, W) positions count by these, otherwise equally.

    Written by hand because the gradient of both, (x - c) times one C x C matrix plus one vector, is a single convolution in
    the features' own precision: autograd would keep a float32 copy of the features and multiply in float32. The mean as
    center may be taken as constant: E[x - c] = 0 there. One pass is enough: sums are taken about a sample's mean, which
    is so near to the mean that moving them there afterwards costs no digits.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, central: bool, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        dtype = exact(features)
        near = middle(features)
        total = near.new_zeros(*near.shape, near.shape[1], dtype=dtype)
        shift = torch.zeros_like(near, dtype=dtype)
        row = near.repeat(1, features.shape[3]).unsqueeze(1)  # all of it: subtraction is slow along a short last axis
        for band in bands(features):
            x = band_of(features, band)
            x = (x.flatten(2).sub(row).view(x.shape) if central else x).flatten(1, 2)
            weighted = x if weights is None else x * band_of(weights, band).flatten(1, 2).to(x.dtype)
            for left, right in zip(pieces(weighted), pieces(x), strict=True):
                total += (left.mT @ right).sum(1, dtype=dtype)
                if central:
                    shift += left.sum(2).sum(1, dtype=dtype)
        count = positions_of(features, weights)
        shift /= count
        total /= count
        if central:
            total.baddbmm_(shift.unsqueeze(2), shift.unsqueeze(1), alpha=-1)
        center = near + shift if central else shift
        ctx.save_for_backward(features, center, weights)
        return center, total

    @staticmethod
    def backward(ctx: Any, of_mean: Tensor, of_second: Tensor) -> tuple[Tensor, None, None]:
        features, center, weights = ctx.saved_tensors
        count = positions_of(features, weights)
        matrix = (of_second + of_second.mT) / count
        offset = of_mean / count - (center.unsqueeze(1) @ matrix).squeeze(1)
        kernels, biases = (tensor.to(features.dtype) for tensor in (matrix[:, :, :, None, None], offset))
        parts = [F.conv2d(*each) for each in zip(features.split(1), kernels, biases, strict=True)]
        gradient = parts[0] if len(parts) == 1 else torch.cat(parts)
        return gradient if weights is None else gradient * weights.to(gradient.dtype), None, None


def positions_of(features: Tensor, weights: Tensor | None) -> int | Tensor:
    """How many positions there are, or what they weigh together."""
    return features[0, 0].numel() if weights is None else weights.sum().clamp_min(1e-20)


def pieces(x: Tensor) -> list[Tensor]:
    """Positions to be multiplied and added up: (N, M, C) -> (N, pieces, positions, C), once or twice.

    Processors give a product in the precision of its factors. In half precision many short ones are added in float32, so
    that their rounding averages out; what is left over, or too few, is multiplied in float32.
    """
    half = x.dtype != exact(x) and x.shape[1] >= PIECE  # fewer are multiplied exactly
    count = min(max(x.shape[1] // PIECE, FEWEST), MOST)
    even = x.shape[1] // count * count if half else 0
    both = x[:, :even].unflatten(1, (count, -1)), x[:, even:].unsqueeze(1).to(exact(x))
    return [part for part in both if part.numel()]


def middle(features: Tensor) -> Tensor:
    """What is near the mean of every channel, (N, C). In half precision a round number, of four binary digits.

    With more, differences to it would be rounded, large ones all in the same direction.
    """
    mean = sample(features).mean((2, 3), dtype=exact(features))
    if features.dtype == mean.dtype:
        return mean
    last = (mean.abs().clamp_min(1e-30).log2().floor() - 3).exp2()  # of the four
    return ((mean / last).round() * last).to(features.dtype)


def sample(features: Tensor) -> Tensor:
    """Every so many rows and columns of features, at least 16 of each if there are, a view."""
    down, across = (max(1, edge // 16) for edge in features.shape[2:])
    return features[:, :, ::down, ::across]


def bands(features: Tensor) -> list[slice]:
    """The rows of features, cut into bands of about `CHUNK` positions."""
    height, width = features.shape[2:]
    step = max(1, (CHUNK if features.dtype == exact(features) else HALF_CHUNK) // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def band_of(features: Tensor, band: slice) -> Tensor:
    """(N, C, H, W) -> (N, rows, W, C): a view, whose positions lie side by side where the layout is channels last."""
    return features[:, :, band].permute(0, 2, 3, 1)
