"""The textbook loop computes what it says, so that impasto is set against an honest rival."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import distances, statistics, textbook
from impasto.backbones import IMAGENET, Architecture, Backbone

LAYERS = ("relu1_1", "relu2_1")
REFLECTING = Architecture("of one block more", ((4, 4), (6,), (8, 8)), IMAGENET, padding="reflect", pooling="average")


def positive(seed: int, size: int = 6) -> Tensor:
    x = torch.randn(size, 3 * size, generator=torch.Generator().manual_seed(seed))
    return x @ x.T / x.shape[1]


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_its_features_are_the_backbone_s(padding: str, make_backbone: Callable[..., Backbone], image: Tensor) -> None:
    backbone = make_backbone(REFLECTING, pooling="average", padding=padding)
    architecture = Architecture("the same", REFLECTING.channels, IMAGENET, padding=padding)  # type: ignore[arg-type]
    loop = textbook.Loop(architecture, backbone.weights, "gram", ("relu3_1",), LAYERS)
    found, expected = loop.features(image), backbone(image, ("relu1_1", "conv2_1", "relu3_1"))
    for layer, value in expected.items():
        torch.testing.assert_close(found[layer], value)


def test_a_root_squared_is_the_matrix_and_its_gradient_that_of_the_eigenvalues() -> None:
    matrix, slope = positive(0).requires_grad_(), positive(1)
    root = textbook.Root.apply(matrix)
    torch.testing.assert_close(root @ root, matrix, rtol=1e-4, atol=1e-5)
    (found,) = torch.autograd.grad((root * slope).sum(), matrix)
    values, axes = torch.linalg.eigh(matrix)
    (expected,) = torch.autograd.grad((axes @ torch.diag(values.sqrt()) @ axes.T * slope).sum(), matrix)
    torch.testing.assert_close(found, (expected + expected.T) / 2, rtol=1e-3, atol=1e-4)


def test_its_statistics_and_distances_are_impasto_s(image: Tensor) -> None:
    features, others = (F.conv2d(image, torch.randn(6, 3, 3, 3)) for _ in range(2))
    torch.testing.assert_close(textbook.gram(features), statistics.gram(features, "elements")[0])
    found = textbook.wasserstein(textbook.moments(features), textbook.moments(others))
    expected = distances.wasserstein(statistics.moments(features), statistics.moments(others), "mean")[0]
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3)  # it adds to the diagonals


@pytest.mark.parametrize("kind", list(textbook.STATISTICS))
def test_no_loss_is_left_where_the_picture_is_the_photo_and_the_style(
    kind: str, make_backbone: Callable[..., Backbone], image: Tensor
) -> None:
    loop = textbook.Loop(REFLECTING, make_backbone(REFLECTING).weights, kind, ("relu3_1",), LAYERS)
    other = loop.matched(image, image.flip(1))(image)
    same = loop.matched(image, image)(image)
    assert other["content"] == same["content"] == 0
    assert abs(float(same["style"])) < 1e-2 * float(other["style"])
    assert other["variation"] == same["variation"] > 0
