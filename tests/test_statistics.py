"""Statistics of features: known answers, invariances, an independent reference."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from closeness import close
from torch import Tensor

from impasto.distances import squared_error, wasserstein
from impasto.statistics import Moments, gram, moments


def test_gram_by_hand() -> None:
    features = torch.tensor([[1.0, 2.0, 0.0, -1.0], [3.0, 0.0, 1.0, 1.0]]).view(1, 2, 2, 2)
    close(gram(features, "none"), torch.tensor([[[6.0, 2.0], [2.0, 11.0]]]))


def test_gram_is_symmetric_and_positive_semidefinite() -> None:
    value = gram(torch.randn(2, 9, 2, 3))
    torch.testing.assert_close(value, value.mT)
    assert torch.linalg.eigvalsh(value).min() > -1e-5


@pytest.mark.parametrize(
    ("normalization", "factor"), [("none", 1.0), ("positions", 1 / 35), ("elements", 1 / 140), ("root", 140**-0.5)]
)
def test_gram_normalizations_differ_by_their_factors(normalization: str, factor: float) -> None:
    features = torch.randn(2, 4, 5, 7)
    x = features.flatten(2)
    close(gram(features, normalization), factor * torch.einsum("nim,njm->nij", x, x))


def test_squared_grams_give_the_published_factors() -> None:
    """Gatys' 1/(4 C² M²) is "quarter" of "elements"; system E's 1/(C·M), before a mean, is "root"."""
    a, b = torch.rand(1, 4, 5, 7), torch.rand(1, 4, 5, 7)
    raw = (gram(a, "none") - gram(b, "none")).square()
    close(squared_error(gram(a, "elements"), gram(b, "elements"), "quarter"), raw.sum() / (4 * 4**2 * 35**2))
    close(squared_error(gram(a, "root"), gram(b, "root"), "mean"), raw.mean() / (4 * 35))


@pytest.mark.parametrize("statistic", [gram, moments])
@pytest.mark.parametrize("change", ["permuted", "flipped across", "flipped down", "transposed"])
def test_statistics_ignore_where_things_are(statistic: Callable[[Tensor], Tensor | Moments], change: str) -> None:
    features = torch.randn(2, 5, 6, 7)
    moved = {
        "permuted": features.flatten(2)[:, :, torch.randperm(42)].view_as(features),
        "flipped across": features.flip(3),
        "flipped down": features.flip(2),
        "transposed": features.mT,
    }[change]
    torch.testing.assert_close(statistic(moved), statistic(features))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moments_equal_numpy(layout: torch.memory_format) -> None:
    features = torch.randn(2, 5, 6, 7).to(memory_format=layout)
    value = moments(features)
    for i in range(2):
        x = features[i].flatten(1).double().numpy()
        close(value.mean[i], torch.from_numpy(x.mean(1)))
        close(value.covariance[i], torch.from_numpy(np.cov(x, bias=True)))


def test_gram_is_covariance_plus_square_of_mean() -> None:
    features = torch.randn(2, 5, 6, 7)
    mean, covariance = moments(features)
    close(gram(features), covariance + mean.unsqueeze(2) * mean.unsqueeze(1))


def test_covariance_survives_a_large_mean() -> None:
    features = torch.randn(1, 5, 16, 16)
    offset = features + 1000  # E[xx] - E[x]E[x] in float32 would be wrong by about 0.1
    exact = moments(offset.double() - 1000).covariance
    close(moments(offset).covariance, exact.float(), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_statistics_are_taken_in_float32(dtype: torch.dtype) -> None:
    features = torch.randn(1, 4, 16, 16).to(dtype)
    assert {gram(features).dtype, *(part.dtype for part in moments(features))} == {torch.float32}
    close(gram(features), gram(features.float()))


@pytest.mark.parametrize("size", [(24, 32), (64, 61), (300, 250)])
def test_rounding_averages_out_over_many_positions(size: tuple[int, int]) -> None:
    """One product in bfloat16 would be off by 0.0016 or so; of more positions than are summed at a time, too."""
    features = torch.randn(2, 4, *size).add(0.5).relu().bfloat16()
    for value, exact in (
        (gram(features), gram(features.float())),
        (moments(features)[1], moments(features.float())[1]),
    ):
        assert 0 < float((value - exact).norm() / exact.norm()) < 1e-3
    close(moments(features).mean, moments(features.float()).mean, rtol=1e-3, atol=0)


@pytest.mark.parametrize("statistic", [gram, moments])
def test_gradients_of_statistics_equal_finite_differences(statistic: Callable[[Tensor], Tensor | Moments]) -> None:
    features = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(statistic, features)


def test_bfloat16_gradient_points_where_the_exact_one_does() -> None:
    """A loss far from its minimum; near it bfloat16 cannot help but see mostly rounding."""
    features, target = torch.randn(1, 8, 16, 16).relu(), moments(2 * torch.randn(1, 8, 16, 16).relu())
    gradients = []
    for dtype in (torch.float64, torch.bfloat16):
        x = features.to(dtype).requires_grad_()
        loss = wasserstein(moments(x), Moments(*(part.to(moments(x).mean.dtype) for part in target)))
        gradients.append(torch.autograd.grad(loss.sum(), x)[0].double().flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99
