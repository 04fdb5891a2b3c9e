"""A process that paints, one order after the other, and tells how it goes through a pipe.

It is a process of its own so that stopping frees the machine at once, whatever the network is at, and so that a picture
that is too much for the machine costs nobody else's.
"""

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from PIL import Image

from impasto import choosing, images, machine, runs, saving, scene, sheets
from impasto.doctor import findings_of
from impasto.errors import ImpastoError
from impasto.figures import making
from impasto.figures.layout import Job, Made
from impasto.figures.table import plan
from impasto.film.filming import video
from impasto.ingredients import embed
from impasto.options import PaintOptions
from impasto.painting import Painting, PaintStep, State, paint_steps
from impasto.repeat import to_branch_from
from impasto.runs import KEPT_EVERY
from impasto.shipped import DEMO
from impasto.studio.limits import sentence
from impasto.studio.messages import Fetching, Finished, Laid, Order, Painted, Ready, Report, Settled
from impasto.stylizer import Stylizer
from impasto.synthesis import reconstruct_steps, texture_steps
from impasto.training import TrainStep, train

RUN = "run"  # folder in an order's folder, for the steps that are kept
PATIENCE = 0.5  # seconds that a stop waits for the evaluation in hand
STEP = 20.0  # seconds that it waits for the step of a training, whose network is to be whole
CHECKPOINTS = 10  # steps between two of them
SHEETS = 5.0  # seconds between two sheets of samples at least, and
SHARE = 0.1  # of the time at most that is spent on them
PREVIEW_EVERY = 0.2  # seconds
PREVIEW_SIZE = 1024  # pixels
UNDER = "With the flags under a picture, impasto paint makes it large and impasto dial looks closer around it."

log = logging.getLogger("impasto.studio")


class Stopped(Exception):
    """Raised where an order is left because somebody stopped it."""


class Easel:
    """What the worker has in hand: it reports steps, remembers the last, and writes it when it ends or is stopped."""

    def __init__(self, order: Order, send: Callable[[Any], None]) -> None:
        self.order, self.send = order, send
        self.latest: Painting | None = None
        self.standing: tuple[int, State] | None = None  # the last step, and what goes on from there
        self.drawn: Mapping[str, images.ImageSource] = {}  # masks, which are nowhere else: the result's recipe has them
        self.files: tuple[Path, ...] = ()  # of the result, where they are written on the way
        self.stopped = threading.Event()
        self.ended = threading.Event()
        self.closing = threading.Lock()
        self.shown = 0.0

    def step(self, step: PaintStep) -> None:
        """Show a step of the painting, which is kept. Raises Stopped where somebody has asked for that."""
        if self.latest is None:
            self.settle(step.painting.recipe["options"])
        self.latest, self.standing = step.painting, (step.index, to_branch_from(step))
        self.report(step, step.index, step.total, "step")

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Say so where a budget has left fewer steps than were asked for."""
        asked = next((part for part in self.order.arguments if isinstance(part, PaintOptions)), None)
        if asked is not None and asked.budget is not None:
            self.send(Settled(asked.replace(steps=settings["steps"], first_steps=settings["first_steps"])))

    def report(self, step: PaintStep, index: int, total: int, unit: str, left: float | None = None) -> None:
        """Show a step as number `index` of `total`. Raises Stopped where somebody has asked for that."""
        report = Report(index, total, step.size, step.loss, step.parts, step.seconds, None, unit, left)
        self.show(step.painting.picture, report)

    def show(self, picture: Image.Image, report: Report) -> None:
        """Send a report, now and then with the picture. Raises Stopped where somebody has asked for that."""
        due = time.monotonic() - self.shown > PREVIEW_EVERY
        if due or report.index % KEPT_EVERY == 0 or report.index == report.total:
            self.shown = time.monotonic()
            report = replace(report, preview=jpeg(picture))
        self.tell(report)

    def tell(self, report: Report) -> None:
        """Send a report. Raises Stopped where somebody has asked for that."""
        self.send(report)
        if self.stopped.is_set():
            raise Stopped

    def download(self, done: int, total: int) -> None:
        """Show how far a download is."""
        self.send(Fetching(done, total))
        if self.stopped.is_set():
            raise Stopped

    def follow(self, steps: Iterator[PaintStep]) -> None:
        """Show every step and write what stands at the end."""
        for step in steps:
            self.step(step)
        self.finish()

    def finish(self) -> None:
        """Write the painting as it stands, once, and say so."""
        with self.closing:
            if self.ended.is_set():
                return
            preview = None if self.latest is None else jpeg(self.latest.picture, quality=92)
            findings = [] if self.latest is None else findings_of(self.latest.recipe)
            self.send(Finished(self.written(), preview, None, self.stopped.is_set(), self.kept(), findings))
            self.ended.set()

    def done(self, finished: Finished) -> None:
        """Say what is finished, unless that is said already: who waits in vain for a stop finishes in its place."""
        with self.closing:
            if not self.ended.is_set():
                self.send(finished)
                self.ended.set()

    def written(self) -> tuple[Path, ...]:
        """The result's files, as far as there is a result."""
        if self.latest is not None:
            return (embed(self.latest, self.drawn).save(self.order.folder / f"{self.order.name}.png"),)
        return tuple(file for file in self.files if file.exists())

    def kept(self) -> int | None:
        """The number of the step that was reached, kept like every 25th, so that one can go on from there."""
        run = self.order.folder / RUN
        if self.standing is None or not run.is_dir():
            return None
        index, state = self.standing
        place = runs.kept_path(run, index)
        if not place.exists():
            runs.write_state(state, place)
        return index

    def fail(self, error: BaseException) -> None:
        """Say what went wrong; what was reached before is kept."""
        self.done(Finished(self.written(), error=sentence(error, self.order.paths)))


def jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """A picture as one sees it on a screen; transparent parts on white."""
    small = picture.copy()
    small.thumbnail((PREVIEW_SIZE, PREVIEW_SIZE), Image.Resampling.LANCZOS)
    if small.mode == "RGBA":
        ground = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(ground, small).convert("RGB")
    data = BytesIO()
    small.save(data, "JPEG", quality=quality)
    return data.getvalue()


# --------------------------------------------------------------------------------------------------------- orders


def steps_of(verb: Callable[..., Iterator[PaintStep]]) -> Callable[[Order, Easel], None]:
    """How an order for a verb that yields steps is carried out."""

    def carry_out(order: Order, easel: Easel) -> None:
        easel.follow(verb(*order.arguments, on_download=easel.download, **order.keywords))

    return carry_out


def paint(order: Order, easel: Easel) -> None:
    """A painting whose steps are kept, so that one can go back to them."""
    content, styles, _ = order.arguments
    sources = scene.sources(content, scene.list_styles(styles), order.keywords.get("protect"))
    easel.drawn = masks_among(sources)
    steps = paint_steps(*order.arguments, on_download=easel.download, **order.keywords)
    easel.follow(runs.keep(steps, order.folder / RUN, sources))


def paint_on(order: Order, easel: Easel) -> None:
    """From a kept step of another order on, with some options changed; its steps are kept, too."""
    run, at, changes = order.arguments
    repeat, state = runs.branch(run, at, **changes)
    easel.drawn = masks_among(repeat.sources)
    easel.follow(runs.keep(repeat.steps(easel.download, state), order.folder / RUN, repeat.sources))


def masks_among(sources: Mapping[str, images.ImageSource]) -> dict[str, images.ImageSource]:
    """The masks, by role."""
    return {role: source for role, source in sources.items() if role.startswith(scene.PLACES)}


def stylize(order: Order, easel: Easel) -> None:
    """One pass of the network."""
    content, styles, options = order.arguments
    easel.latest = Stylizer(options).paint(content, styles)
    easel.finish()


def draw(order: Order, easel: Easel) -> None:
    """A figure: its cells one after the other, then the sheet as a picture and as a page."""
    laid = plan(*order.arguments, **order.keywords)
    made: list[Made] = []

    def show(step: PaintStep) -> None:
        easel.report(step, len(made) + 1, len(laid.cells), "picture")

    for one in making.cells(laid, order.folder / "cells", on_step=show):
        made.append(one)
    sheet = making.sheet(laid, made)
    files = [sheets.save(sheet, order.folder / f"{order.name}{suffix}") for suffix in (".png", ".html")]
    with Image.open(files[0]) as picture:
        preview = jpeg(picture.convert("RGB"), quality=92)
    easel.done(Finished(tuple(reversed(files)) if laid.slider else tuple(files), preview))  # a page can slide


def dial(order: Order, easel: Easel) -> None:
    """A sheet over strength and style size. Cells that an earlier sheet had are there at once."""
    laid = choosing.dial(*order.arguments, **order.keywords)
    began, made = time.monotonic(), list[Made]()
    jobs = laid.cells
    photo = images.load_picture(jobs[0].sources["content"])
    easel.send(Laid(*axes(jobs), photo.width / photo.height))

    def show(step: PaintStep) -> None:
        share = (len(made) + step.index / step.total) / len(jobs)
        left = (time.monotonic() - began) * (1 - share) / share
        easel.report(step, len(made) + 1, len(jobs), "picture", left)

    for one in making.cells(laid, order.folder.parent / "cells", on_step=show):
        made.append(one)
        easel.send(Painted(jpeg(images.to_picture(one.image))))
        if easel.stopped.is_set():
            raise Stopped
    sheet = making.sheet(replace(laid, caption=UNDER), made)
    easel.done(Finished((sheets.save(sheet, order.folder / f"{order.name}.png"),)))


def axes(jobs: Sequence[Job]) -> tuple[list[float], list[float]]:
    """The strengths and the style sizes of a sheet."""
    values = [(job.options.strength, job.options.style_scale) for job in jobs]
    return [float(one or 0) for one in dict.fromkeys(strength for strength, _ in values)], [
        float(one) for one in dict.fromkeys(scale for _, scale in values)
    ]


def film(order: Order, easel: Easel) -> None:
    """A video, frame by frame; it is a file when the last one is finished."""
    source, styles, target, options = order.arguments
    frames = video(source, styles, order.folder / target, options, **order.keywords)
    for number, frame in enumerate(frames, 1):  # not by its index, which for a loop begins anew from ENCORE
        if frame.image is not None:
            picture = images.to_picture(frame.image, frame.opacity)
            easel.show(picture, Report(number, frame.total, max(picture.size), 0.0, {}, frame.seconds, None, "frame"))
    easel.done(Finished((order.folder / target,)))


def teach(order: Order, easel: Easel) -> None:
    """A training from its checkpoint on, if it has one; network and checkpoint are written now and then, and at the end."""
    styles, photos, options = order.arguments
    folder = order.folder / "photos"
    folder.mkdir()
    for number, photo in enumerate(photos):
        (folder / f"{number:06d}{photo.suffix}").hardlink_to(photo)
    network, checkpoint = (order.folder / f"{order.name}{part}.safetensors" for part in ("", "-checkpoint"))
    if order.earlier is not None:
        saving.write(order.earlier.read_bytes(), checkpoint)
    easel.files = network, checkpoint
    due, step = 0.0, None

    def write(step: TrainStep) -> None:
        step.save(network)
        step.state.save(checkpoint)

    try:
        for step in train(styles, folder, options, checkpoint=checkpoint, save_every=options.steps):
            preview, began = None, time.monotonic()
            if began >= due or step.index == step.total:
                preview = jpeg(images.to_picture(step.sheet()))
                due = time.monotonic() + max(SHEETS, (time.monotonic() - began) / SHARE)
            if step.index % CHECKPOINTS == 0 or step.index == step.total:
                write(step)
            left = step.remaining if step.index < step.total else 0.0
            easel.tell(Report(step.index, step.total, 0, step.loss, step.parts, step.seconds, preview, "step", left))
    except Stopped:
        assert step is not None  # who is told of a stop tells of a step
        write(step)
        raise
    easel.finish()


VERBS: Mapping[str, Callable[[Order, Easel], None]] = {
    "paint": paint,
    "branch": paint_on,
    "texture": steps_of(texture_steps),
    "reconstruct": steps_of(reconstruct_steps),
    "stylize": stylize,
    "video": film,
    "figure": draw,
    "dial": dial,
    "train": teach,
}


# -------------------------------------------------------------------------------------------------------- process


def serve(pipe: Connection) -> None:
    """Carry out the orders that come through the pipe until it closes. "stop" is about the order in hand."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the studio, which then ends this process
    machine.keep_freed_memory()
    sending = threading.Lock()
    orders: queue.Queue[Easel | None] = queue.Queue()

    def send(message: Any) -> None:
        with sending:
            pipe.send(message)

    threading.Thread(target=listen, args=(pipe, orders, send), daemon=True).start()
    send(Ready(warm_up()))
    while (easel := orders.get()) is not None:
        try:
            VERBS[easel.order.verb](easel.order, easel)
        except Stopped:
            easel.finish()
        except Exception as error:
            if not easel.ended.is_set():
                if not isinstance(error, ImpastoError):
                    log.error("An order failed", exc_info=True)
                easel.fail(error)
        send(Ready())


def listen(pipe: Connection, orders: "queue.Queue[Easel | None]", send: Callable[[Any], None]) -> None:
    """Take orders and stops from the pipe. A stop that the evaluation in hand outlasts ends the process."""
    easel = None
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)  # the studio has gone
            return
        if isinstance(message, Order):
            easel = Easel(message, send)
            orders.put(easel)
        elif easel is not None and not easel.ended.is_set():
            easel.stopped.set()
            if not easel.ended.wait(STEP if easel.order.verb == "train" else PATIENCE):
                easel.finish()
                os.kill(os.getpid(), signal.SIGTERM)
                return


def warm_up() -> float:
    """Paint a little, so that the first order finds everything loaded; returns seconds for an evaluation of a pixel."""
    content, style = (DEMO / f"{name}.jpg" for name in ("valley", "swirl"))
    options = PaintOptions(size=256, min_scale=256, first_steps=3)
    seconds = [step.seconds for step in paint_steps(content, style, options)]
    with Image.open(content) as picture:
        pixels = options.size**2 * min(picture.size) / max(picture.size)
    return (seconds[-1] - seconds[0]) / (len(seconds) - 1) / pixels
