"""Measures of pictures by their pixels alone: structure, contours, colors, sharpness, saturation, clipping.

Every picture is (1, 3, H, W), sRGB in [0, 1]. Lightness and colors are OKLab's. What needs a network is in `evaluation`.
"""

import math
from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.colors import quantiles, to_oklab

ENOUGH = 1 << 14  # pixels: more hardly change a distribution of colors
QUANTILES = 512
STEP = 1 / 255  # of 8 bits
BAND = 256  # rows of a picture that are worked on at a time
LOOKED_AT = 640  # pixels of the longer side, at least, at which contours are looked for


def bands(height: int, more: int = 0) -> Iterator[slice]:
    """Of so many rows, some at a time, and `more` after each: a large picture's copies would add up."""
    for top in range(0, height, BAND):
        yield slice(top, min(top + BAND, height) + more)


def gaussian(deviation: float, radius: int) -> Tensor:
    """A normal distribution's weights at -radius ... radius, adding up to 1."""
    weights = torch.exp(-torch.arange(-radius, radius + 1).square() / (2 * deviation**2))
    return weights / weights.sum()


def blurred(planes: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, H, W) with the kernel (2R + 1) along both axes, where it fits wholly: (N, C, H - 2R, W - 2R).

    Sums of shifted pictures: for a few planes that is several times faster than a convolution.
    """
    for axis in (2, 3):
        length = planes.shape[axis] - len(kernel) + 1
        total = torch.zeros_like(planes.narrow(axis, 0, length))
        for shift, weight in enumerate(kernel.tolist()):
            total.add_(planes.narrow(axis, shift, length), alpha=weight)
        planes = total
    return planes


# ------------------------------------------------------------------------------------------------------- structure


def ssim(picture: Tensor, photo: Tensor) -> float:
    """Structural similarity of two pictures' gray values: 1 for the same picture, about 0 for unrelated ones.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment" (2004): 11 x 11 Gaussian windows of deviation 1.5,
    K₁ = 0.01, K₂ = 0.03, mean over the windows that fit; a picture of less than 11 pixels gets smaller windows.
    """
    radius = min(5, (min(picture.shape[2:]) - 1) // 2)
    kernel = gaussian(1.5, radius)
    total, count = 0.0, 0
    for rows in bands(picture.shape[2] - 2 * radius, 2 * radius):
        found = similarity(gray(picture[:, :, rows]), gray(photo[:, :, rows]), kernel)
        total, count = total + float(found.sum(dtype=torch.float64)), count + found.numel()
    return total / count


def similarity(x: Tensor, y: Tensor, kernel: Tensor) -> Tensor:
    """Of the windows of two gray pictures (1, 1, H, W) that fit."""
    planes = blurred(torch.cat([x, y, x * x, y * y, x * y], 1), kernel)
    mean_x, mean_y, xx, yy, xy = planes.unbind(1)
    variances, covariance = xx + yy - mean_x**2 - mean_y**2, xy - mean_x * mean_y
    k1, k2 = 0.01**2, 0.03**2
    alike = (2 * mean_x * mean_y + k1) * (2 * covariance + k2)
    return alike / ((mean_x**2 + mean_y**2 + k1) * (variances + k2))


def gray(image: Tensor) -> Tensor:
    """Luma after Rec. 601, (1, 1, H, W), in which structural similarity is usually measured."""
    return torch.einsum("nchw,c->nhw", image, image.new_tensor([0.299, 0.587, 0.114])).unsqueeze(1)


def contours(lab: Tensor) -> Tensor:
    """How strong a contour is at every place of (1, 3, H, W) in OKLab: (1, P).

    The lengths of lightness' gradients, after a blur of 1/80 of the longer side, so that contours count and neither grain
    nor strokes. After such a blur a large picture holds no more than a small one, so it is first reduced to one.
    """
    lightness = F.avg_pool2d(lab[:, :1], max(1, min(max(lab.shape[2:]) // LOOKED_AT, min(lab.shape[2:]) // 3)))
    height, width = lightness.shape[2:]
    deviation = max(height, width) / 80
    radius = max(1, min(math.ceil(2.5 * deviation), (min(height, width) - 3) // 2))
    plane = blurred(lightness, gaussian(deviation, radius))
    return torch.hypot(plane.diff(dim=2)[..., :-1], plane.diff(dim=3)[..., :-1, :]).flatten(1)


def contours_kept(found: Tensor, wanted: Tensor) -> float:
    """How far a picture's contours are where the photo's are: 1 all, 0 none. Both as `contours` gives them.

    Their correlation. Which side of a contour is the lighter one does not matter.
    """
    if float(wanted.max()) < 1e-4:  # a photo of one color has no contours to lose
        return 1.0
    return float(F.cosine_similarity(found - found.mean(), wanted - wanted.mean(), eps=1e-12))


# ---------------------------------------------------------------------------------------------------------- colors


def palette(lab: Tensor) -> Tensor:
    """The colors of (1, 3, H, W) in OKLab: (P, 3), where it is large an even part of the pixels.

    The stride is odd, so that it does not fall in step with the rows.
    """
    height, width = lab.shape[2:]
    chosen = torch.arange(0, height * width, height * width // ENOUGH | 1, device=lab.device)
    return lab[0, :, chosen // width, chosen % width].T


@cache
def directions() -> Tensor:
    """The 13 directions of a cube's neighbours, of unit length: (13, 3)."""
    axes = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
    return F.normalize(torch.tensor(axes[len(axes) // 2 + 1 :], dtype=torch.float32))


def color_distance(colors: Tensor, others: Tensor) -> float:
    """Distance between two distributions of colors, (P, 3) and (Q, 3) in OKLab: 0 for the same; 0.02 is just visible.

    The earth mover's distance between their histograms, in one dimension the mean distance of equal ranks, averaged over
    `directions` ("sliced": Rabin, Peyré, Delon, Bernot 2011). Where the pixels are does not matter.
    """
    given, wanted = (quantiles(directions().to(some) @ some.T, QUANTILES) for some in (colors, others))
    return float((given - wanted).abs().mean())


# ---------------------------------------------------------------------------------------------------------- quality


def sharpness(lab: Tensor) -> float:
    """Mean absolute difference of a pixel's lightness to the mean of its four neighbours. (1, 3, H, W) in OKLab -> >= 0"""
    x = lab[:, :1]
    inside = x[..., 1:-1, 1:-1]
    around = (x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]) / 4
    return float((inside - around).abs().mean())


def saturation(lab: Tensor) -> float:
    """Mean chroma: 0 is gray, sRGB's blue, the most colorful, is 0.31. (1, 3, H, W) in OKLab"""
    return float(lab[:, 1:].square().sum(1).sqrt().mean())


def clipping(image: Tensor) -> float:
    """Share of pixels of which some channel is at an end of its range, to half a step of 8 bits. sRGB in [0, 1]"""
    parts = (image[:, :, rows] for rows in bands(image.shape[2]))
    ends = [((part < STEP / 2) | (part > 1 - STEP / 2)).any(1).count_nonzero() for part in parts]
    return float(sum(ends)) / (image.shape[2] * image.shape[3])


def oklab(image: Tensor) -> Tensor:
    """sRGB -> OKLab, of values that may lie a little outside [0, 1]."""
    result = torch.empty_like(image)
    for rows in bands(image.shape[2]):
        result[:, :, rows] = to_oklab(image[:, :, rows].clamp(0, 1))
    return result
