"""Pictures of any size in the memory of one tile, without an approximation.

A layer's position sees no further than its reach, so the features of a tile that is read with so wide a margin are those of
the whole picture. Every loss here depends on the picture through sums over positions. So an evaluation makes two passes:
the first adds up the sums, tile by tile, and keeps nothing else; the loss and its gradient with respect to the sums follow
at once; the second pass goes over the tiles again and carries that gradient to the pixels. It costs one forward pass and
the margins' share more than an evaluation in one piece.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import machine
from impasto.backbones import Backbone
from impasto.errors import OptionError
from impasto.losses import FeatureLoss, Objective, Term
from impasto.parts import Place, Share, join, portion
from impasto.statistics import Moments

# ------------------------------------------------------------------------------------------------------ geometry


def stride(layer: str) -> int:
    """Pixels between two positions of a layer: 8 for relu4_1, 1 for the pixels."""
    if layer == "pixels":
        return 1
    block = int(layer.removeprefix("conv").removeprefix("relu").removeprefix("pool").split("_")[0])
    return 2 ** (block if layer.startswith("pool") else block - 1)


def reach(chain: Sequence[str], layers: Sequence[str]) -> tuple[int, int]:
    """(stride of the deepest layer, pixels that a position of it sees on each side, rounded up to a multiple of that).

    chain: the network's layers in their order, all of 3x3 convolutions.
    """
    run = chain[: max(list(chain).index(layer) for layer in layers) + 1]
    deepest = stride(run[-1])
    seen = sum(stride(layer) for layer in run if layer.startswith("conv"))
    return deepest, -(-seen // deepest) * deepest


def grid(shape: Sequence[int], layer: str) -> tuple[int, int]:
    """(height, width) of a layer's features of a picture of (height, width): every pooling drops an odd row."""
    return shape[0] // stride(layer), shape[1] // stride(layer)


def picture(shape: Sequence[int], layer: str, margin: int) -> Place:
    """Where the picture lies on a layer's grid of a canvas of (height, width) with a margin, to the nearest position."""
    unit, whole = stride(layer), grid(shape, layer)
    first = round(margin / unit)
    last = [
        max(first + 1, min(round((edge - margin) / unit), length)) for edge, length in zip(shape, whole, strict=True)
    ]
    return Place(first, last[0], first, last[1], whole)


class Span(NamedTuple):
    """Pixels along one axis: those of a tile, from `start` to `stop`, and those read for it, from `first` to `last`."""

    start: int
    stop: int
    first: int
    last: int


def spans(length: int, tile: int, step: int, margin: int, surround: int = 0) -> list[Span]:
    """An axis cut into tiles of about `tile` pixels that begin at multiples of `step`, with their margins.

    As many pixels are read for each, about `tile` and two margins at most: what computes them is made ready for one shape,
    and its memory serves all. So those at the ends, which have a margin on one side alone, are the larger for it.
    surround: pixels that there are to read beyond both ends.
    """
    spared = margin - surround  # of a margin, at each end
    count = 1 if length <= tile else max(2, -((2 * spared - length) // tile))
    count = max(1, min(count, length // step))
    spared = min(spared, (length - count * step) // 2)
    inner = (length - 2 * spared) / count
    cuts = [0, *(round((spared + index * inner) / step) * step for index in range(1, count)), length]
    first, last = -surround, length + surround
    reads = [(max(first, start - margin), min(last, stop + margin)) for start, stop in pairwise(cuts)]
    most = max(stop - start for start, stop in reads)
    most += (last - first - most) % step  # so that the last one, which ends at the end, begins at a multiple, too
    begins = [min(start, last - most) for start, _ in reads]
    return [Span(start, stop, begin, begin + most) for (start, stop), begin in zip(pairwise(cuts), begins, strict=True)]


class Tile(NamedTuple):
    """A tile of a picture of `shape`: its rows and columns. surround: as of `spans`."""

    rows: Span
    columns: Span
    shape: tuple[int, int]
    surround: int = 0

    def read(self, picture: Tensor) -> Tensor:
        """The tile's pixels with its margins, a view. picture: with its surroundings, if there are any."""
        top, left = self.rows.first + self.surround, self.columns.first + self.surround
        return picture[:, :, top : self.rows.last + self.surround, left : self.columns.last + self.surround]

    def place(self, layer: str) -> Place:
        """Where the tile lies on a layer's grid; at the picture's end an odd row is dropped as everywhere."""
        unit = stride(layer)
        (top, bottom), (left, right) = ((span.start // unit, span.stop // unit) for span in (self.rows, self.columns))
        return Place(top, bottom, left, right, grid(self.shape, layer))

    def trim(self, layer: str, features: Tensor) -> Tensor:
        """Of the features of what was read, those that belong to the tile, a view."""
        unit, (height, width) = stride(layer), features.shape[2:]
        top, left = self.rows.first // unit, self.columns.first // unit
        read = Place(top, top + height, left, left + width, grid(self.shape, layer))
        return self.place(layer).within(read).trim(features)


def is_cut(shape: Sequence[int], tile: int) -> bool:
    """Whether a picture (height, width) is seen in tiles of so many pixels on a side; 0: never."""
    return 0 < tile < max(shape)


def cover(
    chain: Sequence[str], layers: Sequence[str], shape: Sequence[int], tile: int | None, surrounded: bool = False
) -> list[Tile]:
    """A picture of (height, width) in tiles of about `tile` pixels a side for these layers; None: in one.

    surrounded: the tiles are read from a picture that goes on beyond its edges, by as much as `reach` says.
    """
    height, width = shape
    step, margin = reach(chain, layers)
    tile = max(height, width) if tile is None else tile
    surround = margin if surrounded else 0
    return [
        Tile(rows, columns, (height, width), surround)
        for rows in spans(height, tile, step, margin, surround)
        for columns in spans(width, tile, step, margin, surround)
    ]


# ------------------------------------------------------------------------------------------------------- features


def features(backbone: Backbone, picture: Tensor, layers: Sequence[str], tile: int | None) -> dict[str, Tensor]:
    """`backbone(picture, layers)`, put together from tiles, without gradients."""
    if tile is None:
        return backbone(picture, layers)
    found: dict[str, Tensor] = {}
    for each in cover(backbone.layers, layers, picture.shape[2:], tile):
        for layer, part in backbone(each.read(picture), layers).items():
            if layer not in found:
                whole = part.new_empty(*part.shape[:2], *grid(picture.shape[2:], layer))
                found[layer] = whole.contiguous(memory_format=torch.channels_last)
            each.place(layer).cut(found[layer]).copy_(each.trim(layer, part))
    return found


def statistics(
    loss: FeatureLoss, backbone: Backbone, picture: Tensor, weights: Tensor | None, tile: int | None
) -> dict[str, Any]:
    """Layer -> a style's statistic, put together from tiles; positions count by `weights` (1, 1, H, W), or equally."""
    layers = tuple(loss.layers)
    shares: dict[str, Share] = {}
    for each in cover(backbone.layers, layers, picture.shape[2:], tile):
        found = backbone(each.read(picture), layers)
        for layer in layers:
            place = each.place(layer)
            part = each.trim(layer, found[layer])
            counted = None if weights is None else place.cut(F.adaptive_avg_pool2d(weights, place.shape))
            amount = part[0, 0].numel() if counted is None else float(counted.sum())
            share = Share(amount, loss.statistic(part, weights=counted, positions=place.positions))
            shares[layer] = join(shares[layer], share) if layer in shares else share
        del found, part  # before the next tile's are made
    return {layer: shares[layer].statistic for layer in layers}


# ------------------------------------------------------------------------------------------------------ objectives


def objective(backbone: Backbone, terms: Mapping[str, Term], tile: int | None) -> Callable[[Tensor], dict[str, Tensor]]:
    """The terms' objective: in one piece, or in tiles of about `tile` pixels a side.

    Raises OptionError where a term is no function of sums over positions.
    """
    if tile is None:
        return Objective(backbone, terms)
    for name, term in terms.items():
        if term.loss.part is None and not of_pixels(term):
            raise OptionError(
                f"The {name} loss compares positions with each other, so no tile can be computed on its own. "
                "Choose a smaller --size, or another --style-loss."
            )
    return TiledObjective(backbone, terms, tile)


def of_pixels(term: Term) -> bool:
    """Whether a term reads no network."""
    return set(term.loss.layers) == {"pixels"}


class Summand(NamedTuple):
    """One layer of a term."""

    layer: str
    term: Term

    def part(self, tile: Tile, found: Mapping[str, Tensor]) -> Sequence[Share]:
        """What a tile adds, given the features of what was read for it."""
        assert self.term.loss.part is not None
        features = tile.trim(self.layer, found[self.layer])
        return self.term.loss.part(features, self.term.target[self.layer], tile.place(self.layer))

    def value(self, whole: Sequence[Share]) -> Tensor:
        """The weighted loss (N,) of a picture whose tiles add up to this."""
        loss = self.term.loss
        assert loss.whole is not None
        regions = [share.statistic for share in whole]
        return self.term.weight * loss.layers[self.layer] * loss.whole(regions, self.term.target[self.layer])


@dataclass(frozen=True)
class TiledObjective:
    """An `Objective` whose value and gradient are computed tile by tile; losses of the pixels alone need no tiles."""

    backbone: Backbone
    terms: Mapping[str, Term]
    tile: int

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> summand -> weighted loss (N,), once differentiable. The names are `Objective`'s."""
        near = {name: term for name, term in self.terms.items() if of_pixels(term)}
        far = {
            term.label(name, layer): Summand(layer, term)
            for name, term in self.terms.items()
            if name not in near
            for layer in term.loss.layers
        }
        found = Objective(self.backbone, near)(image) if near else {}
        if far:
            layers = tuple({summand.layer for summand in far.values()})
            endless = self.backbone.padding == "circular"
            tiles = cover(self.backbone.layers, layers, image.shape[2:], self.tile, endless)
            wide = F.pad(image, (tiles[0].surround,) * 4, mode="circular") if endless else image
            values = TwoPasses.apply(wide, partial(self.backbone, layers=layers), tiles, tuple(far.values()))
            found |= dict(zip(far, values, strict=True))
        return {
            label: found[label]
            for name, term in self.terms.items()
            for label in (term.label(name, layer) for layer in term.loss.layers)
        }


class TwoPasses(torch.autograd.Function):
    """(picture with its surroundings, backbone, tiles, K summands) -> K weighted losses (N,)."""

    @staticmethod
    def forward(
        ctx: Any,
        picture: Tensor,
        backbone: Callable[[Tensor], Mapping[str, Tensor]],
        tiles: Sequence[Tile],
        summands: Sequence[Summand],
    ) -> tuple[Tensor, ...]:
        wholes: list[list[Share]] = []
        for tile in tiles:
            parts = added(tile, backbone(tile.read(picture)), summands)
            wholes = [list(map(join, *each)) for each in zip(wholes, parts, strict=True)] if wholes else parts
        wholes = [[leaf(share) for share in whole] for whole in wholes]
        with torch.enable_grad():
            values = [summand.value(whole) for summand, whole in zip(summands, wholes, strict=True)]
        ctx.save_for_backward(picture)
        ctx.work = backbone, tiles, summands, wholes, values
        return tuple(value.detach() for value in values)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        (picture,) = ctx.saved_tensors
        backbone, tiles, summands, wholes, values = ctx.work
        leaves = flat(share.statistic for whole in wholes for share in whole)
        found = torch.autograd.grad(values, leaves, slopes)  # the same for every tile, whose portions add up
        gradient = torch.zeros_like(picture)
        for tile in tiles:
            with torch.enable_grad():
                pixels = tile.read(picture).detach().requires_grad_()
                parts = added(tile, backbone(pixels), summands)
                portions = flat(
                    portion(*pair) for each in zip(parts, wholes, strict=True) for pair in zip(*each, strict=True)
                )
            (of_tile,) = torch.autograd.grad(portions, pixels, found)
            tile.read(gradient).add_(of_tile)
        if gradient.nbytes >= machine.LARGE:  # the optimiser's copies of the picture, which come now, are new blocks
            machine.hand_back_freed_memory()
        return gradient, None, None, None


def added(tile: Tile, found: Mapping[str, Tensor], summands: Sequence[Summand]) -> list[list[Share]]:
    """What a tile adds to every summand. found: as of `Summand.part`; nobody else should hold it."""
    return [list(summand.part(tile, found)) for summand in summands]


def leaf(share: Share) -> Share:
    """The share with a statistic that a gradient can be taken for."""
    value = share.statistic
    free = Moments(*(each.requires_grad_() for each in value)) if isinstance(value, Moments) else value.requires_grad_()
    return Share(share.amount, free)


def flat(statistics: Iterable[Any]) -> list[Tensor]:
    """Every tensor of statistics, in order."""
    return [each for value in statistics for each in (value if isinstance(value, Moments) else (value,))]
