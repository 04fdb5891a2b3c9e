"""Losses and objectives: sums of layers and terms, targets, gradients that stay finite."""

from typing import get_args

import pytest
import torch
from closeness import close
from torch import Tensor

from impasto import distances, losses, variations
from impasto.backbones import Backbone
from impasto.losses import FeatureLoss, Objective, Term
from impasto.options import StyleLoss

STYLE_LOSSES = list(get_args(StyleLoss))


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
@pytest.mark.parametrize("reduction", list(distances.REDUCTIONS))
def test_one_target_broadcasts_over_a_batch(kind: str, reduction: str) -> None:
    loss = losses.style_loss({"a": 1.0}, kind, reduction, "positions")
    features, target = torch.rand(3, 4, 5, 6), loss.target({"a": torch.rand(1, 4, 7, 8)})
    together = loss({"a": features}, target)
    assert together.shape == (3,)
    close(together, torch.cat([loss({"a": one}, target) for one in features.split(1)]), rtol=1e-4)


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
        "variation": (3.0, losses.pixel_loss(variations.squared_variation), content),
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
    close(objective(batch)["variation"], 3 * variations.squared_variation(batch))
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
