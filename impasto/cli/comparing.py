"""Verbs that set pictures side by side."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import FigureFlags, Flags, Options, given
from impasto.cli.program import LinearCurve, PresetName, Quiet, app
from impasto.options import BackboneName, EngineName, StyleLoss


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
    options: Annotated[FigureFlags, Parameter(name="*")] = FigureFlags(),
) -> int:
    """Draw a sheet of pictures that compares something; without a NAME, list the figures there are.

    The finished pictures stay in a folder beside the sheet, so a figure that was stopped continues. Options without a
    default here are as the figure's recipe has them.

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
    from impasto.figures.table import FIGURES, plan
    from impasto.outputs.drawing import draw

    if name is None:
        for key, found in FIGURES.items():
            print(f"{key:20} {found.shows}")
        return 0
    laid = plan(name, contents, styles, preset=preset, values=values, **given(options))
    return draw(laid, output or (Path(f"impasto-{name}.png"),), curve, linear_curve, quiet)


@app.command
def compare(
    content: Path,
    style: Path,
    /,
    *,
    presets: Annotated[tuple[PresetName, ...], Parameter(consume_multiple=True, negative=())] = (),
    backbones: Annotated[tuple[BackboneName, ...], Parameter(consume_multiple=True, negative=())] = (),
    losses: Annotated[tuple[StyleLoss, ...], Parameter(consume_multiple=True, negative=())] = (),
    engines: Annotated[tuple[EngineName, ...], Parameter(consume_multiple=True, negative=())] = (),
    output: Annotated[tuple[Path, ...], Parameter(name=["-o", "--output"], negative=())] = (),
    curve: Path | None = None,
    linear_curve: LinearCurve = False,
    quiet: Quiet = False,
    options: Options = Flags(),
) -> int:
    """Paint the same pair in several ways, side by side with figures and times.

    With nothing named: the losses wasserstein, moments and gram, and presto. The finished pictures stay in a folder beside
    the sheet, so a comparison that was stopped continues.

    Parameters
    ----------
    content
        The photo.
    style
        The style.
    presets
        Recipes to paint by; `impasto presets` lists them.
    backbones
        Networks to paint by, all else by the default recipe.
    losses
        Style losses to paint by, all else by the default recipe.
    engines
        What runs presto, as in `impasto stylize`.
    output
        Where the sheet goes: .png, .pdf or .html; may be given several times. impasto-compare.png if left out.
    curve
        Draw the losses of all pictures to this file: .png, .pdf, .svg or .csv.
    """
    from impasto import comparison
    from impasto.outputs.drawing import draw

    laid = comparison.plan(
        content, style, presets=presets, backbones=backbones, losses=losses, engines=engines, **given(options)
    )
    return draw(laid, output or (Path("impasto-compare.png"),), curve, linear_curve, quiet)
