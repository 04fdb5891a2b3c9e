"""Statistics that keep the features themselves, position by position, and distances between two such sets.

A set says more than moments do: what the distribution looks like, or which features lie near which. It also costs more: a
sort, or a product of all positions with some of the style's.

Every distance gives what `distances.REDUCTIONS` take: a sum of squares (N,), over how many numbers, the target's own (N,).
"""

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

Measured: TypeAlias = tuple[Tensor, int, Tensor]

KEPT = 1024  # of a target's positions, to be compared with all of a picture's: as many as STROTSS draws
BLOCK = 4096  # positions compared at a time


class Samples(NamedTuple):
    """Features as rows (N, P, C), and how much each counts, (1, P), adding up to 1; None: all the same."""

    rows: Tensor
    weights: Tensor | None = None

    @property
    def shares(self) -> Tensor:
        """(1, P), adding up to 1."""
        count = self.rows.shape[1]
        return self.rows.new_full((1, count), 1 / count) if self.weights is None else self.weights

    @property
    def mean(self) -> Tensor:
        """(N, C)"""
        return (self.rows * self.shares.unsqueeze(2)).sum(1)

    @property
    def extent(self) -> Tensor:
        """Total variance and a hundredth of the squared mean: what a squared distance is measured against. -> (N,)"""
        mean = self.mean
        variance = ((self.rows - mean.unsqueeze(1)).square().sum(2) * self.shares).sum(1)
        return variance + 0.01 * mean.square().sum(1)


def samples(features: Tensor, weights: Tensor | None = None, positions: int | None = None) -> Samples:
    """Every position's features, in float32. (N, C, H, W) -> Samples. weights: (1, 1, H, W), at least 0.

    positions: as of `statistics.moments`, makes no difference.
    """
    rows = features.permute(0, 2, 3, 1).flatten(1, 2)
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    if weights is None:
        return Samples(rows)
    weights = weights.flatten(1).to(rows.dtype)
    return Samples(rows, weights / weights.sum().clamp_min(1e-20))


def union(sets: "list[Samples]", shares: "list[float]") -> Samples:
    """The samples of a mixture of which each set makes up a share; the shares add up to 1."""
    weights = torch.cat([share * one.shares for one, share in zip(sets, shares, strict=True)], 1)
    return Samples(torch.cat([one.rows for one in sets], 1), weights)


# ------------------------------------------------------------------------------------- along lines, by sorting


class Quantiles(NamedTuple):
    """A target along K directions: sorted values (N, K, P), the share of the samples up to each, and its extent."""

    directions: Tensor  # (C, K)
    values: Tensor
    levels: Tensor
    extent: Tensor

    def at(self, levels: Tensor) -> Tensor:
        """The values below which these shares lie. (N, K, Q) in [0, 1] -> (N, K, Q)"""
        batch = max(len(levels), len(self.values))
        levels = levels.expand(batch, self.values.shape[1], -1).contiguous()
        steps = self.levels.expand(batch, -1, -1).contiguous()
        index = torch.searchsorted(steps, levels).clamp_max(steps.shape[2] - 1)
        return self.values.expand(batch, -1, -1).gather(2, index)


def basis(channels: int) -> Tensor:
    """A fixed random orthonormal basis (C, C), as columns."""
    noise = torch.randn(channels, channels, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(noise)[0]


def along_basis(target: Samples) -> Quantiles:
    """What `sliced` compares with: the samples along a random basis."""
    return along(target, basis(target.rows.shape[2]).to(target.rows))


def along_channels(target: Samples) -> Quantiles:
    """What `sliced` compares with for histograms: the samples channel by channel."""
    return along(target, torch.eye(target.rows.shape[2]).to(target.rows))


def along(target: Samples, directions: Tensor) -> Quantiles:
    """The samples along directions (C, K)."""
    values, levels = in_order(target, directions)
    return Quantiles(directions, values, levels, target.extent)


def in_order(value: Samples, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted projections (N, K, P) and the share of the samples up to and including each, (N or 1, K or 1, P)."""
    values, order = (value.rows @ directions).mT.contiguous().sort(dim=2)
    if value.weights is None:
        count = values.shape[2]
        steps = torch.arange(1, count + 1, device=values.device, dtype=values.dtype) / count
        return values, steps.expand(1, values.shape[1], count)
    return values, value.weights.unsqueeze(1).expand_as(values).gather(2, order).cumsum(2)


def sliced(value: Samples, target: Quantiles) -> Measured:
    """Squared Wasserstein-2 distances of the samples' projections, summed over the directions.

    Along a line the optimal transport is the sorted order. Sources: Heitz et al., "A Sliced Wasserstein Loss for Neural
    Texture Synthesis" (2021), who draw directions anew for every step; ours are one orthonormal basis that stays, for
    L-BFGS and for one value at one picture. The sum over a basis is in the units of `distances.wasserstein`, at most W².
    Along the channels themselves it is the histogram loss of Risser, Wilmot and Barnes, "Stable and Controllable Neural
    Texture Synthesis and Style Transfer Using Histogram Losses" (2017), without bins.
    """
    values, levels = in_order(value, target.directions)
    width = levels.diff(dim=2, prepend=torch.zeros_like(levels[:, :, :1]))
    error = ((values - target.at(levels - width / 2)).square() * width).sum((1, 2))
    return error, value.rows.shape[2], target.extent


# ------------------------------------------------------------------------------------------- neighbours, by angle


class Exemplars(NamedTuple):
    """Some of a target's features as unit vectors (N, K, C) around `center` (N, 1, C)."""

    center: Tensor
    rays: Tensor


def exemplars(target: Samples) -> Exemplars:
    """`KEPT` of a target's samples, drawn by their weights, always the same ones; all of them where there are no more."""
    count = target.rows.shape[1]
    center = target.mean.unsqueeze(1)
    if target.weights is None and count <= KEPT:
        return Exemplars(center, rays(target.rows, center))
    generator = torch.Generator().manual_seed(0)
    some = torch.randperm(count, generator=generator)  # neighbours on the grid are alike: in any order but theirs
    levels = target.shares[0, some].double().cumsum(0)
    middles = (torch.arange(min(KEPT, count), dtype=torch.float64) + 0.5) / min(KEPT, count)
    drawn = some[torch.searchsorted(levels, middles.to(levels)).clamp_max(count - 1)]
    return Exemplars(center, rays(target.rows[:, drawn], center))


def rays(rows: Tensor, center: Tensor) -> Tensor:
    """Unit vectors from the center to each row."""
    return torch.nn.functional.normalize(rows - center, dim=2, eps=1e-6)


def nearest(value: Samples, target: Exemplars) -> Measured:
    """Mean cosine distance from each feature to the nearest of the style's.

    Source: Kolkin et al., "Neural Neighbor Style Transfer" (2022), equation 2, neighbours sought anew at every
    evaluation. Where we depart: both are seen from the style's mean, so that the angle also says how colors and contrasts
    differ; each layer has its own neighbours; the style lends `KEPT` of its features.
    """
    x = rays(value.rows, target.center)
    closest, _ = matches(x, target.rays)
    found = target.rays.expand(len(x), -1, -1).gather(1, closest.unsqueeze(2).expand_as(x))
    return ((1 - (x * found).sum(2)) * value.shares).sum(1), 1, one(x)


def earth_mover(value: Samples, target: Exemplars) -> Measured:
    """Relaxed earth mover's distance by cosine: the larger of the mean ways to the nearest, from either side.

    Source: Kolkin, Salavon and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity" (2019),
    equations 2 to 4; see `losses` for the moments that they add. Where we depart: all of the picture's features take part
    and always the same `KEPT` of the style's; both are seen from the style's mean. No feature that counts less than half
    of the most is a neighbour, which keeps other regions out.
    """
    x = rays(value.rows, target.center)
    counts = None if value.weights is None else value.weights >= value.weights.max() / 2
    closest, reached = matches(x, target.rays, counts)
    y = target.rays.expand(len(x), -1, -1)
    there = ((1 - (x * y.gather(1, closest.unsqueeze(2).expand_as(x))).sum(2)) * value.shares).sum(1)
    back = (1 - (y * x.gather(1, reached.unsqueeze(2).expand_as(y))).sum(2)).mean(1)
    return torch.maximum(there, back), 1, one(x)


@torch.no_grad()
def matches(x: Tensor, y: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each of x (N, P, C) the index of the nearest of y (N or 1, K, C), and the other way round: (N, P), (N, K).

    Nearest is the largest inner product. counts: which of x may be found, (1, P).
    """
    closest, best, found = [], None, None
    for start in range(0, x.shape[1], BLOCK):
        products = x[:, start : start + BLOCK] @ y.mT
        closest.append(products.argmax(2))
        if counts is not None:
            products.masked_fill_(~counts[:, start : start + BLOCK, None], -2)
        value, index = products.max(1)
        if best is None or found is None:
            best, found = value, index
        else:
            found = torch.where(value > best, index + start, found)
            best = torch.maximum(value, best)
    assert found is not None
    return torch.cat(closest, 1), found


def one(rows: Tensor) -> Tensor:
    """Cosine distances have no units to be measured against."""
    return rows.new_ones(len(rows))
