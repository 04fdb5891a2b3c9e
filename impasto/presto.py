"""presto at work: a view painted in any style, in a few passes of a small network.

What a style is, its moments, is computed once for any number of photos. Verbs that give a picture with its recipe are in
`stylizer`; painting by the optimiser begins with this one's picture.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from impasto import backbones, engines, machine, networks, panes
from impasto.fused_presto import by_hand
from impasto.networks import TAPS, Decode, Encode, between, padded, style_of, transport
from impasto.options import EngineName, StylizeOptions
from impasto.scene import View
from impasto.statistics import Moments, blend
from impasto.tiling import Tile

Style = Mapping[str, Moments]  # mean and covariance at every tap
PASSES = 2  # over a picture at full strength: as many as presto learns for
FAINT = 100 / 3  # strength: of less, a part of the one pass that goes so far
# times as far as the style, in one pass alone, in the first of several and in the others: what was painted once comes only
# a part of the way that its features are carried
REACH = (1.0, 1.2, 1.3)
KEPT = 16  # styles whose moments are remembered
EXAMPLE = 64  # pixels: a picture to show an engine what it will be given


@dataclass(frozen=True)
class Seen:
    """A picture (1, 3, H, W): its tiles, what gives the features of one, and what is known of the whole."""

    picture: Tensor
    tiles: list[Tile]
    encode: Callable[[Tile], Sequence[Tensor]]

    @cached_property
    def known(self) -> Style:
        """Its moments."""
        return style_of(panes.positions(self.tiles, self.encode))


class Presto:
    """The network, ready to run by the engine, in the precision and on the device that the options name.

    decoder: another one in place of the shipped one.
    """

    def __init__(self, options: StylizeOptions | None = None, decoder: networks.Decoder | None = None) -> None:
        self.take(options or StylizeOptions())
        self.device = machine.choose_device(self.options.device)
        self.chosen = choose_engine(self.options.engine, self.device)
        precision = engines.precision(self.chosen, self.options.precision)
        dtype = machine.choose_precision(precision, self.device, "average")
        self.backbone, self.decoder = networks.presto(dtype, self.device)
        self.fingerprint = hashlib.sha256(networks.presto_bytes()).hexdigest()
        encoding = f"presto-encode-{self.fingerprint[:12]}"
        if decoder is not None:
            self.decoder.load_state_dict(decoder.state_dict())
            self.fingerprint = backbones.fingerprint(decoder.state_dict())
        encode, decode = Encode(self.backbone), Decode(self.decoder)
        if self.chosen == "torch":
            encode, decode = by_hand(self.backbone, self.decoder) or (encode, decode)
        picture = torch.zeros(1, 3, EXAMPLE, EXAMPLE, device=self.device)
        with torch.no_grad():
            rows = encode(picture)
        self.encode = engines.prepare(encode, [picture], self.chosen, encoding)
        example = [*rows, *self.steering(style_of(rows), style_of(rows))]
        self.decode = engines.prepare(decode, example, self.chosen, f"presto-decode-{self.fingerprint[:12]}")
        self.known: dict[int, Style] = {}

    def take(self, options: StylizeOptions, tile: int = 0) -> None:
        """Paint with other options from now on: all but engine, device and precision. tile: see `panes.edge`."""
        self.options, self.passes, self.tile = options, fitting(options.passes, options.strength), tile

    @property
    def name(self) -> str:
        """What the network is called where its result is announced."""
        return "presto"

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return self.decode.engine

    def image(self, view: View, passes: float | None = None) -> Tensor:
        """What a view shows, painted: (1, 3, H, W) in [0, 1]; every region in its own mixture of the styles.

        passes: if not as many as the options say.
        """
        passes = self.passes if passes is None else passes
        styles = [self.style(one.image) for one in view.styles]
        photo = self.seen(view.content)
        aims = [self.aim(photo, styles, region.shares) for region in view.regions]
        parts = [self.painted(photo, aim, passes, reaching(passes)) for aim in aims]
        return joined(view, parts)

    def seen(self, picture: Tensor) -> Seen:
        """A picture (1, 3, H, W) as the network has it."""
        whole = padded(picture)
        tiles = panes.cut(whole, self.tile)

        @lru_cache(maxsize=1)  # with one tile, it is kept
        def encode(tile: Tile) -> Sequence[Tensor]:
            if self.tile:
                machine.hand_back_freed_memory()  # who asks for small tiles has little, and what they leave adds up
            return self.encode(tile.read(whole))

        return Seen(picture, tiles, encode)

    def aim(self, photo: Seen, styles: Sequence[Style], shares: Sequence[float]) -> Style:
        """What a region's features are to be like: as far from the photo's to the mixture of the styles as asked."""
        mixture = {layer: blend([style[layer] for style in styles], shares) for layer in TAPS}
        if self.options.strength == 100:
            return mixture
        strength = max(self.options.strength, FAINT) / 100
        return {layer: between(photo.known[layer], mixture[layer], strength) for layer in TAPS}

    def painted(self, seen: Seen, aim: Style, passes: float, reach: tuple[float, float]) -> Tensor:
        """A picture, painted to the same aim in every pass, each over what the one before has left: (1, 3, H, W).

        reach: see `networks.carry`; of the first pass, and of every other.
        """
        picture = seen.picture
        for done in range(math.ceil(passes)):
            seen = self.seen(picture) if done else seen
            steering = self.steering(seen.known, aim, reach[min(done, 1)])
            painted = torch.empty(1, 3, *seen.tiles[0].shape, device=self.device)
            for tile in seen.tiles:
                panes.put(tile, self.decode(*seen.encode(tile), *steering)[0], painted)
            painted = painted[:, :, : picture.shape[2], : picture.shape[3]]
            picture = torch.lerp(picture, painted, min(1.0, passes - done))
        return picture

    def style(self, image: Tensor) -> Style:
        """What the network knows of a style (1, 3, H, W). That of the last few pictures is kept."""
        key = hash(image.cpu().numpy().tobytes())
        if key not in self.known:
            self.known = {**dict(list(self.known.items())[1 - KEPT :]), key: self.seen(image).known}
        return self.known[key]

    def steering(self, own: Style, aim: Style, reach: float = 1.0) -> list[Tensor]:
        """The decoder's inputs beside the features: matrices and offsets, scales and shifts, one for each depth."""
        maps, goal = transport(own, aim, reach)
        matrices, offsets = zip(*maps, strict=True)
        with torch.no_grad():
            scales, shifts = zip(*self.decoder.modulation(goal), strict=True)
        return [tensor.to(self.backbone.dtype) for tensor in (*matrices, *offsets, *scales, *shifts)]


def choose_engine(name: EngineName, device: torch.device) -> EngineName:
    """As `engines.choose`, but that "auto" is torch where the processor has AMX: run by hand, it is quicker there."""
    return engines.choose("torch" if name == "auto" and machine.has_amx(device) else name, device)


def fitting(passes: int | None, strength: float) -> float:
    """How many passes a strength takes: those that were asked for, or as many as presto learns for at most.

    A little strength wants the photo's detail, which every pass costs some of. A part of a pass is that share of what the
    pass paints; so the dial has no jump, and no strength leaves the photo as it is.
    """
    one = min(strength / FAINT, 1.0)
    return one * passes if passes else one + (PASSES - 1) * max(strength - FAINT, 0.0) / (100 - FAINT)


def reaching(passes: float) -> tuple[float, float]:
    """The reach of the first of so many passes, and of the others."""
    alone, first, other = REACH
    return alone + (first - alone) * min(max(passes - 1, 0), 1), other


def joined(view: View, parts: Sequence[Tensor]) -> Tensor:
    """What was painted for each region, put together by the regions' weights; the photo where there is none."""
    photo, regions = view.content, view.regions
    if len(parts) == 1 and regions[0].weights is None:
        return parts[0]
    weights = [torch.ones_like(photo[:, :1]) if region.weights is None else region.weights for region in regions]
    total = torch.stack(weights).sum(0)
    painted = torch.stack([weight * part for weight, part in zip(weights, parts, strict=True)]).sum(0)
    return torch.where(total > 1e-6, painted / total.clamp_min(1e-6), photo)
