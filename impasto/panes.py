"""Pictures of any size through a feed-forward network, in the memory of one tile and without a seam.

A pixel sees no further than a network's reach, so a tile that is read with so wide a margin is painted as in the whole
picture, as long as nothing but its surroundings counts. What counts beside them are statistics of the whole picture: they
are taken first, from an even sample of it, and are the same for every tile.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from impasto.networks import TAPS
from impasto.tiling import Tile, spans, stride

LARGE = 2_000_000  # pixels: a larger picture is cut
TILE, MARGIN = 768, 96  # pixels; the margin is more than any of our networks reaches
STEP = 8  # pixels: the networks' strides divide it
ENOUGH = 1 << 16  # positions: more hardly change a mean or a covariance
ROW = 64  # positions that are laid side by side
CROPS, CROP = 4, 384  # so many crops each way, of so many pixels, are a sample of a large picture


def edge(height: int, width: int, most: int = 0) -> int:
    """Pixels on a side of the tiles of a picture: the longer side's unless it is large. most: if not 0, never more."""
    tile = max(height, width) if height * width <= LARGE else TILE
    return min(tile, most) if most else tile


def cut(picture: Tensor, most: int = 0) -> list[Tile]:
    """Tiles that cover a picture (1, 3, H, W). most: as of `edge`."""
    height, width = picture.shape[2:]
    tile = edge(height, width, most)
    return [
        Tile(rows, columns, (height, width))
        for rows in spans(height, tile, STEP, MARGIN)
        for columns in spans(width, tile, STEP, MARGIN)
    ]


def put(tile: Tile, painted: Tensor, picture: Tensor) -> None:
    """Copy what was painted of all that was read for a tile to its place in the picture, in [0, 1]."""
    tile.place("pixels").cut(picture).copy_(tile.trim("pixels", painted).clamp(0, 1))


def positions(tiles: Sequence[Tile], encode: Callable[[Tile], Sequence[Tensor]]) -> list[Tensor]:
    """An even part of the features at every tap, (1, P, 1 or `ROW`, C), about `ENOUGH` of them.

    Its stride is odd, so that it does not fall in step with the rows. encode: a tile -> rows of all that is read for it.
    """
    height, width = tiles[0].shape
    found: list[list[Tensor]] = [[] for _ in TAPS]
    for tile in tiles:
        for layer, row, parts in zip(TAPS, encode(tile), found, strict=True):
            every = height * width // stride(layer) ** 2 // ENOUGH | 1
            inside = tile.trim(layer, row.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            drawn = inside.flatten(1, 2)[:, ::every]
            parts.append(drawn[:, : drawn.shape[1] // ROW * ROW] if every > 1 else drawn)
    return [in_rows(torch.cat(parts, 1)) for parts in found]


def in_rows(drawn: Tensor) -> Tensor:
    """(1, P, C) -> (1, P // `ROW`, `ROW`, C) where that is even, which is quicker to sum, otherwise (1, P, 1, C)."""
    return drawn.unsqueeze(2) if drawn.shape[1] % ROW else drawn.unflatten(1, (-1, ROW))


def sample(picture: Tensor) -> Tensor:
    """Crops of a picture (1, 3, H, W) that are spread over it, as a batch (`CROPS`², 3, h, w)."""
    height, width = picture.shape[2:]
    tall, wide = min(CROP, height), min(CROP, width)
    return torch.cat(
        [
            picture[:, :, top : top + tall, left : left + wide]
            for top in torch.linspace(0, height - tall, CROPS).long().tolist()
            for left in torch.linspace(0, width - wide, CROPS).long().tolist()
        ]
    )
