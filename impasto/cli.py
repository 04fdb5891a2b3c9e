"""The command line: `impasto VERB ...`. One thin function a verb; every option comes from the verb's own dataclass.

Words go to standard error, data to standard output. Status 0 done, 2 bad input or option, 1 a fault of ours, 130 stopped
by Ctrl-C with what was reached kept. torch is imported when a verb needs it, not before.
"""

import dataclasses
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, TypeAlias

from cyclopts import App, CycloptsError, Group, Parameter

import impasto
from impasto.errors import ImpastoError, OptionError
from impasto.options import PaintOptions, StylizeOptions
from impasto.presets import PRESETS, options_for

if TYPE_CHECKING:
    from impasto.outputs import Outputs
    from impasto.scene import Style

app = App(
    name="impasto",
    help="Paint one picture in the manner of another.",
    version=impasto.__version__,
    result_action="return_value",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # run() answers with a status
)

STOPPED = 130  # as shells report a program that Ctrl-C ended
CLOSED = 141  # and one whose reader has gone, such as `head`


def mirror(options: type, of: str) -> type:
    """A dataclass with the same options, none of them given: so that a preset's value is overridden only by a flag."""
    group = Group(f"Options of {of}", sort_key=2)
    made = dataclasses.make_dataclass(
        f"{options.__name__}Flags",
        [
            (
                declared.name,
                Annotated[
                    Optional[declared.type],  # noqa: UP045  (the type is known at run time only)
                    Parameter(
                        help=f"{declared.metadata['help']} [{words(declared.default)}]",
                        group=group,
                        negative=(),
                        consume_multiple=True,
                    ),
                ],
                None,
            )
            for declared in fields(options)
        ],
        frozen=True,
    )
    made.__module__ = __name__  # cyclopts takes a class of the module `types`, make_dataclass's own, for a builtin
    return made


def words(default: Any) -> str:
    """A default as one would type it."""
    if isinstance(default, tuple):
        return " ".join(map(str, default)) or "none"
    if default is None or isinstance(default, bool):
        return {None: "none", False: "no", True: "yes"}[default]
    return str(default)


Flags: TypeAlias = mirror(PaintOptions, "painting")  # type: ignore[valid-type]
StylizeFlags: TypeAlias = mirror(StylizeOptions, "stylizing")  # type: ignore[valid-type]
PresetName: TypeAlias = Literal[tuple(PRESETS)]  # type: ignore[valid-type]
Options: TypeAlias = Annotated[Flags, Parameter(name="*")]
LinearCurve: TypeAlias = Annotated[
    bool, Parameter(help="Give the curve a linear scale instead of a logarithmic one.", negative=())
]
Quiet: TypeAlias = Annotated[bool, Parameter(name=["-q", "--quiet"], help="Say nothing but errors.", negative=())]


@Parameter(name="*")
@dataclass(frozen=True)
class Results:
    """Where a verb's results go: the same flags for all."""

    output: Annotated[
        Path | None,
        Parameter(
            name=["-o", "--output"],
            allow_leading_hyphen=True,
            help='Where the result goes: .png, .jpg, .webp or .tif; "-" writes a PNG to standard output. Beside the '
            "picture if left out.",
        ),
    ] = None
    save_every: Annotated[int, Parameter(help="Also save a numbered picture every so many steps; -1: none.")] = -1
    json_file: Annotated[
        Path | None,
        Parameter(
            name="--json",
            allow_leading_hyphen=True,
            help='Write the recipe and the losses of every step to this file; "-" is standard output.',
        ),
    ] = None
    curve: Annotated[
        Path | None,
        Parameter(help="Draw the losses over the steps, all and by layer, to this file: .png, .pdf, .svg or .csv."),
    ] = None
    linear_curve: LinearCurve = False
    quiet: Quiet = False

    def outputs(self, otherwise: Path) -> "Outputs":
        """What is to be written, with `otherwise` as the picture's place where none was named."""
        from impasto.outputs import Outputs

        return Outputs(
            self.output or otherwise, self.save_every, self.json_file, self.curve, self.linear_curve, self.quiet
        )


@app.command(usage="Usage: impasto paint CONTENT STYLE[:WEIGHT] [STYLE[:WEIGHT] ...] [OPTIONS]")
def paint(
    content: Path,
    style: str,
    /,
    *styles: str,
    mask: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    protect: str | None = None,
    preset: PresetName = "default",
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008  (frozen, and holds nothing)
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
    from impasto import masks
    from impasto.outputs import beside, carry_out
    from impasto.painting import paint_steps

    chosen = options_for(preset, **given(options))
    weighed = [weighed_style(text) for text in (style, *styles)]
    together = masked_styles(weighed, mask)
    files = [place for place in (*mask, protect) if place is not None and masks.is_file(place)]
    steps = partial(paint_steps, content, together, chosen, protect=protect, preset=preset)
    target = beside(content, "-".join(path.stem for path, _ in weighed))
    return carry_out(
        steps, results.outputs(target), [content, *(path for path, _ in weighed), *map(Path, files)], chosen
    )


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
    pictures: tuple[str, ...],
    /,
    *,
    style: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    mix: Annotated[bool, Parameter(negative=())] = False,
    mask: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    protect: str | None = None,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)] = None,
    quiet: Quiet = False,
    options: Annotated[StylizeFlags, Parameter(name="*")] = StylizeFlags(),  # noqa: B008
) -> int:
    """Paint photos in any style at once, each in one pass of a small network.

    Parameters
    ----------
    pictures
        Photos, folders of them or patterns such as "*.jpg"; the last one is the style unless --style is given.
    style
        Paintings, folders or patterns: every photo is painted in every style. STYLE:0.7 gives one a weight for --mix.
    mix
        Paint every photo once, in a mixture of all styles.
    mask
        Where each style goes, in order, as in `impasto paint`; the styles then share one picture.
    protect
        A mask where the photo stays.
    output
        Where the result goes: a picture, "-" for a PNG on standard output, or, where there are several results, a folder.
        Beside the photo, or in the folder impasto-stylize, if left out.
    """
    from impasto.folders import Task, gather, tasks
    from impasto.outputs import beside, stylize_files

    photos, paintings = (pictures, style) if style else (pictures[:-1], pictures[-1:])
    weighed = [weighed_style(text) for text in paintings]
    styles = [(path, weight) for text, weight in weighed for path in gather([str(text)], "style")]
    together = masked_styles(styles, mask)
    work = tasks(gather(photos, "photo"), together, mix or bool(mask), output or Path("impasto-stylize"))
    if len(work) == 1:
        (task,) = work
        target = output or beside(task.content, "-".join(path.stem for path, _ in styles))
        work = [Task(task.content, task.styles, target)]
    return stylize_files(work, protect, StylizeOptions(**given(options)), quiet)


@app.command
def texture(
    style: Path,
    /,
    *,
    width: int | None = None,
    height: int | None = None,
    seamless: Annotated[bool, Parameter(negative=())] = False,
    preset: PresetName = "default",
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008
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
    from impasto.outputs import beside, carry_out
    from impasto.synthesis import texture_options, texture_steps

    chosen = texture_options(preset, width, height, **given(options))
    steps = partial(texture_steps, style, chosen, preset=preset, width=width, height=height, seamless=seamless)
    return carry_out(steps, results.outputs(beside(style, "texture")), [style], chosen)


@app.command
def reconstruct(
    picture: Path,
    /,
    *,
    layer: str | None = None,
    preset: PresetName = "default",
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008
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
    from impasto.outputs import beside, carry_out
    from impasto.synthesis import reconstruct_options, reconstruct_steps

    chosen = reconstruct_options(preset, layer, **given(options))
    steps = partial(reconstruct_steps, picture, chosen, preset=preset)
    return carry_out(steps, results.outputs(beside(picture, "reconstruction")), [picture], chosen)


def given(flags: Any) -> dict[str, Any]:
    """The options that were typed."""
    return {declared.name: value for declared in fields(flags) if (value := getattr(flags, declared.name)) is not None}


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
    options: Options = Flags(),  # noqa: B008
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


@app.command
def demo(
    *,
    style: Literal["swirl", "woodcut", "mosaic", "points", "fauve"] = "swirl",
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008
) -> int:
    """Paint the pictures that come with the package: the first thing to try.

    Parameters
    ----------
    style
        Which of the shipped styles.
    """
    from impasto.outputs import carry_out
    from impasto.painting import paint_steps

    content, painted = images_of_the_demo("valley"), images_of_the_demo(style)
    chosen = options_for(**given(options))
    steps = partial(paint_steps, content, painted, chosen, preset="default")
    return carry_out(steps, results.outputs(Path("impasto-demo.png")), [content, painted], chosen)


def images_of_the_demo(name: str) -> Path:
    """A picture that comes with the package."""
    return Path(impasto.__file__).parent / "assets" / "demo" / f"{name}.jpg"


@app.command
def presets(name: PresetName | None = None, /) -> int:
    """List the presets, or show every option of one.

    Parameters
    ----------
    name
        The preset to show whole.
    """
    if name is None:
        for key, preset in PRESETS.items():
            print(f"{key:12} {preset.reproduces}")
    else:
        print(PRESETS[name].reproduces)
        print(json.dumps(options_for(name).as_dict(), indent=1))
    return 0


@app.command
def recipe(picture: Path, /) -> int:
    """Show what made an impasto picture, as JSON.

    Parameters
    ----------
    picture
        A file that impasto wrote.
    """
    from impasto import images
    from impasto.errors import InputError

    found = images.read_recipe(picture)
    if found is None:
        raise InputError(
            f"{picture} carries no recipe: it was not made by impasto, or an editor removed it. Paint it anew."
        )
    print(json.dumps(found, indent=1))
    return 0


@app.command
def weights(name: Literal["vgg19", "vgg19-caffe", "vgg16"] | None = None, /, *, quiet: Quiet = False) -> int:
    """List the backbones and where their weights are, or fetch and verify one's.

    Parameters
    ----------
    name
        The backbone to fetch.
    """
    from rich.console import Console

    from impasto import weights as files
    from impasto.backbones import BACKBONES
    from impasto.terminal import DownloadProgress

    if name is None:
        for key, architecture in BACKBONES.items():
            here = architecture.shipped or (files.cache_folder() / f"{key}.safetensors").exists()
            print(f"{key:12} {'here' if here else 'not here':9} {architecture.description}")
        return 0
    with DownloadProgress(Console(stderr=True, quiet=quiet), name) as progress:
        files.cached(name, BACKBONES[name].shapes, on_progress=progress.show)
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # α where a pipe's encoding has none, as on Windows
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; returns the status. What impasto says no to is one sentence on standard error."""
    try:
        status = app(arguments, exit_on_error=False, print_error=False) or 0
        sys.stdout.flush()  # a reader that has gone is noticed here, not when Python ends
        return status
    except ImpastoError as error:
        print(f"impasto: {one_line(error)}", file=sys.stderr)
    except CycloptsError as error:
        verb = f"{arguments[0]} " if arguments[0] in app else ""
        print(f"impasto: {one_line(error)} See `impasto {verb}--help`.", file=sys.stderr)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return CLOSED
    return 2


def one_line(error: Exception) -> str:
    """A message, cyclopts' or one with a strange file name in it, as one line that ends with a full stop."""
    text = " ".join(str(error).split())
    return text if text.endswith((".", "!", "?")) else text + "."
