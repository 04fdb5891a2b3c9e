"""Verbs that make a picture."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from impasto.bundle import flag, reject_unknown
from impasto.cli.flags import Flags, Options, ReconstructFlags, StylizeFlags, TextureFlags, given
from impasto.cli.program import Doctor, NoRecipe, PresetName, Quiet, Results, RunFolder, app, picture_to
from impasto.errors import OptionError
from impasto.options import StylizeOptions
from impasto.presets import options_for
from impasto.shipped import DEMO

if TYPE_CHECKING:
    from impasto.folders import Task
    from impasto.scene import Style

WATCHED = ("strength", "style_weights")  # options of stylizing that a network's page has


@app.command(usage="Usage: impasto paint CONTENT STYLE[:WEIGHT] [STYLE[:WEIGHT] ...] [OPTIONS]")
def paint(
    content: Path,
    style: str,
    /,
    *styles: str,
    mask: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    protect: str | None = None,
    preset: PresetName = "default",
    run: RunFolder = None,
    doctor: Doctor = "tell",
    results: Results = Results(),
    options: Options = Flags(),
) -> int:
    """Paint CONTENT in the manner of STYLE, or of several.

    A mask is a picture of the content's aspect, white where it holds; alpha, the
    content's own opacity; or a shape, its numbers shares of the width and height:
    left, right, top, bottom, gradient:left, ellipse:X,Y,RX,RY,
    box:LEFT,TOP,RIGHT,BOTTOM.

    Parameters
    ----------
    content
        The picture to paint.
    style
        The picture whose manner is taken; STYLE:0.7 gives it a weight against others.
    styles
        Further styles, blended by weight, or by region with --mask.
    mask
        Where each style goes, in order; styles without a mask take what is left, and where none goes the content stays.
    protect
        A mask where the content stays.
    preset
        A recipe to start from; `impasto presets` says what each reproduces.
    """
    from impasto import scene
    from impasto.outputs.pictures import carry_out
    from impasto.outputs.places import beside
    from impasto.painting import last, paint_steps

    chosen = options_for(preset, **given(options))
    weighed = [weighed_style(text) for text in (style, *styles)]
    together = masked_styles(weighed, mask)
    steps = partial(paint_steps, content, together, chosen, protect=protect, preset=preset)
    outputs = results.outputs(beside(content, "-".join(path.stem for path, _ in weighed)), run)
    check_doctor(doctor, outputs.target)
    mend = (lambda changes: last(steps(**changes), None)) if doctor == "fix" else None
    return carry_out(steps, outputs, scene.sources(content, together, protect), chosen, mend)


def check_doctor(doctor: str, target: Path) -> None:
    """Raise OptionError where a second picture is asked for and has no place."""
    if doctor == "fix" and str(target) == "-":
        raise OptionError("--doctor fix writes a second picture, and -o - is standard output. Name a file with -o.")


def masked_styles(weighed: Sequence[tuple[Path, float]], places: Sequence[str]) -> "list[Style]":
    """Each style with its weight and its mask, if there is one for it. Raises OptionError for too many masks."""
    from impasto.scene import Style

    if len(places) > len(weighed):
        raise OptionError(f"{len(places)} masks were given for {len(weighed)} styles. Give at most one for each.")
    return [Style(path, weight, place) for (path, weight), place in zip_longest(weighed, places)]


def weighed_style(text: str) -> tuple[Path, float]:
    """STYLE or STYLE:WEIGHT; a file with the whole name goes before a weight."""
    name, colon, weight = text.rpartition(":")
    if not (name and colon and re.fullmatch(r"\d+\.?\d*|\.\d+", weight)) or os.path.lexists(text):
        return Path(text), 1.0
    return Path(name), float(weight)


@app.command
def stylize(
    pictures: Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=True)] = (),
    /,
    *,
    style: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    model: Path | None = None,
    camera: Annotated[bool, Parameter(negative=())] = False,
    mix: Annotated[bool, Parameter(negative=())] = False,
    mask: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    protect: str | None = None,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)] = None,
    doctor: Doctor = "tell",
    quiet: Quiet = False,
    options: Annotated[StylizeFlags, Parameter(name="*")] = StylizeFlags(),
) -> int:
    """Paint photos in any style at once, each in a few passes of a small network.

    Parameters
    ----------
    pictures
        Photos, folders of them or patterns such as "*.jpg", "-" for one on standard input; the last one is the style
        unless --style or --model is given.
    style
        Paintings, folders or patterns: every photo is painted in every style. STYLE:0.7 gives one a weight for --mix.
    model
        A network that `impasto train` wrote, in place of a style.
    camera
        Open a page in the browser that paints what the camera sees by the model, live; see `impasto export --to html`.
    mix
        Paint every photo once, in a mixture of all styles.
    mask
        Where each style goes, in order, as in `impasto paint`; the styles then share one picture.
    protect
        A mask where the photo stays.
    output
        Where the result goes: a picture, "-" for a PNG on standard output, or, where there are several results, a folder.
        Beside the photo, on standard output where that was standard input, or in the folder impasto-stylize, if left out.
    """
    from impasto.folders import standard_input
    from impasto.outputs.photos import stylize_files

    typed = (name for name in pictures if re.match("-.", name) and not os.path.lexists(name))  # "-" is a picture
    reject_unknown((name.strip("-") for name in typed), StylizeOptions)
    if camera:
        if model is None or any((pictures, style, mask, protect, mix, output)):
            raise OptionError(
                "--camera takes no pictures and a network that `impasto train` wrote: name it with --model."
            )
        return watch(model, **given(options))
    named = (*style, *((str(model),) if model else ()))
    photos, paintings = (pictures, named) if named else (pictures[:-1], pictures[-1:])
    if mix and len(paintings) < 2 and not model:
        raise OptionError("--mix mixes several styles, and one is named: name them after --style.")
    if photos == ("-",):
        output = output or Path("-")
    with standard_input(photos) as present:
        work = stylize_tasks(present, [weighed_style(text) for text in paintings], mask, mix, output)
        if len(work) == 1:
            check_doctor(doctor, work[0].target)
        return stylize_files(work, protect, StylizeOptions(**given(options)), quiet, doctor == "fix")


def watch(model: Path, **options: Any) -> int:
    """Open the model's page in the browser. Raises OptionError, WeightsError or OutputError."""
    import webbrowser

    from impasto.exporting import export
    from impasto.weights import cache_folder

    for name in options:
        if name not in WATCHED:
            raise OptionError(f"{flag(name)} says nothing to --camera, which takes {' and '.join(map(flag, WATCHED))}.")
    page = cache_folder() / "pages" / f"{model.stem}.html"
    with suppress(OSError):  # the export says what is wrong
        page.parent.mkdir(parents=True, exist_ok=True)
    chosen = StylizeOptions(**options)
    export(model, page, **{name: getattr(chosen, name) for name in WATCHED})
    webbrowser.open(page.as_uri())
    print(f"{page} is in the browser.", file=sys.stderr)
    return 0


def stylize_tasks(
    photos: Sequence[str],
    paintings: Sequence[tuple[Path, float]],
    mask: Sequence[str],
    mix: bool,
    output: Path | None,
) -> "list[Task]":
    """What is to be painted, and where it goes. Raises InputError, OptionError or OutputError."""
    from impasto.errors import OutputError
    from impasto.folders import SUFFIXES, Task, gather, tasks
    from impasto.outputs.places import beside

    styles = [(path, weight) for text, weight in paintings for path in gather([str(text)], "style")]
    work = tasks(
        gather(photos, "photo"), masked_styles(styles, mask), mix or bool(mask), output or Path("impasto-stylize")
    )
    if len(work) == 1:
        (task,) = work
        return [
            Task(task.content, task.styles, output or beside(task.content, "-".join(path.stem for path, _ in styles)))
        ]
    if str(output) == "-":
        raise OutputError(f"Standard output takes one picture, and there are {len(work)}. Name a folder with -o.")
    if output is not None and output.suffix.lower() in SUFFIXES and not output.is_dir():
        raise OutputError(f"{output} is the name of one picture, and there are {len(work)}. Name a folder with -o.")
    return work


@app.command
def texture(
    style: Path,
    /,
    *,
    width: int | None = None,
    height: int | None = None,
    seamless: Annotated[bool, Parameter(negative=())] = False,
    preset: PresetName = "default",
    run: RunFolder = None,
    results: Results = Results(),
    options: Annotated[TextureFlags, Parameter(name="*")] = TextureFlags(),
) -> int:
    """Synthesize a texture with the statistics of STYLE.

    Parameters
    ----------
    style
        The picture whose texture is taken.
    width
        Of the result in pixels; without width and height it has --size and the style's aspect.
    height
        Of the result in pixels.
    seamless
        Make a picture that tiles.
    preset
        A recipe to start from; its content is left out.
    """
    from impasto.outputs.pictures import carry_out
    from impasto.outputs.places import beside
    from impasto.synthesis import texture_options, texture_steps

    chosen = texture_options(preset, width, height, **given(options))
    steps = partial(texture_steps, style, chosen, preset=preset, width=width, height=height, seamless=seamless)
    return carry_out(steps, results.outputs(beside(style, "texture"), run), {"style": style}, chosen)


@app.command
def reconstruct(
    picture: Path,
    /,
    *,
    layer: str | None = None,
    preset: PresetName = "default",
    run: RunFolder = None,
    results: Results = Results(),
    options: Annotated[ReconstructFlags, Parameter(name="*")] = ReconstructFlags(),
) -> int:
    """Reconstruct PICTURE from what a network keeps of it: one layer's features, or the statistics of --style-layers.

    Parameters
    ----------
    picture
        The picture to reconstruct.
    layer
        The layer whose features are matched; relu4_2 if neither this nor --style-layers is given.
    preset
        A recipe to start from.
    """
    from impasto.outputs.pictures import carry_out
    from impasto.outputs.places import beside
    from impasto.synthesis import reconstruct_options, reconstruct_steps

    chosen = reconstruct_options(preset, layer, **given(options))
    steps = partial(reconstruct_steps, picture, chosen, preset=preset)
    sources = {"content": picture, "style": picture}
    return carry_out(steps, results.outputs(beside(picture, "reconstruction"), run), sources, chosen)


@Parameter(name="*")
@dataclass(frozen=True)
class DemoResults(Results):
    """Where the demo's results go."""

    output: Annotated[Path | None, picture_to("impasto-demo.png in this folder")] = None


@app.command
def demo(
    *,
    style: Literal["swirl", "woodcut", "mosaic", "points", "fauve"] = "swirl",
    results: DemoResults = DemoResults(),
    options: Options = Flags(),
) -> int:
    """Paint the pictures that come with the package: the first thing to try.

    Parameters
    ----------
    style
        Which of the shipped styles.
    """
    from impasto.outputs.pictures import carry_out
    from impasto.painting import paint_steps

    content, painted = DEMO / "valley.jpg", DEMO / f"{style}.jpg"
    chosen = options_for(**given(options))
    steps = partial(paint_steps, content, painted, chosen, preset="default")
    return carry_out(steps, results.outputs(Path("impasto-demo.png")), {"content": content, "style": painted}, chosen)


@app.command
def batch(
    *sources: Path,
    output: Annotated[str, Parameter(name=["-o", "--output"])] = "batch",
    workers: int = 1,
    engine: Literal["processes", "ray"] = "processes",
    address: str | None = None,
    retry: Annotated[bool, Parameter(negative=())] = False,
    suffix: str = ".png",
    preset: PresetName = "default",
    no_recipe: NoRecipe = False,
    quiet: Quiet = False,
    options: Options = Flags(),
) -> int:
    """Paint many pictures: `impasto batch JOBS.csv` or `impasto batch CONTENTS x STYLES`, each a folder or a picture.

    A batch that ended before its time goes on where it was when it is begun again.

    Parameters
    ----------
    sources
        A table with the columns content and style, and if one likes output, preset and any option; or two folders.
    output
        The folder for the pictures and the journal, or the URL of one in a store, such as s3://bucket/out.
    workers
        Processes that share the cores, or actors of a cluster.
    engine
        What the workers are: processes here, or ray, which `pip install 'impasto[distributed]'` brings.
    address
        Of a running Ray cluster, such as auto or ray://head:10001; without one Ray runs here, closed to other machines.
    retry
        Paint again what failed earlier.
    suffix
        Of the pictures: .png, .jpg, .webp, .avif or .tif.
    preset
        A recipe to start from.
    """
    from impasto import jobs, saving
    from impasto.batch import work_through
    from impasto.outputs.batches import carry_out_batch

    saving.is_lossy(suffix)
    settings = given(options)
    options_for(preset, **settings)
    if len(sources) == 1:
        work = jobs.table(sources[0], output, settings, preset=preset, suffix=suffix)
    elif len(sources) == 3 and str(sources[1]) == "x":
        work = jobs.pairs(sources[0], sources[2], output, settings, preset=preset, suffix=suffix)
    else:
        raise OptionError(
            "A batch needs a table or two folders: `impasto batch JOBS.csv`, `impasto batch CONTENTS x STYLES`."
        )
    outcomes = work_through(
        work, output, workers=workers, retry=retry, with_recipe=not no_recipe, engine=engine, address=address
    )
    return carry_out_batch(outcomes, len(work), output, quiet)
