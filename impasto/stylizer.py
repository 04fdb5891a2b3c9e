"""stylize(content, style): any style in a few passes of a small network, in about a second.

A `Stylizer` holds the network, ready to run; what a style is, its moments, is computed once for any number of photos. The
network is presto: see `networks`. Where the style is the file of a trained network, that one paints: see `trained`.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto import backbones, coverage, engines, machine, networks, panes, recipe, scene, transform
from impasto.errors import OptionError
from impasto.images import FilePath, ImageSource
from impasto.losses import Moments, blend
from impasto.networks import TAPS, Decode, Encode, Tuned, between, carry, padded, style_in, style_of
from impasto.options import EngineName, StylizeOptions
from impasto.painting import Origins, Painting, PaintStep, State
from impasto.scene import Styles, View
from impasto.tiling import Tile
from impasto.trained import TrainedStylizer
from impasto.transform import is_network

Style = Mapping[str, Moments]  # mean and covariance at every tap
PASSES = 3  # over a picture at full strength: as many as presto learns for
# times as far as the style, in one pass alone and in each of several: a picture comes only a part of the way that its
# features are carried
REACH = (1.1, 1.4)
MANY = 50  # pictures, from which on it pays to try the engines
PROBE = 2.0  # seconds for that; with half of them gone, no other one is begun with
PROBED = 640  # pixels: of larger pictures, each engine takes as much longer
KEPT = 16  # styles whose moments a stylizer remembers
EXAMPLE = 64  # pixels: a picture to show an engine what it will be given


def stylize(
    content: ImageSource,
    style: Styles,
    options: StylizeOptions | None = None,
    *,
    protect: ImageSource | None = None,
    **given: Any,
) -> Painting:
    """Paint `content` in the manner of `style` by a feed-forward network.

    content, style, protect: as in `paint`; several styles are mixed by weight, or by region where they have masks. A style
    may be a network that `train` wrote, "NAME.safetensors". options: all of them at once; single ones, such as
    strength=70, go before. Raises InputError, OptionError or WeightsError.
    """
    options = StylizeOptions.make(**given) if options is None else options.replace(**given)
    stylizer = make_stylizer(trained_among(scene.list_styles(style)), options)
    if isinstance(stylizer, TrainedStylizer):
        return stylizer.paint(content, protect)
    return stylizer.paint(content, style, protect)


def make_stylizer(network: Path | None, options: StylizeOptions, pictures: int = 1) -> "Stylizer | TrainedStylizer":
    """The trained network, ready to run; presto where there is none. Raises OptionError or WeightsError.

    pictures: how many it is going to paint. For many, the engine "auto" is the `quickest`; for few, trying would take
    longer than it saves.
    """
    names = engines.installed(machine.choose_device(options.device))
    if options.engine == "auto" and pictures >= MANY and len(names) > 1:
        return quickest(network, options, names)
    return Stylizer(options) if network is None else make_trained(network, options)


def quickest(
    network: Path | None, options: StylizeOptions, names: Sequence[EngineName]
) -> "Stylizer | TrainedStylizer":
    """By that of the engines which takes the least time for a picture.

    They are tried in their order while `PROBE` seconds last, in which preparing them counts.
    """
    began = time.monotonic()
    found: list[tuple[float, Stylizer | TrainedStylizer]] = []
    for engine in names:
        if not found or time.monotonic() - began < PROBE / 2:
            stylizer = make_stylizer(network, options.replace(engine=engine, passes=1))
            found.append((timed(stylizer), stylizer))
    stylizer = min(found, key=itemgetter(0))[1]
    stylizer.take(options)
    return stylizer


def timed(stylizer: "Stylizer | TrainedStylizer") -> float:
    """Seconds for a picture of the size that is asked for, or of `PROBED` pixels if that is less; the second of two."""
    options = stylizer.options.replace(style_scale=1.0, colors="style")
    size = min(options.size, PROBED)
    picture = scene.Picture(torch.rand(1, 3, size * 3 // 4, size, device=stylizer.device))
    view = scene.Scene(picture, (picture,)).view(size, 0, options)
    for _ in range(2):
        began = time.monotonic()
        stylizer.image(view)
    return time.monotonic() - began


def make_trained(network: Path, options: StylizeOptions) -> TrainedStylizer:
    """The network that `train` wrote, of whichever kind, ready to run. Raises OptionError or WeightsError."""
    tuned = transform.load(network).name == transform.TUNED
    return TunedStylizer(network, options) if tuned else TrainedStylizer(network, options)


def trained_among(styles: Sequence[scene.Style]) -> Path | None:
    """The trained network that is the style; None where the styles are pictures. Raises OptionError for a mixture."""
    networks = [Path(str(style.source)) for style in styles if is_network(style.source)]
    if not networks:
        return None
    if len(styles) > 1 or styles[0].mask is not None:
        raise OptionError(
            f"{networks[0]} is a trained network, which paints alone and everywhere. Train one network in several "
            "styles to mix them (--style-weights), and keep parts of the photo with --protect."
        )
    return networks[0]


def stylize_steps(
    content: ImageSource, style: Styles, protect: ImageSource | None, options: StylizeOptions
) -> Iterator[PaintStep]:
    """As `stylize`, for what wants steps: all passes are one."""
    painting = stylize(content, style, options, protect=protect)
    seconds = painting.recipe["seconds"]
    yield PaintStep(1, 1, options.size, 0.0, {}, seconds, painting, painting.image, State)


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


class Stylizer:
    """presto, ready to run by the engine, in the precision and on the device that the options name.

    decoder: another one in place of the shipped one.
    """

    def __init__(self, options: StylizeOptions | None = None, decoder: networks.Decoder | None = None) -> None:
        self.take(options or StylizeOptions())
        self.device = machine.choose_device(self.options.device)
        engine = engines.choose(self.options.engine, self.device)
        precision = engines.precision(engine, self.options.precision)
        dtype = machine.choose_precision(precision, self.device, "average")
        self.backbone, self.decoder = networks.presto(dtype, self.device)
        self.fingerprint = hashlib.sha256(networks.presto_bytes()).hexdigest()
        encode, decode = Encode(self.backbone), Decode(self.decoder)
        picture = torch.zeros(1, 3, EXAMPLE, EXAMPLE, device=self.device)
        with torch.no_grad():
            rows = encode(picture)
        self.encode = engines.prepare(encode, [picture], engine, f"presto-encode-{self.fingerprint[:12]}")
        if decoder is not None:
            self.decoder.load_state_dict(decoder.state_dict())
            self.fingerprint = backbones.fingerprint(decoder.state_dict())
        example = [*rows, *self.steering(style_of(rows), style_of(rows))]
        self.decode = engines.prepare(decode, example, engine, f"presto-decode-{self.fingerprint[:12]}")
        self.known: dict[int, Style] = {}

    def take(self, options: StylizeOptions) -> None:
        """Paint with other options from now on: all but engine, device and precision."""
        self.options, self.passes = options, fitting(options.passes, options.strength)

    @property
    def name(self) -> str:
        """What the network is called where its result is announced."""
        return "presto"

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return self.decode.engine

    def paint(self, content: ImageSource, style: Styles, protect: ImageSource | None = None) -> Painting:
        """A photo in a style, with its recipe. Arguments as of `stylize`; raises as it does.

        The recipe's seconds are those of the passes: reading, colors and writing are not counted.
        """
        pictures = scene.load(content, scene.list_styles(style), protect, self.device, scene.largest_seen(self.options))
        options = coverage.settled(self.options, pictures)
        view = pictures.view(options.size, 0, options)
        began = time.monotonic()
        picture = self.image(view)
        seconds = round(time.monotonic() - began, 3)
        notes = recipe.make(
            "stylize", None, options, {}, pictures.inputs, self.fingerprint, self.device, self.backbone.dtype
        )
        shown = view.finish(picture, options).cpu()
        opacity = None if view.opacity is None else view.opacity.cpu()
        origins = Origins.of(view, 0)
        ran = {"engine": self.engine, "passes": round(self.passes, 2), "seconds": seconds}
        return Painting(shown, {**notes, **ran}, [], opacity, origins).examined()

    def image(self, view: View, over: Tensor | None = None, passes: float | None = None) -> Tensor:
        """What a view shows, painted: (1, 3, H, W) in [0, 1]; every region in its own mixture of the styles.

        over: what to paint over, (1, 3, H, W), in place of the photo. passes: if not as many as the options say.
        """
        passes = self.passes if passes is None else passes
        reach = reaching(passes if over is None else passes + 1)
        styles = [self.style(one.image) for one in view.styles]
        photo = self.seen(view.content)
        canvas = photo if over is None else self.seen(over)
        parts = [self.painted(canvas, self.aim(photo, styles, region.shares), passes, reach) for region in view.regions]
        return joined(view, parts)

    def seen(self, picture: Tensor) -> Seen:
        """A picture (1, 3, H, W) as the network has it."""
        whole = padded(picture)
        tiles = panes.cut(whole)
        encode = lru_cache(maxsize=1)(lambda tile: self.encode(tile.read(whole)))  # with one tile, it is kept
        return Seen(picture, tiles, encode)

    def aim(self, photo: Seen, styles: Sequence[Style], shares: Sequence[float]) -> Style:
        """What a region's features are to be like: as far from the photo's to the mixture of the styles as asked."""
        mixture = {layer: blend([style[layer] for style in styles], shares) for layer in TAPS}
        if self.options.strength == 100:
            return mixture
        strength = max(self.options.strength / 100, 1 / PASSES)  # of less, a part of the one pass: see `fitting`
        return {layer: between(photo.known[layer], mixture[layer], strength) for layer in TAPS}

    def painted(self, seen: Seen, aim: Style, passes: float, reach: float) -> Tensor:
        """A picture, painted to the same aim in every pass, each over what the one before has left: (1, 3, H, W)."""
        picture = seen.picture
        for done in range(math.ceil(passes)):
            seen = self.seen(picture) if done else seen
            steering = self.steering(seen.known, aim, reach)
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
        maps = {layer: carry(own[layer], aim[layer], reach) for layer in TAPS}
        matrices, offsets = zip(*maps.values(), strict=True)
        with torch.no_grad():
            goal = {layer: carried.moments(own[layer]) for layer, carried in maps.items()}
            scales, shifts = zip(*self.decoder.modulation(goal), strict=True)
        return [tensor.to(self.backbone.dtype) for tensor in (*matrices, *offsets, *scales, *shifts)]


class TunedStylizer(TrainedStylizer):
    """presto that `impasto train` has fine-tuned, ready to run: its styles are in the file."""

    def __init__(self, path: FilePath, options: StylizeOptions) -> None:
        self.path, self.trained = Path(path), transform.load(path)
        assert isinstance(self.trained.network, Tuned)
        self.fingerprint = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self.check_colors(options)
        self.presto = Stylizer(options, self.trained.network.decoder)
        self.device, self.dtype = self.presto.device, self.presto.backbone.dtype
        self.styles = [style_in(row[None].to(self.device)) for row in self.trained.network.styles]
        self.take(options)

    def take(self, options: StylizeOptions) -> None:
        self.check_colors(options)
        self.options = options.replace(passes=options.passes or 1)
        self.shares = self.trained.shares(options.style_weights)
        self.presto.take(self.options)

    @property
    def engine(self) -> str:
        return self.presto.engine

    def image(self, view: View) -> Tensor:
        photo = self.presto.seen(view.content)
        aim = self.presto.aim(photo, self.styles, self.shares)
        return self.presto.painted(photo, aim, self.presto.passes, reach=1.0)  # as it was trained


def fitting(passes: int | None, strength: float) -> float:
    """How many passes a strength takes: those that were asked for, or as many as presto learns for at most.

    A little strength wants the photo's detail, which every pass costs some of. A part of a pass is that share of what the
    pass paints; so the dial has no jump, and no strength leaves the photo as it is.
    """
    thirds = PASSES * strength / 100
    return thirds if passes is None else passes * min(1.0, thirds)


def reaching(passes: float) -> float:
    """How far beyond the style each of so many passes carries the features, see `networks.carry`."""
    alone, several = REACH
    return alone + (several - alone) * min(max(passes - 1, 0), 1)


def joined(view: View, parts: Sequence[Tensor]) -> Tensor:
    """What was painted for each region, put together by the regions' weights; the photo where there is none."""
    photo, regions = view.content, view.regions
    if len(parts) == 1 and regions[0].weights is None:
        return parts[0]
    weights = [torch.ones_like(photo[:, :1]) if region.weights is None else region.weights for region in regions]
    total = torch.stack(weights).sum(0)
    painted = torch.stack([weight * part for weight, part in zip(weights, parts, strict=True)]).sum(0)
    return torch.where(total > 1e-6, painted / total.clamp_min(1e-6), photo)
