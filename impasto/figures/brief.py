"""What a plan function works from: the pictures, and the options of every verb."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.backbones import BACKBONES
from impasto.bundle import those_of
from impasto.figures.layout import Job
from impasto.options import PaintOptions, StylizeOptions
from impasto.presets import options_for
from impasto.synthesis import reconstruct_options, texture_options


@dataclass(frozen=True)
class Brief:
    """What a plan function works from: the pictures, and options by verb with the caller's and the preset's in place."""

    contents: Sequence[Path]
    styles: Sequence[Path]
    preset: str
    given: Mapping[str, Any]  # what the caller and the figure fix, over the preset
    values: Sequence[float]  # of the quantity that the figure varies; none: the figure's own

    def paint(self, **changes: Any) -> PaintOptions:
        """Options of `paint` with `changes`."""
        return options_for(self.preset, **{**self.given, **changes})

    def stylize(self) -> StylizeOptions:
        """Options of `stylize`: those of the caller's that it has."""
        return StylizeOptions(**those_of(StylizeOptions, self.given))

    def texture(self, **changes: Any) -> PaintOptions:
        """Options of `texture`, from plain noise as in the documents."""
        return texture_options(self.preset, **{**self.given, "content_weight": 0.0, "start": "noise", **changes})

    def reconstruct(self, layer: str, **changes: Any) -> PaintOptions:
        """Options of `reconstruct` from one layer."""
        return reconstruct_options(
            self.preset, layer, **{**self.given, "content_weight": 1.0, "start": "noise", **changes}
        )

    @property
    def size(self) -> int:
        """Longer side of a cell in pixels."""
        return self.paint().size

    @property
    def convolutions(self) -> list[str]:
        """Every convolution of the backbone, in order."""
        return [name for name in BACKBONES[self.paint().backbone].layers if name.startswith("conv")]

    @property
    def pairs(self) -> list[dict[str, Path]]:
        """Every content with every style."""
        return [{"content": content, "style": style} for content in self.contents for style in self.styles]

    @property
    def pair_heads(self) -> list[str]:
        """A row's head for every pair."""
        return [f"{pair['content'].stem} in {pair['style'].stem}" for pair in self.pairs]

    def show(self, path: Path) -> Job:
        """The picture itself, at the figure's size."""
        return Job("show", {"content": path}, PaintOptions(size=self.size))
