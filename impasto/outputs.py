"""What a verb of the command line does with its steps: shows them, saves them, and keeps what was reached when stopped.

Everything that will be written is tried before the first step, so that nothing is painted in vain.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track

from impasto import curves, figures, images, machine, sheets
from impasto.errors import InputError, OptionError, OutputError
from impasto.figures import Plan
from impasto.folders import Task
from impasto.options import PaintOptions, StylizeOptions
from impasto.painting import Painting, PaintStep
from impasto.stylizer import Stylizer
from impasto.terminal import FigureProgress, PaintProgress

STOPPED = 130  # as shells report a program that Ctrl-C ended


@dataclass(frozen=True)
class Outputs:
    """What is to be written: the picture ("-" is standard output), numbered pictures, losses as JSON and as a curve."""

    target: Path
    save_every: int = -1
    json_file: Path | None = None
    curve: Path | None = None
    linear_curve: bool = False
    quiet: bool = False

    @property
    def streams(self) -> bool:
        """Whether the picture goes to standard output."""
        return str(self.target) == "-"


def carry_out(
    steps: Callable[..., Iterator[PaintStep]], outputs: Outputs, sources: Sequence[Path], options: PaintOptions
) -> int:
    """Run the steps, write the outputs, return the status: 0, or 130 when Ctrl-C stopped it and what was reached is kept.

    steps: called with `on_download`. sources: the pictures that are read; nothing is written over them.
    """
    machine.keep_freed_memory()
    check(outputs, sources, options)
    console = Console(stderr=True, highlight=False, emoji=False)
    step: PaintStep | None = None
    status = 0
    with PaintProgress(console, outputs.quiet) as progress:
        try:
            for step in steps(on_download=progress.download):
                progress.show(step)
                if outputs.save_every > 0 and step.index % outputs.save_every == 0:
                    step.painting.save(numbered(outputs.target, step.index))
        except KeyboardInterrupt:
            status = STOPPED
    if step is not None:
        write(step, outputs)
        if not outputs.quiet:
            console.print(summary(step, outputs.target, stopped=status == STOPPED), soft_wrap=True, markup=False)
    return status


def draw(laid: Plan, targets: Sequence[Path], curve: Path | None, linear_curve: bool, quiet: bool) -> int:
    """Make a figure's pictures, in a folder beside the first target, and write its sheets; returns the status.

    Stopped by Ctrl-C the status is 130, and the pictures that are finished stay for the next time.
    """
    machine.keep_freed_memory()
    if curve is None and laid.curves:
        curve = targets[0].with_name(f"{targets[0].stem}-curve.png")
    check_sheets(laid, targets, curve)
    console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
    folder = targets[0].with_suffix(".cells")
    made = []
    with FigureProgress(console, quiet, len(laid.cells)) as progress:
        try:
            for one in figures.cells(laid, folder, on_step=progress.step):
                made.append(one)
                progress.finish()
        except KeyboardInterrupt:
            console.print(f"Stopped: {len(made)} of {len(laid.cells)} pictures are in {folder}.", soft_wrap=True)
            return STOPPED
    for target in targets:
        sheets.save(figures.sheet(laid, made), target)
    if curve is not None:
        curves.save_curves(figures.histories(laid, made), curve, logarithmic=not linear_curve)
    written = ", ".join(map(str, [*targets, *([curve] if curve else [])]))
    console.print(f"{written}: {len(made)} pictures, each with its recipe in {folder}", soft_wrap=True, markup=False)
    return 0


def stylize_files(tasks: Sequence[Task], protect: str | None, options: StylizeOptions, quiet: bool) -> int:
    """Carry out the tasks one after the other and write the results; returns the status.

    Of several photos one that cannot be read is named at the end, with status 2, and costs no other.
    """
    machine.keep_freed_memory()
    check_tasks(tasks)
    console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
    stylizer = Stylizer(options)
    failures, seconds = [], []
    for task in track(tasks, description="", console=console, transient=True, disable=quiet or len(tasks) == 1):
        try:
            painting = stylizer.paint(task.content, list(task.styles), protect)
        except InputError as error:
            failures.append(str(error))
            continue
        write_picture(painting, task.target)
        seconds.append(painting.recipe["seconds"])
    if seconds:
        place = str(tasks[0].target) if len(tasks) == 1 else f"{len(seconds)} pictures in {tasks[0].target.parent}"
        console.print(
            f"{place}: {median(seconds):.3f} s each, presto by {stylizer.engine}", soft_wrap=True, markup=False
        )
    for failure in failures:
        print(f"impasto: {failure}", file=sys.stderr)
    return 2 if failures else 0


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
            images.check_output(task.target, sources)


def make_folder(folder: Path) -> None:
    """Raises OutputError where there cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"There cannot be a folder {folder} ({error.strerror}); several results need one: choose another -o."
        ) from error


def check_sheets(laid: Plan, targets: Sequence[Path], curve: Path | None) -> None:
    """Find out before the first picture what cannot be read or written. Raises InputError or OutputError."""
    sources = list(dict.fromkeys(path for job in laid.cells for path in job.sources.values()))
    for path in sources:
        check_source(path)
    for target in targets:
        sheets.check_output(target)
        check_text("-o", target, sources)
    if curve is not None:
        curves.check_output(curve)
        check_text("--curve", curve, [*sources, *targets])


def check(outputs: Outputs, sources: Sequence[Path], options: PaintOptions) -> None:
    """Find out what cannot be read or written. Raises InputError, OptionError or OutputError."""
    every = outputs.save_every
    if every == 0 or every < -1:
        raise OptionError(f"--save-every is {every}; it must be a whole number of at least 1, or -1 for none.")
    if every > 0 and outputs.streams:
        raise OptionError("--save-every needs a file to number, and -o - is standard output. Name a file with -o.")
    if outputs.streams and str(outputs.json_file) == "-":
        raise OptionError("-o and --json both go to standard output. Name a file for one of them.")
    for path in sources:
        check_source(path)
    inputs = [*sources, *(Path(path) for path in (options.start, options.weights) if path)]
    if not outputs.streams:
        images.check_output(outputs.target, inputs)
    for path in inputs:
        if every > 0 and path.parent.resolve() == outputs.target.parent.resolve() and is_numbered(path, outputs.target):
            raise OutputError(f"--save-every could replace {path}: choose another name for -o.")
    if outputs.json_file is not None and str(outputs.json_file) != "-":
        check_text("--json", outputs.json_file, [*inputs, outputs.target])
    if outputs.curve is not None:
        curves.check_output(outputs.curve)
        check_text("--curve", outputs.curve, [*inputs, outputs.target])


def write(step: PaintStep, outputs: Outputs) -> None:
    """Write the picture, the losses and the curve of the last step."""
    painting = step.painting
    write_picture(painting, outputs.target)
    if outputs.json_file is not None:
        write_text(outputs.json_file, json.dumps({**painting.recipe, "history": painting.history}, indent=1))
    if outputs.curve is not None:
        curves.save_curve(painting.history, outputs.curve, logarithmic=not outputs.linear_curve)


def write_picture(painting: Painting, target: Path) -> None:
    """To a file, or as a PNG to standard output for "-"."""
    if str(target) == "-":
        data = images.encode(painting.image, ".png", recipe=painting.recipe, opacity=painting.opacity)
        sys.stdout.buffer.write(data)
    else:
        painting.save(target)


def summary(step: "PaintStep", target: Path, stopped: bool) -> str:
    """One line: what was written, and what made it."""
    recipe = step.painting.recipe
    height, width = step.painting.image.shape[2:]
    reached = f"stopped at step {step.index} of {step.total}" if stopped else f"{step.index} steps"
    return (
        f"{target}: {width} x {height}, {reached}, {step.seconds:.1f} s, "
        f"{recipe['options']['backbone']} in {recipe['precision']} on {recipe['device']}"
    )


def beside(source: Path, suffix: str) -> Path:
    """source-suffix.png beside the source, numbered rather than written over what is there."""
    first = source.parent / f"{source.stem}-{suffix}.png"
    candidates = (first, *(first.with_stem(f"{first.stem}-{number}") for number in range(2, 10_000)))
    return next(path for path in candidates if not os.path.lexists(path))


def numbered(target: Path, index: int) -> Path:
    """out.png -> out-0050.png"""
    return target.with_stem(f"{target.stem}-{index:04d}")


def is_numbered(path: Path, target: Path) -> bool:
    """Whether `numbered` could give this name."""
    number = path.stem.removeprefix(f"{target.stem}-")
    return path.suffix == target.suffix and number != path.stem and number.isdecimal()


def check_source(path: Path) -> None:
    """Find out at once where there is no file; what is in it shows when it is read. Raises InputError."""
    with suppress(OSError):  # the name is too long, say
        if path.is_file():
            return
    images.load_picture(path)


def check_text(flag: str, path: Path, others: Sequence[Path]) -> None:
    """Find out before painting whether a text can be written, and that it replaces none of `others`. Raises OutputError."""
    images.check_output(f"{path}.png")  # a trial in the same folder
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file inside it.")
    for other in others:
        if path.resolve() == other.resolve():
            raise OutputError(f"{flag} {path} would replace {other}: choose another name.")


def write_text(path: Path, text: str) -> None:
    """To a file, or to standard output for "-". Raises OutputError."""
    if str(path) == "-":
        print(text)
        return
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder or name.") from error
