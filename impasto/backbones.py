"""Backbones: the frozen networks whose features say what a picture shows and in what manner.

All are chains after Simonyan and Zisserman 2015 (VGG): blocks of 3x3 convolutions with ReLU, a pooling between blocks.
Layers are named `convB_I`, `reluB_I` and `poolB` by block and depth, the image itself "pixels". A backbone is one row of
`BACKBONES`; a file of one's own in the same shape is loaded with `weights`.
"""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import weights as weight_files
from impasto.errors import OptionError
from impasto.options import Padding, Pooling

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of RGB in [0, 1]
CAFFE = (0.48502, 0.45796, 0.40760), (1 / 255, 1 / 255, 1 / 255)  # mean pixel (123.68, 116.779, 103.939) / 255


@dataclass(frozen=True)
class Architecture:
    """One row: the channels of every convolution, block by block, and how the network wants its input.

    `normalization` is the (mean, deviation) of RGB in [0, 1]; `order` the order of the channels after that. `held`: of each
    number that is kept for the gradient, how many there are in memory at the peak, as measured.
    """

    description: str
    channels: tuple[tuple[int, ...], ...]
    normalization: tuple[tuple[float, ...], tuple[float, ...]]
    order: Literal["rgb", "bgr"] = "rgb"
    padding: Padding = "zeros"  # what the network was trained with
    pooling: Pooling = "max"
    shipped: bool = False
    held: float = 2.75

    @property
    def layers(self) -> tuple[str, ...]:
        """conv1_1, relu1_1, ..., pool1, conv2_1, ...: every layer of the chain in its order."""
        names = []
        for block, channels in enumerate(self.channels, start=1):
            names += [f"{kind}{block}_{i}" for i in range(1, len(channels) + 1) for kind in ("conv", "relu")]
            names.append(f"pool{block}")
        return tuple(names[:-1])

    @property
    def bytes_per_pixel(self) -> float:
        """What an evaluation in float32 takes at its peak for each pixel that is seen at once.

        Every convolution's result is kept for the gradient; the rest goes to the gradient itself, to padding, to the
        statistics' copies and to what lies idle between them.
        """
        kept = sum(sum(channels) / 4**block for block, channels in enumerate(self.channels))
        return self.held * 4 * kept

    def numbers(self, layers: Sequence[str] = ()) -> int:
        """How many weights and biases there are, down to the deepest of some layers, or in all if none of them is here."""
        end = max((self.layers.index(layer) for layer in layers if layer in self.layers), default=len(self.layers))
        return sum(prod(shape) for name, shape in self.shapes.items() if self.layers.index(name.split(".")[0]) <= end)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """`convB_I.weight` and `.bias` -> shape, in the order of the chain."""
        names = [name for name in self.layers if name.startswith("conv")]
        outputs = [channels for block in self.channels for channels in block]
        inputs = [3, *outputs[:-1]]
        shapes: dict[str, tuple[int, ...]] = {}
        for name, into, out in zip(names, inputs, outputs, strict=True):
            shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into, 3, 3), (out,)
        return shapes


def vgg(*depths: int) -> tuple[tuple[int, ...], ...]:
    """The channels of Simonyan and Zisserman's networks, with so many convolutions in each block."""
    return tuple((width,) * depth for width, depth in zip((64, 128, 256, 512, 512), depths, strict=True))


BACKBONES: dict[str, Architecture] = {
    "petit": Architecture(
        "our own small network, shipped with the package",
        ((16, 32), (64, 64), (96, 96), (144, 144, 144), (192,)), IMAGENET,
        padding="reflect", pooling="average", shipped=True, held=2.35,
    ),
    "vgg19": Architecture(
        "VGG-19 with torchvision's ImageNet weights (575 MB, downloaded once)", vgg(2, 2, 4, 4, 4), IMAGENET
    ),
    "vgg19-caffe": Architecture(
        "VGG-19 with the original Caffe weights, which Gatys used (575 MB, downloaded once)",
        vgg(2, 2, 4, 4, 4), CAFFE, order="bgr",
    ),
    "vgg16": Architecture(
        "VGG-16 with torchvision's ImageNet weights (553 MB, downloaded once)", vgg(2, 2, 3, 3, 3), IMAGENET
    ),
}  # fmt: skip


def pooling_of(backbone: str, pooling: Pooling) -> Pooling:
    """How a network pools: as asked for, or where that is "auto", in its own way."""
    return BACKBONES[backbone].pooling if pooling == "auto" else pooling


# style-transfer-pytorch's factors, which keep activations about as large as max pooling leaves them
POOLING_RESCALE: dict[str, float] = {"max": 1.0, "average": 2.0, "l2": 0.78}
POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: F.avg_pool2d(x, 2),
    "l2": lambda x: F.avg_pool2d(x.square(), 2).mul(4).add(1e-8).sqrt(),  # the root of the sum of squares
}


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over the weights before any rounding to a run's precision, for the recipe."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def split(exact: Tensor, dtype: torch.dtype, parts: Sequence[int]) -> Tensor:
    """A tensor in another dtype; where that is shorter than float32, its parts along the channels in that order.

    Part 0 is the rounded tensor, part 1 what rounding took away.
    """
    rounded = exact.to(dtype)
    if dtype.itemsize >= torch.float32.itemsize:
        return rounded
    both = rounded, (exact - rounded).to(dtype)
    return torch.cat([both[part] for part in parts], 1)


def rounded(kernels: Tensor, dtype: torch.dtype) -> Tensor:
    """3x3 kernels (C', C, 3, 3) in another dtype with sums that are kept: what one number loses, the next one gets.

    Activations are smooth and positive, so an error in a kernel's sum is the one that does harm.
    """
    taps, lost = [], torch.zeros(())
    for tap in kernels.float().flatten(2).unbind(2):
        taps.append((tap + lost).to(dtype))
        lost = tap + lost - taps[-1]
    return torch.stack(taps, 2).view_as(kernels)


class Backbone:
    """A frozen network: `backbone(images, layers)` -> features. It runs no deeper than asked.

    weights: `convB_I.weight`, `.bias` for a gapless beginning of the architecture's chain.
    pooling, padding: as in PaintOptions; "auto" is the architecture's own. dtype: of the convolutions; features come in
    it too.
    """

    engine = "autograd"  # what runs it, in words

    def __init__(
        self,
        name: str,
        architecture: Architecture,
        weights: Mapping[str, Tensor],
        *,
        pooling: Pooling = "auto",
        pooling_rescale: bool = False,
        padding: Padding = "auto",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name, self.dtype, self.device = name, dtype, torch.device(device)
        self.pooling = architecture.pooling if pooling == "auto" else pooling
        self.padding = architecture.padding if padding == "auto" else padding
        self.pooling_factor = POOLING_RESCALE[self.pooling] if pooling_rescale else 1.0
        mean, deviation = (
            torch.tensor(part, device=self.device).view(1, 3, 1, 1) for part in architecture.normalization
        )
        self.mean, self.deviation, self.reverse = mean, deviation, architecture.order == "bgr"
        self.fingerprint = fingerprint(weights)
        self.weights = {key: self.place(value) for key, value in weights.items()}
        self.weights["conv1_1.weight"] = self.place(split(weights["conv1_1.weight"].float(), dtype, (0, 0, 1)))
        known = architecture.layers
        last = max(known.index(key.split(".")[0].replace("conv", "relu")) for key in self.weights)
        self.layers = ("pixels", *known[: last + 1])

    def padded(self, padding: Padding) -> "Backbone":
        """The same network with another padding; the weights are shared."""
        other = copy.copy(self)
        other.padding = padding
        return other

    def place(self, weight: Tensor) -> Tensor:
        """A weight on the backbone's device, in its dtype and in the layout in which convolutions are fast."""
        if weight.ndim < 4:
            return weight.to(self.device, self.dtype)
        return rounded(weight, self.dtype).to(self.device, memory_format=torch.channels_last)

    def entrance(self, images: Tensor) -> Tensor:
        """What the first convolution sees: (N, 3, H, W) RGB in [0, 1] -> (N, 3 or 9, H, W), channels last.

        In half precision to round the pixels would turn the gradient further than all the layers do. So the picture comes
        in two parts, as the first weights do, and one convolution of nine channels adds up all their products but that of
        the two small parts. It costs nothing: processors fill channels up to sixteen.
        """
        x = (images - self.mean) / self.deviation
        x = split(x.flip(1) if self.reverse else x, self.dtype, (0, 1, 0))
        return x.contiguous(memory_format=torch.channels_last)

    def check(self, layers: Sequence[str]) -> None:
        """Raise OptionError, naming what there is, unless every layer is one of this network."""
        for layer in layers:
            if layer not in self.layers:
                near = ", ".join(self.layers)
                raise OptionError(f"{self.name} has no layer {layer!r}; its layers are {near}. Choose among these.")

    def __call__(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """(N, 3, H, W) RGB in [0, 1] -> layer -> (N, C, h, w) in the backbone's dtype; "pixels" are the images.

        The gradient flows to the images alone. Raises OptionError for an unknown layer.
        """
        self.check(layers)
        found = {"pixels": images} if "pixels" in layers else {}
        remaining = set(layers) - {"pixels"}
        if not remaining:
            return found
        x = self.entrance(images)
        for layer in self.layers[1:]:
            if not remaining:
                break
            x = self.apply(layer, x, keep_input=layer.replace("relu", "conv") in found)
            if layer in remaining:
                found[layer] = x
                remaining.remove(layer)
        return found

    def apply(self, layer: str, x: Tensor, keep_input: bool) -> Tensor:
        """One layer. A ReLU works in place unless somebody asked for the convolution below it."""
        if layer.startswith("conv"):
            weight, bias = self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]
            mode = self.padding
            if mode == "replicate-first":
                mode = "replicate" if layer == "conv1_1" else "zeros"
            if mode == "zeros":
                return F.conv2d(x, weight, bias, padding=1)
            # a reflection needs two pixels; where there is but one, replication says the same
            mode = "replicate" if min(x.shape[2:]) < 2 else mode
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode=mode), weight, bias)
        if layer.startswith("relu"):
            return F.relu(x, inplace=not keep_input)
        return (
            POOLINGS[self.pooling](x) * self.pooling_factor if self.pooling_factor != 1 else POOLINGS[self.pooling](x)
        )


def load(
    name: str = "petit",
    *,
    weights: str | Path | None = None,
    offline: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    **settings: object,
) -> Backbone:
    """The backbone of that name, from the package, the cache, a download, or the file `weights`.

    settings: pooling, pooling_rescale, padding, dtype and device of `Backbone`. on_progress: (bytes done, bytes in all).
    Raises OptionError for an unknown name, WeightsError where weights cannot be had.
    """
    if name not in BACKBONES:
        raise OptionError(f"There is no backbone {name!r}. Choose among {', '.join(BACKBONES)}.")
    architecture = BACKBONES[name]
    if weights is not None:
        tensors = weight_files.from_file(Path(weights), architecture.shapes)
    elif architecture.shipped:
        tensors = weight_files.shipped(name)
    else:
        tensors = weight_files.cached(name, architecture.shapes, offline=offline, on_progress=on_progress)
    return Backbone(name, architecture, tensors, **settings)  # type: ignore[arg-type]
