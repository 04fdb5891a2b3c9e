"""The optimisers against known minima, textbook formulas and torch's own, and the loop around them."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from impasto.errors import DivergenceError
from impasto.optimize import LBFGS, Adam, Optimizer, Step, optimize

SHAPE = (1, 3, 4, 4)


class Counted:
    """An objective that remembers where it was evaluated and with what result."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.images: list[Tensor] = []
        self.losses: list[float] = []

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        loss = self.function(image)
        self.images.append(image.detach().clone())
        self.losses.append(float(loss.detach().sum()))
        return {"loss": loss}


def minimum() -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 0.6 + 0.2


def quadratic(condition: float = 100.0, factor: float = 1.0) -> Callable[[Tensor], Tensor]:
    """A convex quadratic, 0 at `minimum()`, in rotated axes of curvatures from 1 to `condition`."""
    generator = torch.Generator().manual_seed(6)
    axes = torch.linalg.qr(torch.randn(48, 48, generator=generator, dtype=torch.float64))[0]
    curvature = torch.logspace(0, np.log10(condition), 48, dtype=torch.float64)

    def function(image: Tensor) -> Tensor:
        offset = (image.double() - minimum()).flatten(1) @ axes
        return factor / 2 * (curvature * offset.square()).sum(1)

    return function


def rosenbrock(image: Tensor) -> Tensor:
    """A narrow bent valley between neighbouring pixels; its minimum is where all are 1/2."""
    x = 2 * image.flatten(1)
    return (100 * (x[:, 1:] - x[:, :-1].square()).square() + (1 - x[:, :-1]).square()).sum(1)


def ripples(image: Tensor) -> Tensor:
    """A bowl with steep waves on it: full quasi-Newton steps land uphill again and again."""
    x = image.flatten(1) - 0.5
    return (x.square() + 0.05 * (1 - torch.cos(40 * x))).sum(1)


def cliff(image: Tensor) -> Tensor:
    """Flat far away and steep near the minimum: the curvature that was seen foretells too long a step."""
    x = image.flatten(1) - 0.5
    return (x.square() + 1e-4).pow(0.25).sum(1) + torch.exp(20 * x.abs()).sum(1) * 1e-3


def gray(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.full(SHAPE, 0.5, dtype=dtype)


def finish(steps: Iterator[Step]) -> Step:
    for step in steps:
        last = step
    return last


# ----------------------------------------------------------------------------------------------------- L-BFGS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lbfgs_reaches_the_minimum_of_a_quadratic(dtype: torch.dtype) -> None:
    step = finish(optimize(gray(dtype), Counted(quadratic()), steps=80, optimizer=LBFGS()))
    torch.testing.assert_close(step.image.double(), minimum(), rtol=0, atol=1e-4)


def evaluations_to(level: float, optimizer: Optimizer, function: Callable[[Tensor], Tensor], most: int) -> int:
    """How many evaluations until the loss is `level` of the first one."""
    counted = Counted(function)
    for step in optimize(gray(), counted, steps=most, optimizer=optimizer):
        if counted.losses[-1] <= level * counted.losses[0]:
            return step.index
    return most


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.08])
def test_lbfgs_needs_far_fewer_evaluations_than_adam(rate: float) -> None:
    adam = evaluations_to(1e-6, Adam(rate), quadratic(1000), 400)
    assert evaluations_to(1e-6, LBFGS(), quadratic(1000), 400) < adam / 2


def test_lbfgs_keeps_up_with_torch() -> None:
    counted = Counted(quadratic())
    image = gray().requires_grad_()
    theirs = torch.optim.LBFGS([image], max_iter=40, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        theirs.zero_grad()
        loss = counted(image)["loss"].sum()
        loss.backward()
        return loss

    theirs.step(closure)  # type: ignore[no-untyped-call]
    step = finish(optimize(gray(), Counted(quadratic()), steps=len(counted.losses), optimizer=LBFGS()))
    torch.testing.assert_close(step.image, image.detach(), rtol=0, atol=1e-3)
    assert step.loss < 1e-4 * counted.losses[0]


@pytest.mark.parametrize("factor", [1e-8, 2.0**-20, 1e8])
@pytest.mark.parametrize("function", [quadratic(), rosenbrock, ripples])
def test_lbfgs_ignores_the_scale_of_the_loss(factor: float, function: Callable[[Tensor], Tensor]) -> None:
    plain, scaled = Counted(function), Counted(lambda image: factor * function(image))
    for counted in (plain, scaled):
        finish(optimize(gray() + 0.1, counted, steps=15, optimizer=LBFGS()))
    for one, other in zip(plain.images, scaled.images, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("function", [quadratic(1e4), rosenbrock, ripples, cliff])
@pytest.mark.parametrize("first_change", [0.02, 0.3])
def test_lbfgs_never_accepts_a_rise(function: Callable[[Tensor], Tensor], first_change: float) -> None:
    counted, optimizer = Counted(function), LBFGS(first_change=first_change)
    start = torch.rand(SHAPE, dtype=torch.float64)
    accepted: list[float] = []
    for _ in optimize(start, counted, steps=60, optimizer=optimizer):
        assert optimizer.base is not None
        accepted.append(optimizer.base[1])
    assert max(counted.losses) > min(counted.losses)
    for before, after in pairwise(accepted):
        assert after <= before * (1 + LBFGS.TOLERANCE) + 1e-12
    assert accepted[-1] < 0.7 * accepted[0]


def test_the_functions_above_do_tempt_lbfgs_uphill() -> None:
    """Otherwise the test before would test nothing."""
    for function in (rosenbrock, ripples, cliff):
        counted = Counted(function)
        finish(optimize(torch.rand(SHAPE, dtype=torch.float64), counted, steps=60, optimizer=LBFGS(first_change=0.3)))
        rises = np.diff(counted.losses) > LBFGS.TOLERANCE * np.array(counted.losses[:-1])
        assert rises.sum() > 0, function.__name__


def test_lbfgs_shows_the_best_image_after_a_bad_step() -> None:
    """A wall of loss wherever the first step leads: the picture stays where it was, and each try is nearer."""
    start = gray()
    counted = Counted(lambda image: image.sum() + 1e6 * ((image - start).square().sum() > 1e-9))
    steps = list(optimize(start, counted, steps=6, optimizer=LBFGS()))
    assert all(torch.equal(step.image, start) for step in steps)
    moves = [float((image - start).norm()) for image in counted.images]
    assert moves[1] == pytest.approx(2 * moves[2])
    assert moves[5] < moves[4]


def test_lbfgs_first_move_has_the_set_length() -> None:
    counted = Counted(quadratic(factor=1e5))
    finish(optimize(gray(), counted, steps=2, optimizer=LBFGS(first_change=0.03)))
    assert (counted.images[1] - counted.images[0]).square().mean().sqrt().item() == pytest.approx(0.03)


def test_lbfgs_moves_no_pixel_further_than_allowed() -> None:
    counted = Counted(quadratic(1e4))
    finish(optimize(gray(), counted, steps=30, optimizer=LBFGS(most_change=0.01, first_change=0.001)))
    steps = [float((b - a).abs().max()) for a, b in pairwise(counted.images)]
    assert max(steps) == pytest.approx(0.01)


def test_lbfgs_stands_still_where_there_is_no_slope() -> None:
    step = finish(optimize(minimum(), Counted(quadratic()), steps=5, optimizer=LBFGS()))
    torch.testing.assert_close(step.image, minimum())


@pytest.mark.parametrize("pairs", [1, 2, 5, 9])
def test_lbfgs_direction_equals_dense_bfgs(pairs: int) -> None:
    """Nocedal and Wright (6.17), applied to whole matrices, from H = (s·y / y·y) I of the newest pair."""
    generator, history = np.random.default_rng(pairs), 5
    root = generator.standard_normal((48, 48))
    hessian = root @ root.T / 48 + np.eye(48)
    optimizer = LBFGS(history=history, most_change=1e9)
    kept = []
    for _ in range(pairs):
        s = generator.standard_normal(48)
        y = hessian @ s
        optimizer.remember(torch.from_numpy(s).view(SHAPE), torch.from_numpy(y).view(SHAPE))
        kept = [*kept, (s, y)][-history:]
    s, y = kept[-1]
    inverse = np.eye(48) * (s @ y) / (y @ y)
    for s, y in kept:
        left = np.eye(48) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    gradient = generator.standard_normal(48)
    found = optimizer.direction(torch.from_numpy(gradient).view(SHAPE))
    np.testing.assert_allclose(found.numpy().ravel(), -inverse @ gradient, rtol=1e-9, atol=1e-12)


def test_lbfgs_learns_from_a_step_that_it_takes_back() -> None:
    """A bowl as wide in every direction: a step far beyond its bottom shows where that is."""
    counted = Counted(lambda image: (image - 0.51).square().sum())
    finish(optimize(gray(), counted, steps=3, optimizer=LBFGS(first_change=0.3)))
    assert counted.losses[1] > counted.losses[0]
    assert counted.losses[2] < 1e-9 * counted.losses[0]


@pytest.mark.parametrize("length", [1e-9, 1.0, 1e9])
def test_lbfgs_remembers_positive_curvature_of_any_length(length: float) -> None:
    optimizer, s = LBFGS(), torch.randn(SHAPE)
    optimizer.remember(s, length * s)
    assert len(optimizer.pairs) == 1
    optimizer.remember(s, -length * s)
    optimizer.remember(s, torch.zeros_like(s))
    assert len(optimizer.pairs) == 1


def test_lbfgs_forgets_when_the_image_grows() -> None:
    optimizer = LBFGS()
    finish(optimize(gray(), Counted(quadratic()), steps=5, optimizer=optimizer))
    optimizer.enlarge((8, 8))
    large = torch.full((1, 3, 8, 8), 0.4)
    step = finish(optimize(large, Counted(lambda image: (image - 0.6).square().sum()), steps=20, optimizer=optimizer))
    torch.testing.assert_close(step.image, torch.full_like(large, 0.6), rtol=0, atol=1e-3)


def test_lbfgs_shows_pictures_within_range() -> None:
    step = finish(optimize(gray(), Counted(lambda image: (image - 3).square().sum()), steps=20, optimizer=LBFGS()))
    torch.testing.assert_close(step.image, torch.ones(SHAPE, dtype=torch.float64))


# ------------------------------------------------------------------------------------------------------- Adam


def test_adam_equals_torch_step_by_step() -> None:
    theirs = gray().requires_grad_()
    reference = torch.optim.Adam([theirs], lr=0.003, betas=(0.9, 0.99), eps=1e-8)
    for step in optimize(gray(), Counted(quadratic()), steps=50, optimizer=Adam(0.003)):
        reference.zero_grad()
        quadratic()(theirs).sum().backward()
        reference.step()
        torch.testing.assert_close(step.image, theirs.detach(), rtol=0, atol=1e-9)


def test_adam_reaches_the_minimum_of_a_quadratic() -> None:
    step = finish(optimize(gray(), Counted(quadratic(10)), steps=300, optimizer=Adam(0.01)))
    torch.testing.assert_close(step.image, minimum(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("goal", "bound"), [(2.0, 1.0), (-1.0, 0.0)])
def test_adam_clamps(goal: float, bound: float) -> None:
    counted = Counted(lambda image: (image - goal).square().sum())
    step = finish(optimize(gray(), counted, steps=20, optimizer=Adam(0.1)))
    assert all(image.min() >= 0 and image.max() <= 1 for image in counted.images)
    assert (step.image == bound).all()


def test_damped_adam_moves_a_pixel_by_its_gradient_against_the_mean_of_all_and_less_so_with_every_step() -> None:
    slopes = torch.full(SHAPE, 1e-3, dtype=torch.float64)
    slopes[..., 0, 0] = 1.0

    def moves(damping: float) -> Tensor:
        steps = optimize(
            gray(), lambda image: {"loss": (image * slopes).sum()}, steps=3, optimizer=Adam(damping=damping)
        )
        return torch.stack([gray(), *(step.image for step in steps)]).diff(dim=0)

    left = torch.tensor([1, Adam.FADING, Adam.FADING**2]).view(-1, 1, 1, 1, 1)
    shares = slopes / (slopes + left * slopes.mean())
    torch.testing.assert_close(moves(1.0) / moves(0.0), shares, rtol=1e-3, atol=0)


def test_damping_does_not_depend_on_the_loss_s_scale() -> None:
    one, thousand = (
        finish(optimize(gray(), Counted(quadratic(factor=factor)), steps=20, optimizer=Adam(0.02, damping=1.0)))
        for factor in (1.0, 1000.0)
    )
    torch.testing.assert_close(one.image, thousand.image)


def test_adam_averages_with_bias_correction() -> None:
    counted, decay = Counted(quadratic()), 0.8
    steps = list(optimize(gray(), counted, steps=7, optimizer=Adam(0.02, averaging=decay)))
    iterates = counted.images[1:]  # evaluated one step after they were made
    for count, step in enumerate(steps[:-1], start=1):
        weights = [(1 - decay) * decay ** (count - i) for i in range(1, count + 1)]
        weighted = sum(weight * image for weight, image in zip(weights, iterates, strict=False))
        torch.testing.assert_close(step.image, weighted / sum(weights))


def test_adam_without_averaging_shows_its_iterates() -> None:
    counted = Counted(quadratic())
    steps = list(optimize(gray(), counted, steps=4, optimizer=Adam()))
    for step, image in zip(steps, counted.images[1:], strict=False):
        assert torch.equal(step.image, image)


def test_adam_carries_its_moments_to_a_larger_image() -> None:
    optimizer = Adam(averaging=0.9)
    slope = torch.tensor([1.0, -2.0, 3.0]).view(1, 3, 1, 1)
    finish(optimize(gray(torch.float32), Counted(lambda image: (slope * image).sum()), steps=9, optimizer=optimizer))
    optimizer.enlarge((9, 7))
    assert optimizer.first is not None
    assert optimizer.second is not None
    torch.testing.assert_close(optimizer.first, (slope * (1 - 0.9**9)).expand(1, 3, 9, 7))
    torch.testing.assert_close(optimizer.second, (slope.square() * (1 - 0.99**9)).expand(1, 3, 9, 7))
    assert optimizer.count == 9


def test_adam_keeps_the_mean_of_its_first_moment_and_a_second_that_is_no_less_than_zero() -> None:
    optimizer = Adam()
    finish(optimize(gray(), Counted(quadratic()), steps=3, optimizer=optimizer))
    assert optimizer.first is not None
    before = optimizer.first.mean().item()
    spread = optimizer.first.std().item()
    optimizer.enlarge((8, 8))
    assert optimizer.second is not None
    assert optimizer.first.mean().item() == pytest.approx(before, abs=0.1 * spread)
    assert optimizer.second.min() >= 0


def test_adam_averages_anew_at_every_scale() -> None:
    optimizer = Adam(averaging=0.9)
    finish(optimize(gray(), Counted(quadratic()), steps=5, optimizer=optimizer))
    optimizer.enlarge((8, 8))
    counted = Counted(lambda image: image.square().sum())
    large = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    steps = list(optimize(large, counted, steps=2, optimizer=optimizer))
    torch.testing.assert_close(steps[0].image, counted.images[1])  # the average of one image is that image


# ---------------------------------------------------------------------------------------------------- optimize

OPTIMIZERS = [LBFGS, Adam, lambda: Adam(averaging=0.9)]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("function", [quadratic(), rosenbrock, ripples])
def test_every_step_is_one_evaluation(make: Callable[[], Optimizer], function: Callable[[Tensor], Tensor]) -> None:
    counted = Counted(function)
    for number, step in enumerate(optimize(gray() + 0.1, counted, steps=12, optimizer=make()), start=1):
        assert len(counted.losses) == step.index == number
        assert step.loss == pytest.approx(counted.losses[-1])
        assert step.parts == {"loss": pytest.approx(step.loss)}
    assert len(counted.losses) == 12


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_the_first_image_is_evaluated_and_left_alone(make: Callable[[], Optimizer]) -> None:
    image, counted = gray(), Counted(quadratic())
    steps = list(optimize(image, counted, steps=5, optimizer=make()))
    assert torch.equal(counted.images[0], gray())
    assert torch.equal(image, gray())
    assert not image.requires_grad
    assert not any(step.image.requires_grad for step in steps)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_images_yielded_before_do_not_change(make: Callable[[], Optimizer]) -> None:
    kept = [
        (step.image, step.image.clone()) for step in optimize(gray(), Counted(quadratic()), steps=6, optimizer=make())
    ]
    assert all(torch.equal(image, copy) for image, copy in kept)


def test_nothing_is_evaluated_before_or_after_it_is_asked_for() -> None:
    counted = Counted(quadratic())
    steps = optimize(gray(), counted, steps=1_000_000, optimizer=LBFGS())
    assert len(counted.losses) == 0
    next(steps)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert len(counted.losses) == 2


def test_the_loss_is_the_sum_of_its_parts_over_the_batch() -> None:
    def objective(image: Tensor) -> dict[str, Tensor]:
        return {"a": image.mean((1, 2, 3)), "b": 2 * image.square().mean((1, 2, 3))}

    step = next(optimize(torch.full((3, 3, 4, 4), 0.5), objective, steps=1, optimizer=LBFGS()))
    assert step.parts == pytest.approx({"a": 1.5, "b": 1.5})
    assert step.loss == pytest.approx(3.0)


BROKEN = [
    ("nan loss", lambda image: image.sum() * torch.nan),
    ("infinite loss", lambda image: image.sum() * torch.inf),
    ("infinite gradient", lambda image: (image - image.detach()).sqrt().sum()),
    ("gradients of both infinities", lambda image: ((image - image.detach()).sqrt() * torch.sign(image - 0.5)).sum()),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("function", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_what_is_no_number_is_told_in_a_sentence(
    function: Callable[[Tensor], Tensor], make: Callable[[], Optimizer]
) -> None:
    image = torch.rand(SHAPE)
    sentence = r"^The loss stopped being a number at step 1 .* Lower --learning-rate .*\.$"
    with pytest.raises(DivergenceError, match=sentence):
        next(optimize(image, Counted(function), steps=3, optimizer=make()))


def test_divergence_leaves_the_steps_before_intact() -> None:
    counted = Counted(lambda image: quadratic()(image) * (torch.nan if len(counted.losses) == 3 else 1.0))
    steps = optimize(gray(), counted, steps=9, optimizer=LBFGS())
    before = [next(steps) for _ in range(3)]
    with pytest.raises(DivergenceError, match="at step 4"):
        next(steps)
    assert [step.index for step in before] == [1, 2, 3]
    assert all(step.image.isfinite().all() for step in before)


@pytest.mark.parametrize("make", [*OPTIMIZERS, lambda: Adam(0.02, averaging=0.9), lambda: LBFGS(3, first_change=0.3)])
@pytest.mark.parametrize("function", [quadratic(), rosenbrock, ripples], ids=["quadratic", "rosenbrock", "ripples"])
def test_a_memory_taken_up_elsewhere_goes_on_bit_for_bit(
    function: Callable[[Tensor], Tensor], make: Callable[[], Optimizer]
) -> None:
    whole = list(optimize(gray() + 0.1, Counted(function), steps=20, optimizer=make()))
    for done in (1, 2, 7, 19):
        first, second = make(), make()
        step = finish(optimize(gray() + 0.1, Counted(function), steps=done, optimizer=first))
        second.restore({name: tensor.clone() for name, tensor in first.memory().items()})
        rest = list(optimize(step.next.clone(), Counted(function), steps=20, optimizer=second, done=done))
        assert [step.index for step in rest] == list(range(done + 1, 21))
        assert [step.loss for step in rest] == [step.loss for step in whole[done:]]
        assert torch.equal(rest[-1].image, whole[-1].image)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_an_empty_memory_is_a_new_beginning(make: Callable[[], Optimizer]) -> None:
    optimizer = make()
    finish(optimize(gray(), Counted(quadratic()), steps=5, optimizer=optimizer))
    optimizer.restore({})
    again = list(optimize(gray(), Counted(quadratic()), steps=5, optimizer=optimizer))
    fresh = list(optimize(gray(), Counted(quadratic()), steps=5, optimizer=make()))
    assert [step.loss for step in again] == [step.loss for step in fresh]
