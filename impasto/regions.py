"""Several styles in one picture, blended or region by region: statistics are mixed, gradients never.

Everywhere the styles have shares that add up to 1. Positions of like shares form a region; a region's statistics, with
each position counted by how far it belongs there, are matched to one target, the mixture of the styles' statistics. So
where two styles meet softly a position is drawn towards one mixture; two losses of half the weight each would draw it
two ways and leave a dead band.

Source: Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer" (2017), whose guided Gram matrices these
are. Where we depart: their soft masks mix gradients.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.losses import FeatureLoss, Features, identity
from impasto.parts import Place, Share
from impasto.statistics import blend

LEVELS = 4  # into which a share is graded: five regions from one style to another
LEAST = 0.01  # of what is painted; a smaller region joins the one that is most like it


class Region(NamedTuple):
    """The styles' shares, adding up to 1, and how far each position belongs there: (1, 1, H, W), or None for everywhere."""

    shares: tuple[float, ...]
    weights: Tensor | None = None


def divide(shares: Tensor, coverage: Tensor) -> list[Region]:
    """Regions of like shares. shares: (K, H, W), adding up to 1; coverage: (1, 1, H, W), how far anything is painted.

    The regions' weights add up to the coverage, and their mean shares to the shares' mean. A position lies between
    corners of a lattice of shares and belongs to each by its nearness (Kuhn's triangulation of the simplex); with two
    styles these are overlapping hats.
    """
    styles, height, width = shares.shape
    tails = (LEVELS * shares.flatten(1).flip(0).cumsum(0).flip(0)[1:]).clamp(0, LEVELS)  # falling from style to style
    nearness, order = (tails - tails.floor()).sort(dim=0, descending=True, stable=True)
    border = torch.ones_like(coverage.flatten(1))
    parts = -torch.cat([border, nearness, 0 * border]).diff(dim=0) * coverage.flatten(1)
    digits = (LEVELS + 2) ** torch.arange(styles - 1, device=shares.device)
    first = (tails.floor().long() * digits.view(-1, 1)).sum(0, keepdim=True)
    corners, index = torch.cat([first, first + digits[order].cumsum(0)]).unique(return_inverse=True)
    weights = parts.new_zeros(len(corners), height * width).scatter_add_(0, index, parts)
    weights = merge(weights, shares.flatten(1))
    mixtures = weights @ shares.flatten(1).T / weights.sum(1, keepdim=True)
    return [
        Region(tuple(mixture.tolist()), part.view(1, 1, height, width))
        for mixture, part in zip(mixtures, weights, strict=True)
    ]


def merge(weights: Tensor, shares: Tensor) -> Tensor:
    """Regions (J, P) with those that hold too little added to the ones whose mean shares are nearest."""
    extents = weights.sum(1)
    large = extents >= torch.minimum(LEAST * extents.sum(), extents.max())  # with many styles all may be small
    mixtures = weights @ shares.T / extents.clamp_min(1e-12).unsqueeze(1)
    nearest = torch.cdist(mixtures, mixtures[large]).argmin(1)
    # distances are rounded, even those to oneself
    nearest[large] = torch.arange(int(large.sum()), device=nearest.device)
    return torch.zeros_like(weights[large]).index_add_(0, nearest, weights)


class Part(NamedTuple):
    """A region at one layer: where it lies on the layer's grid, weights (1, 1, h, w) there, None where all are equal, its
    share of the whole picture, and its target.
    """

    place: Place
    weights: Tensor | None
    extent: float
    target: Any

    @classmethod
    def of(cls, region: Region, picture: Place, target: Any) -> "Part":
        """The part that a region makes of a layer where the picture lies at that place."""
        if region.weights is None:
            return cls(picture, None, 1.0, target)
        shape = picture.bottom - picture.top, picture.right - picture.left
        weights = F.adaptive_avg_pool2d(region.weights, shape)
        rows, columns = (weights[0, 0].amax(axis).nonzero() for axis in (1, 0))
        box = Place(int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1, shape)
        least, most = box.cut(weights).aminmax()
        top, left = picture.top, picture.left
        place = Place(box.top + top, box.bottom + top, box.left + left, box.right + left, picture.shape)
        even = bool(most - least <= 1e-6 * most)
        return cls(place, None if even else box.cut(weights).clone(), float(region.weights.mean()), target)

    def share(self, loss: FeatureLoss, features: Tensor, place: Place) -> Share:
        """Of the features of what lies at `place`, the statistic of what belongs to the part, maybe nothing."""
        seen, positions = self.place.within(place).trim(features), place.positions
        if not seen.numel():
            nothing = features.new_zeros(1, 1, 1, 1)
            return Share(0.0, loss.statistic(features[:, :, :1, :1], weights=nothing, positions=positions))
        weights = None if self.weights is None else place.within(self.place).cut(self.weights)
        amount = seen[0, 0].numel() if weights is None else float(weights.sum())
        return Share(amount, loss.statistic(seen, weights=weights, positions=positions))


def matched(
    loss: FeatureLoss,
    regions: Sequence[Region],
    styles: Sequence[Mapping[str, Any]],
    places: Mapping[str, Place],
    reach: float = 1.0,
    own: Callable[[Region], Mapping[str, Any]] | None = None,
) -> tuple[FeatureLoss, dict[str, Any]]:
    """A style loss and its target, given each style's statistics by layer, and where the picture lies on each layer's grid.

    reach: how far every region's target goes from the photo's `own` statistics there, 0, to the styles', 1.

    One region that is everywhere needs nothing but a mixed target. Of several, each counts by how much of the picture it
    holds, so that a pixel is pulled as strongly as if its region were the whole picture.
    """

    def aim(region: Region) -> dict[str, Any]:
        mixed = {layer: blend([style[layer] for style in styles], region.shares) for layer in loss.layers}
        if own is not None and reach < 1:
            photo = own(region)
            mixed = {layer: blend([aim, photo[layer]], (reach, 1 - reach)) for layer, aim in mixed.items()}
        return {layer: loss.prepare(statistic) for layer, statistic in mixed.items()}

    mixed = [aim(region) for region in regions]
    if len(regions) == 1 and regions[0].weights is None and all(place.is_whole for place in places.values()):
        return loss, mixed[0]
    parts = {
        layer: tuple(
            Part.of(region, places[layer], target[layer]) for region, target in zip(regions, mixed, strict=True)
        )
        for layer in loss.layers
    }
    return by_region(loss), parts


def covered(loss: FeatureLoss, content: Features, coverage: Tensor | None) -> tuple[FeatureLoss, dict[str, Any]]:
    """A content loss and its target where something is painted, `coverage` (1, 1, H, W), or everywhere.

    What is painted is measured as if it were the whole picture, and counts by how much of it it is: so a pixel is held as
    strongly as without a mask. Otherwise a face on a plain ground would dissolve, since most of the picture, the ground,
    is as it was.
    """
    if coverage is None:
        return loss, loss.target(content)
    share = float(coverage.mean())
    roots = {layer: (on_grid(coverage, content[layer]) / share).sqrt() for layer in loss.layers}
    target = {layer: (roots[layer], content[layer] * roots[layer]) for layer in loss.layers}

    def distance(features: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        return share * loss.distance(features * target[0], target[1])

    def part(features: Tensor, target: tuple[Tensor, Tensor], place: Place) -> Sequence[Share]:
        assert loss.part is not None
        return loss.part(features * place.cut(target[0]), target[1], place)

    def whole(values: Sequence[Any], target: tuple[Tensor, Tensor]) -> Tensor:
        assert loss.whole is not None
        return share * loss.whole(values, target[1])

    return FeatureLoss(loss.layers, identity, distance, identity, part, whole), target


def on_grid(weights: Tensor, features: Tensor) -> Tensor:
    """Weights (1, 1, H, W) averaged over what each of the features' positions covers."""
    return F.adaptive_avg_pool2d(weights, (features.shape[2], features.shape[3]))


def by_region(loss: FeatureLoss) -> FeatureLoss:
    """The same loss with a sequence of `Part` as a layer's target."""

    def whole(values: Sequence[Any], parts: Sequence[Part]) -> Tensor:
        errors = [each.extent * loss.distance(value, each.target) for value, each in zip(values, parts, strict=True)]
        return torch.stack(errors).sum(0)

    def part(features: Tensor, parts: Sequence[Part], place: Place) -> list[Share]:
        return [each.share(loss, features, place) for each in parts]

    def distance(features: Tensor, parts: Sequence[Part]) -> Tensor:
        everywhere = Place.of(features.shape[2:])
        return whole([share.statistic for share in part(features, parts, everywhere)], parts)

    if loss.part is None:
        return FeatureLoss(loss.layers, identity, distance)
    return FeatureLoss(loss.layers, identity, distance, identity, part, whole)
