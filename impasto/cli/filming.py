"""The verb that paints videos."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.cli.flags import VideoFlags, given
from impasto.cli.painting import masked_styles, weighed_style
from impasto.cli.program import PresetName, Quiet, app
from impasto.errors import OutputError
from impasto.outputs import STOPPED

if TYPE_CHECKING:
    from impasto.film.reel import Frame


@app.command(usage="Usage: impasto video VIDEO STYLE[:WEIGHT][@TIME] [STYLE ...] [OPTIONS]")
def video(
    clip: Path,
    style: str,
    /,
    *styles: str,
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    mask: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    protect: str | None = None,
    preset: PresetName | None = None,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)] = None,
    preview: Path | None = None,
    quiet: Quiet = False,
    options: Annotated[VideoFlags, Parameter(name="*")] = VideoFlags(),
) -> int:
    """Paint a video, its frames holding still, its sound kept.

    What is finished stays in OUTPUT.work until all is, so the same command goes on after any end.

    Parameters
    ----------
    clip
        The video to paint.
    style
        The picture whose manner is taken; STYLE:0.7 gives it a weight against others, STYLE@10s a time to be alone.
    styles
        Further styles, blended by weight, by region with --mask, or one after the other with times.
    begin
        Where the part begins that is painted: 90, 01:30 or 1:01:30.5.
    end
        Where it ends.
    mask
        Where each style goes, in order, as in `impasto paint`.
    protect
        A mask where the video stays.
    preset
        A recipe to start from, for the methods frame and steady.
    output
        Where the result goes: .mp4, .mov, .mkv, .webm, .gif or a folder for pictures. Beside the video if left out.
    preview
        A picture file that shows the frame that was finished last.
    """
    from impasto import machine, saving
    from impasto.film.filming import video as frames
    from impasto.film.times import split_moment

    if str(output) == "-":
        raise OutputError("A video does not go to standard output. Name a file or a folder with -o.")
    machine.keep_freed_memory()
    timed = [split_moment(text) for text in (style, *styles)]
    weighed = [weighed_style(name) for name, _ in timed]
    if preview is not None:
        saving.check_output(preview, [clip, *(path for path, _ in weighed)])
    moments = [moment for _, moment in timed if moment is not None]
    target = output or beside(clip, "-".join(path.stem for path, _ in weighed))
    notes: list[str] = []
    made = frames(
        clip,
        masked_styles(weighed, mask),
        target,
        preset=preset,
        begin=begin,
        end=end,
        moments=moments,
        protect=protect,
        on_note=notes.append,
        **given(options),
    )
    return show(made, target, notes, preview, quiet)


def show(frames: "Iterator[Frame]", target: Path, notes: Sequence[str], preview: Path | None, quiet: bool) -> int:
    """Let the frames be painted and say how far it is; returns the status: 130 where Ctrl-C stopped it."""
    from rich.console import Console

    from impasto.outputs.terminal import FilmProgress

    console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
    status, painted, frame = 0, 0, None
    with FilmProgress(console, quiet, preview) as progress:
        try:
            for frame in frames:
                painted += not frame.found
                progress.show(frame)
        except KeyboardInterrupt:
            status = STOPPED
    for note in notes:
        print(f"impasto: {note}", file=sys.stderr)
    if frame is None:
        if status:
            console.print("Stopped before the first frame; the same command begins again.", markup=False)
        return status
    rate = painted / frame.seconds if painted else 0.0
    words = f"{painted} frames in {frame.seconds:.1f} s, {rate:.2f} a second, {frame.engine}"
    if status:
        console.print(f"Stopped after {words}; the same command goes on.", soft_wrap=True, markup=False)
    else:
        console.print(f"{target}: {words}", soft_wrap=True, markup=False)
    return status


def beside(clip: Path, suffix: str) -> Path:
    """clip-suffix.mp4 beside the clip: where a stopped one is, else a name that is free."""
    names = (
        clip.with_name(f"{clip.stem}-{suffix}{number}.mp4") for number in ("", *(f"-{i}" for i in range(2, 10_000)))
    )
    return next(
        path for path in names if not os.path.lexists(path) or os.path.lexists(path.with_name(f"{path.name}.work"))
    )


@app.command
def flicker(
    clip: Path,
    painted: tuple[Path, ...] = (),
    /,
    *,
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    style: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = (),
    curve: Path | None = None,
) -> int:
    """Measure how steady painted videos are: the warping error along the motion of the video they were painted from.

    Prints, for the input and for each, the root of the mean error, in 255ths, and where the worst frame is.

    Parameters
    ----------
    clip
        The video before it was painted.
    painted
        The same video, painted.
    begin
        Where the part begins that was painted.
    end
        Where it ends.
    style
        Paintings whose flicker is to be predicted from their statistics.
    curve
        Draw the errors over time to this file: .png, .pdf, .svg or .csv.
    """
    from impasto import curves
    from impasto.film import flicker as measuring
    from impasto.film import reading
    from impasto.film.filming import moment

    if curve is not None:
        curves.check_output(curve)
    part = reading.read(clip).part(moment(begin, "--from"), moment(end, "--to"), 1)
    found = measuring.measure(part, named(painted))
    for name, one in found.items():
        time, error = one.worst
        print(f"{name:32} mean {255 * one.mean**0.5:6.2f}   worst {255 * error**0.5:6.2f} at {time:.2f} s")
    for path in style:
        print(f"{path.name:32} {measuring.advice(path)}")
    if curve is not None:
        measuring.save_plot(found, curve)
    return 0


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by their names; those that share one, by their paths as they were given."""
    names = [path.name for path in paths]
    return {path.name if names.count(path.name) == 1 else str(path): path for path in paths}
