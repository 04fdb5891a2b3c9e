"""How fast this machine evaluates: impasto's engine against the textbook loop, in turns in one process.

An evaluation is a loss and its gradient to the pixels, of which every optimiser's steps are made. All ways see the same
picture through the same weights. Machines are seldom idle, so the ways take turns and the medians of their times are set
against each other, never the times of two runs. How near a way comes to what the machine can do at all is measured against
a large matrix product and a wide convolution in the same precision, the faster of them, in the same turns.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import images, machine, tiling, weights
from impasto.backbones import BACKBONES, Architecture, Backbone
from impasto.equipment import precision
from impasto.errors import OptionError
from impasto.fused import fuse
from impasto.objective import make_objective, make_terms
from impasto.optimize import Losses, evaluate
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.scene import Picture, View
from impasto.shelf import Shelf
from impasto.shipped import DEMO
from impasto.textbook import Loop
from impasto.threads import threads

SIZES = 64, 2048
LEAST_ROUNDS, MOST_ROUNDS = 2, 9
PATIENCE, QUICK_PATIENCE, QUICK_SIZE = 45.0, 3.0, 256  # seconds in which rounds of a case begin; pixels
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
NOISE = 0.1  # of the picture: an evaluation somewhere on the way from photo to painting
EDGE = 2048  # of the matrices whose product is timed; a convolution has a quarter of that in channels
INSTRUCTIONS = "avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16"  # that make products faster
LOSSES = "gram", "wasserstein"

ClockName: TypeAlias = Literal["wall", "processor"]
Calls: TypeAlias = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Row:
    """A way to evaluate. seconds: least, median and most of so many rounds.

    ratio: how often as fast as the textbook loop of that loss.

    share: of the most operations a second in its precision. cosine: of its gradient to autograd's in float32, None for
    the textbook loop, which weighs otherwise. chosen: whether it is what impasto takes here.
    """

    network: str
    loss: str
    way: str
    seconds: tuple[float, float, float]
    rounds: int
    ratio: float
    share: float
    cosine: float | None
    chosen: bool


@dataclass(frozen=True)
class Benchmark:
    """machine: facts by name. size: width and height. ceilings: precision -> operations a second at most.

    others: share of the machine that other processes took meanwhile, None where nobody says.
    """

    machine: Mapping[str, Any]
    size: tuple[int, int]
    clock: ClockName
    ceilings: Mapping[str, float]
    rows: Sequence[Row]
    others: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Way:
    """A name, an objective, the precision it computes in."""

    name: str
    objective: Callable[[Tensor], Losses]
    dtype: torch.dtype


def run(
    size: int = 512,
    *,
    quick: bool = False,
    clock: ClockName = "wall",
    on_case: Callable[[int, int], object] | None = None,
) -> Benchmark:
    """Measure on the shipped pictures with their longer side at `size`, or quick: at 256, with fewer rounds.

    clock: "processor" counts the processor's time on one thread, which a machine that is not idle hardly changes.
    on_case: called with (cases done, in all). Raises OptionError for a size out of range.
    """
    check_size(size)
    size, patience = (min(size, QUICK_SIZE), QUICK_PATIENCE) if quick else (size, PATIENCE)
    device = machine.choose_device("auto")
    photo, style = (images.resize(images.load(DEMO / name), size).to(device) for name in ("valley.jpg", "swirl.jpg"))
    rows: list[Row] = []
    reached: dict[str, list[float]] = {}
    cases = list(product(NETWORKS, LOSSES))
    before = busy()
    with threads(1 if clock == "processor" else None):
        for number, (network, loss) in enumerate(cases, start=1):
            options = options_for(backbone=network, style_loss=loss, pooling="average")
            found, ceilings = measured(options, photo, style, partial(in_turns, clock=CLOCKS[clock], patience=patience))
            rows += found
            for name, ceiling in ceilings.items():
                reached.setdefault(name, []).append(ceiling)
            if on_case is not None:
                on_case(number, len(cases))
        known = facts(device)
    others = None if before is None else taken(before, busy() or before)
    shape = photo.shape[3], photo.shape[2]
    return Benchmark(known, shape, clock, {name: median(each) for name, each in reached.items()}, rows, others)


def check_size(size: int) -> None:
    """Raises OptionError for a size out of range."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise OptionError(f"--size is {size}; it must be a whole number from {SIZES[0]} to {SIZES[1]}.")


def measured(
    options: PaintOptions, photo: Tensor, style: Tensor, timed: Callable[[Calls], Mapping[str, list[float]]]
) -> tuple[list[Row], dict[str, float]]:
    """(a row for every way to evaluate these options' objective, precision -> operations a second at most)."""
    image = noisy(photo)
    found = list(ways(options, photo, style))
    drills = {words(dtype): list(heavy(dtype, photo.device)) for dtype in dict.fromkeys(way.dtype for way in found)}
    calls: dict[str, Callable[[], object]] = {way.name: partial(evaluated, way, image) for way in found}
    calls |= {drill.name: drill.call for each in drills.values() for drill in each}
    times = timed(calls)
    ceilings = {
        name: max(drill.operations / median(times[drill.name]) for drill in each) for name, each in drills.items()
    }
    needed = operations(BACKBONES[options.backbone], options, photo.shape[2:])
    exact = evaluated(found[1], image)
    rows = [
        Row(
            NETWORKS[options.backbone][0],
            options.style_loss,
            way.name,
            (min(times[way.name]), median(times[way.name]), max(times[way.name])),
            len(times[way.name]),
            median(times[found[0].name]) / median(times[way.name]),
            needed / median(times[way.name]) / ceilings[words(way.dtype)],
            cosine(evaluated(way, image), exact) if index else None,
            index == len(found) - 1,
        )
        for index, way in enumerate(found)
    ]
    return rows, ceilings


# ----------------------------------------------------------------------------------------------------------- the ways


def random_weights(architecture: Architecture) -> dict[str, Tensor]:
    """Of an architecture's shapes, as He et al. 2015 draw them: they cost what trained ones do."""
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=generator) * (2 / (9 * shape[1])) ** 0.5
        if len(shape) == 4
        else torch.zeros(shape)
        for key, shape in architecture.shapes.items()
    }


# network -> its name in the table, and its weights
NETWORKS: dict[str, tuple[str, Callable[[], Mapping[str, Tensor]]]] = {
    "petit": ("petit", lambda: weights.shipped("petit")),
    "vgg19": ("VGG-19, random weights", lambda: random_weights(BACKBONES["vgg19"])),
}


def ways(options: PaintOptions, photo: Tensor, style: Tensor) -> Iterator[Way]:
    """The textbook loop, impasto by autograd in float32, and what this machine has besides; the last is what is chosen."""
    architecture, device = BACKBONES[options.backbone], photo.device
    numbers = NETWORKS[options.backbone][1]()
    plain = {key: value.to(device) for key, value in numbers.items()}
    loop = Loop(architecture, plain, options.style_loss, options.content_layers, options.style_layers)
    yield Way("textbook loop, float32", loop.matched(photo, style), torch.float32)

    def backbone(dtype: torch.dtype) -> Backbone:
        return Backbone(options.backbone, architecture, numbers, pooling="average", dtype=dtype, device=device)

    view = View(photo, (Picture(style),))
    chosen = precision(options, device)
    exact = backbone(torch.float32)
    candidates = [exact, fuse(exact), fuse(exact, filtered=True), fuse(backbone(chosen), filtered=True)]
    for name, each in {f"{each.engine}, {words(each.dtype)}": each for each in candidates}.items():
        terms = make_terms(view, each, options, Shelf())
        yield Way(name, make_objective(view, each, terms), each.dtype)


def cosine(one: Tensor, other: Tensor) -> float:
    """Of two gradients."""
    return float(F.cosine_similarity(one.double().flatten(), other.double().flatten(), 0))


def noisy(photo: Tensor) -> Tensor:
    """The photo with noise over it, the same at every call."""
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))
    return photo.lerp(noise.to(photo), NOISE)


def evaluated(way: Way, image: Tensor) -> Tensor:
    """One evaluation: the gradient. It has been computed when this returns, on any device."""
    return evaluate(way.objective, 1, {}, image)[1]


# --------------------------------------------------------------------------------------------------------- measuring


def in_turns(calls: Calls, clock: Callable[[], float], patience: float) -> dict[str, list[float]]:
    """Seconds of each call in every round but the first, which packs weights and asks for memory.

    patience: seconds after which no round begins, if there have been `LEAST_ROUNDS`.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.monotonic() + patience
    for number in range(1 + MOST_ROUNDS):
        if number > LEAST_ROUNDS and time.monotonic() > end:
            break
        for name, call in calls.items():
            began = clock()
            call()
            times[name] += [clock() - began] if number else []
    return times


class Drill(NamedTuple):
    """Work that a processor does as fast as it can, so many operations of it, when called."""

    name: str
    operations: float
    call: Callable[[], object]


def heavy(dtype: torch.dtype, device: torch.device) -> Iterator[Drill]:
    """The product of two large matrices, and a convolution of many channels: not the same library has to do them."""
    left, right = (torch.rand(EDGE, EDGE, device=device).to(dtype) for _ in range(2))
    yield Drill(f"product in {words(dtype)}", 2.0 * EDGE**3, lambda: float((left @ right)[0, 0]))
    channels, edge = EDGE // 4, 32
    x, weight = (
        torch.rand(*shape, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
        for shape in ((1, channels, edge, edge), (channels, channels, 3, 3))
    )
    needed = 2.0 * 9 * channels**2 * edge**2
    yield Drill(f"convolution in {words(dtype)}", needed, lambda: float(F.conv2d(x, weight, padding=1)[0, 0, 0, 0]))


def operations(architecture: Architecture, options: PaintOptions, shape: Sequence[int]) -> float:
    """Floating-point operations that an evaluation at (height, width) needs: convolutions and statistics, there and back.

    A multiplication and its addition are two. Only pixels have a gradient, so the way back costs what the way there does.
    """
    chain = architecture.layers
    total, channels = 0, 3
    for layer in chain[: max(map(chain.index, (*options.style_layers, *options.content_layers))) + 1]:
        height, width = tiling.grid(shape, layer)
        if layer.startswith("conv"):
            into, channels = channels, architecture.shapes[f"{layer}.weight"][0]
            total += 9 * into * channels * height * width
        if layer in options.style_layers:
            total += channels**2 * height * width
    return 2 * 2 * float(total)


def words(dtype: torch.dtype) -> str:
    """bfloat16, float32"""
    return str(dtype).removeprefix("torch.")


def facts(device: torch.device) -> dict[str, Any]:
    """What the times depend on."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = known.get("flags", known.get("Features", "")).split()
    return {
        "processor": known.get("model name") or platform.processor() or platform.machine(),
        "instructions": [flag for flag in INSTRUCTIONS if flag in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "torch": torch.__version__.split("+")[0],
        "system": platform.system(),
    }


class Busy(NamedTuple):
    """Seconds of processor time since the machine began: in all, spent by anybody, spent by this process."""

    total: float
    anybody: float
    here: float


def busy() -> Busy | None:
    """Where the machine's time has gone so far; None where nobody says."""
    file = Path("/proc/stat")
    if not file.exists():
        return None
    ticks = [int(each) / os.sysconf("SC_CLK_TCK") for each in file.read_text().split("\n", 1)[0].split()[1:9]]
    return Busy(sum(ticks), sum(ticks) - ticks[3] - ticks[4], time.process_time())


def taken(before: Busy, after: Busy) -> float:
    """The share of the machine's time that others took between the two."""
    total, anybody, here = (late - early for late, early in zip(after, before, strict=True))
    return min(1.0, max(0.0, (anybody - here) / max(total, 1e-9)))
