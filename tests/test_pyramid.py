"""The Laplacian pyramid: nothing is lost, and moving bands leads where moving pixels does."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import impasto
from impasto import pyramid
from impasto.optimize import LBFGS, Adam, Optimizer, optimize
from impasto.pyramid import Pyramid, compose, decompose

UNLIMITED = (-math.inf, math.inf)
MAKERS: list[Callable[[], Optimizer]] = [lambda: LBFGS(limits=UNLIMITED), lambda: Adam(0.05, limits=UNLIMITED)]


@pytest.mark.parametrize("shape", [(20, 24), (17, 33), (64, 5), (1, 9), (2, 2)])
def test_the_bands_add_up_to_the_image(shape: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *shape)
    torch.testing.assert_close(compose(decompose(image), shape), image)


def test_a_constant_image_is_in_the_coarsest_band_alone() -> None:
    bands = decompose(torch.full((1, 1, 32, 32), 0.7)).flatten()
    coarsest = math.prod(pyramid.sizes((32, 32))[-1])
    assert bands[:-coarsest].abs().max() < 1e-6
    assert bands[-coarsest:].tolist() == pytest.approx([0.7] * coarsest)


def test_compose_is_linear() -> None:
    a, b = (torch.randn_like(decompose(torch.rand(1, 3, 20, 24))) for _ in range(2))
    whole = compose(a - 3 * b, (20, 24))
    torch.testing.assert_close(whole, compose(a, (20, 24)) - 3 * compose(b, (20, 24)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("make", MAKERS)
def test_bands_lead_to_the_minimum(make: Callable[[], Optimizer], image: Tensor) -> None:
    goal = image.flip(3)
    steps = list(
        optimize(image, lambda x: {"error": (x - goal).square().sum((1, 2, 3))}, steps=80, optimizer=Pyramid(make()))
    )
    assert steps[-1].loss < 0.02 * steps[0].loss
    assert (steps[-1].image - goal).abs().mean() < 0.06


@pytest.mark.parametrize("make", MAKERS)
def test_a_memory_goes_on_as_if_nothing_had_been(make: Callable[[], Optimizer], image: Tensor) -> None:
    def objective(x: Tensor) -> dict[str, Tensor]:
        return {"error": (x.square() - 0.3).square().mean((1, 2, 3))}

    whole = [step.loss for step in optimize(image, objective, steps=8, optimizer=Pyramid(make()))]
    first, second = Pyramid(make()), Pyramid(make())
    (*_, last) = optimize(image, objective, steps=4, optimizer=first)
    second.restore(first.memory())
    rest = [step.loss for step in optimize(last.next, objective, steps=8, optimizer=second, done=4)]
    assert rest == whole[4:]


def test_a_painting_by_bands_has_scales_and_its_range() -> None:
    photo, style = (
        torch.nn.functional.interpolate(torch.rand(1, 3, 4, 5), (48, 64), mode="bilinear") for _ in range(2)
    )
    given = {"size": 64, "min_scale": 32, "first_steps": 8, "steps": 3, "device": "cpu", "precision": "float32"}
    painting = impasto.paint(photo, style, parametrization="pyramid", **given)
    assert painting.image.shape == (1, 3, 48, 64)
    assert 0 <= painting.image.min() <= painting.image.max() <= 1
    assert painting.history[7]["loss"] < painting.history[0]["loss"]
