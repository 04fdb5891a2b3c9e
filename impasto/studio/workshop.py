"""The line of orders and the workers that take from it: one order at a time each, first come, first served.

Everything here is told by plain attributes of a `Job`; whoever watches one looks again now and then.
"""

import contextlib
import logging
import multiprocessing
import secrets
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from impasto import scales
from impasto.doctor import Finding
from impasto.errors import ImpastoError
from impasto.options import PaintOptions
from impasto.runs import KEPT_EVERY
from impasto.studio.limits import KEPT, WAITING
from impasto.studio.messages import Fetching, Finished, Laid, Order, Painted, Ready, Report, Settled
from impasto.studio.worker import serve

State = Literal["waiting", "working", "done", "stopped", "failed"]
ENDED = ("done", "stopped", "failed")
PACE = (
    "backbone",
    "precision",
    "style_loss",
    "style_layers",
    "content_layers",
    "optimizer",
    "parametrization",
    "history",
)

log = logging.getLogger("impasto.studio")


class LineFull(ImpastoError):
    """More orders wait than the studio takes."""


@dataclass
class Job:
    """An order on its way. `ticket` is known to whoever gave the order and to nobody else."""

    order: Order
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    began: float = 0.0  # of the work, as time.monotonic tells it
    report: Report | None = None
    preview: bytes | None = None
    kept: dict[int, bytes] = field(default_factory=dict)  # step one can go back to -> its preview
    history: list[tuple[int, float]] = field(default_factory=list)  # (size, loss) of every evaluation
    fetching: Fetching | None = None
    settled: PaintOptions | None = None  # how it is painted, where the worker had to change that
    laid: Laid | None = None  # a sheet to choose from
    cells: list[bytes] = field(default_factory=list)  # of it, as far as they are painted
    files: tuple[Path, ...] = ()
    error: str | None = None
    findings: Sequence[Finding] = ()  # the artefact doctor's
    keep: bool = False  # go on when nobody watches
    left_for: "Job | None" = None  # what is on the stage in its place now
    changes: int = 0  # grows whenever something here changes

    @property
    def options(self) -> PaintOptions | None:
        """How it is painted, if it is."""
        return self.settled or next(
            (part for part in self.order.arguments if isinstance(part, PaintOptions)), self.order.planned
        )

    @property
    def visible(self) -> bool:
        """Whether there is something to see on the way: a picture, a sheet, or what is being fetched."""
        return self.preview is not None or self.laid is not None or self.fetching is not None

    @property
    def ended(self) -> bool:
        """Whether nothing more will change."""
        return self.state in ENDED

    @property
    def left(self) -> float | None:
        """Seconds that it will still take, None as long as nobody knows."""
        if self.report is None or self.ended:
            return None
        if self.report.left is not None:
            return self.report.left
        if self.options is None or len(self.history) < 2:
            return None
        pixels = [scale.size**2 for scale in scales.plan(self.options) for _ in range(scale.steps)]
        begun = self.report.index - len(self.history)  # steps that were there before, where it goes on from another
        done, left = sum(pixels[begun : self.report.index]), sum(pixels[self.report.index :])
        return (time.monotonic() - self.began) * left / done if done else None


def evaluated_pixels(options: PaintOptions) -> float:
    """Longer side squared, summed over all evaluations: what the time goes with."""
    return float(sum(scale.size**2 * scale.steps for scale in scales.plan(options)))


def aspect_of(picture: Path | str) -> float:
    """Shorter over longer side."""
    with Image.open(picture) as opened:
        return min(opened.size) / max(opened.size)


def pace(options: PaintOptions) -> tuple[Any, ...]:
    """The options that say how long an evaluation of a pixel takes; sizes and steps are counted apart."""
    return tuple(getattr(options, name) for name in PACE)


class Workshop:
    """Takes orders and has them carried out. folder: where results go; it is removed in the end."""

    def __init__(self, workers: int = 1, waiting: int = WAITING) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="impasto-studio-"))
        self.most_waiting = waiting
        self.jobs: dict[str, Job] = {}
        self.line: deque[Job] = deque()
        self.changed = threading.Condition()
        self.closed = False
        self.rates: dict[tuple[Any, ...], float] = {}  # by `pace`: seconds for an evaluation of a pixel
        self.pipes: dict[str, Connection] = {}  # ticket -> the worker that has it in hand
        self.threads = [threading.Thread(target=self.employ, daemon=True) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def submit(self, order: Order) -> Job:
        """Put an order at the end of the line; its folder is a new one. Raises LineFull."""
        with self.changed:
            if len(self.line) >= self.most_waiting:
                raise LineFull(f"{len(self.line)} pictures wait already, and no more are taken. Try again in a while.")
            job = Job(order)
            job.order = replace(order, folder=self.folder / job.ticket)
            job.order.folder.mkdir()
            self.jobs[job.ticket] = job
            self.line.append(job)
            self.forget()
            self.changed.notify()
        return job

    def place(self, job: Job) -> int:
        """How many orders go before it; 0: it is the next, or no longer in the line."""
        with self.changed:
            return self.line.index(job) if job in self.line else 0

    def stop(self, job: Job) -> None:
        """Leave the line, or end the work with what was reached kept. Nothing happens to what has ended."""
        with self.changed:
            if job in self.line:
                self.line.remove(job)
                end(job, "stopped")
            elif (pipe := self.pipes.get(job.ticket)) is not None:
                with contextlib.suppress(OSError):
                    pipe.send("stop")

    def leave(self, job: Job | None, other: Job) -> None:
        """Another job goes on the stage in place of this one, which stops."""
        if job is not None:
            job.left_for = other
            self.stop(job)

    def find(self, ticket: Any) -> Job | None:
        """The job of a ticket, None where there is none (any more)."""
        return self.jobs.get(ticket) if isinstance(ticket, str) else None

    def forecast(self, options: PaintOptions, aspect: float) -> float | None:
        """Seconds that such a painting will take; aspect: shorter over longer side. None where nothing is known."""
        rate = self.rates.get(pace(options))
        return None if rate is None else rate * aspect * evaluated_pixels(options)

    def close(self) -> None:
        """Stop all work and remove what was made."""
        with self.changed:
            self.closed = True
            self.line.clear()
            self.changed.notify_all()
            for pipe in self.pipes.values():
                with contextlib.suppress(OSError):
                    pipe.close()
        for thread in self.threads:
            thread.join(2)
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self) -> None:
        """Remove the oldest results beyond those that are kept."""
        ended = [job for job in self.jobs.values() if job.ended]
        for job in ended[: max(0, len(ended) - KEPT)]:
            shutil.rmtree(job.order.folder, ignore_errors=True)
            del self.jobs[job.ticket]

    # ------------------------------------------------------------------------------------------------- one worker

    def employ(self) -> None:
        """Keep one worker at work, and replace it when it has ended, until the workshop closes."""
        while not self.closed:
            here, there = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
            process.start()
            there.close()
            try:
                self.hand_out(here)
            except (EOFError, OSError):
                pass  # the worker has ended: a stop, or the machine's memory
            finally:
                here.close()
                process.kill()
                process.join()

    def hand_out(self, pipe: Connection) -> None:
        """Give a worker order after order. Raises EOFError when it ends."""
        while True:
            self.wait_until_ready(pipe)
            job = self.next(pipe)
            if job is None:
                return
            try:
                pipe.send(job.order)
                while not job.ended:
                    self.note(job, pipe.recv())
            except (EOFError, OSError):
                if not job.ended:
                    end(
                        job, "failed",
                        "The painting ended before its time, most likely for want of memory. Choose a smaller size.",
                    )  # fmt: skip
                raise
            finally:
                with self.changed:
                    self.pipes.pop(job.ticket, None)

    def wait_until_ready(self, pipe: Connection) -> None:
        """Until the worker is there, or has noted that the last order was stopped too late."""
        message = pipe.recv()
        while not isinstance(message, Ready):
            message = pipe.recv()
        if message.rate is not None:
            self.rates.setdefault(pace(PaintOptions()), message.rate)

    def next(self, pipe: Connection) -> Job | None:
        """The first of the line, when there is one; None when the workshop closes."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.line)
            if self.closed:
                return None
            job = self.line.popleft()
            job.began = time.monotonic()
            self.pipes[job.ticket] = pipe
            job.state = "working"
            job.changes += 1
            return job

    def note(self, job: Job, message: Any) -> None:
        """Write down what a worker says of its job."""
        if isinstance(message, Report):
            job.report, job.fetching = message, None
            if message.unit == "step":
                job.history.append((message.size, message.loss))
            job.preview = message.preview or job.preview
            if message.preview and job.order.verb in ("paint", "branch") and message.index % KEPT_EVERY == 0:
                job.kept[message.index] = message.preview
        elif isinstance(message, Fetching):
            job.fetching = message
        elif isinstance(message, Settled):
            job.settled = message.options
        elif isinstance(message, Laid):
            job.laid = message
        elif isinstance(message, Painted):
            job.cells.append(message.picture)
            job.preview = None  # of the next one there is none yet
        elif isinstance(message, Finished):
            job.findings = message.findings
            job.files, job.preview = message.files, message.preview or job.preview
            if message.kept and message.preview:
                job.kept[message.kept] = message.preview
            end(job, "failed" if message.error else "stopped" if message.stopped else "done", message.error)
            self.learn(job)
        job.changes += 1

    def learn(self, job: Job) -> None:
        """How fast this was, for the next forecast."""
        options, painted = job.options, job.order.verb == "paint" and job.state == "done"
        if options is not None and job.report is not None and painted and job.files:
            pixels = sum(size**2 for size, _ in job.history) * aspect_of(job.files[0])
            self.rates[pace(options)] = job.report.seconds / pixels


def end(job: Job, state: State, error: str | None = None) -> None:
    """The last change of a job."""
    job.error, job.state = error, state
    job.changes += 1
