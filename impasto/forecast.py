"""What a painting will cost in memory and time on this machine, and the plan that fits what one has.

Memory follows from what is kept for every pixel: the network's activations for as much as is computed at once, which tiles
bound, and the optimiser's copies of the whole picture, which only a shorter history bounds. Time is measured: a probe
takes a few steps on two small pictures of noise; everything here grows in proportion to the pixels.
"""

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from impasto import machine, panes, scales
from impasto.backbones import BACKBONES, Architecture, pooling_of
from impasto.bundle import bytes_of, seconds_of
from impasto.errors import InputError
from impasto.fused import is_filtered
from impasto.options import SMALLEST, PaintOptions
from impasto.tiling import Tile, cover, is_cut, stride

TILES = (
    2048,
    1536,
    1280,
    1024,
    896,
    768,
    640,
    512,
    448,
    384,
    320,
    256,
    224,
    192,
    160,
    128,
)  # a side, the quickest first
HISTORIES = (6, 4, 2)  # of L-BFGS, where the option's own does not fit
# bytes that an evaluation takes whatever the size, in tiles some more, by those of a number
FIXED, TILED = {4: 85 * 2**20, 2: 65 * 2**20}, {4: 0, 2: 35 * 2**20}
# with AMX: how many times as much as that a pixel takes, and bytes beside it in tiles
AMX, AMX_TILED = 1.25, 50 * 2**20
LEFT = {4: 80 * 2**20, 2: 60 * 2**20}  # bytes that presto's picture leaves behind, which one piece uses again
WEIGHTS = 3  # copies of the weights that are used: as they come, packed for the way there and for the way back
FILTERED = 4  # with Winograd's kernels, which serve both ways
PICTURES = {"adam": 8, "lbfgs": 9}  # copies of the picture held at the peak, beside L-BFGS' pairs
KEPT = 4  # more of them where they are so small that the C library keeps what is freed
POSITIONS = 1.25  # times as much with max pooling, which keeps where the largest numbers were
SAFE = 1.1  # what --memory allows is not to be exceeded, and forecasts have been 9 % too low
FLOAT = 4
SKETCHED = 350  # numbers that presto holds for every pixel it paints at once
PROBES = (192, 384)  # pixels a side
TARGETS = 1.0  # evaluations that a scale's targets cost, in one piece
SHAPES = 2  # that a scale has: the canvas's and the style's, or those of their tiles
AGAIN = 1.55  # what tiles cost for each pixel that is read: a second forward pass, and pieces that are smaller
READING = 0.25  # seconds to read pictures
LOADING = 2e-8  # seconds for each number of the network, to read, round and fingerprint it
JUDGING = 0.5  # evaluations that the doctor's look at the end costs


@dataclass(frozen=True)
class Forecast:
    """seconds of painting; peak memory in bytes beyond what a process holds before it reads the pictures."""

    options: PaintOptions
    seconds: float
    memory: float

    @property
    def line(self) -> str:
        """The plan in one line."""
        sizes = ", ".join(f"{scale.size} px x {scale.steps}" for scale in scales.plan(self.options))
        tile = f"tiles of {self.options.tile}" if self.options.tile else "in one piece"
        return f"{sizes}; {tile}; about {self.seconds:.0f} s and {self.memory / 2**30:.2f} GiB"


class Cost(NamedTuple):
    """Seconds of an evaluation, of each pixel of it, of each pixel of what the canvas shows first, and of a new shape.

    ready: what the first evaluation at a shape takes more than others: programs are written and weights packed for it.
    """

    evaluation: float
    pixel: float
    start: float = 0.0
    ready: float = 0.0

    def of(self, pixels: float) -> float:
        """Seconds of an evaluation of so many pixels."""
        return self.evaluation + self.pixel * pixels


# --------------------------------------------------------------------------------------------------------- memory


def shape_at(picture: Tensor, size: float) -> tuple[int, int]:
    """(height, width) of a picture (1, 3, H, W) with its longer side at `size`."""
    factor = size / max(picture.shape[2:])
    return max(1, round(picture.shape[2] * factor)), max(1, round(picture.shape[3] * factor))


def memory(pictures: tuple[Tensor, Tensor], options: PaintOptions, itemsize: int) -> float:
    """Bytes that painting takes at its peak, the pictures that are read included.

    pictures: content and the largest style, at any size. itemsize: bytes of a number in the network.
    """
    architecture = BACKBONES[options.backbone]
    canvas, style = shapes(pictures, options)
    pooling = pooling_of(options.backbone, options.pooling)
    per_pixel = architecture.bytes_per_pixel * itemsize / FLOAT * (POSITIONS if pooling == "max" else 1)
    at_once = max(pixels_at_once(canvas, architecture, options), pixels_at_once(style, architecture, options) / 2)
    copies = FILTERED if itemsize == FLOAT and is_filtered(options) else WEIGHTS
    weights = (architecture.numbers() + (copies - 1) * architecture.numbers(layers_of(options))) * itemsize
    fixed, tiled = FIXED[itemsize], TILED[itemsize] + (LEFT[itemsize] if options.start == "presto" else 0)
    if by_amx(options, itemsize):
        per_pixel *= AMX
        tiled += AMX_TILED
    fixed += tiled if is_cut(canvas, options.tile) else 0
    painting = fixed + weights + held_bytes(pictures, options, itemsize) + at_once * per_pixel
    return max(painting, sketch_bytes(pictures, options, itemsize)) if options.start == "presto" else painting


def shapes(pictures: tuple[Tensor, Tensor], options: PaintOptions) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) of the canvas with its margin, and of the style, at the last scale."""
    height, width = shape_at(pictures[0], options.size)
    assert options.style_scale != "auto"  # the verbs settle it: see `coverage`
    around = 2 * options.canvas_padding
    return (height + around, width + around), shape_at(pictures[1], options.size * options.style_scale)


def held_bytes(pictures: tuple[Tensor, Tensor], options: PaintOptions, itemsize: int) -> float:
    """Of the pictures themselves, which no tile makes less: photo, style, canvas, the optimiser's, the photo's features."""
    canvas, style = shapes(pictures, options)
    pixels = math.prod(canvas)
    pairs = min(options.history, options.steps - 1) if options.optimizer == "lbfgs" else 0
    copies = PICTURES[options.optimizer] + 2 * pairs + (KEPT if pixels * 3 * FLOAT < machine.LARGE else 0)
    features = content_bytes(BACKBONES[options.backbone], options, itemsize)
    return pixels * (3 * FLOAT * copies + features) + math.prod(style) * 3 * FLOAT


def sketch_bytes(pictures: tuple[Tensor, Tensor], options: PaintOptions, itemsize: int) -> float:
    """Bytes that presto takes for the first scale's picture."""
    shape = shape_at(pictures[0], scales.plan(options)[0].size)
    held = panes_read(shape, options)[0] * SKETCHED * itemsize * (AMX if by_amx(options, itemsize) else 1)
    return FIXED[itemsize] + math.prod(shape) * 3 * FLOAT * PICTURES["adam"] + held


def by_amx(options: PaintOptions, itemsize: int) -> bool:
    """Whether AMX computes, in numbers of so many bytes."""
    return itemsize < FLOAT and machine.has_amx(machine.choose_device(options.device))


def panes_read(shape: tuple[int, int], options: PaintOptions) -> list[int]:
    """Pixels that are read for every tile that presto paints of (height, width)."""
    return [area(tile) for tile in panes.cut(torch.empty(1, 3, *shape, device="meta"), options.tile)]


def content_bytes(architecture: Architecture, options: PaintOptions, itemsize: int) -> float:
    """Of the photo's features, for each pixel of the picture."""
    if not options.content_weight:
        return 0
    widest = max(max(channels) for channels in architecture.channels)
    return sum((widest if layer != "pixels" else 3) / stride(layer) ** 2 for layer in options.content_layers) * itemsize


def layers_of(options: PaintOptions) -> list[str]:
    """The network's layers that the options name."""
    return [layer for layer in (*options.style_layers, *options.content_layers) if layer != "pixels"] or ["conv1_1"]


def pixels_at_once(shape: Sequence[int], architecture: Architecture, options: PaintOptions) -> int:
    """How many pixels the network's memory is for: all, or those that are read for a tile."""
    if not is_cut(shape, options.tile):
        return shape[0] * shape[1]
    return area(cover(architecture.layers, layers_of(options), shape, options.tile)[0])


def area(tile: Tile) -> int:
    """Pixels that are read for a tile."""
    return (tile.rows.last - tile.rows.first) * (tile.columns.last - tile.columns.first)


def fit_memory(
    pictures: tuple[Tensor, Tensor], options: PaintOptions, device: torch.device, itemsize: int = FLOAT
) -> PaintOptions:
    """The options with the tile, and where need be the history, that fit --memory or what is free.

    A picture that fits in one piece is left as it is, and so is a tile that was asked for. Raises InputError where
    nothing fits, before anything is painted.
    """
    room = room_for(pictures, options, device)
    if room is None:
        return options
    tiles = [options.tile] if options.tile else [0, *(tile for tile in TILES if tile < options.size)]
    shorter = [history for history in HISTORIES if history < options.history] if options.optimizer == "lbfgs" else []
    for history in (options.history, *shorter):
        for tile in tiles:
            plan = options.replace(tile=tile, history=history)
            if SAFE * memory(pictures, plan, itemsize) <= room:
                return plan
    least = options.replace(tile=options.tile or min(TILES), history=min([*shorter, options.history]))

    def needed(size: int) -> float:
        return SAFE * memory(pictures, least.replace(size=size), itemsize)

    smaller = range(options.size - 1, SMALLEST - 1, -1)
    fits = smaller[bisect_left(smaller, True, key=lambda size: needed(size) <= room) :][:1]
    choose = f"Choose a --size of at most {fits[0]}" if fits else "Close other programs"
    raise InputError(
        f"At --size {options.size} this takes about {needed(options.size) / 2**30:.2f} GiB of memory, even in tiles, and "
        f"{max(room, 0) / 2**30:.2f} GiB are there for it. {choose}"
        f"{'' if options.memory is None else ', or allow more --memory'}"
        f"{'' if options.optimizer == 'adam' else ', or take --optimizer adam, which remembers less'}."
    )


def room_for(pictures: tuple[Tensor, Tensor], options: PaintOptions, device: torch.device) -> float | None:
    """Bytes for painting and the pictures that are read: what --memory leaves, or most of what is free."""
    read = sum(picture.numel() for picture in pictures) * FLOAT  # the process holds them already
    if options.memory is not None:
        return bytes_of(options.memory) - (machine.resident_memory() or 0) + read
    free = machine.free_memory(device)
    return None if free is None else 0.9 * free + read


# ----------------------------------------------------------------------------------------------------------- time


def probe(
    start: Callable[[Tensor], object],
    steps: Callable[[Tensor, int], Iterator[object]],
    device: torch.device,
    largest: int = max(PROBES),
) -> Cost:
    """Measured on noise. start: picture -> what the canvas shows first; steps: (picture, how many) -> the optimiser's.

    largest: pixels on a side of the picture that is to be painted; a small one is not worth long measurements.
    """
    measured = []
    for edge in PROBES if largest >= max(PROBES) else (max(SMALLEST, largest // 2), largest):
        picture = torch.rand(1, 3, edge, edge, device=device)
        times = []
        began = time.perf_counter()
        for _ in steps(picture, 8):
            times.append(time.perf_counter() - began)
            began = time.perf_counter()
        usual = sorted(times[3:])[2]  # the first ones pack weights and ask for memory
        measured.append((edge * edge, usual, times[0] - (1 + TARGETS) * usual))
    (few, short, _), (many, long, more) = measured  # at first there is also what is done once
    slope = max(0.0, (long - short) / max(1, many - few))
    start(picture)  # the first one loads its network and packs weights
    began = time.perf_counter()
    start(picture)
    return Cost(max(0.0, long - slope * many), slope, (time.perf_counter() - began) / many, max(0.0, more))


def estimate(pictures: tuple[Tensor, Tensor], options: PaintOptions, cost: Cost, itemsize: int) -> Forecast:
    """The forecast. pictures, itemsize: as of `memory`; cost: as `probe` gives it."""
    plan = scales.plan(options)
    first, last = (shape_at(pictures[0], scale.size) for scale in (plan[0], plan[-1]))
    panes_first = panes_read(first, options)
    seconds = READING + LOADING * BACKBONES[options.backbone].numbers()
    seconds += cost.start * sum(panes_first) * (AGAIN if len(panes_first) > 1 else 1.0)
    for scale in plan:
        height, width = (edge + 2 * options.canvas_padding for edge in shape_at(pictures[0], scale.size))
        read = pixels_read((height, width), options)
        tiled = AGAIN if read > height * width else 1.0
        seconds += scale.steps * cost.of(read * tiled) + TARGETS * cost.of(read) + SHAPES * cost.ready
    seconds += JUDGING * cost.of(math.prod(last))
    return Forecast(options, seconds, memory(pictures, options, itemsize))


def pixels_read(shape: Sequence[int], options: PaintOptions) -> int:
    """How many pixels a pass over a picture of (height, width) sees: its own, and with tiles their margins too."""
    if not is_cut(shape, options.tile):
        return shape[0] * shape[1]
    chain = BACKBONES[options.backbone].layers
    return sum(area(tile) for tile in cover(chain, layers_of(options), shape, options.tile))


def fit_budget(options: PaintOptions, seconds: Callable[[PaintOptions], float], spent: float = 0.0) -> PaintOptions:
    """As many steps as --budget leaves time for, fewer at every scale alike, never fewer than one; then it is settled.

    seconds: what painting with such options takes; spent: those that are gone already.
    """
    if options.budget is None:
        return options
    most = max(options.steps, options.first_steps)

    def cut(count: int) -> PaintOptions:
        first = max(1, options.first_steps * count // most) if options.first_steps else 0
        return options.replace(steps=max(1, options.steps * count // most), first_steps=first, budget=None)

    count = bisect_right(range(1, most + 1), seconds_of(options.budget) - spent, key=lambda count: seconds(cut(count)))
    return cut(max(1, count))
