"""One picture on its way: its steps shown, saved, and what was reached kept when stopped."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from impasto import curves, doctor, machine, runs, saving
from impasto.doctor import Finding
from impasto.equipment import option_files
from impasto.errors import ImpastoError
from impasto.images import ImageSource
from impasto.ingredients import embed
from impasto.options import Options
from impasto.outputs import STOPPED
from impasto.outputs.places import Outputs, beside, check, files_among, numbered, write_text
from impasto.outputs.terminal import PaintProgress
from impasto.painting import Painting, PaintStep, last
from impasto.transform import is_network

Mend: TypeAlias = Callable[[Mapping[str, Any]], Painting]  # changed options -> the picture, painted with them


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
            mend_picture(step.painting, outputs.target, mend, console, outputs.quiet, outputs.recipe)
    return status


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
) -> None:
    """Paint again with the remedies of all findings, beside the first picture.

    Both stay, and both are judged: a remedy may make something else worse.
    """
    found = findings(painting)
    changes = {name: value for finding in reversed(found) for name, value in finding.remedy.items()}
    if not changes:
        return
    mended = mend(changes)
    place = beside(target, "mended")
    write_picture(mended, place, with_recipe)
    if not quiet:
        after = ", ".join(finding.name for finding in findings(mended)) or "nothing found"
        before = ", ".join(finding.name for finding in found)
        console.print(f"{place}: {before}; now {after}", soft_wrap=True, markup=False)


def paint_unsaved(steps: Callable[..., Iterator[PaintStep]], quiet: bool) -> Painting:
    """Run the steps for their last painting alone; progress is shown as by `carry_out`."""
    machine.keep_freed_memory()
    with PaintProgress(Console(stderr=True, highlight=False, emoji=False), quiet) as progress:
        return last(steps(on_download=progress.download), progress.show)


def remark(notes: Sequence[str], quiet: bool) -> None:
    """Sentences that are no errors, to standard error."""
    for note in () if quiet else notes:
        print(f"impasto: {note}", file=sys.stderr)
