"""Transform networks: one pass from a photo to a picture in a style that the network was trained for.

Two architectures, rows of one table. `transform` is the network of Johnson et al. 2016 as it is mostly built: transposed
convolutions, 9x9 convolutions at full resolution. `light` is ours: enlargement to the nearest pixel and a convolution,
which leaves no checkerboard, and few channels where there are many pixels.

Every normalisation is conditional (Dumoulin et al. 2017): a style is nothing but a scale and a shift for every channel, one
row of the parameter `styles`. So one network holds several styles, rows mix by weight, and where one row is the photo
itself, a mixture with it is a strength.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto import networks, saving
from impasto.backbones import Backbone
from impasto.errors import OptionError, OutputError, WeightsError
from impasto.networks import TAP_CHANNELS, TAPS, Tuned
from impasto.opening import FilePath
from impasto.shipped import ASSETS
from impasto.statistics import moments

SUFFIX = ".safetensors"
FORMAT = "impasto transform network, 1"
TUNED = "presto"  # what a `Tuned` is called among the networks


@dataclass(frozen=True)
class Plan:
    """One row of the table: channels and kernel sizes.

    into: of the first convolution, at full resolution or, with `first_stride` 2, at half. down: of further convolutions
    with stride 2. blocks: residual blocks, as wide as what they are given. up: after each doubling. outer: the kernel of
    the first and the last convolution. transposed: enlarge by transposed convolutions, otherwise to the nearest pixel.
    """

    into: int
    first_stride: int
    down: tuple[int, ...]
    blocks: int
    up: tuple[int, ...]
    outer: tuple[int, int]
    transposed: bool

    @property
    def normalized(self) -> tuple[int, ...]:
        """The channels of every normalisation, in order."""
        widest = self.down[-1]
        return (self.into, *self.down, *(widest,) * 2 * self.blocks, *self.up)


PLANS: dict[str, Plan] = {
    "transform": Plan(32, 1, (64, 128), 5, (64, 32), (9, 9), transposed=True),
    "light": Plan(32, 2, (64,), 5, (32, 16), (5, 3), transposed=False),
}


def reflected(into: int, out: int, size: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A convolution that mirrors the picture at its edges, so that no border shows.

    A normalisation that follows would take a bias away again, and its gradient would be noise, which Adam makes steps of.
    """
    return nn.Conv2d(into, out, size, stride, padding=size // 2, padding_mode="reflect", bias=bias)


class Enlarge(nn.Module):
    """Twice the resolution: to the nearest pixel and a convolution, or one transposed convolution."""

    def __init__(self, into: int, out: int, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        self.conv = nn.ConvTranspose2d(into, out, 3, 2, 1, 1, bias=False) if transposed else reflected(into, out, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.transposed:
            return self.conv(x)
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class TransformNet(nn.Module):
    """A transform network with one row of scales and shifts for every style it knows.

    plan: what it is built of, one of `PLANS`. styles: how many rows.
    """

    def __init__(self, plan: Plan, styles: int = 1) -> None:
        super().__init__()
        self.plan = plan
        widths = (plan.into, *plan.down)
        first, last = plan.outer
        self.enter = nn.ModuleList(
            [
                reflected(3, plan.into, first, plan.first_stride),
                *(reflected(into, out, 3, 2) for into, out in pairwise(widths)),
            ]
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(reflected(widths[-1], widths[-1], 3) for _ in range(2))) for _ in range(plan.blocks)
        )
        rising = (widths[-1], *plan.up)
        self.leave = nn.ModuleList(Enlarge(into, out, plan.transposed) for into, out in pairwise(rising))
        self.picture = reflected(plan.up[-1], 3, last, bias=True)
        self.styles = nn.Parameter(self.plain().repeat(styles, 1))

    def plain(self) -> Tensor:
        """A row that scales by 1 and shifts by 0: all scales first, then all shifts."""
        channels = sum(self.plan.normalized)
        return torch.cat((torch.ones(channels), torch.zeros(channels)))

    def forward(self, images: Tensor, rows: Tensor) -> Tensor:
        """Paint. images: (N, 3, H, W) in [0, 1], any size from 16 pixels; -> the same shape, in [0, 1].

        rows: (N,) whole numbers, which style each has, or (N, P), scales and shifts, such as a mixture's.
        """
        rows = rows if rows.is_floating_point() else self.styles[rows]
        return self.painted(images, rows, F.instance_norm)

    def painted(self, images: Tensor, rows: Tensor, normalize: Callable[[Tensor], Tensor]) -> Tensor:
        """As `forward`, with rows of numbers and another normalisation, called once for each of the plan's, in order."""
        scales, shifts = rows.unsqueeze(2).unsqueeze(3).chunk(2, dim=1)
        affine = iter(zip(scales.split(self.plan.normalized, 1), shifts.split(self.plan.normalized, 1), strict=True))

        def normalized(x: Tensor) -> Tensor:
            scale, shift = next(affine)
            return normalize(x) * scale.to(x.dtype) + shift.to(x.dtype)

        x = images * 2 - 1
        for conv in self.enter:
            x = F.relu(normalized(conv(x)))
        for block in self.blocks:
            one, two = block.children()
            x = x + normalized(two(F.relu(normalized(one(x)))))
        for enlarge in self.leave:
            x = F.relu(normalized(enlarge(x)))
        # halvings round up, so what comes out is as large as what went in, or a little larger
        return (torch.tanh(self.picture(x)) * 0.5 + 0.5)[:, :, : images.shape[2], : images.shape[3]]

    def folded(self, images: Tensor, row: Tensor) -> Tensor:
        """The row (1, P) with the statistics of all these pictures (N, 3, H, W) in it, for `Folded`."""
        means, factors = list[Tensor](), list[Tensor]()

        def normalize(x: Tensor) -> Tensor:
            variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0, keepdim=True)
            means.append(mean.flatten())
            factors.append((variance.flatten() + 1e-5).rsqrt())  # as F.instance_norm has it
            return ((x.float() - mean) * factors[-1].view(1, -1, 1, 1)).to(x.dtype)

        self.painted(images, row, normalize)
        scale, shift = row.float().chunk(2, dim=1)
        factor = scale * torch.cat(factors)
        return torch.cat((factor, shift - factor * torch.cat(means)), 1).to(row.dtype)


class Folded(nn.Module):
    """A transform network that normalises nothing: its rows hold the statistics too, those of a larger picture, say."""

    def __init__(self, network: TransformNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, row: Tensor) -> Tensor:
        return self.network.painted(images, row, lambda x: x)


class Reader(nn.Module):
    """A guess at a style's row from the statistics of its picture: where training on that style begins.

    What it reads are means and deviations of what presto's encoder finds, which stays the same when petit changes. Such a
    network paints any style, roughly (Ghiasi et al. 2017); here it is what the shipped base was trained with.
    """

    CODE = 64  # numbers that a style is condensed to

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.code = nn.Linear(2 * sum(TAP_CHANNELS), self.CODE)
        self.row = nn.Linear(self.CODE, 2 * sum(plan.normalized))
        nn.init.zeros_(self.row.weight)
        nn.init.zeros_(self.row.bias)

    def forward(self, numbers: Tensor, plain: Tensor) -> Tensor:
        """numbers: (N, 2 * channels) of `read`; plain: the row (P,) that changes nothing; -> rows (N, P)."""
        return plain + self.row(F.relu(self.code(numbers)))


def read(encoder: Backbone, images: Tensor) -> Tensor:
    """Means and deviations of the encoder's features at every tap: (N, 3, H, W) -> (N, 2 * channels), float32."""
    with torch.no_grad():
        found = encoder(images, TAPS)
        parts = [moments(found[layer]) for layer in TAPS]
        deviations = [part.covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt() for part in parts]
    return torch.cat([torch.cat(pair, 1) for pair in zip([part.mean for part in parts], deviations, strict=True)], 1)


def base_parts() -> dict[str, dict[str, Tensor]]:
    """The shipped base: "network" and "reader", each a state dict in float32."""
    return networks.parts_in((ASSETS / "light.safetensors").read_bytes())


# ---------------------------------------------------------------------------------------------------- trained networks


@dataclass(frozen=True)
class Trained:
    """A trained network: its plan's name, or that of presto, the names of its styles, and the recipe of its training.

    A transform network has a row for every style and, where it can do with less strength, one more for the photo as it is.
    """

    name: str
    network: TransformNet | Tuned
    styles: tuple[str, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_photo(self) -> bool:
        """Whether the last row is the photo's."""
        return self.network.styles.shape[0] > len(self.styles)

    def shares(self, weights: Sequence[float] = ()) -> tuple[float, ...]:
        """Weights for the styles, the first alone by default, so that they add up to 1.

        Raises OptionError for other than one weight a style.
        """
        shares = tuple(weights) or (1.0, *(0.0,) * (len(self.styles) - 1))
        if len(shares) != len(self.styles) or sum(shares) <= 0:
            raise OptionError(
                f"{len(shares)} style weights were given, and the network has {len(self.styles)} styles "
                f"({', '.join(self.styles)}). Give one for each, not all 0."
            )
        return tuple(share / sum(shares) for share in shares)

    def row(self, weights: Sequence[float] = (), strength: float = 1.0) -> Tensor:
        """The row (1, P) of a transform network's mixture: weights as of `shares`; strength from 0 to 1.

        Raises OptionError as `shares` does, or for a strength that the network was not trained for.
        """
        shares = self.shares(weights)
        if strength < 1 and not self.has_photo:
            raise OptionError(
                "The network was trained with a photo share of 0 and paints at --strength 100 only. Train it with "
                "--photo-share 0.1 for others."
            )
        mixture = torch.tensor(shares) * strength
        rest = torch.tensor([1 - strength] if self.has_photo else [])
        return torch.cat((mixture, rest)).to(self.network.styles) @ self.network.styles.detach()[None]

    def save(self, path: FilePath) -> Path:
        """Write a safetensors file, whole or not at all. Raises OutputError."""
        check_suffix(path)
        tensors = {key: value.detach().cpu().contiguous() for key, value in self.network.state_dict().items()}
        notes = {
            "format": FORMAT,
            "network": self.name,
            "styles": json.dumps(self.styles),
            "recipe": json.dumps(self.recipe),
        }
        saving.write(safetensors.torch.save(tensors, metadata=notes), path)
        return Path(path)


def check_suffix(path: FilePath) -> None:
    """Raise OutputError unless a network can have this name."""
    if Path(path).suffix.lower() != SUFFIX:
        raise OutputError(f"A trained network cannot be written as {path}: choose a name that ends in {SUFFIX}.")


def is_network(source: object) -> bool:
    """Whether a style is a trained network's file, by its name."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() == SUFFIX


def load(path: FilePath) -> Trained:
    """Read what `Trained.save` wrote. Raises WeightsError where it is missing, damaged or of another kind."""
    notes, tensors = read_file(path)
    remedy = "give a file that `impasto train` wrote"
    if notes.get("format") != FORMAT or notes.get("network") not in (*PLANS, TUNED):
        raise WeightsError(f"{path} holds no transform network that this impasto knows: {remedy}.")
    try:
        styles, recipe = tuple(map(str, json.loads(notes["styles"]))), json.loads(notes["recipe"])
        if notes["network"] == TUNED:
            networks.style_in(tensors["styles"])  # or it is of another length
            network: TransformNet | Tuned = Tuned(*networks.presto(), torch.zeros_like(tensors["styles"]))
        else:
            network = TransformNet(PLANS[notes["network"]], tensors["styles"].shape[0])
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError, RecursionError) as error:
        raise WeightsError(f"{path} is damaged or not of the network {notes['network']!r}: {remedy}.") from error
    most = len(styles) + isinstance(network, TransformNet)  # whose last row may be the photo's
    if not len(styles) <= network.styles.shape[0] <= most or not all(map(finite, tensors.values())):
        raise WeightsError(f"{path} is damaged: its numbers do not make a network; {remedy}.")
    return Trained(notes["network"], network.eval().requires_grad_(False), styles, recipe)


def read_file(path: FilePath) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file. Raises WeightsError."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist: check the spelling and the folder.") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: train it anew or copy it again.") from error


def read_recipe(path: FilePath) -> dict[str, Any] | None:
    """The recipe of a network's training, None where the file has none. Raises WeightsError."""
    return saving.parse_recipe(read_file(path)[0].get("recipe"))


def finite(tensor: Tensor) -> bool:
    """Whether every number is one."""
    return bool(tensor.isfinite().all())
