"""What the studio and a worker say to each other through the pipe: orders there, and how it goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.doctor import Finding
from impasto.options import PaintOptions


@dataclass(frozen=True)
class Order:
    """What is to be made: a verb with its arguments, and the folder and name of the result's files.

    Arguments are plain data, options and paths. photo: what the result is compared with, if anything.
    planned: the options, where the arguments only name changes. around: strength and style size that a sheet looks closer
    around, follows: the ticket of the sheet before. earlier: the checkpoint that a training goes on from.
    """

    verb: str
    folder: Path
    name: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    photo: Path | None = None
    planned: PaintOptions | None = None
    around: tuple[float, float] | None = None
    follows: str | None = None
    earlier: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """Every path in it, none of which is for the browser."""
        return [self.folder, *found_paths([*self.arguments, *self.keywords.values()])]


@dataclass(frozen=True)
class Report:
    """One evaluation as the page shows it. preview: a JPEG, now and then. unit: what `index` counts.

    left: seconds that it will still take, where the worker knows. size: in pixels; 0: there is none to tell.
    """

    index: int
    total: int
    size: int
    loss: float
    parts: Mapping[str, float]
    seconds: float
    preview: bytes | None
    unit: str = "step"
    left: float | None = None


@dataclass(frozen=True)
class Settled:
    """What is really painted, where a budget or the memory has changed the options."""

    options: PaintOptions


@dataclass(frozen=True)
class Laid:
    """A sheet to choose from, before it is painted: strengths across, style sizes down. aspect: width by height."""

    strengths: Sequence[float]
    scales: Sequence[float]
    aspect: float

    @property
    def values(self) -> list[tuple[float, float]]:
        """(strength, style size) of every cell, row by row."""
        return [(strength, scale) for scale in self.scales for strength in self.strengths]


@dataclass(frozen=True)
class Painted:
    """The next cell of a sheet is finished: a JPEG."""

    picture: bytes


@dataclass(frozen=True)
class Ready:
    """The worker waits for an order. rate: seconds for an evaluation of a pixel, None where it is not known."""

    rate: float | None = None


@dataclass(frozen=True)
class Fetching:
    """Weights are being downloaded: bytes, of how many."""

    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """The order is done, or was stopped: files of the result, its preview, or what went wrong.

    kept: the step reached, where one can go on from it. findings: the artefact doctor's.
    """

    files: tuple[Path, ...] = ()
    preview: bytes | None = None
    error: str | None = None
    stopped: bool = False
    kept: int | None = None
    findings: Sequence[Finding] = ()


def found_paths(values: Any) -> list[Path]:
    """Every path in nested lists and tuples."""
    if isinstance(values, list | tuple):
        return [path for value in values for path in found_paths(value)]
    return [values] if isinstance(values, Path) else []
