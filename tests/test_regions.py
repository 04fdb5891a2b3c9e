"""Regions: they part the picture without loss, and mixing and masking agree with doing neither."""

from typing import Any

import pytest
import torch
from torch import Tensor

from impasto import distances, losses, regions
from impasto.backbones import Backbone
from impasto.parts import Place
from impasto.regions import Part, Region, covered, divide, matched, merge
from impasto.statistics import blend, gram, moments
from impasto.tiling import statistics

LAYERS = {"relu1_1": 0.5, "relu2_1": 0.3, "relu3_1": 0.2}
STYLE_LOSSES = ["gram", "moments", "wasserstein"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def style_loss(kind: str) -> losses.FeatureLoss:
    return losses.style_loss(LAYERS, kind, "relative", "positions")


def places(features: dict[str, Tensor]) -> dict[str, Place]:
    return {layer: Place.of(value.shape[2:]) for layer, value in features.items()}


def soft_shares(styles: int) -> Tensor:
    """(K, 20, 24) with hard, soft and empty places."""
    raw = (random(styles, 20, 24, seed=5) - 0.3).clamp_min(0)
    raw[0] += 1e-3
    raw[:, :4] = 0
    raw[-1, :4] = 1
    return raw / raw.sum(0)


# --------------------------------------------------------------------------------------------------------- dividing


def test_regions_of_the_same_shares_stay_two() -> None:
    """Distances between equal shares are rounded: were each added to the nearest, one could be left with nothing."""
    weights = torch.ones(2, 40)
    assert torch.equal(merge(weights, torch.full((6, 40), 1 / 6)), weights)


@pytest.mark.parametrize("styles", [1, 2, 3, 4, 8])
def test_regions_part_the_coverage_and_keep_every_style_s_share(styles: int) -> None:
    shares, coverage = soft_shares(styles), random(1, 1, 20, 24, seed=6)
    found = divide(shares, coverage)
    weights = [region.weights for region in found]
    assert all(part is not None and part.min() >= 0 for part in weights)
    torch.testing.assert_close(sum(weights), coverage, atol=1e-5, rtol=0)
    assert all(sum(region.shares) == pytest.approx(1, abs=1e-5) for region in found)
    total = sum(torch.tensor(region.shares) * region.weights.sum() for region in found if region.weights is not None)
    torch.testing.assert_close(total, (shares * coverage[0]).sum((1, 2)), rtol=1e-4, atol=1e-3)


def test_hard_masks_give_pure_regions() -> None:
    shares = torch.zeros(2, 10, 10)
    shares[0, :, :3], shares[1, :, 3:] = 1, 1
    found = sorted(divide(shares, torch.ones(1, 1, 10, 10)), key=lambda region: region.shares)
    assert [region.shares for region in found] == [(0, 1), (1, 0)]
    for region, style in zip(found, (1, 0), strict=True):
        assert region.weights is not None
        assert torch.equal(region.weights[0, 0], shares[style])


def test_a_ramp_is_graded() -> None:
    ramp = torch.linspace(0, 1, 400).expand(10, 400)
    found = sorted(divide(torch.stack([ramp, 1 - ramp]), torch.ones(1, 1, 10, 400)), key=lambda region: region.shares)
    assert len(found) == regions.LEVELS + 1
    first = [region.shares[0] for region in found]
    assert first[1:-1] == pytest.approx([0.25, 0.5, 0.75], abs=1e-3)
    assert first[0] == pytest.approx(1 - first[-1], abs=1e-3)


def test_even_shares_are_matched_as_they_are() -> None:
    shares = torch.tensor([0.62, 0.38]).view(2, 1, 1).expand(2, 8, 8)
    for region in divide(shares, torch.ones(1, 1, 8, 8)):
        assert region.shares == pytest.approx((0.62, 0.38), abs=1e-5)


def test_a_thin_edge_makes_no_region_of_its_own() -> None:
    shares = torch.zeros(2, 10, 500)
    shares[0, :, :250], shares[1, :, 250:] = 1, 1
    shares[:, :, 250] = 0.5
    found = divide(shares, torch.ones(1, 1, 10, 500))
    assert len(found) == 2
    torch.testing.assert_close(sum(r.weights for r in found if r.weights is not None), torch.ones(1, 1, 10, 500))


# ----------------------------------------------------------------------------------------------- masked statistics


@pytest.mark.parametrize("statistic", [gram, moments])
def test_weights_of_one_are_no_weights(statistic: Any, batch: Tensor) -> None:
    for value, expected in zip(statistic(batch, weights=torch.ones(1, 1, 20, 24)), statistic(batch), strict=True):
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("statistic", [gram, moments])
def test_a_hard_mask_is_as_good_as_cutting_out(statistic: Any, batch: Tensor) -> None:
    mask = torch.zeros(1, 1, 20, 24)
    mask[..., :9] = 3.0  # any weight: only its share of the sum counts
    for value, expected in zip(statistic(batch, weights=mask), statistic(batch[..., :9]), strict=True):
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("statistic", [gram, moments])
def test_two_soft_halves_blend_to_the_whole(statistic: Any, batch: Tensor) -> None:
    mask = random(1, 1, 20, 24, seed=7)
    halves = [statistic(batch, weights=part) for part in (mask, 1 - mask)]
    share = float(mask.mean())
    for value, expected in zip(blend(halves, (share, 1 - share)), statistic(batch), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def test_sums_in_chunks_equal_sums_at_once(batch: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = random(1, 1, 20, 24, seed=7)
    expected = moments(batch, weights=mask)
    monkeypatch.setattr("impasto.statistics.CHUNK", 50)
    for value, whole in zip(moments(batch, weights=mask), expected, strict=True):
        torch.testing.assert_close(value, whole)


@pytest.mark.parametrize("statistic", [gram, moments])
def test_gradients_of_weighted_statistics_equal_finite_differences(statistic: Any) -> None:
    features = random(2, 3, 4, 5).double().requires_grad_()
    weights = random(1, 1, 4, 5, seed=1).double()
    assert torch.autograd.gradcheck(lambda x: tuple(statistic(x, weights=weights)), features)


@pytest.mark.parametrize("statistic", [gram, moments])
@pytest.mark.parametrize("hard", [True, False])
def test_a_part_reads_its_own_rows_and_columns_alone(statistic: Any, hard: bool, batch: Tensor) -> None:
    loss = losses.FeatureLoss(LAYERS, statistic, distances.squared_error)
    weights = torch.zeros(1, 1, 20, 24)
    weights[..., 3:15, 2:9] = 0.7 if hard else 0.1 + random(12, 7, seed=7)
    everywhere = Place.of((20, 24))
    part = Part.of(Region((1.0,), weights), everywhere, None)
    assert part.place == Place(3, 15, 2, 9, (20, 24))
    assert (part.weights is None) == hard
    found = part.share(loss, batch, everywhere).statistic
    for value, expected in zip(found, statistic(batch, weights=weights), strict=True):
        torch.testing.assert_close(value, expected)
    assert part.share(loss, batch[..., 10:], Place(0, 20, 10, 24, (20, 24))).amount == 0


# ------------------------------------------------------------------------------------------------------- mixing


@pytest.mark.parametrize("statistic", [gram, moments])
def test_a_style_blended_with_itself_is_itself(statistic: Any, batch: Tensor) -> None:
    value = statistic(batch)
    for mixed, expected in zip(blend([value, value], (0.3, 0.7)), value, strict=True):
        torch.testing.assert_close(mixed, expected)


def test_blended_moments_are_those_of_the_pictures_side_by_side() -> None:
    one, other = random(1, 4, 6, 3), 2 * random(1, 4, 6, 9, seed=1)
    expected = moments(torch.cat([one, other], 3))
    for value, whole in zip(blend([moments(one), moments(other)], (0.25, 0.75)), expected, strict=True):
        torch.testing.assert_close(value, whole)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_one_region_of_ones_is_no_region(kind: str, tiny_backbone: Backbone, image: Tensor, batch: Tensor) -> None:
    loss = style_loss(kind)
    canvas = tiny_backbone(image, tuple(LAYERS))
    styles = [statistics(loss, tiny_backbone, picture[None], None, None) for picture in batch]
    values = []
    for weights in (None, torch.ones(1, 1, 20, 24)):
        chosen, target = matched(loss, [Region((0.4, 0.6), weights)], styles, places(canvas))
        values.append(chosen(canvas, target))
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_a_region_is_blind_to_the_rest(kind: str, tiny_backbone: Backbone, image: Tensor, batch: Tensor) -> None:
    loss = style_loss(kind)
    mask = torch.zeros(1, 1, 20, 24)
    mask[..., :12] = 1
    features = {layer: value.detach().requires_grad_() for layer, value in tiny_backbone(image, tuple(LAYERS)).items()}
    style = statistics(loss, tiny_backbone, batch[:1], None, None)
    chosen, target = matched(loss, [Region((1.0,), mask)], [style], places(features))
    (gradient,) = torch.autograd.grad(chosen(features, target).sum(), features["relu1_1"])
    assert float(gradient[..., :12].abs().max()) > 0
    assert float(gradient[..., 12:].abs().max()) == 0


def test_a_style_s_own_transparency_is_not_its_style(tiny_backbone: Backbone, image: Tensor) -> None:
    opacity = torch.zeros(1, 1, 20, 24)
    opacity[..., :8] = 1
    loss = losses.style_loss({"pixels": 1.0}, "gram", "relative", "positions")
    value = statistics(loss, tiny_backbone, image, opacity, None)["pixels"]
    torch.testing.assert_close(value, gram(image[..., :8]))


# ------------------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize("reduction", distances.REDUCTIONS)
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_content_covered_everywhere_is_plain_content(
    reduction: str, power: float, image: Tensor, batch: Tensor
) -> None:
    loss = losses.content_loss({"pixels": 1.0}, reduction, power)
    values = []
    for coverage in (None, torch.ones(1, 1, 20, 24)):
        chosen, target = covered(loss, {"pixels": image}, coverage)
        values.append(chosen({"pixels": batch}, target))
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_covered_content_is_that_of_the_part_cut_out_by_its_share(power: float, image: Tensor, batch: Tensor) -> None:
    loss = losses.content_loss({"pixels": 1.0}, "relative", power)
    coverage = torch.zeros(1, 1, 20, 24)
    coverage[..., :6] = 1
    chosen, target = covered(loss, {"pixels": image}, coverage)
    expected = 0.25 * loss({"pixels": batch[..., :6]}, loss.target({"pixels": image[..., :6]}))
    torch.testing.assert_close(chosen({"pixels": batch}, target), expected)
