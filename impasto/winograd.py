"""3x3 convolutions by minimal filtering: a quarter of the multiplications, for additions that cost less.

Winograd 1980; for networks Lavin and Gray 2016, whose F(4x4, 3x3) this is: 4 x 4 outputs come from 6 x 6 inputs, and where
a direct convolution multiplies 144 times, 36 products do. Inputs, kernels and outputs go to those products and back by
small matrices, B, G and A; in between, each of the 36 is a matrix product over the channels. In exact numbers it is
the same convolution; in float32 it rounds a few times as much; half precision has no room for that.

The gradient to the input is the transpose, step by step, so both directions share one set of transformed kernels, which
take four times the memory of plain ones.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

PAYS = 96  # channels, the harmonic mean of those in and out: with fewer, the additions eat up what is gained
BLOCK = 1 << 16  # numbers of each of the 36 products that are held at once: more would not stay in the cache
KERNELS = 64  # that are transformed at once, as float64 and its copies would take much memory for all

# what 4 outputs of a kernel of 3 come to, by interpolation at 0, 1, -1, 2, -2 and infinity
_B = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_A = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def pays(weight: Tensor) -> bool:
    """Whether a convolution with these weights (C', C, 3, 3) takes less time this way: a wide one, in float32, on a CPU."""
    out, into = weight.shape[:2]
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and 2 * out * into >= PAYS * (out + into)


def transformed(weight: Tensor) -> Tensor:
    """Kernels (C', C, 3, 3) -> (36, C, C')."""
    matrix, parts = torch.tensor(_G, dtype=torch.float64), []
    for part in weight.split(KERNELS):
        taps = part.double().permute(2, 3, 1, 0).reshape(3, 3, -1)
        parts.append(both_axes(matrix, taps).view(36, *part.shape[1::-1]).to(weight.dtype))
    return torch.cat(parts, 2)


def both_axes(matrix: Tensor, tiles: Tensor) -> Tensor:
    """A matrix (M, K) applied to the rows and to the columns of tiles: (K, K, numbers) -> (M, M, numbers)."""
    rows = matrix @ tiles.flatten(1)
    return matrix @ rows.view(len(matrix), len(tiles), -1)


def convolve(x: Tensor, kernels: Tensor, bias: Tensor | None = None, *, padding: int = 1, relu: bool = False) -> Tensor:
    """A 3x3 convolution of stride 1 and, if asked, a ReLU: (N, C, H, W) -> (N, C', H + 2·padding - 2, ...), channels last.

    kernels: from `transformed`. padding: 0 to 2 rows and columns of zeros on each side.
    """
    height, width = (length + 2 * padding - 2 for length in x.shape[2:])
    found = x.new_empty(len(x), height, width, kernels.shape[2])
    forth, back = (torch.tensor(matrix, dtype=x.dtype) for matrix in (_B, _A))
    for image, result in zip(x.permute(0, 2, 3, 1), found, strict=True):
        for top, rows, across in bands(height, width, kernels):
            inputs = overlapping(image, top - padding, -padding, rows, across)
            outputs = joined(through(inputs, forth, kernels, back).view(4, 4, rows, across, -1))
            band = result[top : top + 4 * rows]
            band.copy_(outputs[: len(band), :width])
            if bias is not None:
                band.add_(bias)
            if relu:
                band.clamp_min_(0)
    return found.permute(0, 3, 1, 2)


def transposed(y: Tensor, kernels: Tensor, *, padding: int = 1, onto: Tensor | None = None) -> Tensor:
    """The gradient to x of <convolve(x, kernels, padding=2 - padding), y>: as `convolve` from C' to C channels.

    So the padding is that of the convolution with turned kernels which this is. onto: channels last; the gradient is
    added to it, in place.
    """
    height, width = y.shape[2:]
    if onto is None:
        found = y.new_zeros(len(y), height + 2 * padding - 2, width + 2 * padding - 2, kernels.shape[1])
    else:
        found = onto.permute(0, 2, 3, 1)
    before = 2 - padding  # positions from the first input of a tile to its first output
    forth, back = (torch.tensor(matrix, dtype=y.dtype).T.contiguous() for matrix in (_A, _B))
    for slope, result in zip(y.permute(0, 2, 3, 1), found, strict=True):
        for top, rows, across in bands(height, width, kernels):
            outputs = separate(slope, top, 0, rows, across)
            inputs = added(through(outputs, forth, kernels.transpose(1, 2), back).view(6, 6, rows, across, -1))
            first = max(top - before, 0)
            band = result[first : top - before + 4 * rows + 2]
            band.add_(inputs[first - top + before :][: len(band), before : before + band.shape[1]])
    return found.permute(0, 3, 1, 2)


def through(tiles: Tensor, forth: Tensor, kernels: Tensor, back: Tensor) -> Tensor:
    """Tiles to the 36 products and from there back: (K, K, tiles · C) -> (M, M, tiles · C'). kernels: (36, C, C')."""
    products = torch.bmm(both_axes(forth, tiles).view(36, -1, kernels.shape[1]), kernels)
    return both_axes(back, products.view(6, 6, -1))


def bands(height: int, width: int, kernels: Tensor) -> Iterator[tuple[int, int, int]]:
    """Rows of tiles that stay in the cache: (the first position, rows of tiles, tiles in a row)."""
    across = -(-width // 4)
    rows = max(1, BLOCK // (across * max(kernels.shape[1:])))
    for top in range(0, height, 4 * rows):
        yield top, min(rows, -(-(height - top) // 4)), across


def overlapping(image: Tensor, top: int, left: int, rows: int, across: int) -> Tensor:
    """The 6 x 6 inputs of the tiles from a position on, zeros where there are none: (H, W, C) -> (6, 6, tiles · C)."""
    seen = framed(image, top, left, 4 * rows + 2, 4 * across + 2)
    return seen.unfold(0, 6, 4).unfold(1, 6, 4).permute(3, 4, 0, 1, 2).reshape(6, 6, -1)


def separate(image: Tensor, top: int, left: int, rows: int, across: int) -> Tensor:
    """The 4 x 4 positions of the tiles from a position on, zeros where there are none: (H, W, C) -> (4, 4, tiles · C)."""
    seen = framed(image, top, left, 4 * rows, 4 * across)
    return seen.view(rows, 4, across, 4, -1).permute(1, 3, 0, 2, 4).reshape(4, 4, -1)


def framed(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """So many rows and columns from a position on, which may lie outside, where zeros are: (H, W, C)."""
    seen = image[max(top, 0) : top + height, max(left, 0) : left + width]
    above, beside = max(-top, 0), max(-left, 0)
    return F.pad(seen, (0, 0, beside, width - beside - seen.shape[1], above, height - above - len(seen)))


def joined(tiles: Tensor) -> Tensor:
    """The transpose of `separate`: (4, 4, rows, across, C) -> (4 · rows, 4 · across, C)."""
    return tiles.permute(2, 0, 3, 1, 4).flatten(2, 3).flatten(0, 1)


def added(tiles: Tensor) -> Tensor:
    """The transpose of `overlapping`, overlaps added: (6, 6, rows, across, C) -> (4 · rows + 4, 4 · across + 4, C)."""
    _, _, rows, across, channels = tiles.shape
    whole = tiles.new_zeros(rows + 1, 4, across + 1, 4, channels)
    for down, inner in ((0, slice(0, 4)), (1, slice(4, 6))):
        for right, beside in ((0, slice(0, 4)), (1, slice(4, 6))):
            part = tiles[inner, beside].permute(2, 0, 3, 1, 4)
            whole[down : down + rows, : part.shape[1], right : right + across, : part.shape[3]] += part
    return whole.view(4 * rows + 4, 4 * across + 4, channels)
