"""Feed-forward networks: one pass from a photo and the statistics of a style to a picture.

presto is ours and paints in any style. Its encoder is a VGG-like chain (the first four blocks of petit's first edition); at
four depths the photo's features are carried to the style's mean and covariance in closed form, by the linear map of optimal
transport between two normal distributions; a decoder turns them into a picture. What is learnt is the decoder alone,
and how a style's statistics modulate it.

Everything that a style is, is its `Moments` at the four depths. So several styles at once are a mixture of moments, and
strength is how far the features are carried: 0 leaves them the photo's own. `Tuned` is presto with styles that it holds,
and that its decoder can be trained for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.backbones import IMAGENET, Architecture, Backbone
from impasto.shipped import ASSETS
from impasto.statistics import Moments, moments
from impasto.transport import optimal_map, root

ENCODER = Architecture(
    "presto's encoder",
    ((24, 24), (48, 48), (96, 96, 96), (144,)),
    IMAGENET,
    padding="reflect",
    pooling="average",
    shipped=True,
)
TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
TAP_CHANNELS = (24, 48, 96, 144)
DECODER_CHANNELS = (24, 48, 96, 128)  # at full resolution, a half, a quarter and an eighth of it
STYLE_CODE = 128  # numbers that a style is condensed to before it modulates the decoder
LEAST_VARIANCE = 0.03  # of the mean variance
MULTIPLE = 8  # pixels: three halvings must divide the edges

# a (scale - 1, shift) of shape (N, C, 1, 1) for each depth, full resolution first
Modulation = list[tuple[Tensor, Tensor]]


def style_of(rows: Sequence[Tensor]) -> dict[str, Moments]:
    """What the network knows of a picture: mean and covariance of its features (N, H, W, C) at every tap, float32."""
    return {layer: moments(row.permute(0, 3, 1, 2)) for layer, row in zip(TAPS, rows, strict=True)}


class Map(NamedTuple):
    """A linear map of features: x -> matrix x + offset; (N, C, C) and (N, C)."""

    matrix: Tensor
    offset: Tensor

    def moments(self, before: Moments) -> Moments:
        """The moments of mapped features, from those before."""
        mean = (self.matrix @ before.mean.unsqueeze(2)).squeeze(2) + self.offset
        return Moments(mean, self.matrix @ before.covariance @ self.matrix.transpose(1, 2))

    def apply(self, rows: Tensor) -> Tensor:
        """Features (N, H, W, C), mapped, in their own dtype."""
        matrix, offset = self.matrix.to(rows.dtype), self.offset.to(rows.dtype)
        return rows @ matrix.transpose(1, 2).unsqueeze(1) + offset.unsqueeze(1).unsqueeze(1)


def carry(content: Moments, style: Moments, reach: float = 1.0) -> Map:
    """The map from a photo's mean and covariance to a style's that moves its features as little as possible.

    As a feed-forward style transfer: Lu et al. 2019. Where we depart: directions in which photo or style hardly vary count
    as varying by `LEAST_VARIANCE` of the mean; and a reach of more than 1 goes beyond the style: the mean by as much
    farther, the matrix as that power of itself, so that no direction is turned round.
    """
    matrix = optimal_map(content.covariance, root(style.covariance, 1.0, LEAST_VARIANCE), LEAST_VARIANCE)
    if reach != 1:
        matrix = root(matrix, reach)
    mean = torch.lerp(content.mean, style.mean, reach)
    return Map(matrix, mean - (matrix @ content.mean.unsqueeze(2)).squeeze(2))


def between(content: Moments, style: Moments, strength: float) -> Moments:
    """The moments on the way from a photo's, at strength 0, to a style's, at 1: the way that `carry` takes (McCann 1997).

    A map to them is as much of the map to the style's, because both are optimal.
    """
    matrix, offset = carry(content, style)
    identity = torch.eye(offset.shape[1], device=offset.device)
    return Map(torch.lerp(identity.expand_as(matrix), matrix, strength), strength * offset).moments(content)


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

    def modulation(self, style: Mapping[str, Moments]) -> Modulation:
        """What a style's moments make of every channel."""
        numbers = [
            torch.cat((style[layer].mean, style[layer].covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()), 1)
            for layer in TAPS
        ]
        found = self.modulate(F.relu(self.code(torch.cat(numbers, 1).to(self.code.weight.dtype))))
        pairs = found.unsqueeze(2).unsqueeze(3).split([2 * channels for channels in DECODER_CHANNELS], dim=1)
        return [tuple(pair.chunk(2, dim=1)) for pair in pairs]

    def forward(self, features: Sequence[Tensor], modulation: Modulation) -> Tensor:
        """features: (N, C, H, W) at each tap, full resolution first, with edges of multiples of 8; -> (N, 3, H, W)."""
        x = features[-1]
        for depth in reversed(range(len(TAPS))):
            entered = self.enter[depth](features[depth])
            if depth < len(self.down):
                entered = entered + F.interpolate(self.down[depth](x), scale_factor=2, mode="nearest")
            scale, shift = modulation[depth]
            x = F.relu(entered + self.blocks[depth](F.relu(entered)) * (1 + scale) + shift)
        return self.leave(x)


class Encode(nn.Module):
    """A picture (N, 3, H, W) -> its features at every tap as rows (N, H, W, C): the first of presto's two passes."""

    def __init__(self, encoder: Backbone) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(images, TAPS)
        return tuple(features[layer].permute(0, 2, 3, 1) for layer in TAPS)


class Decode(nn.Module):
    """Rows at every tap, a `Map`'s matrix and offset for each, and a modulation's scale and shift for each -> a picture."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, *tensors: Tensor) -> tuple[Tensor]:
        rows, matrices, offsets, scales, shifts = (
            tensors[i : i + len(TAPS)] for i in range(0, 5 * len(TAPS), len(TAPS))
        )
        features = [
            Map(matrix, offset).apply(row).permute(0, 3, 1, 2)
            for row, matrix, offset in zip(rows, matrices, offsets, strict=True)
        ]
        return (self.decoder(features, list(zip(scales, shifts, strict=True))),)


def transport(
    own: Mapping[str, Moments], aim: Mapping[str, Moments], reach: float = 1.0
) -> tuple[list[Map], dict[str, Moments]]:
    """From a photo's moments so far toward the aim's, see `carry`: the map of every tap, and the moments it leads to."""
    maps = [carry(own[layer], aim[layer], reach) for layer in TAPS]
    return maps, {layer: carried.moments(own[layer]) for layer, carried in zip(TAPS, maps, strict=True)}


def row_of(style: Mapping[str, Moments]) -> Tensor:
    """Means and covariances at every tap in a row: (N, P)."""
    return torch.cat([part.flatten(1) for layer in TAPS for part in style[layer]], 1)


def style_in(rows: Tensor) -> dict[str, Moments]:
    """What `row_of` made a row of: (N, P) -> moments at every tap. Raises RuntimeError for rows of another length."""
    parts = iter(rows.split([size for count in TAP_CHANNELS for size in (count, count * count)], 1))
    return {
        layer: Moments(next(parts), next(parts).unflatten(1, (count, count)))
        for layer, count in zip(TAPS, TAP_CHANNELS, strict=True)
    }


class Tuned(nn.Module):
    """presto with styles of its own, which trains as a `TransformNet` does: its decoder learns, its encoder is frozen.

    styles: (S, P), the row of each.
    """

    def __init__(self, encoder: Backbone, decoder: Decoder, styles: Tensor) -> None:
        super().__init__()
        self.encode, self.decoder, self.styles = Encode(encoder), decoder, nn.Buffer(styles)

    def forward(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Paint, in one pass. images: (N, 3, H, W) in [0, 1]; -> the same shape, in [0, 1].

        chosen: (N,) whole numbers, which style each has; beyond the last one it is the image itself.
        """
        last = len(self.styles) - 1
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            rows = self.encode(padded(images))
            own = style_of(rows)
            aim = style_in(torch.where(chosen.unsqueeze(1) > last, row_of(own), self.styles[chosen.clamp_max(last)]))
            maps, goal = transport(own, aim)
            moved = [carried.apply(row.float()).permute(0, 3, 1, 2) for carried, row in zip(maps, rows, strict=True)]
        painted = self.decoder(moved, self.decoder.modulation(goal))
        return painted[:, :, : images.shape[2], : images.shape[3]].clamp(0, 1)


def padded(image: Tensor) -> Tensor:
    """Mirrored at the far edges so that the network's halvings come out even."""
    height, width = image.shape[2:]
    return F.pad(image, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")


def parts_in(file: bytes) -> dict[str, dict[str, Tensor]]:
    """The parts of a shipped network, each a state dict in float32, by the name that their tensors' keys begin with."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in safetensors.torch.load(file).items():
        part, name = key.split(".", 1)
        parts.setdefault(part, {})[name] = tensor.float()
    return parts


def presto_bytes() -> bytes:
    """The shipped file."""
    return (ASSETS / "presto.safetensors").read_bytes()


def presto(dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> tuple[Backbone, Decoder]:
    """Encoder and decoder with the shipped weights."""
    parts = parts_in(presto_bytes())
    decoder = Decoder()
    decoder.load_state_dict(parts["decoder"])
    decoder = decoder.to(device, dtype, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    return Backbone("presto", ENCODER, parts["encoder"], dtype=dtype, device=device), decoder
