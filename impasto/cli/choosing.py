"""Verbs that help to choose: how strong, how large, which painting."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import DialFlags, given
from impasto.cli.program import PresetName, Quiet, app
from impasto.errors import OptionError


@app.command
def dial(
    content: Path,
    style: Path,
    /,
    *,
    preset: PresetName = "default",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], negative=())] = None,
    quiet: Quiet = False,
    options: Annotated[DialFlags, Parameter(name="*")] = DialFlags(),
) -> int:
    """Paint CONTENT in STYLE at several strengths and style sizes, small, on one sheet to choose from.

    With --strength or --style-scale the sheet looks closer around it. Under every
    picture stand the flags that paint it large.

    Parameters
    ----------
    content
        The picture to paint.
    style
        The picture whose manner is taken.
    preset
        A recipe to start from.
    output
        Where the sheet goes: .png, .pdf or .html. Beside the content if left out.
    """
    from impasto import choosing
    from impasto.outputs.drawing import draw
    from impasto.outputs.places import beside

    laid = choosing.dial(content, style, preset=preset, **given(options))
    status = draw(laid, [output or beside(content, f"{style.stem}-dial")], None, False, quiet)
    if not quiet:
        print(laid.caption, file=sys.stderr)
    return status


@app.command
def scout(
    content: Path,
    styles: tuple[str, ...],
    /,
    *,
    most: int = 10,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], negative=())] = None,
    quiet: Quiet = False,
) -> int:
    """Rank paintings for CONTENT by how well their features cover the photo's; the best come first.

    Parameters
    ----------
    content
        The photo.
    styles
        Paintings, folders of them or patterns such as "*.jpg".
    most
        How many are listed; 0: all.
    output
        Also draw their thumbnails on a sheet: .png, .pdf or .html.
    """
    from rich.console import Console
    from rich.progress import Progress

    from impasto import choosing, coverage, sheets
    from impasto.folders import gather
    from impasto.outputs.places import check_text

    if most < 0:
        raise OptionError(f"--most is {most}; it must be a whole number of at least 0, which lists all.")
    paintings = [path for path in gather(styles, "style") if path.resolve() != content.resolve()]
    if output is not None:
        sheets.check_output(output)
        check_text("-o", output, [content, *paintings])
    console = Console(stderr=True, quiet=quiet)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task("")
        found = coverage.scout(
            content,
            paintings,
            on_picture=lambda done, total: progress.update(bar, completed=done, total=total),
            on_failure=lambda error: progress.console.print(f"impasto: {error}", soft_wrap=True, markup=False),
        )
    listed = found[: most or None]
    for one in listed:
        print(f"{one.distance:.3f}  {one.path}")
    if output is not None:
        sheets.save(choosing.thumbnails(content, listed), output)
    return 0
