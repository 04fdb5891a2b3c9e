"""A backbone run by hand: fused convolutions forward, the gradient to the picture backward, and nothing else.

Plain autograd keeps a padded copy of every layer's input and runs ReLU as a pass of its own. Here every convolution is one
call that adds the bias and clips, its weights packed once for the processor; the gradient to its input is the same call
with the weights turned round. Where a network pads by mirroring or repetition, activations carry a margin of one
position, so that no copy is needed: a convolution of the whole with zeros around it leaves garbage in the margin only,
and the margin is then written anew.

The convolutions are private operators of torch: `SEAM` is all that touches them. `fuse` tries them once, and leaves the
backbone to autograd, which is also the reference in the tests, where they are missing.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import winograd
from impasto.backbones import POOLINGS, Backbone
from impasto.options import PaintOptions

Convolve: TypeAlias = Callable[..., Tensor]  # (x, padding, relu, onto) -> what `Convolution` says

# ------------------------------------------------------------------------------------------------------- the seam


class Convolution:
    """A convolution of stride 1: with weights (C', C, K, K) and a bias, or the other way round without one.

    The weights are packed in the order in which this processor reads them in inputs of one shape, the last one seen. For
    another shape it may be another order, and oneDNN would bring them into that at every call, slowly.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, turned: bool = False) -> None:
        self.weight, self.bias, self.turned = weight, bias, turned
        self.shape, self.packed = torch.Size(), weight

    def __call__(self, x: Tensor, *, padding: int = 1, relu: bool = False, onto: Tensor | None = None) -> Tensor:
        """(N, C, H, W), channels last -> (N, C', H + 2·padding - K + 1, ...), channels last.

        onto: of the result's shape and layout; the result is added to it, in place. relu: at the end.
        """
        if x.shape != self.shape:
            self.shape, self.packed = x.shape, self.pack(x.shape)
        how = self.bias, [padding] * 2, [1, 1], [1, 1], 1
        if onto is not None:
            add = torch.ops.mkldnn._convolution_pointwise_.binary
            return add(onto, x, self.packed, *how, "add", 1.0, "relu" if relu else None, [], "")
        return torch.ops.mkldnn._convolution_pointwise(x, self.packed, *how, "relu" if relu else "none", [], "")

    def pack(self, shape: Sequence[int]) -> Tensor:
        """The weights for inputs of that shape."""
        weight = self.weight.transpose(0, 1).flip(2, 3) if self.turned else self.weight
        around = [weight.shape[2] // 2] * 2
        return torch.ops.mkldnn._reorder_convolution_weight(weight.contiguous(), around, [1, 1], [1, 1], 1, list(shape))


def both_ways(weight: Tensor, bias: Tensor, seen: int | None, filtered: bool) -> tuple[Convolve, Convolve]:
    """A convolution, and the gradient to its input. seen: to so many of the first channels alone. filtered: see `fuse`."""
    if filtered and winograd.pays(weight):
        kernels = winograd.transformed(weight)
        return partial(winograd.convolve, kernels=kernels, bias=bias), partial(winograd.transposed, kernels=kernels)
    return Convolution(weight, bias), Convolution(weight[:, :seen], turned=True)


def is_available(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether fused convolutions are to be had here, found out by one."""
    if device.type != "cpu" or dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    try:
        weight = torch.ones(8, 8, 3, 3, dtype=dtype)
        x = torch.ones(1, 8, 4, 4, dtype=dtype).contiguous(memory_format=torch.channels_last)
        convolve = Convolution(weight, weight[:, 0, 0, 0])
        return bool((convolve(x, onto=convolve(x, relu=True))[:, :, 1, 1] == 146).all())
    except (AttributeError, RuntimeError, TypeError):  # gone, or of other arguments, in this torch
        return False


# ---------------------------------------------------------------------------------------------------- the backbone


def is_filtered(options: PaintOptions) -> bool:
    """Whether convolutions may be Winograd's: who names a precision gets all of it."""
    return options.precision == "auto"


def fuse(backbone: Backbone, filtered: bool = False) -> Backbone:
    """The backbone run by hand where this machine can, otherwise as it is.

    filtered: with `winograd` where that takes less time; it rounds a few times as much, and its kernels take more memory.
    """
    return FusedBackbone(backbone, filtered) if is_available(backbone.device, backbone.dtype) else backbone


class FusedBackbone(Backbone):
    """A `Backbone` with the same results to rounding."""

    engine = "fused convolutions"

    def __init__(self, backbone: Backbone, filtered: bool = False) -> None:
        vars(self).update(vars(copy.copy(backbone)))
        self.weights, self.filtered = dict(self.weights), filtered
        self.ready: dict[str, tuple[Convolve, Convolve]] = {}
        if filtered and any(weight.ndim == 4 and winograd.pays(weight) for weight in self.weights.values()):
            self.engine = "Winograd convolutions"

    def convolutions(self, layer: str) -> tuple[Convolve, Convolve]:
        """A layer's convolution and its gradient, made when first asked for: few paintings look at all the network."""
        if layer not in self.ready:
            weight, bias = self.weights.pop(f"{layer}.weight"), self.weights.pop(f"{layer}.bias")
            seen = 3 if layer == "conv1_1" else None  # the picture's first part
            self.ready[layer] = both_ways(weight, bias, seen, self.filtered)
        return self.ready[layer]

    def __call__(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        self.check(layers)
        found = {"pixels": images} if "pixels" in layers else {}
        deep = tuple(layer for layer in self.layers[1:] if layer in layers)
        return found | dict(zip(deep, Pass.apply(images, self, deep), strict=True)) if deep else found

    def entrance(self, images: Tensor) -> Tensor:
        """As a `Backbone`'s, with a margin of one pixel unless the first convolution pads with zeros."""
        x = super().entrance(images)
        if self.padding != "zeros":
            return framed(x, self.padding.removesuffix("-first"))
        return x

    def exit(self, gradient: Tensor) -> Tensor:
        """The transpose of `entrance`: (N, 3, H, W), with its margin if it has one -> the gradient to the images."""
        if self.padding != "zeros":
            fold_margin(gradient, self.padding.removesuffix("-first"))
            gradient = inside(gradient, 1)
        return (gradient.flip(1) if self.reverse else gradient) / self.deviation

    def pool(self, x: Tensor, margin: int) -> Tensor:
        """Pooling of activations with a margin, to such with a garbage margin."""
        if self.pooling == "average":
            y = F.avg_pool2d(x, 2, padding=margin)  # windows begin in the margin, so that those inside begin inside
        else:
            y = POOLINGS[self.pooling](inside(x, margin))
            y = F.pad(y, (margin,) * 4) if margin else y
        return y * self.pooling_factor if self.pooling_factor != 1 else y


def inside(x: Tensor, margin: int) -> Tensor:
    """Activations without their margin, a view."""
    return x[:, :, 1:-1, 1:-1] if margin else x


def border(mode: str, x: Tensor) -> str:
    """A reflection needs two positions; where there is but one, replication says the same. x: without margin."""
    return "replicate" if mode == "reflect" and min(x.shape[2:]) < 2 else mode


def sources(mode: str, length: int) -> tuple[int, int]:
    """Which positions, counted with the margin, the margin before and after `length` positions repeats."""
    return {"reflect": (2, length - 1), "replicate": (1, length), "circular": (length, 1)}[mode]


def write_margin(x: Tensor, mode: str) -> None:
    """Fill the margin from what is inside, in place: rows first, so that columns bring the corners along."""
    for axis in (2, 3):
        length = x.shape[axis] - 2
        before, after = sources(border(mode, inside(x, 1)), length)
        x.select(axis, 0).copy_(x.select(axis, before))
        x.select(axis, length + 1).copy_(x.select(axis, after))


def framed(x: Tensor, mode: str, relu: bool = False) -> Tensor:
    """(N, C, H, W), or its ReLU, with a margin of one position: (N, C, H + 2, W + 2), channels last."""
    n, channels, height, width = x.shape
    found = x.new_empty(n, height + 2, width + 2, channels).permute(0, 3, 1, 2)
    if relu:
        torch.clamp_min(x, 0, out=inside(found, 1))
    else:
        inside(found, 1).copy_(x)
    write_margin(found, mode)
    return found


def fold_margin(gradient: Tensor, mode: str) -> None:
    """The transpose of `write_margin`, in place: what the margin has goes to where it was from, and 0 stays."""
    for axis in (3, 2):
        length = gradient.shape[axis] - 2
        before, after = sources(border(mode, inside(gradient, 1)), length)
        gradient.select(axis, before).add_(gradient.select(axis, 0))
        gradient.select(axis, after).add_(gradient.select(axis, length + 1))
        gradient.select(axis, 0).zero_()
        gradient.select(axis, length + 1).zero_()


class Pass(torch.autograd.Function):
    """(images, backbone, layers) -> their features, whose gradient goes to the images alone."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, backbone: FusedBackbone, layers: Sequence[str]) -> tuple[Tensor, ...]:
        wanted = ctx.needs_input_grad[0]
        margin = int(backbone.padding not in ("zeros", "replicate-first"))
        run = backbone.layers[1 : max(backbone.layers.index(layer) for layer in layers) + 1]
        found: dict[str, Tensor] = {}
        kept: list[tuple[str, Any]] = []  # what each layer's gradient needs
        x = backbone.entrance(images)
        for layer in run:
            if layer.startswith("conv"):
                above = layer.replace("conv", "relu")
                fused = layer not in layers and above in run
                first = layer == "conv1_1" and backbone.padding == "replicate-first"
                convolve, _ = backbone.convolutions(layer)
                x = convolve(x, padding=0 if first else 1, relu=fused)
                kept.append((layer, None))
            elif layer.startswith("relu"):
                below = layer.replace("relu", "conv")
                x = F.relu(x) if below in layers else x  # otherwise it is done
                kept.append((layer, x))
            elif backbone.pooling == "average":
                x = backbone.pool(x, margin)
                kept.append((layer, None))
            else:
                pool, y = recorded(lambda x: backbone.pool(x, margin), x)
                kept.append((layer, (pool, y)))
                x = y.detach()
            if margin:
                write_margin(x, backbone.padding)
            if layer in layers:
                # a tensor of its own: if what is returned were what is kept, each would hold the other for ever
                found[layer] = inside(x, margin).detach()
            if not wanted:
                kept.clear()
        if wanted:
            ctx.work = backbone, margin, kept, layers, x.shape
        return tuple(found[layer] for layer in layers)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        backbone, margin, kept, layers, shape = ctx.work
        taps = dict(zip(layers, slopes, strict=True))
        free = not margin and are_apart(slopes)
        gradient = slopes[0].new_zeros(shape).contiguous(memory_format=torch.channels_last)
        while kept:  # nothing stays longer than it is needed
            layer, saved = kept.pop()
            if layer in taps:
                inside(gradient, margin).add_(taps.pop(layer))
            if margin:
                fold_margin(gradient, backbone.padding)
            if layer.startswith("conv"):
                first = layer == "conv1_1" and backbone.padding == "replicate-first"
                _, convolve = backbone.convolutions(layer)
                onto = taps.pop(kept[-1][0], None) if free and kept else None
                gradient = convolve(gradient, padding=2 if first else 1, onto=onto)
            elif layer.startswith("relu"):
                where_positive(saved, gradient, gradient)
            elif backbone.pooling == "average":
                below, x = kept[-1]
                gradient = spread(gradient, x, margin, backbone.pooling_factor / 4)
                if below not in taps:  # nothing is added there, so its ReLU is done
                    kept.pop()
            else:
                pool, y = saved
                (gradient,) = torch.autograd.grad(y, pool, gradient)
        return backbone.exit(gradient), None, None


def spread(gradient: Tensor, x: Tensor, margin: int, factor: float) -> Tensor:
    """The gradient through average pooling and the ReLU below it, whose result was x; its margin is 0.

    (N, C, H // 2, W // 2) -> (N, C, H, W), both with their margins. factor: the share of each of the four positions.
    """
    found = torch.empty_like(x)
    pooled = inside(gradient, margin) * factor
    height, width = pooled.shape[2:]
    rows = F.interpolate(pooled, scale_factor=(1, 2)).unsqueeze(3).expand(-1, -1, -1, 2, -1)

    def windows(x: Tensor) -> Tensor:
        return inside(x, margin)[:, :, : 2 * height, : 2 * width].unflatten(2, (height, 2))

    where_positive(windows(x), rows, windows(found))
    for axis, length in ((2, 2 * height), (3, 2 * width)):  # what belongs to no window
        found.narrow(axis, 0, margin).zero_()
        found.narrow(axis, margin + length, x.shape[axis] - margin - length).zero_()
    return found


def are_apart(slopes: Sequence[Tensor]) -> bool:
    """Whether gradients that have arrived are tensors of their own, channels last, so that each may be added to in place.

    A loss that reads one layer makes one of its own; one that reads the sum of two layers may send both the same.
    """
    dense = all(slope.is_contiguous(memory_format=torch.channels_last) for slope in slopes)
    return dense and len({slope.data_ptr() for slope in slopes}) == len(slopes)


def where_positive(x: Tensor, gradient: Tensor, found: Tensor) -> None:
    """The gradient through a ReLU whose result was x, written to `found`, which may be the gradient itself.

    bfloat16 is read as whole numbers, which have the same signs: torch would take it to float32 and back, in twice as long.
    """
    if x.dtype == torch.bfloat16:
        x, gradient, found = (each.view(torch.int16) for each in (x, gradient, found))
    torch.ops.aten.threshold_backward.grad_input(gradient, x, 0, grad_input=found)


def recorded(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """(x, function(x)) with a tape between the two of them, and to nothing else."""
    with torch.enable_grad():
        start = x.detach().requires_grad_()
        return start, function(start)
