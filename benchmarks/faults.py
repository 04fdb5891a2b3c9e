"""Faults of the kinds that style transfer makes, planted into a picture at three severities.

plant(name, severity, image, generator) gives the picture with the fault: `image` is (1, 3, H, W) in [0, 1], severity one of
`SEVERITIES`. Where the fault lies, its hue and its shape are drawn from the generator.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

SEVERITIES = ("slight", "medium", "severe")


def uniform(low: float, high: float, generator: Generator, *shape: int) -> Tensor:
    """Numbers between low and high."""
    return low + (high - low) * torch.rand(*shape, generator=generator)


def checkerboard(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """A pattern of 2 or 4 pixels, as transposed convolutions leave it: here stronger, there weaker, in one hue."""
    period = int(torch.randint(1, 3, (), generator=generator)) * 2
    pattern = torch.randn(period, period, generator=generator)
    pattern = (pattern - pattern.mean()) / (pattern - pattern.mean()).square().mean().sqrt()
    height, width = image.shape[2:]
    tiled = pattern.repeat(height // period + 1, width // period + 1)[:height, :width]
    strength = F.interpolate(uniform(0.3, 1.7, generator, 1, 1, 5, 5), (height, width), mode="bicubic")
    hue = uniform(0.6, 1.4, generator, 1, 3, 1, 1)
    return image + amount * tiled * strength * hue


def weave(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """A grid of no one period: noise of the finest frequencies alone, here stronger, there weaker, in one hue."""
    height, width = image.shape[2:]
    noise = torch.fft.rfft2(torch.randn(height, width, generator=generator))
    down, across = torch.fft.fftfreq(height).view(-1, 1), torch.fft.rfftfreq(width)
    grid = torch.fft.irfft2(noise * ((down.abs() + across) > 0.7), (height, width))
    strength = F.interpolate(uniform(0.3, 1.7, generator, 1, 1, 5, 5), (height, width), mode="bicubic")
    return image + amount * grid / grid.square().mean().sqrt() * strength * uniform(0.6, 1.4, generator, 1, 3, 1, 1)


def border(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """A band of 3 to 14 pixels around the picture, drawn towards one color, with a soft inner edge."""
    width = int(torch.randint(3, 15, (), generator=generator))
    color = uniform(0, 1, generator, 1, 3, 1, 1)
    away = (color - image.mean((2, 3), keepdim=True)).abs().mean()
    color = color if away > 0.2 else (color + 0.5) % 1  # a band of the picture's own mean color would be no fault
    rows, columns = (torch.arange(edge) for edge in image.shape[2:])
    inside = torch.minimum(
        torch.minimum(rows, rows.flip(0)).view(-1, 1), torch.minimum(columns, columns.flip(0)).view(1, -1)
    )
    band = ((width - inside) / 2 + 0.5).clamp(0, 1)
    return torch.lerp(image, color.expand_as(image), amount * band)


def haze(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """A veil of gray over everything."""
    gray = uniform(0.4, 0.75, generator, 1, 1, 1, 1) + uniform(-0.02, 0.02, generator, 1, 3, 1, 1)
    return torch.lerp(image, gray.expand_as(image), amount)


def speckle(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Dots of one to four pixels in colors of their own, on that share of all pixels."""
    height, width = image.shape[2:]
    result = image.clone()
    for size in ((1, 1), (1, 2), (2, 2)):
        count = max(1, round(amount * height * width / 3 / (size[0] * size[1])))
        down = torch.randint(0, height - size[0], (count,), generator=generator)
        across = torch.randint(0, width - size[1], (count,), generator=generator)
        offsets = uniform(0.25, 0.5, generator, 3, count) * uniform(-1, 1, generator, 3, count).sign()
        for i in range(size[0]):
            for j in range(size[1]):
                result[0, :, down + i, across + j] += offsets
    return result


def seam(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Tiles, two to three in a row, each a little lighter, darker or of another hue than its neighbours."""
    height, width = image.shape[2:]
    down, across = (int(torch.randint(1, 4, (), generator=generator)) for _ in range(2))
    across = across if down > 1 else max(across, 2)
    signs = (torch.arange(down).view(-1, 1) + torch.arange(across).view(1, -1)) % 2 * 2 - 1  # neighbours always differ
    offsets = signs * uniform(0.7, 1.3, generator, 3, down, across)
    rows = (torch.arange(height) * down // height).view(-1, 1)
    columns = (torch.arange(width) * across // width).view(1, -1)
    return image + amount / 2 * offsets[:, rows, columns].unsqueeze(0)


# fault -> the function, and its amount at each severity: what one sees on a second look, at once, and from afar
FAULTS: dict[str, tuple[Callable[[Tensor, float, Generator], Tensor], tuple[float, float, float]]] = {
    "checkerboard": (checkerboard, (0.01, 0.025, 0.06)),  # of the pixel range
    "weave": (weave, (0.01, 0.025, 0.06)),  # of the pixel range
    "border": (border, (0.15, 0.35, 0.7)),  # opacity
    "haze": (haze, (0.2, 0.4, 0.6)),  # opacity
    "speckle": (speckle, (0.0015, 0.005, 0.02)),  # share of the pixels
    "seams": (seam, (0.04, 0.08, 0.16)),  # between neighbours, of the pixel range
}


def plant(name: str, severity: str, image: Tensor, generator: Generator) -> Tensor:
    """The picture with the fault, as 8 bits hold it."""
    function, amounts = FAULTS[name]
    faulty = function(image, amounts[SEVERITIES.index(severity)], generator)
    return faulty.clamp(0, 1).mul(255).round().div(255)
