"""What the command line shows while it works: a bar with loss and time left, and the picture itself in half blocks.

Everything goes to standard error, so that standard output stays free for data.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from impasto import images, saving
from impasto.film.reel import Frame
from impasto.painting import PaintStep
from impasto.training import RECENT, TrainStep, enough

THUMBNAIL = 56, 40  # columns and rows of pixels; a character cell holds two rows
REFRESH = 0.25  # seconds between two thumbnails
PREVIEW = 1.0  # seconds between two preview files


class PictureProgress:
    """A bar below the picture itself: a context, silent when asked to be and where there is no terminal."""

    def __init__(self, console: Console, quiet: bool, before: str, behind: str, **fields: Any) -> None:
        """before, behind: what stands beside the bar, in rich's words; fields: the first values of its own ones."""
        self.shown = console.is_terminal and not quiet
        columns = TextColumn(before), BarColumn(), TextColumn(behind), TimeRemainingColumn(compact=True)
        self.bar = Progress(*columns, console=console)
        self.task = self.bar.add_task("reading", total=None, **fields)
        self.live = Live(self.bar, console=console, transient=True, auto_refresh=False)
        self.next_thumbnail = 0.0

    def __enter__(self: "Shown") -> "Shown":
        if self.shown:
            self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            self.live.stop()

    def is_due(self) -> bool:
        """Whether the last thumbnail is old enough for another."""
        due = self.shown and time.monotonic() >= self.next_thumbnail
        if due:
            self.next_thumbnail = time.monotonic() + REFRESH
        return due

    def draw(self, *pictures: Image.Image) -> None:
        """The bar below the picture, if there is one."""
        self.live.update(Group(*map(thumbnail, pictures), self.bar), refresh=True)


Shown = TypeVar("Shown", bound=PictureProgress)


class PaintProgress(PictureProgress):
    """Steps as they come, with loss and time left."""

    def __init__(self, console: Console, quiet: bool) -> None:
        behind = "{task.completed}/{task.total}  loss {task.fields[loss]}"
        super().__init__(console, quiet, "{task.description}", behind, loss="")

    def show(self, step: PaintStep) -> None:
        """Bar and, a few times a second, the picture."""
        self.bar.update(
            self.task, description=f"{step.size} px", total=step.total, completed=step.index, loss=f"{step.loss:.4g}"
        )
        if self.is_due():
            self.draw(step.painting.picture)

    def download(self, done: int, total: int) -> None:
        """The same line while weights are fetched."""
        self.bar.update(self.task, description="fetching weights (bytes)", completed=done, total=total)
        if self.shown:
            self.live.refresh()


class FilmProgress(PictureProgress):
    """Frames a second and time left, the frame itself, and a preview file, written aside now and then."""

    def __init__(self, console: Console, quiet: bool, preview: Path | None) -> None:
        super().__init__(console, quiet, "frame {task.completed}/{task.total}", "{task.fields[rate]}", rate="")
        self.preview, self.next_preview = preview, 0.0
        self.done, self.painted = 0, 0

    def show(self, frame: Frame) -> None:
        """One frame more."""
        now = time.monotonic()
        self.done += 1
        self.painted += not frame.found
        if self.preview is not None and frame.image is not None and now >= self.next_preview:
            self.next_preview = now + PREVIEW
            saving.save(frame.image, self.preview, opacity=frame.opacity)
        if self.is_due():
            rate = self.painted / frame.seconds if self.painted else 0.0
            self.bar.update(self.task, total=frame.total, completed=self.done, rate=f"{rate:.2f}/s")
            self.draw(*[] if frame.image is None else [images.to_picture(frame.image, frame.opacity)])


class FigureProgress(Progress):
    """A bar over a figure's pictures, which also moves with the steps of the one in hand."""

    def __init__(self, console: Console, quiet: bool, total: int) -> None:
        super().__init__(
            TextColumn("picture {task.fields[current]} of {task.total:.0f}"),
            BarColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self.made = 0
        self.task = self.add_task("", total=total, current=1)

    def step(self, step: PaintStep) -> None:
        """One evaluation of the picture in hand."""
        self.update(self.task, completed=self.made + step.index / step.total)

    def finish(self) -> None:
        """One picture more is there."""
        self.made += 1
        self.update(self.task, completed=self.made, current=min(self.made + 1, int(self.tasks[0].total or 0)))


class DownloadProgress(Progress):
    """A bar for `impasto weights NAME`: bytes, speed, time left."""

    def __init__(self, console: Console, name: str) -> None:
        super().__init__(
            TextColumn(name),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self.task = self.add_task(name, total=None)

    def show(self, done: int, total: int) -> None:
        """Bytes done, of how many."""
        self.update(self.task, completed=done, total=total)


class BatchProgress(Progress):
    """A bar for `impasto batch`: jobs ended, failures, time left; silent when asked to be."""

    def __init__(self, console: Console, total: int, quiet: bool) -> None:
        super().__init__(
            BarColumn(),
            TextColumn("{task.completed}/{task.total}  {task.fields[failed]} failed  {task.fields[latest]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self.task = self.add_task("", total=total, failed=0, latest="")

    def show(self, latest: str, failed: int) -> None:
        """One more job has ended, by this name; so many have failed in all."""
        self.update(self.task, advance=1, latest=latest, failed=failed)


class TrainProgress(Progress):
    """A bar for `impasto train`: steps, loss, the share of every term, time left, and until when more steps will help."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.fields[stage]}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}  loss {task.fields[loss]}  {task.fields[parts]}"),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            disable=console.quiet or not console.is_terminal,
        )
        self.forecast = ""
        self.task = self.add_task("", total=None, stage="reading", loss="", parts="", left="")

    def paint(self, done: int, total: int) -> None:
        """One painting to learn from is there."""
        self.update(self.task, stage="painting", completed=done, total=total)

    def show(self, step: TrainStep) -> None:
        """One step more."""
        parts = " ".join(f"{name} {value:.3g}" for name, value in step.parts.items())
        minutes, seconds = divmod(round(step.remaining), 60)
        if step.index % RECENT == 0:
            self.forecast = outlook(step)
        self.update(
            self.task, stage="training", completed=step.index, total=step.total, loss=f"{step.loss:.4g}", parts=parts,
            left=f"{minutes}:{seconds:02} left{self.forecast}",
        )  # fmt: skip


def outlook(step: TrainStep) -> str:
    """Until when more training is thought to help, as far as the losses tell."""
    more = enough(step.history)
    if more is None:
        return ""
    return f", helps until about step {more}" if more > step.index else ", more will hardly help"


def thumbnail(picture: Image.Image) -> Text:
    """A small picture as text: the upper half block is one pixel in the text's color, its ground the pixel below."""
    small = picture.convert("RGB")
    small.thumbnail(THUMBNAIL, Image.Resampling.BILINEAR)
    height = small.height // 2 * 2
    pixels = np.asarray(small)[:height]
    text = Text()
    for upper_row, lower_row in zip(pixels[::2], pixels[1::2], strict=True):
        for upper, lower in zip(upper_row, lower_row, strict=True):
            text.append("▀", "rgb({},{},{}) on rgb({},{},{})".format(*upper, *lower))
        text.append("\n")
    return text
