"""Colors: keep the photo's own, or match the style's palette to the photo's, in OKLab.

In OKLab equal steps look about equally large, and lightness L stands apart from the two axes of color, a and b: so a
painting's lightness and a photo's colors can be put together. Every picture is (1, 3, H, W), sRGB in [0, 1], and so is
every result: what painted it, an optimiser or a feed-forward network, makes no difference.

Sources: Ottosson, "A perceptual color space for image processing" (2020); Gatys, Bethge, Hertzmann, Shechtman,
"Preserving Color in Neural Artistic Style Transfer" (2016), which does the same in YIQ and RGB.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from impasto.transport import optimal_map, root

# linear sRGB -> LMS, and its cube root -> OKLab, as published (with the correction of January 2021)
LMS = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
ROUNDING = 1e-5  # variance in OKLab below which an axis says nothing: about a step of 8 bits


def prepare(style: Tensor, photo: Tensor, colors: str, strength: float = 1.0) -> Tensor:
    """The style as it should be painted from. `colors` is as in `PaintOptions`; strength 0 leaves the style as it is.

    To keep the photo's colors is to match the style's lightness to it, as Gatys et al. do: otherwise a dark style would
    darken a bright sky that stays blue.
    """
    if colors == "style" or strength == 0:
        return style
    given, wanted = to_oklab(style), to_oklab(photo)
    matched = MATCHES[colors](given, wanted)
    return from_oklab(torch.lerp(given, matched, strength))


def finish(painting: Tensor, photo: Tensor, colors: str, strength: float = 1.0) -> Tensor:
    """The painting as it should be shown, given the photo at the painting's size: with its own colors or the photo's."""
    return keep(painting, photo, strength) if colors == "keep" and strength else painting


def keep(painting: Tensor, photo: Tensor, strength: float = 1.0) -> Tensor:
    """The painting's lightness with the photo's colors; in between, a and b are blended by `strength`."""
    lab, own = to_oklab(painting), to_oklab(photo)
    return from_oklab(torch.cat([lab[:, :1], torch.lerp(lab[:, 1:], own[:, 1:], strength)], 1))


# ------------------------------------------------------------------------------------------- palettes, all in OKLab


def match_lightness(given: Tensor, wanted: Tensor) -> Tensor:
    """`given` with the mean and deviation of `wanted`'s lightness; a and b stay."""
    (deviation, mean), (other, middle) = (torch.std_mean(lab[:, :1], (2, 3), keepdim=True) for lab in (given, wanted))
    lightness = (given[:, :1] - mean) * (other / deviation.clamp_min(ROUNDING**0.5)) + middle
    return torch.cat([lightness, given[:, 1:]], 1)


def match_linearly(given: Tensor, wanted: Tensor, map_between: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """`given` with the mean and covariance of `wanted`: x -> A(x - μ) + μ*, where A Σ Aᵀ = Σ*.

    Many A do that, which differ in a rotation; `map_between` (Σ, Σ*) -> A says which.
    """
    (mean, covariance), (target, other) = statistics(given), statistics(wanted)
    matrix = map_between(covariance, other)
    flat = matrix @ (given.flatten(2)[0] - mean) + target
    return flat.view_as(given)


def statistics(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) over the pixels, with what 8 bits cannot hold added to the variances."""
    flat = lab.flatten(2)[0]
    mean = flat.mean(1, keepdim=True)
    return mean, (flat - mean) @ (flat - mean).T / flat.shape[1] + ROUNDING * torch.eye(3).to(flat)


def by_principal_axes(covariance: Tensor, other: Tensor) -> Tensor:
    """Σ*^½ Σ^-½, after Gatys et al. 2016 and Hertzmann's image analogies ("PCA")."""
    return root(other) @ root(covariance, -0.5)


def by_cholesky(covariance: Tensor, other: Tensor) -> Tensor:
    """L* L⁻¹ of the Cholesky factors, after Gatys et al. 2016: lightness comes from lightness alone."""
    return torch.linalg.cholesky(other) @ torch.linalg.inv(torch.linalg.cholesky(covariance))


TURNS = 6  # after which the distribution no longer changes visibly


def match_histogram(given: Tensor, wanted: Tensor) -> Tensor:
    """`given` with the whole distribution of `wanted`'s colors, not only its mean and covariance.

    Source: Pitié, Kokaram, Dahyot, "Automated colour grading using colour distribution transfer" (2007): match each of
    three axes, turn them, and again. Matching L, a and b only would make colors that neither picture has. The last turn
    is none, so that in the end these three agree to the pixel.
    """
    flat, target = given.flatten(2)[0], wanted.flatten(2)[0]
    generator = torch.Generator().manual_seed(0)
    turns = [torch.linalg.qr(torch.randn(3, 3, generator=generator))[0].to(flat) for _ in range(TURNS - 1)]
    for turn in (*turns, torch.eye(3).to(flat)):
        moved = torch.stack([by_rank(x, y) for x, y in zip(turn @ flat, turn @ target, strict=True)])
        flat = turn.T @ moved
    return flat.view_as(given)


def by_rank(values: Tensor, wanted: Tensor) -> Tensor:
    """The values (n), each replaced by the value of `wanted` (m) that has its rank."""
    return torch.empty_like(values).scatter_(0, values.argsort(stable=True), quantiles(wanted, len(values)))


def quantiles(values: Tensor, count: int) -> Tensor:
    """Rows of values (..., P) at so many evenly spaced ranks, the least and the greatest among them: (..., count)."""
    last = values.shape[-1] - 1
    ranks = torch.linspace(0, last, count, device=values.device)
    levels, low = values.sort().values, ranks.long()
    return torch.lerp(levels[..., low], levels[..., (low + 1).clamp_max(last)], ranks - low)


# what `--colors` does to the style before painting: (style, photo) in OKLab -> style in OKLab
MATCHES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "keep": match_lightness,
    "match": lambda given, wanted: match_linearly(given, wanted, optimal_map),  # Pitié and Kokaram 2007
    "match-pca": lambda given, wanted: match_linearly(given, wanted, by_principal_axes),
    "match-cholesky": lambda given, wanted: match_linearly(given, wanted, by_cholesky),
    "histogram": match_histogram,
}


# ------------------------------------------------------------------------------------------------- there and back


def to_oklab(image: Tensor) -> Tensor:
    """sRGB in [0, 1] -> OKLab: L in [0, 1], a and b within ±0.33."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)
    return mix(LAB, mix(LMS, linear).clamp_min(0) ** (1 / 3))


def from_oklab(lab: Tensor) -> Tensor:
    """OKLab -> sRGB in [0, 1]. What no screen can show is brought in by less chroma, at the same lightness and hue."""
    lightness = lab[:, :1].clamp(0, 1)
    linear = mix(INVERSE_LMS, mix(INVERSE_LAB, torch.cat([lightness, shown(lightness, lab[:, 1:])], 1)) ** 3)
    linear = linear.clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def shown(lightness: Tensor, chroma: Tensor) -> Tensor:
    """a and b, (1, 2, H, W), times the largest share of at most 1 with which a screen can show them; by bisection."""
    gray = lightness.flatten(2)
    low, high = torch.zeros_like(gray), torch.ones_like(gray)
    outside = ~displayable(gray, chroma.flatten(2))
    hues, gray = chroma.flatten(2)[..., outside[0, 0]], gray[..., outside[0, 0]]
    low, high = low[outside][None, None], high[outside][None, None]
    for _ in range(10):
        middle = (low + high) / 2
        inside = displayable(gray, hues * middle)
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    shares = torch.ones_like(lightness).flatten(2)
    shares[outside] = low.flatten()
    return chroma * shares.view_as(lightness)


def displayable(lightness: Tensor, chroma: Tensor) -> Tensor:
    """Which colors, (1, 1, P) and (1, 2, P), lie in sRGB within half a step of 8 bits in the darks. -> (1, 1, P)"""
    linear = mix(INVERSE_LMS, mix(INVERSE_LAB, torch.cat([lightness, chroma], 1)) ** 3)
    return ((linear > -1e-4) & (linear < 1 + 1e-4)).all(1, keepdim=True)


def mix(matrix: Tensor, image: Tensor) -> Tensor:
    """The 3 x 3 matrix applied to the three channels of every pixel."""
    return (matrix.to(image) @ image.flatten(2)).view_as(image)


INVERSE_LMS, INVERSE_LAB = torch.linalg.inv(LMS.double()).float(), torch.linalg.inv(LAB.double()).float()
