"""stylize(content, style): any style in one pass of a small network, in a fraction of a second.

A `Stylizer` holds the network, ready to run; what a style is, its moments, is computed once and used for any number of
photos. The network is presto: see `networks`.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import engines, images, machine, networks, recipe
from impasto.errors import OptionError
from impasto.images import ImageSource
from impasto.losses import Moments
from impasto.networks import MULTIPLE, TAPS, Decode, Encode, blend, style_of, transport
from impasto.options import StylizeOptions
from impasto.painting import Painting

Style = Mapping[str, Moments]  # mean and covariance at every tap
EXAMPLE = 64  # pixels: a picture to show an engine what it will be given


def stylize(
    content: ImageSource,
    style: ImageSource | list[ImageSource] | tuple[ImageSource, ...],
    options: StylizeOptions | None = None,
    *,
    weights: Sequence[float] = (),
    **given: Any,
) -> Painting:
    """Paint `content` in the manner of `style`, or of a mixture of several, in one pass.

    content, style: as in `paint`. weights: a share for each style, equal if none are given. options: all of them at once;
    single ones, such as strength=0.7, go before. Raises InputError or OptionError.
    """
    options = StylizeOptions.make(**given) if options is None else options.replace(**given)
    styles = list(style) if isinstance(style, (list, tuple)) else [style]
    stylizer = Stylizer(options)
    mixed = stylizer.mixture([stylizer.style(one) for one in styles], weights)
    return stylizer.paint(content, mixed, roles(styles))


def roles(styles: Sequence[ImageSource]) -> dict[str, ImageSource]:
    """How a recipe names the styles: "style" if there is but one, otherwise "style 1" and so on."""
    return {f"style {i}" if len(styles) > 1 else "style": style for i, style in enumerate(styles, start=1)}


class Stylizer:
    """presto, ready to run by the engine, in the precision and on the device that the options name."""

    def __init__(self, options: StylizeOptions | None = None) -> None:
        self.options = options or StylizeOptions()
        self.device = machine.choose_device(self.options.device)
        engine = engines.choose(self.options.engine, self.device)
        # OpenVINO chooses its own precision and wants to be given float32
        precision = "float32" if engine == "openvino" else self.options.precision
        dtype = machine.choose_precision(precision, self.device, "average")
        self.backbone, self.decoder = networks.presto(dtype, self.device)
        self.fingerprint = hashlib.sha256(networks.presto_bytes()).hexdigest()
        encode, decode = Encode(self.backbone), Decode(self.decoder)
        picture = torch.zeros(1, 3, EXAMPLE, EXAMPLE, device=self.device)
        with torch.no_grad():
            rows = encode(picture)
        self.encode = engines.prepare(encode, [picture], engine, f"presto-encode-{self.fingerprint[:12]}")
        example = [*rows, *self.steering(style_of(rows), style_of(rows))]
        self.decode = engines.prepare(decode, example, engine, f"presto-decode-{self.fingerprint[:12]}")

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return self.decode.engine

    def style(self, source: ImageSource) -> Style:
        """What the network knows of a style."""
        size = max(MULTIPLE * 2, round(self.options.size * self.options.style_scale))
        return style_of(self.encode(padded(images.resize(images.load(source), size).to(self.device))))

    def mixture(self, styles: Sequence[Style], weights: Sequence[float] = ()) -> Style:
        """Several styles as one, by their weights. Raises OptionError where these do not fit."""
        weights = list(weights) or [1.0] * len(styles)
        if not styles or len(weights) != len(styles) or min(weights) < 0 or not sum(weights) > 0:
            raise OptionError(
                f"The weights {list(weights)} were given for {len(styles)} styles. Give at least one style, and for each "
                "a weight of at least 0, not all of them 0; or no weights at all."
            )
        return blend(styles, [weight / sum(weights) for weight in weights])

    def image(self, content: Tensor, style: Style) -> Tensor:
        """(1, 3, H, W) in [0, 1] -> the same, painted."""
        height, width = content.shape[2:]
        rows = self.encode(padded(content.to(self.device)))
        (picture,) = self.decode(*rows, *self.steering(style_of(rows), style))
        return picture[:, :, :height, :width].float().clamp(0, 1)

    def paint(self, content: ImageSource, style: Style, styles: Mapping[str, ImageSource]) -> Painting:
        """A photo in a style, with its recipe. styles: the pictures that made `style`, by role.

        The recipe's seconds are those of the network's passes: reading and writing are not counted.
        """
        photo = images.resize(images.load(content), self.options.size)
        began = time.monotonic()
        picture = self.image(photo, style)
        seconds = time.monotonic() - began
        inputs = {role: recipe.fingerprint(source) for role, source in {"content": content, **styles}.items()}
        notes = recipe.make("stylize", None, self.options, inputs, self.fingerprint, self.device, self.backbone.dtype)
        return Painting(picture.cpu(), {**notes, "engine": self.engine, "seconds": round(seconds, 3)}, [])

    def steering(self, content: Style, style: Style) -> list[Tensor]:
        """The decoder's inputs beside the features: matrices and offsets, scales and shifts, one for each depth."""
        dtype = self.backbone.dtype
        maps = [transport(content[layer], style[layer]).by(self.options.strength) for layer in TAPS]
        reached = {layer: map.moments(content[layer]) for layer, map in zip(TAPS, maps, strict=True)}
        with torch.no_grad():
            modulation = self.decoder.modulation(reached)
        scales, shifts = zip(*modulation, strict=True)
        matrices, offsets = zip(*maps, strict=True)
        return [tensor.to(dtype) for tensor in (*matrices, *offsets, *scales, *shifts)]


def padded(image: Tensor) -> Tensor:
    """Mirrored at the far edges so that the network's halvings come out even."""
    height, width = image.shape[2:]
    return F.pad(image, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
