"""Sets of features: known answers, invariances, and SciPy's optimal transport as an independent reference."""

import math
from itertools import pairwise

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance
from torch import Tensor

from impasto import losses, samples
from impasto.losses import FeatureLoss
from impasto.samples import Samples
from impasto.statistics import blend

KINDS = ["sliced", "histogram", "earth-mover", "nearest"]


def loss_of(kind: str, reduction: str = "relative") -> FeatureLoss:
    return losses.style_loss({"a": 1.0}, kind, reduction, "positions")


def value(kind: str, features: Tensor, style: Tensor, weights: Tensor | None = None) -> Tensor:
    """The loss of features, with positions counted by weights, to a style of equal positions."""
    loss = loss_of(kind)
    statistic = loss.statistic(features) if weights is None else loss.statistic(features, weights=weights)
    return loss.distance(statistic, loss.prepare(loss.statistic(style)))


def exact_w2(x: Tensor, y: Tensor) -> float:
    """Squared Wasserstein-2 distance of two sets (P, C) of equal number."""
    cost = torch.cdist(x, y).square().numpy()
    return float(cost[linear_sum_assignment(cost)].mean())


def shuffled(features: Tensor) -> Tensor:
    return features.flatten(2)[:, :, torch.randperm(features[0, 0].numel())].view_as(features)


@pytest.mark.parametrize("kind", KINDS)
def test_where_things_are_does_not_matter(kind: str) -> None:
    features, style = torch.rand(2, 5, 6, 7), torch.rand(1, 5, 4, 9)
    torch.testing.assert_close(value(kind, shuffled(features), style), value(kind, features, style))
    torch.testing.assert_close(value(kind, features, shuffled(style)), value(kind, features, style))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_no_way_from_itself_and_some_way_from_others(kind: str) -> None:
    features = torch.rand(1, 5, 6, 7)
    assert value(kind, features, features).item() == pytest.approx(0, abs=1e-6)
    assert value(kind, features, features**3).item() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_repeating_every_position_changes_nothing(kind: str) -> None:
    features, style = torch.rand(1, 5, 6, 7), torch.rand(1, 5, 7, 6)
    torch.testing.assert_close(value(kind, features.repeat(1, 1, 2, 3), style), value(kind, features, style))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_are_as_good_as_none_and_zero_leaves_out(kind: str) -> None:
    features, style = torch.rand(1, 5, 6, 8), torch.rand(1, 5, 4, 9)
    expected = value(kind, features, style)
    torch.testing.assert_close(value(kind, features, style, torch.full((1, 1, 6, 8), 0.3)), expected)
    half = torch.cat([torch.ones(1, 1, 6, 4), torch.zeros(1, 1, 6, 4)], 3)
    left = value(kind, features[..., :4], style)
    torch.testing.assert_close(value(kind, features, style, half), left)
    assert not torch.allclose(left, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(kind: str) -> None:
    features = torch.rand(2, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    style = torch.rand(1, 3, 5, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: value(kind, x, style), features)


# ------------------------------------------------------------------------------------------------ along lines


def test_one_channel_is_the_distance_of_sorted_values() -> None:
    x, y = torch.tensor([3.0, 1.0, 2.0]).view(1, 1, 1, 3), torch.tensor([1.0, 5.0, 2.0]).view(1, 1, 1, 3)
    error, count, _ = samples.sliced(samples.samples(x), samples.along_channels(samples.samples(y)))
    assert (error.item(), count) == (pytest.approx((0 + 0 + 4) / 3), 1)


@pytest.mark.parametrize("prepare", [samples.along_basis, samples.along_channels])
def test_a_translation_costs_its_squared_length(prepare) -> None:  # type: ignore[no-untyped-def]
    x, way = torch.rand(1, 4, 5, 6), torch.tensor([1.0, -2.0, 0.5, 0.0])
    target = prepare(samples.samples(x + way.view(1, 4, 1, 1)))
    error, _, extent = samples.sliced(samples.samples(x), target)
    torch.testing.assert_close(error, way.square().sum().view(1))
    rows = (x + way.view(1, 4, 1, 1)).flatten(2)[0]
    torch.testing.assert_close(extent[0], rows.var(1, unbiased=False).sum() + 0.01 * rows.mean(1).square().sum())


def test_sliced_is_at_most_the_whole_distance_which_it_equals_in_one_dimension() -> None:
    x, y = torch.randn(1, 6, 5, 8), torch.randn(1, 6, 5, 8) * 2 + 1
    error, _, _ = samples.sliced(samples.samples(x), samples.along_basis(samples.samples(y)))
    whole = exact_w2(x.flatten(2)[0].T, y.flatten(2)[0].T)
    assert 0.5 * whole < error.item() <= whole
    x, y = x[:, :1], y[:, :1]
    error, _, _ = samples.sliced(samples.samples(x), samples.along_basis(samples.samples(y)))
    assert error.item() == pytest.approx(exact_w2(x.flatten(2)[0].T, y.flatten(2)[0].T), rel=1e-5)


def test_the_basis_is_orthonormal_and_always_the_same() -> None:
    found = samples.basis(24)
    torch.testing.assert_close(found.T @ found, torch.eye(24, dtype=torch.float64))
    assert torch.equal(found, samples.basis(24))


def test_quantiles_of_weighted_values_are_those_of_repeated_ones() -> None:
    rows = torch.tensor([[4.0], [1.0], [2.0]]).unsqueeze(0)
    weighed = samples.along_channels(Samples(rows, torch.tensor([[0.25, 0.5, 0.25]])))
    levels = torch.tensor([[[0.1, 0.4, 0.6, 0.9]]])
    assert weighed.at(levels).flatten().tolist() == [1.0, 1.0, 2.0, 4.0]


def test_a_mixture_along_a_line_equals_scipy() -> None:
    a, b, picture = torch.rand(1, 1, 1, 6), torch.rand(1, 1, 1, 9) + 1, torch.rand(1, 1, 1, 8)
    mixture = blend([samples.samples(a), samples.samples(b)], [0.3, 0.7])
    assert mixture.shares.sum().item() == pytest.approx(1)
    # in one dimension the mean of a mixture's quantile function is its mean, and SciPy knows the first power's distance
    far = samples.samples(picture + 10)  # beyond every value, so that the distance is the difference of means
    expected = wasserstein_distance(
        (picture + 10).flatten().tolist(), mixture.rows.flatten().tolist(), None, mixture.shares[0].tolist()
    )
    assert (far.mean - mixture.mean).item() == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------------------------------------- neighbours by angle


def test_nearest_by_hand() -> None:
    """Around the style's mean, the origin, two rays stand across each other; the picture's lie at 0 and at 45 degrees."""
    style = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]).view(1, 2, 2, 2)
    picture = torch.tensor([[5.0, 1.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    expected = (0 + 1 - math.sqrt(0.5)) / 2
    assert value("nearest", picture, style).item() == pytest.approx(expected, abs=1e-6)


def test_earth_mover_takes_the_larger_side() -> None:
    """Every feature of the picture is in the style, but two of the style's four rays are in no picture."""
    style = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]).view(1, 2, 2, 2)
    picture = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    target = samples.exemplars(samples.samples(style))
    there, _, _ = samples.nearest(samples.samples(picture), target)
    error, _, _ = samples.earth_mover(samples.samples(picture), target)
    assert there.item() == pytest.approx(0, abs=1e-6)
    assert error.item() == pytest.approx((0 + 1 + 0 + 1) / 4, abs=1e-6)


@pytest.mark.parametrize("distance", [samples.nearest, samples.earth_mover])
def test_neighbours_ignore_rotations_and_the_length_of_the_rays(distance) -> None:  # type: ignore[no-untyped-def]
    x, y = torch.randn(1, 30, 5), torch.randn(1, 40, 5)
    turn = torch.linalg.qr(torch.randn(5, 5))[0]
    expected = distance(Samples(x), samples.exemplars(Samples(y)))[0]
    torch.testing.assert_close(distance(Samples(x @ turn), samples.exemplars(Samples(y @ turn)))[0], expected)
    center = y.mean(1, keepdim=True)
    torch.testing.assert_close(distance(Samples(center + 3 * (x - center)), samples.exemplars(Samples(y)))[0], expected)


def test_matches_equal_brute_force_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(2, 50, 4), torch.randn(1, 20, 4)
    counts = torch.rand(1, 50) > 0.3
    products = x @ y.mT
    for block in (7, 50, 4096):
        monkeypatch.setattr(samples, "BLOCK", block)
        closest, found = samples.matches(x, y, counts)
        assert torch.equal(closest, products.argmax(2))
        assert torch.equal(found, products.masked_fill(~counts.unsqueeze(2), -9).argmax(1))


def test_exemplars_are_drawn_by_weight_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "KEPT", 100)
    rows = torch.cat([torch.randn(1, 500, 3) + 5, torch.randn(1, 1500, 3) - 5], 1)
    weights = torch.cat([torch.full((1, 500), 0.8 / 500), torch.full((1, 1500), 0.2 / 1500)], 1)
    drawn = samples.exemplars(Samples(rows, weights))
    assert drawn.rays.shape == (1, 100, 3)
    assert (drawn.rays.sum(2) > 0).float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert torch.equal(drawn.rays, samples.exemplars(Samples(rows, weights)).rays)


@pytest.mark.parametrize("kind", ["sliced", "histogram", "earth-mover"])
def test_a_mixture_lies_between_its_parts(kind: str) -> None:
    """A picture that is its own mixture with a style is further from it the more the style has of it."""
    loss = loss_of(kind)
    own, style = torch.rand(1, 4, 16, 16), torch.rand(1, 4, 16, 16) ** 2 + 0.5
    parts = [loss.statistic(own), loss.statistic(style)]
    errors = [
        loss.distance(parts[0], loss.prepare(blend(parts, [1 - share, share]))).item() for share in (0.0, 0.3, 0.6, 1.0)
    ]
    assert all(nearer < further for nearer, further in pairwise(errors))
