"""stylize(content, style): any style in a few passes of a small network, in about a second.

The network is presto, unless the style is the file of a trained network: then that one paints, see `trained`.
"""

import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto import coverage, engines, machine, recipe, scene, transform
from impasto.errors import OptionError
from impasto.images import ImageSource
from impasto.networks import Tuned, style_in
from impasto.opening import FilePath, sha256
from impasto.options import EngineName, StylizeOptions
from impasto.painting import Origins, Painting, PaintStep, State, pictured
from impasto.presto import Presto
from impasto.scene import Styles, View
from impasto.trained import TrainedStylizer
from impasto.transform import is_network

MANY = 50  # pictures, from which on it pays to try the engines
PROBE = 2.0  # seconds for that; with half of them gone, no other one is begun with
PROBED = 640  # pixels: of larger pictures, each engine takes as much longer


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


class Stylizer(Presto):
    """presto, and pictures by it that have a recipe."""

    def take(self, options: StylizeOptions, tile: int = 0) -> None:
        """As `Presto.take`. Raises OptionError for the shares of styles that a trained network has."""
        if options.style_weights:
            raise OptionError(
                "--style-weights mixes the styles of a trained network, and the style is a picture. Give several pictures "
                "with weights, such as STYLE:0.7, and --mix."
            )
        super().take(options, tile)

    def paint(self, content: ImageSource, style: Styles, protect: ImageSource | None = None) -> Painting:
        """A photo in a style, with its recipe. Arguments as of `stylize`; raises as it does.

        The recipe's seconds are those of the passes: reading, colors and writing are not counted.
        """
        pictures = scene.load(content, scene.list_styles(style), protect, self.device, self.options)
        options = coverage.settled(self.options, pictures)
        view = pictures.view(options.size, 0, options)
        began = time.monotonic()
        picture = self.image(view)
        seconds = round(time.monotonic() - began, 3)
        notes = recipe.make(
            "stylize", None, options, {}, pictures.inputs, self.fingerprint, self.device, self.backbone.dtype
        )
        notes |= {"engine": self.engine, "passes": round(self.passes, 2), "seconds": seconds}
        return pictured(view, picture, options, notes, origins=Origins.of(view)).examined()


class TunedStylizer(TrainedStylizer):
    """presto that `impasto train` has fine-tuned, ready to run: its styles are in the file."""

    def __init__(self, path: FilePath, options: StylizeOptions) -> None:
        self.path, self.trained = Path(path), transform.load(path)
        assert isinstance(self.trained.network, Tuned)
        self.fingerprint = sha256(self.path)
        self.check_style(options)
        self.presto = Presto(options, self.trained.network.decoder)
        self.device, self.dtype = self.presto.device, self.presto.backbone.dtype
        self.chosen = self.presto.chosen
        self.styles = [style_in(row[None].to(self.device)) for row in self.trained.network.styles]
        self.take(options)

    def take(self, options: StylizeOptions) -> None:
        """Paint with other options from now on: all but engine, device and precision. Raises OptionError."""
        self.check_style(options)
        self.options = options.replace(passes=options.passes or 1)
        self.shares = self.trained.shares(options.style_weights)
        self.presto.take(self.options)

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return self.presto.engine

    def image(self, view: View) -> Tensor:
        """What a view shows, painted: (1, 3, H, W) in [0, 1]."""
        photo = self.presto.seen(view.content)
        aim = self.presto.aim(photo, self.styles, self.shares)
        return self.presto.painted(photo, aim, self.presto.passes, reach=(1.0, 1.0))  # as it was trained
