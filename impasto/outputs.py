"""What a verb of the command line does with its steps: shows them, saves them, and keeps what was reached when stopped.

Everything that will be written is tried before the first step, so that nothing is painted in vain.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from impasto import images, machine, runs
from impasto.batch import Outcome
from impasto.errors import ImpastoError, OptionError, OutputError
from impasto.images import ImageSource
from impasto.ingredients import embed
from impasto.options import PaintOptions
from impasto.painting import Painting, PaintStep, last, option_files
from impasto.terminal import BatchProgress, PaintProgress

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
    options: PaintOptions,
) -> int:
    """Run the steps, write the outputs, return the status: 0, or 130 when Ctrl-C stopped it and what was reached is kept.

    steps: called with `on_download`. sources: the pictures that are read, by role; nothing is written over them.
    """
    machine.keep_freed_memory()
    check(outputs, [source for source in sources.values() if isinstance(source, Path)], options)
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
        write(finished(step.painting, outputs, sources), outputs)
        if not outputs.quiet:
            console.print(summary(step, outputs.target, stopped=status == STOPPED), soft_wrap=True, markup=False)
    return status


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
    if outputs.embed_inputs and not outputs.recipe:
        raise OptionError(
            "--embed-inputs stores copies in the recipe, and --no-recipe leaves it out. Choose one of them."
        )
    inputs = [*sources, *(Path(path) for path in (options.start, options.weights) if path)]
    if not outputs.streams:
        images.check_output(outputs.target, inputs)
    for path in inputs:
        if every > 0 and path.parent.resolve() == outputs.target.parent.resolve() and is_numbered(path, outputs.target):
            raise OutputError(f"--save-every could replace {path}: choose another name for -o.")
    if outputs.json_file is not None and str(outputs.json_file) != "-":
        check_text("--json", outputs.json_file, [*inputs, outputs.target])
    if outputs.curve is not None:
        from impasto import curves

        curves.check_output(outputs.curve)
        check_text("--curve", outputs.curve, [*inputs, outputs.target])
    if outputs.run is not None:
        runs.check_new(outputs.run)


def kept(
    steps: Iterator[PaintStep], outputs: Outputs, sources: Mapping[str, ImageSource], options: PaintOptions
) -> Iterator[PaintStep]:
    """The steps, their state kept where that was asked for."""
    if outputs.run is None:
        return steps
    files = {role: source for role, source in sources.items() if isinstance(source, Path)} | {
        role: Path(path) for role, path in option_files(options).items()
    }
    return runs.keep(steps, outputs.run, files, target=outputs.target)


def finished(painting: Painting, outputs: Outputs, sources: Mapping[str, ImageSource]) -> Painting:
    """The painting as it is written: with copies of its inputs in the recipe where they were asked for."""
    return embed(painting, sources) if outputs.embed_inputs else painting


def write(painting: Painting, outputs: Outputs) -> None:
    """Write the picture, the losses and the curve."""
    if outputs.streams:
        data = images.encode(painting.image, ".png", recipe=painting.recipe if outputs.recipe else None)
        sys.stdout.buffer.write(data)
    else:
        painting.save(outputs.target, with_recipe=outputs.recipe)
    if outputs.json_file is not None:
        write_text(outputs.json_file, json.dumps({**painting.recipe, "history": painting.history}, indent=1))
    if outputs.curve is not None:
        from impasto.curves import save_curve

        save_curve(painting.history, outputs.curve)


def paint_unsaved(steps: Callable[..., Iterator[PaintStep]], quiet: bool) -> Painting:
    """Run the steps for their last painting alone; progress is shown as by `carry_out`."""
    machine.keep_freed_memory()
    with PaintProgress(Console(stderr=True, highlight=False, emoji=False), quiet) as progress:
        return last(steps(on_download=progress.download), progress.show)


def remark(notes: Sequence[str], quiet: bool) -> None:
    """Sentences that are no errors, to standard error."""
    for note in () if quiet else notes:
        print(f"impasto: {note}", file=sys.stderr)


def carry_out_batch(outcomes: Iterator[Outcome], total: int, folder: Path, quiet: bool) -> int:
    """Let every job end, list the failures, return the status: 0, 2 where a job failed, 130 when Ctrl-C stopped it."""
    machine.keep_freed_memory()
    console = Console(stderr=True, highlight=False, emoji=False)
    painted, earlier, failures, status = 0, 0, [], 0
    with BatchProgress(console, total, quiet) as progress:
        try:
            for outcome in outcomes:
                painted += outcome.error is None and not outcome.earlier
                earlier += outcome.error is None and outcome.earlier
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
    return status or (2 if failures else 0)


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
