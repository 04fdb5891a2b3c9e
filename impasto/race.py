"""How soon a loss is reached: by loops as they are mostly written, and by impasto, which has to get as low.

The loss that counts is the rival's own, in float32; computing it for impasto's pictures is not timed. Rivals begin with the
photo, impasto with presto's picture, which is timed. Both run on petit, since random weights, which serve for what an
evaluation costs, say nothing of how a loss falls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from impasto import images, machine
from impasto.backbones import BACKBONES
from impasto.benchmark import CLOCKS, LOSSES, NETWORKS, ClockName, Way, check_size, evaluated, facts, ways
from impasto.equipment import make_optimizer
from impasto.optimize import Losses, optimize
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.scene import Picture, View
from impasto.shelf import Shelf
from impasto.shipped import DEMO
from impasto.starts import start
from impasto.textbook import Loop
from impasto.threads import threads

SLACK = 0.005  # of the rival's loss: so much higher counts as reached
MOST = 100  # evaluations of the rival that is L-BFGS
PATIENCE = 200  # evaluations after which impasto has lost
ADAM_STEPS = 500
NETWORK = "petit"
OURS = ("optimizer", "learning_rate", "beta2", "damping", "start")  # what impasto runs with whatever the rival does


@dataclass(frozen=True)
class Rival:
    """Whom impasto runs against, with torch's optimiser, and what impasto runs with, from the start its options name."""

    name: str
    objective: Callable[[Tensor], Losses]
    solver: Callable[[list[Tensor]], torch.optim.Optimizer]
    evaluations: int
    ours: Way
    options: PaintOptions
    style: Tensor

    def loss(self, image: Tensor) -> Tensor:
        """What counts, and what the rival lowers; differentiable."""
        return torch.stack([value.sum() for value in self.objective(image).values()]).sum()


@dataclass(frozen=True)
class Race:
    """How one went. theirs: evaluations and seconds; ours: those until it was as low, None where it never was.

    loss: the rival's lowest as a share of the photo's. lowest: impasto's in units of the rival's.
    """

    name: str
    loss: float
    theirs: tuple[int, float]
    ours: tuple[int, float] | None
    lowest: float


@dataclass(frozen=True)
class Races:
    """machine: facts by name. size: width and height."""

    machine: Mapping[str, Any]
    size: tuple[int, int]
    clock: ClockName
    races: Sequence[Race]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def run(size: int = 512, *, clock: ClockName = "wall", on_race: Callable[[int, int], object] | None = None) -> Races:
    """Race on the shipped pictures with their longer side at `size` pixels.

    clock: as of `benchmark.run`. on_race: called with (races run, in all). Raises OptionError for a size out of range.
    """
    check_size(size)
    device = machine.choose_device("auto")
    photo, style = (images.resize(images.load(DEMO / name), size).to(device) for name in ("valley.jpg", "swirl.jpg"))
    found = []
    with threads(1 if clock == "processor" else None):
        rivals = [partial(blog, photo, style), *(partial(descent, photo, style, loss) for loss in LOSSES)]
        for number, rival in enumerate(rivals, start=1):
            found.append(raced(rival(), photo, CLOCKS[clock]))
            if on_race is not None:
                on_race(number, len(rivals))
        known = facts(device)
    return Races(known, (photo.shape[3], photo.shape[2]), clock, found)


def descent(photo: Tensor, style: Tensor, loss: str) -> Rival:
    """impasto's default losses with that style loss, by plain autograd in float32 and torch's L-BFGS."""
    options = options_for(backbone=NETWORK, style_loss=loss)
    _, plain, *_, chosen = ways(options, photo, style)
    solver = partial(torch.optim.LBFGS, max_iter=MOST, max_eval=MOST, tolerance_grad=0, tolerance_change=0)
    return Rival(f"L-BFGS, {loss}", plain.objective, solver, MOST, chosen, options, style)


def blog(photo: Tensor, style: Tensor) -> Rival:
    """System E by the textbook loop: Adam, each layer's squared Gram difference divided by d·h·w."""
    style = images.resize_to(style, (photo.shape[2], photo.shape[3]))  # there it is squashed
    given = {"backbone": NETWORK, "pooling": "average"}
    theirs = options_for("blog", **given)
    default = PaintOptions()
    ours = theirs.replace(precision="auto", **{name: getattr(default, name) for name in OURS})
    numbers = {key: value.to(photo.device) for key, value in NETWORKS[NETWORK][1]().items()}
    loop = Loop(BACKBONES[NETWORK], numbers, "gram", theirs.content_layers, theirs.style_layers)
    seen = loop.features(photo)  # the loop's matrices are divided by d·h·w already, so their squares once too often
    shares = zip(theirs.style_layers, theirs.style_layer_weights, strict=True)
    weights = {layer: theirs.style_weight * share * seen[layer].numel() for layer, share in shares}
    loop = replace(loop, style_weights=weights, variation_weight=0.0).matched(photo, style)
    solver = partial(torch.optim.Adam, lr=theirs.learning_rate, betas=(0.9, theirs.beta2))
    *_, chosen = ways(ours, photo, style)
    return Rival("Adam, system E", loop, solver, ADAM_STEPS, chosen, ours, style)


def raced(rival: Rival, photo: Tensor, clock: Callable[[], float]) -> Race:
    """Run both, after an evaluation of each that packs weights and asks for memory, and a start in another style."""
    shelf = Shelf()

    def begun(style: Tensor) -> Tensor:
        return start(View(photo, (Picture(style),)), rival.options, shelf)

    evaluated(rival.ours, photo)
    begun(photo)
    first = rival.loss(photo.clone().requires_grad_())
    first.backward()
    goal, seconds = lowered(rival, photo, clock)
    at_first = float(first.detach())
    spent, lowest, reached = 0.0, at_first, None
    began = clock()
    steps = optimize(begun(rival.style), rival.ours.objective, steps=PATIENCE, optimizer=make_optimizer(rival.options))
    for step in steps:
        spent += clock() - began
        with torch.no_grad():
            lowest = min(lowest, float(rival.loss(step.image)))
        if lowest <= (1 + SLACK) * goal:
            reached = step.index, spent
            break
        began = clock()
    return Race(rival.name, goal / at_first, (rival.evaluations, seconds), reached, lowest / goal)


def lowered(rival: Rival, photo: Tensor, clock: Callable[[], float]) -> tuple[float, float]:
    """(lowest loss, seconds) of the rival."""
    canvas = photo.clone().requires_grad_()
    solver = rival.solver([canvas])
    found: list[float] = []

    def evaluate() -> float:
        solver.zero_grad()
        loss = rival.loss(canvas)
        loss.backward()
        found.append(float(loss.detach()))
        return found[-1]

    began = clock()
    while len(found) < rival.evaluations:
        solver.step(evaluate)  # Adam's is one evaluation, L-BFGS's all of them
    return min(found), clock() - began
