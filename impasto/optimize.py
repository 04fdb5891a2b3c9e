"""Optimise an image. Knows nothing of networks or styles: an objective is any function of an image.

`optimize` yields a `Step` after every evaluation of the objective. To cancel is to stop iterating; a preview is a
step's image. What an optimiser remembers lives in the optimiser object, so that it can be carried over to a larger image,
or written down and taken up again: with the same memory and the same next image, the same numbers follow, bit for bit.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import DivergenceError

Losses = Mapping[str, Tensor]
# image -> (loss, gradient of the image's shape); raises DivergenceError where the loss is not a number
Evaluation = Callable[[Tensor], tuple[float, Tensor]]


@dataclass(frozen=True)
class Step:
    """One evaluation: its number from 1, the loss before the image was changed, its parts, and the best image so far.

    next: the image that is evaluated next.
    """

    index: int
    loss: float
    parts: dict[str, float]
    image: Tensor
    next: Tensor


class Optimizer(Protocol):
    """Moves an image in place of `evaluate`'s gradient; one call is one evaluation."""

    def advance(self, image: Tensor, evaluate: Evaluation) -> Tensor:
        """Evaluate once at `image` and return the next one to evaluate."""
        ...

    def result(self, image: Tensor) -> Tensor:
        """The picture to show, given the image that would be evaluated next."""
        ...

    def enlarge(self, size: tuple[int, int]) -> None:
        """Carry what is remembered over to an image of (height, width); called between scales."""
        ...

    def memory(self) -> dict[str, Tensor]:
        """All that is remembered, for `restore`; the tensors are the optimiser's own and change with its next step."""
        ...

    def restore(self, memory: Mapping[str, Tensor]) -> None:
        """Go on as the optimiser would whose `memory` this is; from nothing where it is empty."""
        ...


def optimize(
    image: Tensor, objective: Callable[[Tensor], Losses], *, steps: int, optimizer: Optimizer, done: int = 0
) -> Iterator[Step]:
    """Lower `objective` from `image`, (N, 3, H, W), for `steps` evaluations; yields each. `image` itself is not changed.

    done: evaluations of these that were made before, by an optimizer of which this one has the memory.
    Raises DivergenceError when the loss is infinite or not a number: images yielded before stay valid.
    """
    image = image.contiguous()  # one order of adding numbers, whether the image comes from a crop or from a file
    for index in range(done + 1, steps + 1):
        parts: dict[str, float] = {}
        image = optimizer.advance(image, partial(evaluate, objective, index, parts))
        yield Step(index, sum(parts.values()), parts, optimizer.result(image), image)


def evaluate(
    objective: Callable[[Tensor], Losses], index: int, parts: dict[str, float], image: Tensor
) -> tuple[float, Tensor]:
    """(loss, gradient) of the objective at an image; `parts` is filled with the terms. Raises DivergenceError."""
    image = image.detach().requires_grad_()
    try:
        losses = objective(image)
        total = torch.stack([value.sum() for value in losses.values()]).sum()
        (gradient,) = torch.autograd.grad(total, image)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        # what eigenvalue routines say to matrices with NaN or infinity
        raise divergence(index, math.nan) from error
    parts.update({name: float(value.detach().sum()) for name, value in losses.items()})
    loss = float(total.detach())
    if not (math.isfinite(loss) and torch.isfinite(gradient.sum())):
        raise divergence(index, loss)
    return loss, gradient.contiguous()


def divergence(index: int, loss: float) -> DivergenceError:
    """What to say when step `index` gave no usable loss or gradient."""
    return DivergenceError(
        f"The loss stopped being a number at step {index} ({loss}): the weights are too large for each other. "
        "Lower --learning-rate or --style-weight, or choose --precision float32."
    )


class Adam:
    """Adam with clamping to `limits` and a bias-corrected running average of the iterates, which is what one sees.

    Source: Kingma and Ba 2015; averaging of iterates and moments carried across scales after style-transfer-pytorch.
    `averaging` is the decay of that average, 0 for none. `damping` is ours: at first that share of the denominators' mean
    over the picture is added to each, so that where the loss has little to say a pixel moves little; with every step it is
    less. Adam alone moves all equally far from the first step on, and scribbles over quiet places.
    """

    FADING = 0.95  # of the damping is left after each step

    def __init__(
        self,
        learning_rate: float = 0.02,
        averaging: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.99),
        epsilon: float = 1e-8,
        damping: float = 0.0,
        limits: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.learning_rate, self.averaging, self.betas, self.epsilon = learning_rate, averaging, betas, epsilon
        self.damping, self.limits = damping, limits
        self.first: Tensor | None = None
        self.second: Tensor | None = None
        self.average: Tensor | None = None
        self.count = 0  # steps that the two moments have seen
        self.averaged = 0  # steps that the average has seen: it starts anew at every scale

    def advance(self, image: Tensor, evaluate: Evaluation) -> Tensor:
        _, gradient = evaluate(image)
        if self.first is None or self.second is None:
            self.first, self.second = torch.zeros_like(image), torch.zeros_like(image)
        self.count += 1
        one, two = self.betas
        self.first.lerp_(gradient, 1 - one)
        self.second.lerp_(gradient.square(), 1 - two)
        del gradient  # large pictures: no copy lives longer than it must
        size = (self.second / (1 - two**self.count)).sqrt_()
        size.add_(self.epsilon + self.damping * self.FADING ** (self.count - 1) * size.mean())
        change = (self.learning_rate / (1 - one**self.count) * self.first).div_(size)
        del size
        image = (image - change).clamp_(*self.limits)
        if self.averaging:
            self.averaged += 1
            previous = torch.zeros_like(image) if self.average is None else self.average
            self.average = previous.lerp(image, 1 - self.averaging)
        return image

    def result(self, image: Tensor) -> Tensor:
        if self.average is None:
            return image
        return (self.average / (1 - self.averaging**self.averaged)).clamp(*self.limits)

    def enlarge(self, size: tuple[int, int]) -> None:
        if self.first is not None and self.second is not None:
            self.first = F.interpolate(self.first, size, mode="bicubic")
            self.second = F.interpolate(self.second, size, mode="bilinear").clamp_min(0)
        self.average, self.averaged = None, 0

    def memory(self) -> dict[str, Tensor]:
        named = {"first": self.first, "second": self.second, "average": self.average}
        kept = {name: tensor for name, tensor in named.items() if tensor is not None}
        return {**kept, "counts": torch.tensor([self.count, self.averaged])}

    def restore(self, memory: Mapping[str, Tensor]) -> None:
        self.first, self.second, self.average = (memory.get(name) for name in ("first", "second", "average"))
        self.count, self.averaged = map(int, memory["counts"]) if memory else (0, 0)


class LBFGS:
    """Limited-memory BFGS without a line search, guarded against a rising loss.

    Source: Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4. Where we depart from torch's and why:

    - Curvature pairs are tested relative to their own lengths. torch drops pairs with y·s <= 1e-10, and so stands still
      on a loss that is small in absolute terms.
    - The first step moves pixels by `first_change` (root mean square) whatever the loss's scale, so the weights' overall
      factor does not matter.
    - Full steps, and no pixel moves by more than `most_change` in one. When the loss rises by more than the rounding of
      half precision, the step is taken back; what it showed of the curvature is kept, and the next is at most half as
      long. After three such, the memory is dropped and descent starts anew from the last good image.
    """

    TOLERANCE = 2e-3  # relative rise of the loss that bfloat16 can cause by itself

    def __init__(
        self,
        history: int = 20,
        first_change: float = 0.02,
        most_change: float = 0.5,
        limits: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.history, self.first_change, self.most_change, self.limits = history, first_change, most_change, limits
        self.forget()

    def forget(self) -> None:
        """Start anew: no curvature, no last good image."""
        self.pairs: list[tuple[Tensor, Tensor, float]] = []  # (s, y, 1 / y·s), oldest first
        self.base: tuple[Tensor, float, Tensor] | None = None  # last accepted image, its loss and gradient
        self.move: Tensor | None = None  # from the base to the image now being tried
        self.retreats = 0

    def advance(self, image: Tensor, evaluate: Evaluation) -> Tensor:
        loss, gradient = evaluate(image)
        if self.base is not None and self.move is not None:
            before, lowest, slope = self.base
            self.remember(self.move, gradient - slope)
            if loss > lowest + abs(lowest) * self.TOLERANCE:
                self.move = self.retreat(self.move, slope)
                return before + self.move
        self.base, self.retreats = (image, loss, gradient), 0
        self.move = self.direction(gradient)
        return image + self.move

    def retreat(self, move: Tensor, slope: Tensor) -> Tensor:
        """Instead of a move from the last good image, where the gradient is `slope`, another of at most half its length."""
        self.retreats += 1
        if self.retreats == 3:
            self.pairs.clear()
        direction = self.direction(slope)
        return direction * min(1.0, float(move.norm()) / 2 / max(float(direction.norm()), 1e-30))

    def remember(self, s: Tensor, y: Tensor) -> None:
        """Keep a step and the gradient's change along it, if they say anything of the curvature."""
        curvature = float(torch.dot(y.flatten(), s.flatten()))
        if curvature > 1e-6 * float(y.norm()) * float(s.norm()):
            self.pairs = [*self.pairs, (s, y, 1 / curvature)][-self.history :]

    def direction(self, gradient: Tensor) -> Tensor:
        """-H·gradient by the two loops, limited in length. Without memory: steepest descent of a set length."""
        if not self.pairs:
            rms = gradient.square().mean().sqrt().clamp_min(1e-30)
            return gradient * (-self.first_change / rms)
        q = gradient.neg().flatten()
        weights = []
        for s, y, inverse in reversed(self.pairs):
            weight = inverse * float(torch.dot(s.flatten(), q))
            q.add_(y.flatten(), alpha=-weight)
            weights.append(weight)
        _, y, inverse = self.pairs[-1]
        q.mul_(1 / (inverse * float(torch.dot(y.flatten(), y.flatten()))))
        for (s, y, inverse), weight in zip(self.pairs, reversed(weights), strict=True):
            q.add_(s.flatten(), alpha=weight - inverse * float(torch.dot(y.flatten(), q)))
        return q.mul_(min(1.0, self.most_change / max(float(q.abs().max()), 1e-30))).view_as(gradient)

    def result(self, image: Tensor) -> Tensor:
        return (image if self.base is None else self.base[0]).clamp(*self.limits)

    def enlarge(self, size: tuple[int, int]) -> None:
        self.forget()

    def memory(self) -> dict[str, Tensor]:
        if self.base is None or self.move is None:
            return {}
        image, loss, gradient = self.base
        numbers = torch.tensor([loss, self.retreats, *(inverse for _, _, inverse in self.pairs)], dtype=torch.float64)
        kept = {"base": image, "gradient": gradient, "move": self.move, "numbers": numbers}
        for index, (s, y, _) in enumerate(self.pairs):
            kept |= {f"s{index}": s, f"y{index}": y}
        return kept

    def restore(self, memory: Mapping[str, Tensor]) -> None:
        self.forget()
        if memory:
            loss, retreats, *inverses = memory["numbers"].tolist()
            self.base, self.move = (memory["base"], loss, memory["gradient"]), memory["move"]
            self.retreats = int(retreats)
            self.pairs = [(memory[f"s{i}"], memory[f"y{i}"], inverse) for i, inverse in enumerate(inverses)]
