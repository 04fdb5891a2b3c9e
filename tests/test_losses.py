"""The mathematics of the losses: known answers, invariances and independent references."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from impasto import losses
from impasto.backbones import Backbone
from impasto.losses import (
    FeatureLoss,
    Moments,
    Objective,
    Term,
    gram,
    moment_error,
    moments,
    squared_error,
    wasserstein,
)
from impasto.options import StyleLoss

STYLE_LOSSES = list(get_args(StyleLoss))


def close(value: Tensor, expected: Tensor | float, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Equal to rounding; a number stands for a tensor full of it."""
    expected = torch.as_tensor(expected, dtype=value.dtype).expand(value.shape)
    torch.testing.assert_close(value, expected, rtol=rtol, atol=atol)


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


# ------------------------------------------------------------------------------------------------- statistics


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
    features = torch.randn(1, 4, 32, 32).to(dtype)
    assert {gram(features).dtype, *(part.dtype for part in moments(features))} == {torch.float32}
    close(gram(features), gram(features.float()))


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


# -------------------------------------------------------------------------------------------------- distances


@pytest.mark.parametrize(
    ("reduction", "expected"), [("sum", 6.0), ("half", 3.0), ("quarter", 1.5), ("mean", 1.5), ("relative", 6.0 / 12.0)]
)
def test_reductions_by_hand(reduction: str, expected: float) -> None:
    value, target = torch.tensor([[1.0, 2.0, 3.0, 0.0]]), torch.tensor([[2.0, 2.0, 2.0, 0.0]])
    close(squared_error(value + torch.tensor([0.0, 0.0, 0.0, 2.0]), target, reduction), expected)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_relative_losses_ignore_the_units_of_the_features(kind: str, factor: float) -> None:
    style = losses.style_loss({"a": 1.0}, kind, "relative", "elements")
    content = losses.content_loss({"a": 1.0}, "relative")
    a, b = torch.rand(1, 6, 8, 9), torch.rand(1, 6, 8, 9) ** 2
    for loss in (style, content):
        expected = loss({"a": a}, loss.target({"a": b}))
        close(loss({"a": factor * a}, loss.target({"a": factor * b})), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
@pytest.mark.parametrize("reduction", list(losses.REDUCTIONS))
def test_one_target_broadcasts_over_a_batch(kind: str, reduction: str) -> None:
    loss = losses.style_loss({"a": 1.0}, kind, reduction, "positions")
    features, target = torch.rand(3, 4, 5, 6), loss.target({"a": torch.rand(1, 4, 7, 8)})
    together = loss({"a": features}, target)
    assert together.shape == (3,)
    close(together, torch.cat([loss({"a": one}, target) for one in features.split(1)]), rtol=1e-4)


def test_moment_error_by_hand() -> None:
    value = Moments(torch.tensor([[1.0, 0.0]]), torch.tensor([[[2.0, 1.0], [1.0, 1.0]]]))
    target = Moments(torch.tensor([[0.0, 2.0]]), torch.tensor([[[1.0, 0.0], [0.0, 3.0]]]))
    close(moment_error(value, target, "sum"), 5.0 + 7.0)
    close(moment_error(value, target, "relative"), 5 / (4 + 0.01 * 4) + 7 / 10)


# ---------------------------------------------------------------------------------------- Wasserstein distance


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


SINGULAR = ["constant picture", "constant style", "few positions", "one position", "dead channels", "equal channels"]


@pytest.mark.parametrize("kind", STYLE_LOSSES)
@pytest.mark.parametrize("case", SINGULAR)
@pytest.mark.parametrize("channels", [8, 192])
def test_style_losses_have_finite_gradients(kind: str, case: str, channels: int) -> None:
    picture, style = torch.randn(1, channels, 4, 4).relu(), torch.randn(1, channels, 4, 5).relu()
    if case == "constant picture":
        picture = torch.full_like(picture, 0.7)
    elif case == "constant style":
        style = torch.full_like(style, 0.7)
    elif case == "few positions":
        picture, style = picture[:, :, :1], style[:, :, :1]
    elif case == "one position":
        picture, style = picture[:, :, :1, :1], style[:, :, :1, :1]
    elif case == "dead channels":
        picture[:, ::2], style[:, ::2] = 0, 0
    else:
        style = style[:, :1] * torch.linspace(0, 5, channels).view(1, -1, 1, 1)
    loss = losses.style_loss({"a": 1.0}, kind, "relative", "positions")
    target = loss.target({"a": style})
    picture.requires_grad_()
    value = loss({"a": picture}, target)
    (gradient,) = torch.autograd.grad(value.sum(), picture)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


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


# ------------------------------------------------------------------------------------------ losses of pixels alone

EDGE = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(1, 1, 4, 4)
CHECKERBOARD = torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]).repeat(2, 1).view(1, 1, 4, 4)
# nine-point: on the 5 x 5 pairs of a replicated border; edge 4/6·1/5 + 2·1/6·1/5, board 2·4/6·3/5 + 2·1/6·12/25
VARIATIONS = [
    ("squared", EDGE, 4 / 12),
    ("squared", CHECKERBOARD, 2.0),
    ("absolute", EDGE, 4.0),
    ("absolute", CHECKERBOARD, 24.0),
    ("nine-point", EDGE, 0.2),
    ("nine-point", CHECKERBOARD, 0.96),
]


@pytest.mark.parametrize(("name", "image", "expected"), VARIATIONS)
def test_total_variation_by_hand(name: str, image: Tensor, expected: float) -> None:
    close(losses.TOTAL_VARIATIONS[name](image), expected)
    close(losses.TOTAL_VARIATIONS[name](image.mT), expected)


@pytest.mark.parametrize("name", list(losses.TOTAL_VARIATIONS))
def test_total_variation_of_a_constant_is_zero_and_of_each_image_its_own(name: str, batch: Tensor) -> None:
    variation = losses.TOTAL_VARIATIONS[name]
    close(variation(torch.full((2, 3, 5, 6), 0.3)), 0.0)
    close(variation(batch), torch.cat([variation(one) for one in batch.split(1)]))
    close(variation(batch + 0.5), variation(batch))


def test_nine_point_variation_equals_a_loop(batch: Tensor) -> None:
    x = np.pad(batch.double().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    count, channels, height, width = x.shape
    expected = np.zeros(count)
    for n in range(count):
        for c in range(channels):
            for i in range(height - 1):
                for j in range(width - 1):
                    a, b, d, e = x[n, c, i, j], x[n, c, i, j + 1], x[n, c, i + 1, j], x[n, c, i + 1, j + 1]
                    expected[n] += 2 * ((e - d) ** 2 / 3 + (e - b) ** 2 / 3 + (e - a) ** 2 / 12 + (d - b) ** 2 / 12)
    expected /= channels * (height - 1) * (width - 1)
    close(losses.nine_point_variation(batch), torch.from_numpy(expected))


def test_out_of_range_by_hand() -> None:
    image = torch.tensor([[-1.0, 0.0, 0.5], [1.0, 1.5, 3.0]]).view(1, 1, 2, 3)
    close(losses.out_of_range(image), (1 + 0.25 + 4) / 6)


def test_out_of_range_ignores_what_is_inside(batch: Tensor) -> None:
    close(losses.out_of_range(batch), 0.0)


@pytest.mark.parametrize("loss", [losses.squared_variation, losses.out_of_range])
def test_gradients_written_by_hand_are_those_of_the_loss(loss: Callable[[Tensor], Tensor]) -> None:
    """By finite differences, for several images with several slopes, some pixels out of range."""
    image = (torch.rand(2, 3, 5, 6, dtype=torch.float64) * 2 - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: loss(image) * torch.tensor([1.0, 3.0]), image)


# ---------------------------------------------------------------------------------------------- losses and objectives


def features_of(*shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {f"layer{i}": torch.rand(shape) for i, shape in enumerate(shapes)}


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_a_loss_is_the_sum_of_its_layers(kind: str) -> None:
    loss = losses.style_loss({"layer0": 0.25, "layer1": 3.0}, kind, "relative", "positions")
    features, other = (features_of((2, 4, 6, 6), (2, 6, 3, 3)) for _ in range(2))
    target = loss.target(other)
    by_layer = loss.by_layer(features, target)
    assert list(by_layer) == ["layer0", "layer1"]
    torch.testing.assert_close(loss(features, target), by_layer["layer0"] + by_layer["layer1"])
    single = losses.style_loss({"layer1": 1.0}, kind, "relative", "positions")
    torch.testing.assert_close(by_layer["layer1"], 3 * single(features, target))


def test_a_target_carries_no_graph() -> None:
    features = {"a": torch.rand(1, 4, 6, 6, requires_grad=True)}
    content = losses.content_loss({"a": 1.0}, "mean").target(features)
    style = losses.style_loss({"a": 1.0}, "wasserstein", "relative", "positions").target(features)
    assert not any(part.requires_grad for part in (content["a"], *style["a"]))


def test_a_target_is_met_at_itself() -> None:
    features = features_of((1, 4, 6, 6))
    for kind in STYLE_LOSSES:
        loss = losses.style_loss({"layer0": 1.0}, kind, "relative", "positions")
        assert loss(features, loss.target(features)).abs().item() < 1e-5


def test_an_unknown_style_loss_is_refused() -> None:
    with pytest.raises(KeyError):
        losses.style_loss({"a": 1.0}, "sinkhorn", "relative", "positions")


def objective_of(backbone: Backbone, content: Tensor, style: Tensor, kind: str) -> Objective:
    """Content at two layers, style at two of which one is shared, total variation."""
    terms: dict[str, tuple[float, FeatureLoss, Tensor]] = {
        "content": (0.5, losses.content_loss({"relu2_1": 1.0, "conv3_1": 2.0}, "relative"), content),
        "style": (2.0, losses.style_loss({"relu1_1": 1.0, "relu2_1": 1.0}, kind, "relative", "positions"), style),
        "variation": (3.0, losses.pixel_loss(losses.squared_variation), content),
    }
    return Objective(
        backbone,
        {
            name: Term(weight, loss, loss.target(backbone(picture, tuple(loss.layers))))
            for name, (weight, loss, picture) in terms.items()
        },
    )


def test_an_objective_asks_for_each_layer_once(tiny_backbone: Backbone, image: Tensor) -> None:
    objective = objective_of(tiny_backbone, image, image, "gram")
    assert objective.layers == ("relu2_1", "conv3_1", "relu1_1", "pixels")


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_a_batch_is_as_good_as_each_image_alone(
    kind: str, tiny_backbone: Backbone, image: Tensor, batch: Tensor
) -> None:
    objective = objective_of(tiny_backbone, image, image.flip(1), kind)
    together, alone = objective(batch), [objective(one) for one in batch.split(1)]
    assert list(together) == [
        "content relu2_1",
        "content conv3_1",
        "style relu1_1",
        "style relu2_1",
        "variation",
    ]
    for name, value in together.items():
        close(value, torch.cat([parts[name] for parts in alone]), rtol=1e-4)


def test_terms_are_weighted(tiny_backbone: Backbone, image: Tensor, batch: Tensor) -> None:
    objective = objective_of(tiny_backbone, image, image.flip(1), "gram")
    close(objective(batch)["variation"], 3 * losses.squared_variation(batch))
    assert objective(image)["content relu2_1"].abs().item() < 1e-6


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_small_steps_downhill_lower_the_objective(kind: str, tiny_backbone: Backbone, image: Tensor) -> None:
    objective = objective_of(tiny_backbone, image, image.flip(1) ** 2, kind)
    at = image.clone().requires_grad_()
    total = torch.stack(list(objective(at).values())).sum()
    (gradient,) = torch.autograd.grad(total, at)
    step = 1e-3 / gradient.norm()
    expected = float(step * gradient.square().sum())
    lowered = total.item() - sum(value.item() for value in objective(image - step * gradient).values())
    assert lowered == pytest.approx(expected, rel=0.1)
