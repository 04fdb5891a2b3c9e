"""A figure laid out: rows of jobs, one for each cell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from impasto.options import PaintOptions, StylizeOptions

Verb = Literal["show", "paint", "stylize", "texture", "reconstruct"]
WIDEST = 6  # pictures in a row, where there is but one


@dataclass(frozen=True)
class Job:
    """One cell: a verb, the pictures it reads by role ("content", "style") and its options.

    note: what its caption says besides the seconds, from the finished cell. label: its name, where no column has it.
    """

    verb: Verb
    sources: Mapping[str, Path]
    options: PaintOptions | StylizeOptions
    note: Callable[["Made"], str] | None = None
    label: str = ""


@dataclass(frozen=True)
class Made:
    """A finished cell: the picture (1, 3, H, W) in [0, 1], its recipe, and the losses of every step."""

    job: Job
    image: Tensor
    recipe: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Plan:
    """A figure laid out: rows of jobs, None for a blank. curves: the losses are worth a plot of their own."""

    title: str
    caption: str
    rows: Sequence[str]
    columns: Sequence[str]
    jobs: Sequence[Sequence[Job | None]]
    slider: bool = False
    curves: bool = False

    @property
    def cells(self) -> list[Job]:
        """Every job, row by row."""
        return [job for row in self.jobs for job in row if job is not None]

    @property
    def names(self) -> list[str]:
        """What every job is called: by its column, and by its row where there are several."""
        several = len(list(filter(None, self.rows))) > 1
        return [
            " · ".join(filter(None, (row if several else "", column or job.label)))
            for row, jobs in zip(self.rows, self.jobs, strict=True)
            for column, job in zip(self.columns, jobs, strict=True)
            if job is not None
        ]


def folded(laid: Plan) -> Plan:
    """A single long row as several, each picture under its own name; a slider wants its row whole."""
    if len(laid.rows) > 1 or len(laid.columns) <= WIDEST or laid.slider:
        return laid
    jobs = [job and replace(job, label=head) for head, job in zip(laid.columns, laid.jobs[0], strict=True)]
    jobs += [None] * (-len(jobs) % WIDEST)
    rows = [jobs[start : start + WIDEST] for start in range(0, len(jobs), WIDEST)]
    return replace(laid, rows=[laid.rows[0]] + [""] * (len(rows) - 1), columns=[""] * WIDEST, jobs=rows)
