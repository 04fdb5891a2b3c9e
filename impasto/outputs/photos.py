"""Photos by a feed-forward network, file after file."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track

from impasto import machine, saving
from impasto.errors import InputError
from impasto.folders import Task
from impasto.options import StylizeOptions
from impasto.outputs.pictures import mend_picture, tell, write_picture
from impasto.outputs.places import check_source, make_folder
from impasto.painting import Painting
from impasto.stylizer import Stylizer, make_stylizer, trained_among
from impasto.trained import TrainedStylizer


def stylize_files(
    tasks: Sequence[Task], protect: str | None, options: StylizeOptions, quiet: bool, fix: bool = False
) -> int:
    """Carry out the tasks one after the other and write the results; returns the status.

    Of several photos one that cannot be read is named at the end, with status 2, and costs no other. fix: what the doctor
    finds is mended in a second picture.
    """
    machine.keep_freed_memory()
    check_tasks(tasks)
    console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
    painter = Painter(options, len(tasks))
    failures, seconds = [], []
    for task in track(tasks, description="", console=console, transient=True, disable=quiet or len(tasks) == 1):
        try:
            painting = painter.paint(task, protect)
        except InputError as error:
            failures.append(str(error))
            continue
        write_picture(painting, task.target)
        tell(painting, console, quiet, f"{task.target}: " if len(tasks) > 1 else "")
        if fix:
            mend_picture(painting, task.target, partial(again, task, protect, options), console, quiet)
        seconds.append(painting.recipe["seconds"])
    if seconds:
        place = str(tasks[0].target) if len(tasks) == 1 else f"{len(seconds)} pictures in {tasks[0].target.parent}"
        console.print(f"{place}: {median(seconds):.3f} s each, {painter.last}", soft_wrap=True, markup=False)
    for failure in failures:
        print(f"impasto: {failure}", file=sys.stderr)
    return 2 if failures else 0


class Painter:
    """presto or a trained network, whichever a task's style asks for, each loaded once; `last` says what painted last.

    pictures: how many it is going to paint, about.
    """

    def __init__(self, options: StylizeOptions, pictures: int = 1) -> None:
        self.options, self.pictures, self.last = options, pictures, ""
        self.loaded: dict[Path | None, Stylizer | TrainedStylizer] = {}

    def paint(self, task: Task, protect: str | None) -> Painting:
        """A task's painting. Raises InputError, OptionError or WeightsError."""
        path = trained_among(task.styles)
        if path not in self.loaded:
            self.loaded[path] = make_stylizer(path, self.options, self.pictures)
        stylizer = self.loaded[path]
        self.last = f"{stylizer.name} by {stylizer.engine}"
        if isinstance(stylizer, Stylizer):
            return stylizer.paint(task.content, list(task.styles), protect)
        return stylizer.paint(task.content, protect)


def again(task: Task, protect: str | None, options: StylizeOptions, changes: Mapping[str, Any]) -> Painting:
    """A task with other options."""
    return Painter(options.replace(**changes)).paint(task, protect)


def check_tasks(tasks: Sequence[Task]) -> None:
    """Find out before the network is loaded what cannot be read or written. Raises InputError or OutputError.

    Of several photos, each is read when its turn comes.
    """
    styles = list(dict.fromkeys(Path(str(style.source)) for task in tasks for style in task.styles))
    sources = [*dict.fromkeys(task.content for task in tasks), *styles]
    for path in sources if len(tasks) == 1 else styles:
        check_source(path)
    if len(tasks) > 1:
        make_folder(tasks[0].target.parent)
    for task in tasks:
        if str(task.target) != "-":
            saving.check_output(task.target, sources)
