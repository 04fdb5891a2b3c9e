"""Many pictures: jobs from a table or from two folders, painted by one process or several, with a journal.

    from impasto.batch import work_through
    from impasto.jobs import pairs

    for outcome in work_through(pairs("photos", "styles", "out", {"size": 800}), "out", workers=2):
        print(outcome.job.output, outcome.error or "done")

A job that fails stops no other. Of every job that ended, a line of JSON in the journal is on the disk before the next one
begins, so that a batch that was killed goes on where it was: what is listed is not done again, and a picture that was
finished just before the end is known by its recipe.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from impasto import storage
from impasto.cluster import on_ray
from impasto.errors import OptionError
from impasto.jobs import Job, Outcome
from impasto.opening import FilePath
from impasto.storage import Location
from impasto.workers import alone, together

BatchEngine: TypeAlias = Literal["processes", "ray"]


def work_through(
    jobs: Sequence[Job],
    folder: FilePath,
    *,
    workers: int = 1,
    retry: bool = False,
    with_recipe: bool = True,
    engine: BatchEngine = "processes",
    address: str | None = None,
) -> Iterator[Outcome]:
    """Paint every job that the journal in `folder` does not list, yielding what came of each; failures are no errors.

    Jobs that are listed come first, with `earlier` set. retry: paint those that failed earlier once more. workers:
    processes that share the cores; a program that asks for more than one needs the usual `if __name__ == "__main__"`.
    folder: of the results, a URL as a text, see `storage`. engine: what the workers are; address: of a running Ray
    cluster, see `cluster`.
    Raises OutputError where the journal cannot be written, OptionError for a bad number of workers or an address that
    nobody asks for.
    """
    if workers < 1:
        raise OptionError(f"--workers is {workers}; it must be a whole number of at least 1.")
    if address is not None and engine != "ray":
        raise OptionError(f"--address {address} is that of a Ray cluster. Add --engine ray, or leave it out.")
    place = storage.place(folder)
    storage.prepare(place)
    ended = read_journal(place)
    left = []
    for job in jobs:
        line = ended.get(job.key)
        if line is None or (retry and line["error"]):
            left.append(job)
        else:
            yield Outcome(job, line["error"], line["seconds"], earlier=True)
    if not left:
        return
    workers = min(workers, len(left))
    if engine == "ray":
        outcomes = on_ray(left, workers, with_recipe, address=address)
    else:
        outcomes = alone(left, with_recipe) if workers == 1 else together(left, workers, with_recipe)
    for outcome in outcomes:
        note(place, outcome)
        yield outcome


def read_journal(folder: Location) -> dict[str, dict[str, Any]]:
    """job key -> its last line. Lines that are damaged count as none. Raises OutputError."""
    ended = {}
    for text in storage.lines(folder):
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            line = json.loads(text)
            error = None if line["error"] is None else str(line["error"])
            ended[line["job"]] = {"error": error, "seconds": float(line["seconds"])}
    return ended


def note(folder: Location, outcome: Outcome) -> None:
    """Add a line to the journal. Raises OutputError."""
    job = outcome.job
    line = {
        "job": job.key,
        "content": job.content.name,
        "style": job.style.name,
        "output": job.output.name,
        "error": outcome.error,
        "seconds": outcome.seconds,
    }
    storage.add_line(folder, job.key, json.dumps(line))
