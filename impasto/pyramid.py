"""The Laplacian pyramid of an image, and an optimiser that moves its bands instead of pixels.

A change of a coarse band moves many pixels at once, so large forms and colors settle in few steps. Sources: Burt and
Adelson, "The Laplacian Pyramid as a Compact Image Code" (1983); for style transfer, STROTSS (Kolkin et al. 2019).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.optimize import Evaluation, Optimizer

LEVELS = 5  # bands, the coarsest included
GENTLER = 4  # times smaller is a first step of L-BFGS, most of which goes to the few coarse numbers
Size = tuple[int, int]


def sizes(size: Size) -> list[Size]:
    """(height, width) of every band, the finest first; halves are rounded up, and stop at two pixels."""
    found = [size]
    while len(found) < LEVELS and min(found[-1]) > 2:
        found.append((-(-found[-1][0] // 2), -(-found[-1][1] // 2)))
    return found


def enlarged(image: Tensor, size: Size) -> Tensor:
    """Bilinearly."""
    return F.interpolate(image, size, mode="bilinear", align_corners=False)


def decompose(image: Tensor) -> Tensor:
    """Every band of (N, C, H, W), one after the other: (N, C, 1, L)."""
    bands = []
    for size in sizes((image.shape[2], image.shape[3]))[1:]:
        coarser = F.interpolate(image, size, mode="area")
        bands.append((image - enlarged(coarser, (image.shape[2], image.shape[3]))).flatten(2))
        image = coarser
    return torch.cat([*bands, image.flatten(2)], 2).unsqueeze(2)


def compose(bands: Tensor, size: Size) -> Tensor:
    """The image of (height, width) that the bands add up to; the inverse of `decompose`."""
    shapes = sizes(size)
    parts = bands.squeeze(2).split([height * width for height, width in shapes], 2)
    *finer, image = (part.unflatten(2, shape) for part, shape in zip(parts, shapes, strict=True))
    for band in reversed(finer):
        image = enlarged(image, (band.shape[2], band.shape[3])) + band
    return image


class Pyramid:
    """An optimiser that lets another one, which does not clamp, move an image's bands."""

    def __init__(self, inner: Optimizer) -> None:
        self.inner = inner
        self.bands: Tensor | None = None
        self.size: Size = (0, 0)

    def advance(self, image: Tensor, evaluate: Evaluation) -> Tensor:
        """Evaluate once at `image`, which is what the bands add up to, and return the next one."""
        if self.bands is None:
            self.bands, self.size = decompose(image), (image.shape[2], image.shape[3])

        def by_bands(bands: Tensor) -> tuple[float, Tensor]:
            bands = bands.detach().requires_grad_()
            whole = compose(bands, self.size)
            loss, gradient = evaluate(whole.detach())
            return loss, torch.autograd.grad(whole, bands, gradient)[0]

        self.bands = self.inner.advance(self.bands, by_bands)
        return compose(self.bands, self.size)

    def result(self, image: Tensor) -> Tensor:
        """The picture to show."""
        return image if self.bands is None else compose(self.inner.result(self.bands), self.size).clamp(0, 1)

    def enlarge(self, size: Size) -> None:
        """Start anew: the bands of another size are others."""
        self.bands = None
        self.inner.restore({})

    def memory(self) -> dict[str, Tensor]:
        """The bands, and what the other remembers of them."""
        if self.bands is None:
            return {}
        inner = {f"inner {name}": value for name, value in self.inner.memory().items()}
        return {"bands": self.bands, "size": torch.tensor(self.size), **inner}

    def restore(self, memory: Mapping[str, Tensor]) -> None:
        """Take up what `memory` gave."""
        self.bands = memory.get("bands")
        self.size = (int(memory["size"][0]), int(memory["size"][1])) if memory else (0, 0)
        self.inner.restore({name.removeprefix("inner "): memory[name] for name in memory if name.startswith("inner ")})
