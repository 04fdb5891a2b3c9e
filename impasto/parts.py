"""A picture seen a part at a time: where a part lies, and what its statistics add to those of the whole."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto.statistics import Moments, blend


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
