"""Many pictures: jobs from a table or from two folders, painted by one process or several, with a journal.

    jobs = impasto.batch.pairs("photos", "styles", "out", {"size": 800})
    for outcome in impasto.batch.work_through(jobs, "out", workers=2):
        print(outcome.job.output, outcome.error or "done")

A job that fails stops no other. Of every job that ended, a line of JSON in the journal is on the disk before the next one
begins, so that a batch that was killed goes on where it was: what is listed is not done again, and a picture that was
finished just before the end is known by its recipe.
"""

import csv
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from impasto import folders, images, machine, recipe, scales
from impasto.errors import ImpastoError, InputError, OptionError, OutputError
from impasto.images import FilePath
from impasto.options import PaintOptions, from_text
from impasto.painting import Shelf, last, paint_steps
from impasto.presets import options_for

JOURNAL = "journal.jsonl"
COLUMNS = ("content", "style", "output", "preset")  # of a table, beside the options


@dataclass(frozen=True)
class Job:
    """One picture to paint. `given`: options by name, where they come from a table as texts."""

    content: Path
    style: Path
    output: Path
    preset: str
    given: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What the journal knows a job by: another picture, option or output makes another job."""
        parts = [str(self.content), str(self.style), str(self.output), self.preset, sorted(self.given.items())]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]

    def options(self) -> PaintOptions:
        """All options, checked. Raises OptionError."""
        typed = {key: from_text(key, value) if isinstance(value, str) else value for key, value in self.given.items()}
        return options_for(self.preset, **typed)


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a picture after `seconds`, or the sentence why not. earlier: as the journal had it already."""

    job: Job
    error: str | None
    seconds: float
    earlier: bool = False


# ----------------------------------------------------------------------------------------------------------- jobs


def pairs(
    contents: FilePath,
    styles: FilePath,
    folder: FilePath,
    given: Mapping[str, Any] | None = None,
    *,
    preset: str = "default",
    suffix: str = ".png",
) -> list[Job]:
    """A job for every content with every style; each is a picture or a folder of them. Raises InputError, OptionError."""
    for source in (contents, styles):
        if Path(source).resolve() == Path(folder).resolve():
            raise OptionError(f"The results cannot go to {folder}, from which pictures are read: name another with -o.")
    found = [
        (content, style, None, preset, given or {})
        for style in folders.matches(str(styles))  # one style after the other: its targets serve all its contents
        for content in folders.matches(str(contents))
    ]
    return named(found, Path(folder), suffix)


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
    return named(found, Path(folder), suffix)


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """Raise InputError unless a table's columns are known and name content and style."""
    known = {*COLUMNS, *(declared.name for declared in fields(PaintOptions))}
    for column in columns:
        if column not in known:
            raise InputError(f"{path} has a column {column!r}: name {', '.join(COLUMNS)} or an option, such as size.")
    if not {"content", "style"} <= set(columns):
        raise InputError(f"{path} needs the columns content and style in its first line, separated by commas.")


def named(
    found: Iterable[tuple[Path, Path, str | None, str, Mapping[str, Any]]], folder: Path, suffix: str
) -> list[Job]:
    """The jobs, each with a place of its own for its result: CONTENT-STYLE.png, numbered where that is taken.

    Raises OutputError where two rows of a table name the same place.
    """
    jobs: list[Job] = []
    taken: set[Path] = set()
    for content, style, output, preset, given in found:
        first = folder / (output or f"{content.stem}-{style.stem}{suffix}")
        if output and first in taken:
            raise OutputError(f"Two jobs would write {first}: give each an output of its own.")
        numbered = (first.with_stem(f"{first.stem}-{number}") for number in count(2))
        place = first if first not in taken else next(path for path in numbered if path not in taken)
        taken.add(place)
        jobs.append(Job(content, style, place, preset, given))
    return jobs


# ----------------------------------------------------------------------------------------------------------- work


def work_through(
    jobs: Sequence[Job], folder: FilePath, *, workers: int = 1, retry: bool = False, with_recipe: bool = True
) -> Iterator[Outcome]:
    """Paint every job that the journal in `folder` does not list, yielding what came of each; failures are no errors.

    Jobs that are listed come first, with `earlier` set. retry: paint those that failed earlier once more. workers:
    processes that share the cores; a program that asks for more than one needs the usual `if __name__ == "__main__"`.
    Raises OutputError where the journal cannot be written, OptionError for the number of workers.
    """
    if workers < 1:
        raise OptionError(f"--workers is {workers}; it must be a whole number of at least 1.")
    journal = Path(folder) / JOURNAL
    prepare_journal(journal)
    ended = read_journal(journal)
    left = []
    for job in jobs:
        line = ended.get(job.key)
        if line is None or (retry and line["error"]):
            left.append(job)
        else:
            yield Outcome(job, line["error"], line["seconds"], earlier=True)
    outcomes = alone(left, with_recipe) if workers == 1 else together(left, min(workers, len(left)), with_recipe)
    for outcome in outcomes:
        note(journal, outcome)
        yield outcome


def perform(job: Job, shelf: Shelf, with_recipe: bool) -> Outcome:
    """Paint a job's picture and save it; whatever goes wrong becomes the outcome's sentence."""
    began = time.monotonic()
    error = None
    try:
        options = job.options()
        job.output.parent.mkdir(parents=True, exist_ok=True)
        images.check_output(job.output, [job.content, job.style])
        if not is_painted(job, options):
            steps = paint_steps(job.content, job.style, options, preset=job.preset, shelf=shelf)
            last(steps, None).save(job.output, with_recipe=with_recipe)
    except ImpastoError as refusal:
        error = str(refusal)
    except Exception as fault:  # ours, or the system's: no reason to leave the other jobs undone
        error = f"{type(fault).__name__}: {fault}"
    return Outcome(job, error, round(time.monotonic() - began, 2))


def is_painted(job: Job, options: PaintOptions) -> bool:
    """Whether the job's picture is there already, by its recipe: the same inputs and options, all steps done."""
    with suppress(ImpastoError, OSError):
        found = recipe.understand(recipe.read(job.output))
        hashes = {role: source.get("sha256") for role, source in found.inputs.items() if role in ("content", "style")}
        wanted = {"content": job.content, "style": job.style}
        return (
            found.verb == "paint"
            and found.options.as_dict() == recipe.settings(options)
            and found.steps == sum(scale.steps for scale in scales.plan(options))
            and hashes == {role: recipe.fingerprint(path)["sha256"] for role, path in wanted.items()}
        )
    return False


def alone(jobs: Iterable[Job], with_recipe: bool) -> Iterator[Outcome]:
    """Paint one job after the other in this process."""
    shelf = Shelf()
    for job in jobs:
        yield perform(job, shelf, with_recipe)


def together(jobs: Iterable[Job], workers: int, with_recipe: bool) -> Iterator[Outcome]:
    """Paint the jobs in so many processes, which share the cores; one that dies costs its job alone, and is replaced."""
    waiting = deque(jobs)
    busy: dict[Connection, tuple[BaseProcess, Job]] = {}
    idle = [hire(workers, with_recipe) for _ in range(workers)]
    try:
        while waiting or busy:
            while waiting and idle:
                connection, process = idle.pop()
                busy[connection] = process, waiting.popleft()
                with suppress(OSError):  # of a worker that is no more, which `wait` reports
                    connection.send(busy[connection][1])
            ready = wait(list(busy))
            for connection in [line for line in busy if line in ready]:
                process, job = busy.pop(connection)
                try:
                    outcome = connection.recv()
                    idle.append((connection, process))
                except (EOFError, OSError):
                    process.join()
                    outcome = Outcome(
                        job, f"Its process ended with {process.exitcode}: was there too little memory?", 0.0
                    )
                    idle.append(hire(workers, with_recipe))
                yield outcome
    finally:
        for process in [process for _, process in idle] + [process for process, _ in busy.values()]:
            process.terminate()
            process.join()


def hire(workers: int, with_recipe: bool) -> tuple[Connection, BaseProcess]:
    """A process that paints what it is sent, with its share of the cores."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, max(1, cores() // workers), with_recipe), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the line
    return ours, process


def serve(line: Connection, threads: int, with_recipe: bool) -> None:
    """Paint the jobs that come in and answer each with its outcome, until the line is cut."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    torch.set_num_threads(threads)
    machine.keep_freed_memory()
    shelf = Shelf()
    with suppress(EOFError, OSError):
        while True:
            line.send(perform(line.recv(), shelf, with_recipe))


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# -------------------------------------------------------------------------------------------------------- journal


def prepare_journal(path: Path) -> None:
    """Make the journal ready for the next line, also after a line that was cut off. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            if file.tell() and path.read_bytes()[-1:] != b"\n":
                file.write(b"\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder with -o.") from error


def read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """job key -> its last line. Lines that are damaged count as none."""
    ended = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            line = json.loads(text)
            error = None if line["error"] is None else str(line["error"])
            ended[line["job"]] = {"error": error, "seconds": float(line["seconds"])}
    return ended


def note(path: Path, outcome: Outcome) -> None:
    """Add a line to the journal and see it onto the disk. Raises OutputError."""
    job = outcome.job
    line = {
        "job": job.key,
        "content": job.content.name,
        "style": job.style.name,
        "output": job.output.name,
        "error": outcome.error,
        "seconds": outcome.seconds,
    }
    try:
        with path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): free some space, then begin again.") from error
