"""What a verb of the command line does with its steps: shows them, saves them, and keeps what was reached when stopped.

Everything that will be written is tried before the first step, so that nothing is painted in vain.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import track

from impasto import backbones, cards, curves, doctor, evaluation, images, machine, masks, runs, saving, sets, sheets
from impasto.doctor import Finding
from impasto.equipment import option_files
from impasto.errors import ImpastoError, InputError, OptionError, OutputError
from impasto.figures import making
from impasto.figures.layout import Plan
from impasto.folders import Task
from impasto.images import ImageSource
from impasto.ingredients import embed
from impasto.jobs import Outcome
from impasto.options import BackboneName, Options, StylizeOptions
from impasto.painting import Painting, PaintStep, last
from impasto.scene import PLACES
from impasto.stylizer import Stylizer, make_stylizer, trained_among
from impasto.terminal import BatchProgress, FigureProgress, PaintProgress
from impasto.trained import TrainedStylizer
from impasto.transform import is_network

Mend: TypeAlias = Callable[[Mapping[str, Any]], Painting]  # changed options -> the picture, painted with them

STOPPED = 130  # as shells report a program that Ctrl-C ended


@dataclass(frozen=True)
class Outputs:
    """What is to be written: the picture ("-" is standard output), numbered pictures, losses as JSON and as a curve.

    run: the folder that the state is kept in.
    """

    target: Path
    save_every: int = -1
    json_file: Path | None = None
    curve: Path | None = None
    linear_curve: bool = False
    quiet: bool = False
    recipe: bool = True
    embed_inputs: bool = False
    run: Path | None = None

    @property
    def streams(self) -> bool:
        """Whether the picture goes to standard output."""
        return str(self.target) == "-"


def carry_out(
    steps: Callable[..., Iterator[PaintStep]],
    outputs: Outputs,
    sources: Mapping[str, ImageSource],
    options: Options,
    mend: Mend | None = None,
) -> int:
    """Run the steps, write the outputs, return the status: 0, or 130 when Ctrl-C stopped it and what was reached is kept.

    steps: called with `on_download`. sources: the pictures that are read, by role; nothing is written over them. mend: what
    paints again with other options where the doctor found something.
    """
    machine.keep_freed_memory()
    check(outputs, files_among(sources, options))
    console = Console(stderr=True, highlight=False, emoji=False)
    step: PaintStep | None = None
    status = 0
    with PaintProgress(console, outputs.quiet) as progress:
        try:
            for step in kept(steps(on_download=progress.download), outputs, sources, options):
                progress.show(step)
                if outputs.save_every > 0 and step.index % outputs.save_every == 0:
                    painting = finished(step.painting, outputs, sources)
                    painting.save(numbered(outputs.target, step.index), with_recipe=outputs.recipe)
        except KeyboardInterrupt:
            status = STOPPED
        except ImpastoError:
            if step is not None:
                write(finished(step.painting, outputs, sources), outputs)  # what was good before it went wrong
            raise
    if step is not None:
        step = replace(step, painting=step.painting.examined()) if status else step
        write(finished(step.painting, outputs, sources), outputs)
        if not outputs.quiet:
            console.print(summary(step, outputs.target, stopped=status == STOPPED), soft_wrap=True, markup=False)
        tell(step.painting, console, outputs.quiet)
        if mend is not None and not status:
            status = mend_picture(step.painting, outputs.target, mend, console, outputs.quiet, outputs.recipe)
    return status


def tell(painting: Painting, console: Console, quiet: bool, name: str = "") -> None:
    """Which frames were left out, if it is but one picture, and what the doctor found, a line each."""
    framed = [source["name"] for source in painting.recipe["inputs"].values() if "frame" in source]
    if framed and not quiet and not name:
        said = f"{', '.join(framed)}: without the frame around it; --style-frame keep paints that too"
        console.print(said, soft_wrap=True, markup=False)
    for finding in [] if quiet else findings(painting):
        console.print(f"{name}doctor: {finding}", soft_wrap=True, markup=False)


def findings(painting: Painting) -> list[Finding]:
    """The doctor's findings, as the painting's recipe has them."""
    return doctor.findings_of(painting.recipe)


def mend_picture(
    painting: Painting, target: Path, mend: Mend, console: Console, quiet: bool, with_recipe: bool = True
) -> int:
    """Paint again with the remedies of all findings, beside the first picture; returns the status.

    Both stay, and both are judged: a remedy may make something else worse.
    """
    found = findings(painting)
    changes = {name: value for finding in reversed(found) for name, value in finding.remedy.items()}
    if not changes:
        return 0
    try:
        mended = mend(changes)
    except KeyboardInterrupt:
        return STOPPED
    place = beside(target, "mended")
    write_picture(mended, place, with_recipe)
    if not quiet:
        after = ", ".join(finding.name for finding in findings(mended)) or "nothing found"
        before = ", ".join(finding.name for finding in found)
        console.print(f"{place}: {before}; now {after}", soft_wrap=True, markup=False)
    return 0


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
            for one in making.cells(laid, folder, on_step=progress.step):
                made.append(one)
                progress.finish()
        except KeyboardInterrupt:
            console.print(f"Stopped: {len(made)} of {len(laid.cells)} pictures are in {folder}.", soft_wrap=True)
            return STOPPED
    for target in targets:
        sheets.save(making.sheet(laid, made), target)
    if curve is not None:
        curves.save_curves(making.histories(laid, made), curve, logarithmic=not linear_curve)
    written = ", ".join(map(str, [*targets, *([curve] if curve else [])]))
    console.print(f"{written}: {len(made)} pictures, each with its recipe in {folder}", soft_wrap=True, markup=False)
    return 0


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


def files_among(sources: Mapping[str, ImageSource], options: Options) -> list[Path]:
    """The files that are read: pictures, masks that are none in words, and what options name."""
    named = [Path(str(source)) for role, source in sources.items() if isinstance(source, Path) or is_mask(role, source)]
    return [*named, *map(Path, option_files(options).values())]


def is_mask(role: str, source: ImageSource) -> bool:
    """Whether a source is a mask given as the name of a file. Raises OptionError for neither file nor shape."""
    return role.startswith(PLACES) and isinstance(source, str) and masks.is_file(source)


def check(outputs: Outputs, inputs: Sequence[Path]) -> None:
    """Find out what cannot be read or written. Raises InputError, OptionError or OutputError."""
    every = outputs.save_every
    if every == 0 or every < -1:
        raise OptionError(f"--save-every is {every}; it must be a whole number of at least 1, or -1 for none.")
    if every > 0 and outputs.streams:
        raise OptionError("--save-every needs a file to number, and -o - is standard output. Name a file with -o.")
    if outputs.streams and str(outputs.json_file) == "-":
        raise OptionError("-o and --json both go to standard output. Name a file for one of them.")
    for path in inputs:
        check_source(path)
    if outputs.embed_inputs and not outputs.recipe:
        raise OptionError(
            "--embed-inputs stores copies in the recipe, and --no-recipe leaves it out. Choose one of them."
        )
    if not outputs.streams:
        saving.check_output(outputs.target, inputs)
    for path in inputs:
        if every > 0 and path.parent.resolve() == outputs.target.parent.resolve() and is_numbered(path, outputs.target):
            raise OutputError(f"--save-every could replace {path}: choose another name for -o.")
    if outputs.json_file is not None and str(outputs.json_file) != "-":
        check_text("--json", outputs.json_file, [*inputs, outputs.target])
    if outputs.curve is not None:
        curves.check_output(outputs.curve)
        check_text("--curve", outputs.curve, [*inputs, outputs.target])
    if outputs.run is not None:
        runs.check_new(outputs.run)


def kept(
    steps: Iterator[PaintStep], outputs: Outputs, sources: Mapping[str, ImageSource], options: Options
) -> Iterator[PaintStep]:
    """The steps, their state kept where that was asked for."""
    if outputs.run is None:
        return steps
    files = {**sources, **{role: Path(path) for role, path in option_files(options).items()}}
    return runs.keep(steps, outputs.run, files, target=outputs.target)


def finished(painting: Painting, outputs: Outputs, sources: Mapping[str, ImageSource]) -> Painting:
    """The painting as it is written: with copies of its inputs in the recipe where they were asked for."""
    return embed(painting, sources) if outputs.embed_inputs else painting


def write(painting: Painting, outputs: Outputs) -> None:
    """Write the picture, the losses and the curve."""
    write_picture(painting, outputs.target, outputs.recipe)
    if outputs.json_file is not None:
        write_text(outputs.json_file, json.dumps({**painting.recipe, "history": painting.history}, indent=1))
    if outputs.curve is not None:
        curves.save_curve(painting.history, outputs.curve, logarithmic=not outputs.linear_curve)


def write_picture(painting: Painting, target: Path, with_recipe: bool = True) -> None:
    """To a file, or as a PNG to standard output for "-"."""
    if str(target) == "-":
        recipe = painting.recipe if with_recipe else None
        sys.stdout.buffer.write(saving.encode(painting.image, ".png", recipe=recipe, opacity=painting.opacity))
    else:
        painting.save(target, with_recipe=with_recipe)


def paint_unsaved(steps: Callable[..., Iterator[PaintStep]], quiet: bool) -> Painting:
    """Run the steps for their last painting alone; progress is shown as by `carry_out`."""
    machine.keep_freed_memory()
    with PaintProgress(Console(stderr=True, highlight=False, emoji=False), quiet) as progress:
        return last(steps(on_download=progress.download), progress.show)


def remark(notes: Sequence[str], quiet: bool) -> None:
    """Sentences that are no errors, to standard error."""
    for note in () if quiet else notes:
        print(f"impasto: {note}", file=sys.stderr)


def carry_out_batch(outcomes: Iterator[Outcome], total: int, folder: str, quiet: bool) -> int:
    """Let every job end, list the failures, return the status: 0, 2 where a job failed, 130 when Ctrl-C stopped it."""
    machine.keep_freed_memory()
    console = Console(stderr=True, highlight=False, emoji=False)
    painted, earlier, faulty, failures, status = 0, 0, 0, [], 0
    with BatchProgress(console, total, quiet) as progress:
        try:
            for outcome in outcomes:
                painted += outcome.error is None and not outcome.earlier
                earlier += outcome.error is None and outcome.earlier
                faulty += outcome.faulty
                failures += [outcome] if outcome.error is not None else []
                progress.show(outcome.job.output.name, len(failures))
        except KeyboardInterrupt:
            status = STOPPED
    for failure in failures:
        print(f"impasto: {failure.job.output.name}: {' '.join(str(failure.error).split())}", file=sys.stderr)
    if not quiet:
        left = total - painted - earlier - len(failures)
        counts = {"painted": painted, "painted earlier": earlier, "failed": len(failures), "left": left}
        said = ", ".join(f"{number} {what}" for what, number in counts.items() if number or what == "painted")
        hint = " Try what failed again with --retry." if failures else ""
        print(f"{folder}: {said}.{hint}", file=sys.stderr)
        if faulty:
            print(f"The doctor found something in {faulty}: `impasto recipe PICTURE` says what.", file=sys.stderr)
    return status or (2 if failures else 0)


def summary(step: "PaintStep", target: Path, stopped: bool) -> str:
    """One line: what was written, and what made it."""
    recipe = step.painting.recipe
    height, width = step.painting.image.shape[2:]
    reached = f"stopped at step {step.index} of {step.total}" if stopped else f"{step.index} steps"
    line = f"{target}: {width} x {height}, {reached}, {step.seconds:.1f} s, {painter(recipe)}"
    found = recipe.get("weights")
    if not found:
        return line
    return (
        f"{line}; strength {recipe['options']['strength']:g}: content weight {found['content']:.3g}, "
        f"style weight {found['style']:.3g}"
    )


def painter(recipe: Mapping[str, Any]) -> str:
    """What painted a picture, in words."""
    if recipe["verb"] == "stylize":
        style = recipe["inputs"]["style"]["name"]
        return f"{style if is_network(style) else 'presto'} by {recipe['engine']}"
    return f"{recipe['options']['backbone']} in {recipe['precision']} on {recipe['device']}"


def evaluate_picture(
    picture: Path,
    content: Path,
    styles: Sequence[tuple[Path, float]],
    backbone: BackboneName,
    card: Path | None,
    json_file: Path | None,
) -> int:
    """Print the report card of one picture, or as JSON, and draw it where asked to; returns the status."""
    sources = [picture, content, *(path for path, _ in styles)]
    for path in sources:
        check_source(path)
    if card is not None:
        cards.check_output(card)
        check_text("-o", card, sources)
    if json_file is not None and str(json_file) != "-":
        check_text("--json", json_file, [*sources, *([card] if card else [])])
    report = evaluation.evaluate(picture, content, list(styles), backbone=backbone)
    if card is not None:
        cards.save(report, card, picture.name)
    if json_file is not None:
        write_text(json_file, json.dumps(report.as_dict(), indent=1))
    if str(json_file) != "-":
        print(cards.text(report))
    return 0


def evaluate_folder(
    pictures: Sequence[Path],
    contents: Sequence[Path],
    styles: Sequence[Path],
    backbone: BackboneName,
    json_file: Path | None,
) -> int:
    """Print the scores of many pictures together; returns the status."""
    if json_file is not None and str(json_file) != "-":
        check_text("--json", json_file, [*pictures, *contents, *styles])
    scores = sets.judge_set(sets.match(pictures, contents, styles), backbones.load(backbone))
    if json_file is not None:
        write_text(json_file, json.dumps(scores.as_dict(), indent=1))
    if str(json_file) != "-":
        print(scores)
    return 0


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
    saving.check_output(f"{path}.png")  # a trial in the same folder
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
