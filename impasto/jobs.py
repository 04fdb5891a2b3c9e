"""Jobs of a batch: one picture each, from a table or from two folders."""

import csv
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from impasto import folders, recipe, scales, storage
from impasto.bundle import from_text
from impasto.doctor import findings_of
from impasto.errors import ImpastoError, InputError, OptionError, OutputError
from impasto.opening import FilePath
from impasto.options import PaintOptions
from impasto.painting import last, paint_steps
from impasto.presets import options_for
from impasto.shelf import Shelf
from impasto.storage import Location
from impasto.transform import is_network

COLUMNS = ("content", "style", "output", "preset")  # of a table, beside the options


@dataclass(frozen=True)
class Job:
    """One picture to paint. `given`: options by name, where they come from a table as texts."""

    content: Path
    style: Path
    output: Location
    preset: str
    given: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What the journal knows a job by: another picture, option or output makes another job."""
        parts = [str(self.content), str(self.style), str(self.output), self.preset, sorted(self.given.items())]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]

    def options(self) -> PaintOptions:
        """All options, checked. Raises OptionError."""
        typed = {
            key: from_text(PaintOptions, key, value) if isinstance(value, str) else value
            for key, value in self.given.items()
        }
        return options_for(self.preset, **typed)


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a picture after `seconds`, or the sentence why not.

    earlier: as the journal had it already. faulty: the doctor found something in the picture.
    """

    job: Job
    error: str | None
    seconds: float
    earlier: bool = False
    faulty: bool = False


def pairs(
    contents: FilePath,
    styles: FilePath,
    folder: FilePath,
    given: Mapping[str, Any] | None = None,
    *,
    preset: str = "default",
    suffix: str = ".png",
) -> list[Job]:
    """A job for every content with every style; each is a picture or a folder of them. Raises InputError, OptionError.

    folder: for the results; a URL as a text, see `storage`.
    """
    place = storage.place(folder)
    for source in (contents, styles):
        if isinstance(place, Path) and Path(source).resolve() == place.resolve():
            raise OptionError(f"The results cannot go to {folder}, from which pictures are read: name another with -o.")
    found = [
        (content, style, None, preset, given or {})
        for style in folders.matches(str(styles))  # one style after the other: its targets serve all its contents
        for content in folders.matches(str(contents))
    ]
    return named(found, place, suffix)


def table(
    path: FilePath,
    folder: FilePath,
    given: Mapping[str, Any] | None = None,
    *,
    preset: str = "default",
    suffix: str = ".png",
) -> list[Job]:
    """A job for every row of a CSV file: columns content and style, and as one likes output, preset and any option.

    Pictures are relative to the table, outputs to `folder`. An empty cell is not given. Raises InputError for a table
    that cannot be read; a bad value in a row is that job's own failure.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            check_columns(path, reader.fieldnames or ())
            rows = [{key: value.strip() for key, value in row.items() if key} for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table ({error}): save it as CSV in UTF-8.") from error
    for number, row in enumerate(rows, start=1):
        if not row["content"] or not row["style"]:
            raise InputError(f"Job {number} of {path} lacks a content or a style: fill in both.")
        output = Path(row.get("output") or "")
        if output.is_absolute() or ".." in output.parts:
            raise InputError(f"Job {number} of {path} would write {output}: name a place inside the folder of -o.")
    found = [
        (
            path.parent / row["content"],
            path.parent / row["style"],
            row.get("output") or None,
            row.get("preset") or preset,
            {**(given or {}), **{key: value for key, value in row.items() if value and key not in COLUMNS}},
        )
        for row in rows
    ]
    return named(found, storage.place(folder), suffix)


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """Raise InputError unless a table's columns are known and name content and style."""
    known = {*COLUMNS, *(declared.name for declared in fields(PaintOptions))}
    for column in columns:
        if column not in known:
            raise InputError(f"{path} has a column {column!r}: name {', '.join(COLUMNS)} or an option, such as size.")
    if not {"content", "style"} <= set(columns):
        raise InputError(f"{path} needs the columns content and style in its first line, separated by commas.")


def named(
    found: Iterable[tuple[Path, Path, str | None, str, Mapping[str, Any]]], folder: Location, suffix: str
) -> list[Job]:
    """The jobs, each with a place of its own for its result: CONTENT-STYLE.png, numbered where that is taken.

    Raises OutputError where two rows of a table name the same place, OptionError for a trained network.
    """
    jobs: list[Job] = []
    taken: set[Location] = set()
    for content, style, output, preset, given in found:
        if is_network(style):
            raise OptionError(
                f"{style} is a trained network, and a batch paints by the optimiser. For a folder of photos: "
                f"impasto stylize PHOTOS --model {style.name} -o RESULTS."
            )
        first = folder / (output or f"{content.stem}-{style.stem}{suffix}")
        if output and first in taken:
            raise OutputError(f"Two jobs would write {first}: give each an output of its own.")
        numbered = (first.with_stem(f"{first.stem}-{number}") for number in count(2))
        own = first if first not in taken else next(path for path in numbered if path not in taken)
        taken.add(own)
        jobs.append(Job(content, style, own, preset, given))
    return jobs


def perform(job: Job, shelf: Shelf, with_recipe: bool) -> Outcome:
    """Paint a job's picture and save it; whatever goes wrong becomes the outcome's sentence."""
    began = time.monotonic()
    error, faulty = None, False
    try:
        options = job.options()
        storage.check(job.output, [job.content, job.style])
        if not is_painted(job, options):
            steps = paint_steps(job.content, job.style, options, preset=job.preset, shelf=shelf)
            painting = last(steps, None)
            faulty = bool(findings_of(painting.recipe))
            storage.write(painting.encode(job.output.suffix, with_recipe=with_recipe), job.output)
    except ImpastoError as refusal:
        error = str(refusal)
    except Exception as fault:  # ours, or the system's: no reason to leave the other jobs undone
        error = f"{type(fault).__name__}: {fault}"
    return Outcome(job, error, round(time.monotonic() - began, 2), faulty=faulty)


def is_painted(job: Job, options: PaintOptions) -> bool:
    """Whether the job's picture is there already, by its recipe: the same inputs and options, all steps done."""
    with suppress(ImpastoError, OSError):
        found = recipe.understand(recipe.read(storage.picture(job.output)))
        hashes = {role: source.get("sha256") for role, source in found.inputs.items() if role in ("content", "style")}
        wanted = {"content": job.content, "style": job.style}
        return (
            found.verb == "paint"
            and found.options.as_dict() == recipe.settings(options)
            and found.steps == sum(scale.steps for scale in scales.plan(options))
            and hashes == {role: recipe.fingerprint(path)["sha256"] for role, path in wanted.items()}
        )
    return False
