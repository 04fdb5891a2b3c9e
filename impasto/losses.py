"""Statistics of features, distances between them, and the weighted sums that every method in the field is made of.

Features are a mapping from a layer's name to a tensor (N, C, H, W); the image itself is the layer "pixels". A
`FeatureLoss` says which layers, which statistic and which distance; it holds no tensors, so the same loss can have any
target. An `Objective` ties losses to targets and a backbone. Most losses also know how a whole picture's value follows
from its parts; `tiling` lives on that.

Symbols: C channels, M = H·W positions, F the C x M matrix of a layer's features, G a Gram matrix of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import samples
from impasto.eigen import eigh, eigvalsh
from impasto.samples import Exemplars, Quantiles, Samples

Features = Mapping[str, Tensor]
Backbone = Callable[[Tensor, Sequence[str]], Features]

# ------------------------------------------------------------------------------------------------- statistics


def identity(features: Any) -> Any:
    """The features themselves: what a content loss compares. (N, C, H, W) -> the same."""
    return features


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


# -------------------------------------------------------------------------------------------------- distances

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
    value, target = value.to(exact(value)).flatten(1), target.to(exact(target)).flatten(1)
    error = (value - target).square().sum(1)
    return REDUCTIONS[reduction](error, value.shape[1], target.square().sum(1))


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


# ------------------------------------------------------------------------------------------ losses of pixels alone


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


# ---------------------------------------------------------------------------------------------- losses and objectives


class Place(NamedTuple):
    """Where a part lies on a layer's grid: rows from `top` to `bottom`, columns from `left` to `right`, of (H, W)."""

    top: int
    bottom: int
    left: int
    right: int
    shape: tuple[int, int]

    @classmethod
    def of(cls, shape: Sequence[int]) -> "Place":
        """A whole grid of (H, W)."""
        return cls(0, shape[0], 0, shape[1], (shape[0], shape[1]))

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the grid."""
        return self == Place.of(self.shape)

    @property
    def positions(self) -> int:
        """How many the whole grid has."""
        return self.shape[0] * self.shape[1]

    def cut(self, whole: Tensor) -> Tensor:
        """(N, C, H, W) -> the part, a view."""
        return whole[:, :, self.top : self.bottom, self.left : self.right]

    def within(self, other: "Place") -> "Place":
        """Of this part what lies in another, on the other's own grid; it may be empty."""
        top, left = max(self.top, other.top) - other.top, max(self.left, other.left) - other.left
        bottom, right = min(self.bottom, other.bottom) - other.top, min(self.right, other.right) - other.left
        shape = other.bottom - other.top, other.right - other.left
        return Place(top, max(top, bottom), left, max(left, right), shape)

    def trim(self, features: Tensor) -> Tensor:
        """As `cut`, with a gradient that has the features' layout: autograd's would be transposed twice."""
        return features if self.is_whole else Trim.apply(features, self)


class Trim(torch.autograd.Function):
    """(N, C, H, W), `Place` -> a view of what lies there."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, place: Place) -> Tensor:
        ctx.place, ctx.shape = place, features.shape
        return place.cut(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        whole = gradient.new_zeros(ctx.shape).contiguous(memory_format=torch.channels_last)
        ctx.place.cut(whole).copy_(gradient)
        return whole, None


class Share(NamedTuple):
    """A statistic of a part, and how many positions it was taken over."""

    amount: float
    statistic: Any


def join(one: Share, other: Share) -> Share:
    """Of two parts together."""
    total = one.amount + other.amount
    if not total:
        return one
    return Share(total, blend([one.statistic, other.statistic], [one.amount / total, other.amount / total]))


def portion(share: Share, whole: Share) -> Any:
    """What a part adds to the whole's statistic: those of all parts, none of which knows of the others, add up to it."""
    weight, value = share.amount / whole.amount, share.statistic
    if not isinstance(value, Moments):
        return weight * value
    apart = (value.mean - whole.statistic.mean).unsqueeze(2)
    return Moments(weight * value.mean, weight * (value.covariance + apart @ apart.transpose(1, 2)))


@dataclass(frozen=True)
class FeatureLoss:
    """A weighted sum over layers of a distance between statistics. Holds no tensors.

    layers: layer name -> weight. statistic: features (N, C, H, W) -> anything; a style's also takes `weights` of the
    positions. distance: (value, target) -> (N,).
    prepare: what is done once to a target's statistic, for distances that need more of it.

    For pictures that are seen a part at a time, `part`: (a part's features, the whole's target, its place) -> shares, one
    for each region of the target; `whole`: (each region's joined statistic, target) -> (N,). None where the loss is no
    function of sums over positions, as with nearest neighbours.
    """

    layers: Mapping[str, float]
    statistic: Callable[..., Any]
    distance: Callable[[Any, Any], Tensor]
    prepare: Callable[[Any], Any] = identity
    part: Callable[[Tensor, Any, Place], Sequence[Share]] | None = None
    whole: Callable[[Sequence[Any], Any], Tensor] | None = None

    def target(self, features: Features) -> dict[str, Any]:
        """What `features` should be matched to: plain data, without gradients; N = 1 broadcasts over a batch."""
        return {layer: self.prepare(self.statistic(features[layer].detach())) for layer in self.layers}

    def by_layer(self, features: Features, target: Mapping[str, Any]) -> dict[str, Tensor]:
        """Layer -> weighted distance (N,)."""
        return {
            layer: weight * self.distance(self.statistic(features[layer]), target[layer])
            for layer, weight in self.layers.items()
        }

    def __call__(self, features: Features, target: Mapping[str, Any]) -> Tensor:
        """The weighted sum, one number an image: (N,)."""
        return torch.stack(list(self.by_layer(features, target).values())).sum(0)


def content_loss(layers: Mapping[str, float], reduction: str, power: float = 1.0) -> FeatureLoss:
    """Squared difference of the features themselves, raised to `power`. `reduction` is a key of `REDUCTIONS`.

    A power of 1 is everyone's content loss. Ours is 2: one weight then serves landscapes, which may drift, and faces,
    whose drift a plain squared error bought too cheaply.
    """

    def distance(value: Tensor, target: Tensor) -> Tensor:
        return squared_error(value, target, reduction) ** power

    def part(features: Tensor, target: Tensor, place: Place) -> list[Share]:
        cut = place.cut(target)
        return [Share(cut[0, 0].numel(), squared_error(features, cut, "sum") / cut[0, 0].numel())]

    def whole(errors: Sequence[Tensor], target: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(target, dim=(1, 2, 3), dtype=exact(target)).square()
        return REDUCTIONS[reduction](errors[0] * target[0, 0].numel(), target[0].numel(), size) ** power

    return FeatureLoss(layers, identity, distance, identity, part, whole)


def style_loss(layers: Mapping[str, float], kind: str, reduction: str, gram_normalization: str) -> FeatureLoss:
    """The style loss of that name; only "gram" reads `gram_normalization`.

    The moments beside "histogram" and "earth-mover" are part of both papers' losses: see `samples`.
    """
    kinds: dict[str, tuple[Callable[..., Any], Callable[..., Tensor], Callable[[Any], Any]]] = {
        "gram": (partial(gram, normalization=gram_normalization), squared_error, identity),
        "moments": (moments, moment_error, identity),
        "wasserstein": (moments, wasserstein, normal),
        "sliced": (samples.samples, measured(samples.sliced), samples.along_basis),
        "histogram": (sketch, with_moments(samples.sliced), of_samples(samples.along_channels)),
        "earth-mover": (sketch, with_moments(samples.earth_mover), of_samples(samples.exemplars)),
        "nearest": (samples.samples, measured(samples.nearest), samples.exemplars),
    }
    statistic, distance, prepare = kinds[kind]
    distance = partial(distance, reduction=reduction)
    if statistic in (samples.samples, sketch):
        return FeatureLoss(layers, statistic, distance, prepare)

    def part(features: Tensor, target: Any, place: Place) -> list[Share]:
        return [Share(features[0, 0].numel(), statistic(features, positions=place.positions))]

    def whole(values: Sequence[Any], target: Any) -> Tensor:
        return distance(values[0], target)

    return FeatureLoss(layers, statistic, distance, prepare, part, whole)


def pixel_loss(function: Callable[[Tensor], Tensor]) -> FeatureLoss:
    """A loss of the pixels alone, such as total variation, in the shape of every other loss."""
    return FeatureLoss({"pixels": 1.0}, identity, lambda image, _: function(image))


class Term(NamedTuple):
    """One summand of an objective: weight · loss(features, target)."""

    weight: float
    loss: FeatureLoss
    target: Mapping[str, Any]

    def label(self, name: str, layer: str) -> str:
        """What one layer's summand is called: "content", but "style relu1_1" where the term has several layers."""
        return f"{name} {layer}" if len(self.loss.layers) > 1 else name


@dataclass(frozen=True)
class Objective:
    """What an optimiser lowers: terms by name, over one pass of one backbone."""

    backbone: Backbone
    terms: Mapping[str, Term]

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that some term reads."""
        return tuple(dict.fromkeys(layer for term in self.terms.values() for layer in term.loss.layers))

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> summand -> weighted loss (N,), differentiable.

        One summand for each layer of a term, named by `Term.label`.
        """
        features = self.backbone(image, self.layers)
        return {
            term.label(name, layer): term.weight * loss
            for name, term in self.terms.items()
            for layer, loss in term.loss.by_layer(features, term.target).items()
        }
