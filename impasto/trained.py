"""A trained network at work: photos in the style, or the mixture of styles, that it has learnt."""

import time
from copy import deepcopy
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from impasto import engines, machine, panes, recipe, scene, transform
from impasto.bundle import flag
from impasto.engines import Program
from impasto.errors import OptionError
from impasto.images import ImageSource
from impasto.opening import FilePath, sha256
from impasto.options import StylizeOptions
from impasto.painting import Origins, Painting, pictured
from impasto.scene import Scene, View
from impasto.transform import Folded, TransformNet

EXAMPLE = 64  # pixels: a picture to show an engine what it will be given


class TrainedStylizer:
    """A network that `impasto train` wrote, ready to run by the engine that the options name."""

    def __init__(self, path: FilePath, options: StylizeOptions) -> None:
        self.path = Path(path)
        self.device = machine.choose_device(options.device)
        self.chosen = engines.choose(options.engine, self.device)
        precision = engines.precision(self.chosen, options.precision)
        self.dtype = machine.choose_precision(precision, self.device, "average")
        self.trained = transform.load(path)
        assert isinstance(self.trained.network, TransformNet)
        self.fingerprint = sha256(self.path)
        self.take(options)
        # rows are mixed in float32, so that network is kept
        self.network: TransformNet = deepcopy(self.trained.network).to(self.device, self.dtype)
        self.program = self.prepared(self.network)

    def prepared(self, network: nn.Module) -> Program:
        """The network, as a program of the engine."""
        picture = torch.zeros(1, 3, EXAMPLE, EXAMPLE, device=self.device, dtype=self.dtype)
        key = f"trained-{type(network).__name__.lower()}-{self.fingerprint[:12]}"
        return engines.prepare(network, [picture, self.row], self.chosen, key)

    @cached_property
    def folded(self) -> Program:
        """What paints tiles of large pictures."""
        return self.prepared(Folded(self.network))

    def take(self, options: StylizeOptions) -> None:
        """Paint with other options from now on: all but engine, device and precision. Raises OptionError."""
        self.check_style(options)
        self.options, self.row = options.replace(passes=options.passes or 1), self.row_of(options)

    def check_style(self, options: StylizeOptions) -> None:
        """Raise OptionError for what a style's picture would be needed for."""
        if options.colors not in ("style", "keep"):
            raise OptionError(
                f"--colors {options.colors} looks at the style's picture, and {self.path} is a network. "
                "Choose style or keep."
            )
        usual = StylizeOptions()
        for name in ("style_scale", "style_frame"):
            if getattr(options, name) != getattr(usual, name):
                raise OptionError(
                    f"{flag(name)} is about the style's picture, and {self.path} is a network, which paints as it has "
                    "learnt. Leave it out."
                )

    def row_of(self, options: StylizeOptions) -> Tensor:
        """The row of the mixture that the options ask for. Raises OptionError."""
        return self.trained.row(options.style_weights, options.strength / 100).to(self.device, self.dtype)

    @property
    def name(self) -> str:
        """What the network is called where its result is announced."""
        return self.path.name

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return self.program.engine

    def paint(self, content: ImageSource, protect: ImageSource | None = None) -> Painting:
        """A photo in the network's style, with its recipe. Raises InputError or OptionError.

        The recipe's seconds are those of the passes: reading, colors and writing are not counted.
        """
        photo = scene.load_picture(content, self.device, self.options.size)
        protection = None if protect is None else scene.load_mask(protect, photo)
        inputs = {"content": recipe.fingerprint(content), "style": recipe.fingerprint(self.path)}
        if protect is not None:
            inputs["protect"] = scene.fingerprint("protect", protect)
        view = Scene(photo, (), (), (), protection, inputs).view(self.options.size, 0, self.options)
        began = time.monotonic()
        picture = self.image(view)
        seconds = round(time.monotonic() - began, 3)
        notes = recipe.make("stylize", None, self.options, {}, inputs, self.fingerprint, self.device, self.dtype)
        notes |= {"engine": self.engine, "seconds": seconds}
        return pictured(view, picture, self.options, notes, origins=Origins.of(view)).examined()

    def image(self, view: View) -> Tensor:
        """What a view shows, painted: (1, 3, H, W) in [0, 1]. Every pass goes over the picture of the one before."""
        picture = view.content
        for _ in range(self.options.passes or 1):
            picture = self.over(picture)
        return picture

    def over(self, picture: Tensor) -> Tensor:
        """(1, 3, H, W) in [0, 1], painted in one pass; a large one in tiles, which share its statistics."""
        tiles = panes.cut(picture)
        picture, row, program = picture.to(self.dtype), self.row, self.program
        if len(tiles) > 1:
            with torch.inference_mode():
                row, program = self.network.folded(panes.sample(picture), self.row), self.folded
        painted = torch.empty_like(picture, dtype=torch.float32)
        for tile in tiles:
            found = program(tile.read(picture), row)
            # plain torch gives the one tensor, the other engines a sequence of it
            panes.put(tile, found if isinstance(found, Tensor) else found[0], painted)
        return painted
