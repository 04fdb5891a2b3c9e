"""Distances between statistics: known answers, what a distance keeps, an independent reference."""

import numpy as np
import pytest
import torch
from closeness import close
from scipy.linalg import sqrtm
from torch import Tensor

from impasto.distances import moment_error, squared_error, wasserstein
from impasto.statistics import Moments, moments


def random_moments(channels: int, seed: int, count: int = 1, rank: int | None = None) -> Moments:
    """Moments in float64, of full rank unless told otherwise."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(count, channels, generator=generator, dtype=torch.float64)
    root = torch.randn(count, channels, rank or 2 * channels, generator=generator, dtype=torch.float64)
    return Moments(mean, root @ root.mT / root.shape[2])


def bures(value: Moments, target: Moments) -> float:
    """W² of the first of each batch after the textbook, with SciPy's matrix root."""
    a, b = value.covariance[0].numpy(), target.covariance[0].numpy()
    root = sqrtm(b)
    cross = sqrtm(root @ a @ root)
    shift = value.mean[0].numpy() - target.mean[0].numpy()
    return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * np.trace(cross).real)


def rotated(value: Moments, rotation: Tensor) -> Moments:
    return Moments(value.mean @ rotation.T, rotation @ value.covariance @ rotation.T)


@pytest.mark.parametrize(
    ("reduction", "expected"), [("sum", 6.0), ("half", 3.0), ("quarter", 1.5), ("mean", 1.5), ("relative", 6.0 / 12.0)]
)
def test_reductions_by_hand(reduction: str, expected: float) -> None:
    value, target = torch.tensor([[1.0, 2.0, 3.0, 0.0]]), torch.tensor([[2.0, 2.0, 2.0, 0.0]])
    close(squared_error(value + torch.tensor([0.0, 0.0, 0.0, 2.0]), target, reduction), expected)


def test_moment_error_by_hand() -> None:
    value = Moments(torch.tensor([[1.0, 0.0]]), torch.tensor([[[2.0, 1.0], [1.0, 1.0]]]))
    target = Moments(torch.tensor([[0.0, 2.0]]), torch.tensor([[[1.0, 0.0], [0.0, 3.0]]]))
    close(moment_error(value, target, "sum"), 5.0 + 7.0)
    close(moment_error(value, target, "relative"), 5 / (4 + 0.01 * 4) + 7 / 10)


@pytest.mark.parametrize("channels", [1, 2, 5, 16])
def test_wasserstein_equals_the_textbook(channels: int) -> None:
    value, target = random_moments(channels, 0), random_moments(channels, 1)
    assert wasserstein(value, target, "sum").item() == pytest.approx(bures(value, target), rel=1e-8)


def test_wasserstein_of_singular_covariances_equals_the_textbook() -> None:
    value, target = random_moments(6, 0, rank=3), random_moments(6, 1, rank=2)
    assert wasserstein(value, target, "sum").item() == pytest.approx(bures(value, target), rel=1e-4)


def test_wasserstein_in_float32_agrees_with_float64() -> None:
    value, target = random_moments(24, 0), random_moments(24, 1)
    single = wasserstein(Moments(*(p.float() for p in value)), Moments(*(p.float() for p in target)), "sum")
    close(single, wasserstein(value, target, "sum").float(), rtol=1e-4)


@pytest.mark.parametrize("rank", [None, 3])
def test_wasserstein_of_equal_moments_is_zero(rank: int | None) -> None:
    value = random_moments(8, 0, rank=rank)
    assert wasserstein(value, value).abs().item() < 1e-5


def test_wasserstein_of_diagonal_covariances_by_hand() -> None:
    """Independent normals: squared differences of the means and of the deviations."""
    value = Moments(torch.tensor([[1.0, 2.0, 3.0]]), torch.diag_embed(torch.tensor([[1.0, 4.0, 9.0]])))
    target = Moments(torch.tensor([[1.0, 0.0, 4.0]]), torch.diag_embed(torch.tensor([[4.0, 1.0, 25.0]])))
    close(wasserstein(value, target, "sum"), (0 + 4 + 1) + (1 + 1 + 4))
    close(wasserstein(value, target, "mean"), 11 / 3)
    close(wasserstein(value, target, "relative"), 11 / (30 + 0.01 * 17))


def test_wasserstein_ignores_rotations_of_the_channels() -> None:
    value, target = random_moments(7, 0), random_moments(7, 1)
    rotation = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64))[0]
    turned = wasserstein(rotated(value, rotation), rotated(target, rotation))
    torch.testing.assert_close(turned, wasserstein(value, target))


def test_wasserstein_is_symmetric_and_its_root_keeps_the_triangle_inequality() -> None:
    a, b, c = (random_moments(7, seed) for seed in range(3))
    torch.testing.assert_close(wasserstein(a, b, "sum"), wasserstein(b, a, "sum"))
    ab, bc, ac = (wasserstein(*pair, "sum").sqrt() for pair in ((a, b), (b, c), (a, c)))
    assert ac < ab + bc


def test_wasserstein_gradient_equals_finite_differences() -> None:
    root = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    mean = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    target = random_moments(4, 1, count=2)
    assert torch.autograd.gradcheck(lambda m, r: wasserstein(Moments(m, r @ r.mT), target), (mean, root))


def test_wasserstein_gradient_has_its_closed_form() -> None:
    """∂W²/∂Σ = I - L (Lᵀ Σ L)^-½ Lᵀ for any L Lᵀ = Σ*; here L is the Cholesky factor."""
    value, target = random_moments(6, 0), random_moments(6, 1)
    mean, covariance = (part.clone().requires_grad_() for part in value)
    slopes = torch.autograd.grad(wasserstein(Moments(mean, covariance), target, "sum").sum(), (mean, covariance))
    factor = np.linalg.cholesky(target.covariance[0].numpy())
    inner = np.linalg.inv(sqrtm(factor.T @ value.covariance[0].numpy() @ factor))
    torch.testing.assert_close(slopes[0], 2 * (value.mean - target.mean))
    torch.testing.assert_close(slopes[1][0], torch.from_numpy(np.eye(6) - factor @ inner @ factor.T))


@pytest.mark.parametrize("seed", range(8))
def test_wasserstein_bears_wide_layers_with_dead_channels(seed: int) -> None:
    """Zero rows in a float32 matrix make MKL's eigenvalues fail now and then; equal channels make Cholesky fail."""
    generator = torch.Generator().manual_seed(seed)
    picture, style = torch.randn(2, 384, 4, 2, generator=generator).relu().split(1)
    picture[:, ::2], style[:, ::2] = 0, 0
    picture.requires_grad_()
    value = wasserstein(moments(picture), moments(style), "sum")
    (gradient,) = torch.autograd.grad(value.sum(), picture)
    exact = wasserstein(moments(picture.detach().double()), moments(style.double()), "sum")
    close(value.detach(), exact.float(), rtol=1e-3)
    assert gradient.isfinite().all()


def test_wasserstein_descends_where_the_picture_is_constant() -> None:
    """The mean can still be matched; the covariance has no slope there."""
    picture = torch.full((1, 8, 4, 4), 0.75, requires_grad=True)  # whose mean is free of rounding
    target = moments(torch.rand(1, 8, 6, 6) + 1)
    (gradient,) = torch.autograd.grad(wasserstein(moments(picture), target, "sum").sum(), picture)
    close(gradient, (2 / 16 * (0.75 - target.mean)).view(1, 8, 1, 1).expand_as(gradient))
