"""Verbs that set pictures side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.cli.program import Flags, LinearCurve, Options, PresetName, Quiet, app, given

if TYPE_CHECKING:
    pass


@app.command
def figure(
    name: str | None = None,
    /,
    *,
    contents: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = (),
    styles: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = (),
    values: Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative=())] = (),
    preset: PresetName | None = None,
    output: Annotated[tuple[Path, ...], Parameter(name=["-o", "--output"], negative=())] = (),
    curve: Path | None = None,
    linear_curve: LinearCurve = False,
    quiet: Quiet = False,
    options: Options = Flags(),
) -> int:
    """Draw a sheet of pictures that compares something; without a NAME, list the figures there are.

    The finished pictures stay in a folder beside the sheet, so a figure that was stopped continues.

    Parameters
    ----------
    name
        Which figure.
    contents
        Photos; shipped pictures if none are given.
    styles
        Paintings; shipped pictures if none are given.
    values
        Of the number that the figure varies.
    preset
        A recipe in place of the figure's own.
    output
        Where the sheet goes: .png, .pdf or .html; may be given several times. impasto-NAME.png if left out.
    curve
        Draw the losses of all pictures to this file: .png, .pdf, .svg or .csv.
    """
    from impasto import figures
    from impasto.outputs import draw

    if name is None:
        for key, found in figures.FIGURES.items():
            print(f"{key:20} {found.shows}")
        return 0
    laid = figures.plan(name, contents, styles, preset=preset, values=values, **given(options))
    return draw(laid, output or (Path(f"impasto-{name}.png"),), curve, linear_curve, quiet)
