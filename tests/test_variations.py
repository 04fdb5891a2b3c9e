"""Losses of the pixels alone: known answers, and gradients written by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from closeness import close
from torch import Tensor

from impasto import variations

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
    close(variations.TOTAL_VARIATIONS[name](image), expected)
    close(variations.TOTAL_VARIATIONS[name](image.mT), expected)


@pytest.mark.parametrize("name", list(variations.TOTAL_VARIATIONS))
def test_total_variation_of_a_constant_is_zero_and_of_each_image_its_own(name: str, batch: Tensor) -> None:
    variation = variations.TOTAL_VARIATIONS[name]
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
    close(variations.nine_point_variation(batch), torch.from_numpy(expected))


def test_out_of_range_by_hand() -> None:
    image = torch.tensor([[-1.0, 0.0, 0.5], [1.0, 1.5, 3.0]]).view(1, 1, 2, 3)
    close(variations.out_of_range(image), (1 + 0.25 + 4) / 6)


def test_out_of_range_ignores_what_is_inside(batch: Tensor) -> None:
    close(variations.out_of_range(batch), 0.0)


@pytest.mark.parametrize("loss", [variations.squared_variation, variations.out_of_range])
def test_gradients_written_by_hand_are_those_of_the_loss(loss: Callable[[Tensor], Tensor]) -> None:
    """By finite differences, for several images with several slopes, some pixels out of range."""
    image = (torch.rand(2, 3, 5, 6, dtype=torch.float64) * 2 - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: loss(image) * torch.tensor([1.0, 3.0]), image)
