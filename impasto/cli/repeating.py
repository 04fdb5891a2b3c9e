"""Verbs that take up a picture or a run again."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import BranchFlags, RerunFlags, given
from impasto.cli.program import Quiet, Results, RunFolder, app, picture_to

Folders = Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())]


@app.command
def rerun(
    picture: Path,
    /,
    *,
    content: Path | None = None,
    style: Path | None = None,
    inputs: Folders = (),
    results: Results = Results(),
    options: Annotated[RerunFlags, Parameter(name="*")] = RerunFlags(),
) -> int:
    """Paint PICTURE again from its recipe, with any option changed; what is not given is as the recipe has it.

    What it was made from is found by its hash beside it or in this folder, or as a small copy inside.

    Parameters
    ----------
    picture
        A picture that impasto wrote.
    content
        The content to take instead.
    style
        The style to take instead.
    inputs
        Folders to look in first.
    """
    from impasto.outputs.pictures import carry_out, remark
    from impasto.outputs.places import beside
    from impasto.repeat import prepare

    named = sources_given(content, style)
    repeat = prepare(picture, folders=inputs, sources=named, **given(options))
    remark(repeat.notes, results.quiet)
    return carry_out(
        repeat.steps, results.outputs(beside(picture, "again")), {**repeat.sources, "picture": picture}, repeat.options
    )


def sources_given(content: Path | None, style: Path | None) -> dict[str, Path]:
    """The pictures that were named, by role."""
    return {role: path for role, path in (("content", content), ("style", style)) if path is not None}


@app.command
def verify(
    picture: Path,
    /,
    *,
    content: Path | None = None,
    style: Path | None = None,
    inputs: Folders = (),
    quiet: Quiet = False,
) -> int:
    """Paint PICTURE again from its recipe and compare: status 0 if it is the same picture, 1 if not.

    On the same machine every pixel is the same: it uses as many threads as there were. Else more than 40 dB of PSNR pass.

    Parameters
    ----------
    picture
        A picture that impasto wrote.
    content
        Its content, where it is not found by its hash.
    style
        Its style, where it is not found by its hash.
    inputs
        Folders to look in first.
    """
    from impasto.outputs.pictures import paint_unsaved, remark
    from impasto.repeat import judge, prepare, verification

    repeat = prepare(picture, folders=inputs, sources=sources_given(content, style))
    remark(repeat.notes, quiet)
    verdict = judge(picture, paint_unsaved(partial(verification, repeat), quiet))
    if not quiet:
        print(f"{picture}: {verdict}")
        for note in () if verdict.identical else verdict.notes:
            print(f"  {note}")
    return 0 if verdict.passed else 1


@Parameter(name="*")
@dataclass(frozen=True)
class ResumeResults(Results):
    """Where a run's results go that is gone on with."""

    output: Annotated[Path | None, picture_to("where -o said at first, else picture.png in FOLDER")] = None


@app.command
def resume(folder: Path, /, *, results: ResumeResults = ResumeResults()) -> int:
    """Go on with the run in FOLDER, to the picture that it would have become.

    Parameters
    ----------
    folder
        What was named with --run.
    """
    from impasto.outputs.pictures import carry_out, remark
    from impasto.runs import load

    run = load(folder)
    remark(run.repeat.notes, results.quiet)
    outputs = results.outputs(run.target or folder / "picture.png")
    return carry_out(run.steps, outputs, run.repeat.sources, run.repeat.options)


@Parameter(name="*")
@dataclass(frozen=True)
class BranchResults(Results):
    """Where a branch's results go."""

    output: Annotated[Path | None, picture_to("beside FOLDER")] = None


@app.command
def branch(
    folder: Path,
    /,
    *,
    at: int,
    run: RunFolder = None,
    results: BranchResults = BranchResults(),
    options: Annotated[BranchFlags, Parameter(name="*")] = BranchFlags(),
) -> int:
    """Paint on from a kept step of the run in FOLDER with some options changed, as a run of its own.

    What is not given is as the run has it.

    Parameters
    ----------
    folder
        What was named with --run.
    at
        The step to branch from: every 25th is kept, and the last.
    """
    from impasto.outputs.pictures import carry_out, remark
    from impasto.outputs.places import beside
    from impasto.runs import branch as branched

    repeat, state = branched(folder, at, **given(options))
    remark(repeat.notes, results.quiet)
    outputs = results.outputs(beside(folder, f"{at}"), run)
    return carry_out(partial(repeat.steps, state=state), outputs, repeat.sources, repeat.options)


@app.command
def diff(
    one: Path,
    other: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> int:
    """Say what differs between two pictures: in their settings, and in their pixels.

    Parameters
    ----------
    one
        A picture that impasto wrote.
    other
        Another.
    output
        Where to draw the pixels' difference, enlarged until its largest value is white.
    """
    from impasto import saving
    from impasto.errors import InputError
    from impasto.repeat import diff as compare

    if output is not None:
        saving.check_output(output, [one, other])
    found = compare(one, other)
    for line in found.lines:
        print(line)
    print(found.in_pixels())
    if output is not None:
        if found.difference is None:
            raise InputError("Pictures of different sizes have no difference in pixels to draw. Leave -o out.")
        saving.save(found.difference, output)
    return 0
