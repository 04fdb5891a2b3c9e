"""Measures of pixels: known answers, invariances, and an independent reference."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from impasto import measures
from impasto.measures import oklab


def reference_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2004 by scipy's Gaussian filter, over the windows that fit."""

    def mean(planes: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(planes, 1.5, radius=5)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return float(((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean())


def test_similarity_is_that_of_the_paper(smooth_image: Tensor) -> None:
    other = (smooth_image + 0.1 * torch.rand(smooth_image.shape)).clamp(0, 1)
    grays = [measures.gray(one)[0, 0].double().numpy() for one in (smooth_image, other)]
    assert measures.ssim(smooth_image, other) == pytest.approx(reference_ssim(*grays), abs=1e-4)
    assert measures.ssim(smooth_image, smooth_image) == pytest.approx(1)
    assert measures.ssim(smooth_image, other) == pytest.approx(measures.ssim(other, smooth_image), abs=1e-6)


def test_a_blur_is_a_convolution(smooth_image: Tensor) -> None:
    kernel = measures.gaussian(2, 4)
    expected = torch.nn.functional.conv2d(smooth_image[:, :1], (kernel.view(-1, 1) * kernel)[None, None])
    assert torch.allclose(measures.blurred(smooth_image, kernel)[:, :1], expected, atol=1e-6)
    assert float(kernel.sum()) == pytest.approx(1)


def kept(lab: Tensor, photo: Tensor) -> float:
    """How far one picture's contours are where the other's are."""
    return measures.contours_kept(measures.contours(lab), measures.contours(photo))


def test_contours_stay_when_light_and_dark_change_places(smooth_image: Tensor) -> None:
    lab = oklab(smooth_image)
    negative = torch.cat([1 - lab[:, :1], lab[:, 1:]], 1)
    assert kept(lab, lab) == pytest.approx(1)
    assert kept(negative, lab) == pytest.approx(1, abs=1e-5)
    unrelated = oklab(torch.nn.functional.interpolate(torch.rand(1, 3, 6, 7), (64, 80), mode="bicubic").clamp(0, 1))
    assert abs(kept(unrelated, lab)) < 0.5


def test_a_large_picture_keeps_as_much_as_a_small_one(smooth_image: Tensor) -> None:
    pair = smooth_image, 0.5 * smooth_image + 0.5 * smooth_image.flip(3)
    small, large = (
        kept(*(oklab(torch.nn.functional.interpolate(one, size, mode="bicubic").clamp(0, 1)) for one in pair))
        for size in ((500, 640), (1500, 1920))
    )
    assert large == pytest.approx(small, abs=5e-3)
    assert small < 0.9


def test_a_photo_of_one_color_has_no_contours_to_lose(smooth_image: Tensor) -> None:
    assert kept(oklab(smooth_image), oklab(torch.full_like(smooth_image, 0.3))) == 1


def test_the_distance_of_shifted_colors_is_the_shift(smooth_image: Tensor) -> None:
    lab = oklab(smooth_image)
    shift = torch.tensor([0.05, 0.0, 0.0]).view(1, 3, 1, 1)
    moved = measures.color_distance(measures.palette(lab + shift), measures.palette(lab))
    mean_cosine = measures.directions()[:, 0].abs().mean()
    assert moved == pytest.approx(0.05 * float(mean_cosine), rel=1e-3)


def test_colors_know_nothing_of_places(smooth_image: Tensor) -> None:
    lab = oklab(smooth_image)
    order = torch.randperm(lab[0, 0].numel())
    shuffled = lab.flatten(2)[:, :, order].view_as(lab)
    assert measures.color_distance(measures.palette(shuffled), measures.palette(lab)) == pytest.approx(0, abs=1e-6)


def test_directions_are_thirteen_no_two_of_them_opposite() -> None:
    directions = measures.directions()
    products = directions @ directions.T
    assert directions.shape == (13, 3)
    assert torch.allclose(products.diagonal(), torch.ones(13))
    assert float((products - torch.eye(13)).abs().max()) < 0.99


def test_sharpness_of_a_checkerboard_and_of_a_slope() -> None:
    board = torch.zeros(1, 3, 8, 8)
    board[:, 0, ::2, ::2] = board[:, 0, 1::2, 1::2] = 1
    slope = torch.linspace(0, 1, 8).expand(1, 3, 8, 8)
    assert measures.sharpness(board) == pytest.approx(1)
    assert measures.sharpness(slope) == pytest.approx(0, abs=1e-6)


def test_gray_has_no_saturation_and_blue_the_most() -> None:
    blue = torch.zeros(1, 3, 4, 4)
    blue[:, 2] = 1
    assert measures.saturation(oklab(torch.full((1, 3, 4, 4), 0.4))) == pytest.approx(0, abs=1e-4)
    assert measures.saturation(oklab(blue)) == pytest.approx(math.hypot(0.0324570, 0.3115281), abs=1e-3)


def test_clipping_counts_pixels_with_any_channel_at_an_end() -> None:
    image = torch.full((1, 3, 4, 5), 0.5)
    image[0, 0, 0, 0], image[0, 2, 0, 1], image[0, :, 0, 2] = 0, 1, 1
    assert measures.clipping(image) == pytest.approx(3 / 20)
