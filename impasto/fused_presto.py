"""presto run by hand: what a style makes of the features is folded into the decoder's weights, and convolutions are fused.

A tap's linear map and the convolution that takes its features in are one convolution, with the product of their weights; a
style's scales and shifts go into the weights and biases of the convolutions that they follow; additions and ReLUs are done
by the convolution before them. The results are those of `networks.Encode` and `networks.Decode`, to rounding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto import fused
from impasto.backbones import Backbone
from impasto.fused import Convolution, FusedBackbone, framed, write_margin
from impasto.networks import TAPS, Decode, Decoder, Encode

MIRRORED = "reflect"  # what surrounds a picture in all of presto's convolutions


def by_hand(backbone: Backbone, decoder: Decoder) -> tuple[Encode, Decode] | None:
    """What does the work of an `Encode` and a `Decode` with these weights; None where this machine cannot."""
    if not fused.is_available(backbone.device, backbone.dtype):
        return None
    return FusedEncode(FusedBackbone(backbone)), FusedDecode(decoder)


class FusedEncode(Encode):
    """An `Encode` whose rows lie side by side: they are read more than once."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(row.contiguous() for row in super().forward(images))


class FusedDecode(Decode):
    """A `Decode` whose picture is in float32. The decoder's weights are those of when it was made."""

    engine = "fused convolutions"

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(decoder)
        self.enter = convolutions_of(decoder.enter)
        first, self.second = ([convolutions_of(block)[index] for block in decoder.blocks] for index in (0, 1))
        self.first = [Convolution(layer.weight, layer.bias) for layer in first]
        self.down = [Convolution(layer.weight, layer.bias) for layer in convolutions_of(decoder.down)]
        self.leave = Convolution(decoder.leave.weight)  # without its bias: numbers about 0 are rounded least

    def forward(self, *tensors: Tensor) -> tuple[Tensor]:
        rows, matrices, offsets, scales, shifts = (
            tensors[i : i + len(TAPS)] for i in range(0, 5 * len(TAPS), len(TAPS))
        )
        x = torch.empty(0)
        for depth in reversed(range(len(TAPS))):
            enter = mapped(self.enter[depth], matrices[depth], offsets[depth])
            second = modulated(self.second[depth], scales[depth], shifts[depth])
            features = rows[depth].permute(0, 3, 1, 2)
            if depth == len(TAPS) - 1:
                entered = enter(framed(features, MIRRORED), padding=0)
            else:
                below = F.interpolate(self.down[depth](framed(x, MIRRORED), padding=0), scale_factor=2, mode="nearest")
                entered = enter(features, padding=0, onto=below)
            inner = self.first[depth](framed(entered, MIRRORED, relu=True), relu=True)
            write_margin(inner, MIRRORED)
            x = second(inner, padding=0, onto=entered, relu=True)
        return (self.leave(framed(x, MIRRORED), padding=0).float() + bias_of(self.decoder.leave).view(-1, 1, 1),)


def convolutions_of(layers: nn.Module) -> list[nn.Conv2d]:
    """The convolutions among some layers."""
    return [layer for layer in layers.children() if isinstance(layer, nn.Conv2d)]


def bias_of(layer: nn.Conv2d) -> Tensor:
    """(C,), float32."""
    assert layer.bias is not None
    return layer.bias.float()


def mapped(layer: nn.Conv2d, matrix: Tensor, offset: Tensor) -> Convolution:
    """A layer over features that a `networks.Map`, matrix (1, C, C) and offset (1, C), has moved: one over the features.

    What surrounds a picture is mirrored, so to map every position and to surround it commute.
    """
    weight = layer.weight.float()
    bias = bias_of(layer) + torch.einsum("ocyx,c->o", weight, offset[0].float())
    weight = torch.einsum("ocyx,ci->oiyx", weight, matrix[0].float())
    return Convolution(weight.to(layer.weight.dtype), bias.to(layer.weight.dtype))


def modulated(layer: nn.Conv2d, scale: Tensor, shift: Tensor) -> Convolution:
    """A layer whose result is taken 1 + scale times, and a shift added; both (1, C, 1, 1)."""
    factor = 1 + scale[0].float()
    bias = bias_of(layer) * factor.flatten() + shift[0].float().flatten()
    weight = layer.weight.float() * factor.unsqueeze(1)
    return Convolution(weight.to(layer.weight.dtype), bias.to(layer.weight.dtype))
