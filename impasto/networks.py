"""Feed-forward networks: one pass from a photo and the statistics of a style to a picture.

`Presto` is ours and paints in any style. Its encoder is a VGG-like chain (the first four blocks of petit); at four depths
the photo's features are moved to the style's mean and covariance in closed form, by the linear map of optimal transport
between two normal distributions; a decoder turns them into a picture. What is learnt is the decoder alone, and how a
style's statistics modulate it.

Everything that a style is, is its `Moments` at the four depths. So strength, and several styles at once, are weighted
means of moments: strength 0 is the photo's own.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.losses import Moments, moments

TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
TAP_CHANNELS = (24, 48, 96, 144)
DECODER_CHANNELS = (24, 48, 96, 128)  # at full resolution, a half, a quarter and an eighth of it
STYLE_CODE = 128  # numbers that a style is condensed to before it modulates the decoder


def style_moments(features: Mapping[str, Tensor]) -> dict[str, Moments]:
    """What the network knows of a style: mean and covariance at every tap, float32."""
    return {layer: moments(features[layer].float()) for layer in TAPS}


def blend(styles: Sequence[Mapping[str, Moments]], weights: Sequence[float]) -> dict[str, Moments]:
    """The moments of a mixture: as if the pixels of each style were drawn with its weight. Weights add up to 1.

    Means and raw second moments combine linearly, so that the covariance gains the spread between the means.
    """
    result = {}
    for layer in TAPS:
        parts = [style[layer] for style in styles]
        mean = mixture([part.mean for part in parts], weights)
        raw = mixture([part.covariance + outer(part.mean) for part in parts], weights)
        result[layer] = Moments(mean, raw - outer(mean))
    return result


def mixture(parts: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Weighted sum."""
    return torch.stack([weight * part for weight, part in zip(weights, parts, strict=True)]).sum(0)


def outer(mean: Tensor) -> Tensor:
    """(N, C) -> (N, C, C)"""
    return mean.unsqueeze(2) * mean.unsqueeze(1)


def root(matrix: Tensor, power: float = 0.5, floor: float = 0.0) -> Tensor:
    """A power of a symmetric positive semi-definite (N, C, C), its eigenvalues raised to at least `floor` of their mean."""
    scales, axes = torch.linalg.eigh(matrix)
    least = scales.mean(1, keepdim=True).clamp_min(1e-8) * max(floor, 1e-8)
    return (axes * scales.clamp_min(least).pow(power).unsqueeze(1)) @ axes.transpose(1, 2)


def transport(content: Moments, style: Moments, floor: float = 1e-3) -> Tensor:
    """The linear map (N, C, C) that carries covariance Σ to Σ* while it moves the features as little as possible.

        A = Σ^-½ (Σ^½ Σ* Σ^½)^½ Σ^-½

    Source: Olkin and Pukelsheim 1982; for feed-forward style transfer, Lu et al. 2019. Where we depart: directions in
    which the photo hardly varies count as varying by `floor` of the mean variance, so that noise is not amplified.
    """
    half, inverse = root(content.covariance, 0.5, floor), root(content.covariance, -0.5, floor)
    return inverse @ root(half @ style.covariance @ half) @ inverse


def transported(features: Tensor, content: Moments, style: Moments) -> Tensor:
    """Features (N, C, H, W) with `content`'s moments, carried to `style`'s; in the features' own dtype."""
    matrix = transport(content, style)
    offset = style.mean - (matrix @ content.mean.unsqueeze(2)).squeeze(2)
    rows = features.permute(0, 2, 3, 1).flatten(1, 2)
    moved = torch.baddbmm(offset.unsqueeze(1).to(rows.dtype), rows, matrix.transpose(1, 2).to(rows.dtype))
    return moved.unflatten(1, features.shape[2:]).permute(0, 3, 1, 2)


def conv(into: int, out: int, size: int = 3) -> nn.Conv2d:
    """A convolution that mirrors the picture at its edges, so that no border shows."""
    return nn.Conv2d(into, out, size, padding=size // 2, padding_mode="reflect" if size > 1 else "zeros")


class Decoder(nn.Module):
    """Transported features at four depths and a style's moments -> a picture.

    From the deepest up: residual blocks, enlargement to the nearest pixel (a transposed convolution would leave a
    checkerboard) and the next depth's features added. After each block a scale and a shift for every channel, computed
    from the style, modulate it. There is no normalisation: the features' statistics are what the style asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        full, half, quarter, eighth = DECODER_CHANNELS
        self.enter = nn.ModuleList(
            conv(tap, out, 3 if depth == 3 else 1)
            for depth, (tap, out) in enumerate(zip(TAP_CHANNELS, DECODER_CHANNELS, strict=True))
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels))
            for channels in DECODER_CHANNELS
        )
        self.down = nn.ModuleList((conv(half, full), conv(quarter, half), conv(eighth, quarter)))
        self.leave = conv(full, 3)
        self.code = nn.Linear(2 * sum(TAP_CHANNELS), STYLE_CODE)
        self.modulate = nn.Linear(STYLE_CODE, 2 * sum(DECODER_CHANNELS))
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        nn.init.constant_(self.leave.bias, 0.5)  # type: ignore[arg-type]

    def modulation(self, style: Mapping[str, Moments]) -> list[tuple[Tensor, Tensor]]:
        """A (scale - 1, shift) of shape (N, C, 1, 1) for each depth, the full resolution first."""
        numbers = [
            torch.cat((style[layer].mean, style[layer].covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()), 1)
            for layer in TAPS
        ]
        found = self.modulate(F.relu(self.code(torch.cat(numbers, 1))))
        pairs = found.unsqueeze(2).unsqueeze(3).split([2 * channels for channels in DECODER_CHANNELS], dim=1)
        return [tuple(pair.chunk(2, dim=1)) for pair in pairs]

    def forward(self, features: Sequence[Tensor], modulation: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """features: (N, C, H, W) at each tap, full resolution first; -> (N, 3, H, W), about [0, 1]."""
        x = torch.zeros(())
        for depth in (3, 2, 1, 0):
            entered = self.enter[depth](features[depth])
            x = entered if depth == 3 else enlarged(self.down[depth](x), entered) + entered
            scale, shift = modulation[depth]
            x = F.relu(x + self.blocks[depth](F.relu(x)) * (1 + scale) + shift)
        return self.leave(x)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Twice as large to the nearest pixel; an odd edge of `like` repeats the last one."""
    x = F.interpolate(x, scale_factor=2, mode="nearest")
    missing = like.shape[2] - x.shape[2], like.shape[3] - x.shape[3]
    return F.pad(x, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else x
