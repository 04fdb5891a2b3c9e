"""Every figure by its name: a plan function and what it fixes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from impasto import images
from impasto.errors import OptionError
from impasto.figures.brief import Brief
from impasto.figures.layout import Plan, folded
from impasto.figures.making import cells, sheet
from impasto.figures.plans import (
    basic_fast,
    blend,
    gallery,
    layers,
    optimisers,
    poolings,
    reconstructions,
    seeds,
    sizes,
    starts,
    styles,
    textures,
    weights,
)
from impasto.opening import FilePath
from impasto.painting import PaintStep
from impasto.presets import FIGURE_SHEET
from impasto.sheets import Sheet
from impasto.shipped import DEMO

CONTENTS, STYLES = ("valley", "fauve"), ("swirl", "woodcut", "mosaic", "points", "fauve")


@dataclass(frozen=True)
class Figure:
    """What a figure shows, its plan, how many of the shipped pictures it takes by default, and its preset.

    varies: whether it varies a number, whose values can be given.
    """

    shows: str
    plan: Callable[[Brief], Plan]
    contents: int = 1
    styles: int = 1
    preset: str = "default"
    varies: bool = False


TENS = [10.0**power for power in range(6)]
FIGURES: dict[str, Figure] = {
    "layers": Figure("content reconstructed from every convolution", layers, styles=0),
    "styles": Figure("style reconstructed from growing sets of layers", styles, contents=0),
    "textures": Figure("textures from a sliding window of layers", textures, contents=0),
    "weights": Figure("the content weight by powers of ten", weights, styles=2, varies=True),
    "gallery": Figure("contents by styles", gallery, contents=2, styles=4),
    "any-style": Figure("contents by styles, by presto", partial(gallery, fast=True), contents=2, styles=4),
    "starts": Figure("noise start against content start", starts, styles=2),
    "seeds": Figure("two noises side by side", seeds, varies=True),
    "blend": Figure("a start between photo and noise, with a slider", blend, varies=True),
    "optimisers": Figure("Adam against L-BFGS, with their curves", optimisers),
    "basic-fast": Figure("the optimiser against the feed-forward network, with times", basic_fast, styles=2),
    "pooling": Figure("average, max and L2 pooling", poolings),
    "sizes": Figure("the same pair small and large", sizes, varies=True),
    "gatys2015-styles": Figure("system A: one content in five styles", gallery, styles=5, preset="gatys2015"),
    "ryanchankh-fig1": Figure("system B: content and style layer by layer", reconstructions, preset="ryanchankh"),
    "ryanchankh-fig3": Figure("system B: one photo in five paintings", gallery, styles=5, preset="ryanchankh"),
    "assignment4-part1": Figure(
        "system C: every convolution's content, from two noises",
        partial(layers, seeds=(0, 1)), styles=0, preset="assignment4",
    ),
    "assignment4-part2": Figure(
        "system C: textures from five consecutive layers, from two noises",
        partial(textures, seeds=(0, 1)), contents=0, preset="assignment4",
    ),
    "assignment4-part3": Figure(
        "system C: content weight 1 to 10⁵ at style weight 10⁶, over four pairs",
        partial(weights, powers=TENS), contents=2, styles=2, preset="assignment4", varies=True,
    ),
    "assignment4-grid": Figure(
        "system C: two contents in two styles", gallery, contents=2, styles=2, preset="assignment4"
    ),
    "assignment4-starts": Figure("system C: noise start against content start", starts, preset="assignment4"),
    "assignment4-part4": Figure(
        "system C: noise·α + content·(1-α), with a slider", blend, preset="assignment4", varies=True
    ),
    "fast-comparison": Figure("system D: basic and fast, with both times", basic_fast, styles=5, preset="fast-basic"),
    "blog-example": Figure("system E: one pair, as the blog paints it", gallery, preset="blog"),
}  # fmt: skip


def figure(
    name: str,
    contents: Sequence[FilePath] = (),
    styles: Sequence[FilePath] = (),
    *,
    folder: FilePath,
    on_step: Callable[[PaintStep], object] | None = None,
    **given: Any,
) -> Sheet:
    """The sheet of a figure, ready for `sheets.save`. folder: where its finished pictures are kept.

    Other arguments are those of `plan`. Raises as `plan` and the verbs do.
    """
    laid = plan(name, contents, styles, **given)
    return sheet(laid, list(cells(laid, folder, on_step=on_step)))


def plan(
    name: str,
    contents: Sequence[FilePath] = (),
    styles: Sequence[FilePath] = (),
    *,
    preset: str | None = None,
    values: Sequence[float] = (),
    **given: Any,
) -> Plan:
    """Lay out the figure of that name.

    contents, styles: pictures; the shipped ones if none are given. preset: in place of the figure's own. values: of the
    quantity that the figure varies. given: single options, such as size=128. Raises OptionError or InputError.
    """
    if name not in FIGURES:
        raise OptionError(f"There is no figure {name!r}. Choose among {', '.join(FIGURES)}.")
    figure = FIGURES[name]
    for role, paths, count in (("content", contents, figure.contents), ("style", styles, figure.styles)):
        if paths and not count:
            raise OptionError(f"The figure {name} takes no {role} picture. Leave it out.")
    if values and not figure.varies:
        raise OptionError(f"The figure {name} varies no number. Leave --values out.")
    for path in (*contents, *styles):
        images.load_picture(path)  # what cannot be read is found before anything is painted
    brief = Brief(
        [Path(path) for path in contents] or [DEMO / f"{one}.jpg" for one in CONTENTS[: figure.contents]],
        [Path(path) for path in styles] or [DEMO / f"{one}.jpg" for one in STYLES[: figure.styles]],
        preset or figure.preset,
        {**FIGURE_SHEET, **given},
        values,
    )
    return folded(figure.plan(brief))
