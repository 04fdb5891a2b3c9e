"""The command line: `impasto VERB ...`. One thin function a verb; every option comes from the verb's own dataclass.

Words go to standard error, data to standard output. Status 0 done, 2 bad input or option, 1 a fault of ours, 130 stopped
by Ctrl-C with what was reached kept. torch is imported when a verb needs it, not before.
"""

import dataclasses
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, TypeAlias

from cyclopts import App, CycloptsError, Group, Parameter

import impasto
from impasto.errors import ImpastoError, OptionError
from impasto.options import PaintOptions
from impasto.presets import PRESETS, options_for

if TYPE_CHECKING:
    from impasto.outputs import Outputs

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


def mirror(options: type) -> type:
    """A dataclass with the same options, none of them given: so that a preset's value is overridden only by a flag."""
    group = Group("Options of painting", sort_key=2)
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


Flags: TypeAlias = mirror(PaintOptions)  # type: ignore[valid-type]
PresetName: TypeAlias = Literal[tuple(PRESETS)]  # type: ignore[valid-type]
Options: TypeAlias = Annotated[Flags, Parameter(name="*")]
Quiet: TypeAlias = Annotated[bool, Parameter(name=["-q", "--quiet"], help="Say nothing but errors.", negative=())]

NoRecipe: TypeAlias = Annotated[
    bool, Parameter(help="Write no recipe into the picture: nothing then tells how it was made.", negative=())
]
RunFolder: TypeAlias = Annotated[
    Path | None,
    Parameter(name="--run", help="Keep the state in this folder, for `impasto resume` and `impasto branch`."),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Results:
    """Where a verb's results go: the same flags for all."""

    output: Annotated[
        Path | None,
        Parameter(
            name=["-o", "--output"],
            allow_leading_hyphen=True,
            help='Where the result goes: .png, .jpg, .webp, .avif or .tif; "-" writes a PNG to standard output. Beside the '
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
        Path | None, Parameter(help="Draw the losses over the steps to this file: .png, .pdf, .svg or .csv.")
    ] = None
    no_recipe: NoRecipe = False
    embed_inputs: Annotated[
        bool,
        Parameter(help="Store small copies of the pictures it is made from in the recipe, for `rerun`.", negative=()),
    ] = False
    quiet: Quiet = False

    def outputs(self, otherwise: Path, run: Path | None = None) -> "Outputs":
        """What is to be written, with `otherwise` as the picture's place where none was named; see `Outputs`."""
        from impasto.outputs import Outputs

        return Outputs(
            self.output or otherwise,
            self.save_every,
            self.json_file,
            self.curve,
            self.quiet,
            recipe=not self.no_recipe,
            embed_inputs=self.embed_inputs,
            run=run,
        )


@app.command
def paint(
    content: Path,
    style: Path,
    /,
    *,
    preset: PresetName = "default",
    run: RunFolder = None,
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008  (frozen, and holds nothing)
) -> int:
    """Paint CONTENT in the manner of STYLE.

    Parameters
    ----------
    content
        The picture to paint.
    style
        The picture whose manner is taken.
    preset
        A recipe to start from; `impasto presets` says what each reproduces.
    """
    from impasto.outputs import beside, carry_out
    from impasto.painting import paint_steps

    chosen = options_for(preset, **given(options))
    steps = partial(paint_steps, content, style, chosen, preset=preset)
    return carry_out(
        steps, results.outputs(beside(content, style.stem), run), {"content": content, "style": style}, chosen
    )


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
    sources = {"content": picture, "style": picture}
    return carry_out(steps, results.outputs(beside(picture, "reconstruction"), run), sources, chosen)


def given(flags: Any) -> dict[str, Any]:
    """The options that were typed."""
    return {declared.name: value for declared in fields(flags) if (value := getattr(flags, declared.name)) is not None}


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
    return carry_out(steps, results.outputs(Path("impasto-demo.png")), {"content": content, "style": painted}, chosen)


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
    from impasto.recipe import read

    print(json.dumps(read(picture), indent=1))
    return 0


@app.command
def rerun(
    picture: Path,
    /,
    *,
    content: Path | None = None,
    style: Path | None = None,
    inputs: Path | None = None,
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008
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
        A folder to look in first.
    """
    from impasto.outputs import beside, carry_out, remark
    from impasto.repeat import prepare

    named = sources_given(content, style)
    repeat = prepare(picture, folders=[inputs] if inputs else [], sources=named, **given(options))
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
    inputs: Path | None = None,
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
        A folder to look in first.
    """
    from impasto.outputs import paint_unsaved, remark
    from impasto.repeat import judge, prepare, verification

    repeat = prepare(picture, folders=[inputs] if inputs else [], sources=sources_given(content, style))
    remark(repeat.notes, quiet)
    verdict = judge(picture, paint_unsaved(partial(verification, repeat), quiet))
    if not quiet:
        print(f"{picture}: {verdict}")
        for note in () if verdict.identical else verdict.notes:
            print(f"  {note}")
    return 0 if verdict.passed else 1


@app.command
def batch(
    *sources: Path,
    output: Annotated[Path, Parameter(name=["-o", "--output"])] = Path("batch"),
    workers: int = 1,
    retry: Annotated[bool, Parameter(negative=())] = False,
    suffix: str = ".png",
    preset: PresetName = "default",
    no_recipe: NoRecipe = False,
    quiet: Quiet = False,
    options: Options = Flags(),  # noqa: B008
) -> int:
    """Paint many pictures: `impasto batch JOBS.csv` or `impasto batch CONTENTS x STYLES`, each a folder or a picture.

    A batch that ended before its time goes on where it was when it is begun again.

    Parameters
    ----------
    sources
        A table with the columns content and style, and if one likes output, preset and any option; or two folders.
    output
        The folder for the pictures and the journal.
    workers
        Processes that share the cores.
    retry
        Paint again what failed earlier.
    suffix
        Of the pictures: .png, .jpg, .webp, .avif or .tif.
    preset
        A recipe to start from.
    """
    from impasto import batch as jobs_of
    from impasto import images
    from impasto.outputs import carry_out_batch

    images.is_lossy(suffix)
    settings = given(options)
    options_for(preset, **settings)
    if len(sources) == 1:
        jobs = jobs_of.table(sources[0], output, settings, preset=preset, suffix=suffix)
    elif len(sources) == 3 and str(sources[1]) == "x":
        jobs = jobs_of.pairs(sources[0], sources[2], output, settings, preset=preset, suffix=suffix)
    else:
        raise OptionError(
            "A batch needs a table or two folders: `impasto batch JOBS.csv`, `impasto batch CONTENTS x STYLES`."
        )
    outcomes = jobs_of.work_through(jobs, output, workers=workers, retry=retry, with_recipe=not no_recipe)
    return carry_out_batch(outcomes, len(jobs), output, quiet)


@app.command
def resume(folder: Path, /, *, results: Results = Results()) -> int:
    """Go on with the run in FOLDER, to the picture that it would have become.

    Parameters
    ----------
    folder
        What was named with --run.
    """
    from impasto.outputs import carry_out, remark
    from impasto.runs import load

    run = load(folder)
    remark(run.repeat.notes, results.quiet)
    outputs = results.outputs(run.target or folder / "picture.png")
    return carry_out(run.steps, outputs, run.repeat.sources, run.repeat.options)


@app.command
def branch(
    folder: Path,
    /,
    *,
    at: int,
    run: RunFolder = None,
    results: Results = Results(),
    options: Options = Flags(),  # noqa: B008
) -> int:
    """Paint on from a kept step of the run in FOLDER with some options changed, as a run of its own.

    Parameters
    ----------
    folder
        What was named with --run.
    at
        The step to branch from: every 25th is kept, and the last.
    """
    from impasto.outputs import beside, carry_out, remark
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
    from impasto import images
    from impasto.errors import InputError
    from impasto.repeat import diff as compare

    if output is not None:
        images.check_output(output, [one, other])
    found = compare(one, other)
    for line in found.lines:
        print(line)
    print(found.in_pixels())
    if output is not None:
        if found.difference is None:
            raise InputError("Pictures of different sizes have no difference in pixels to draw. Leave -o out.")
        images.save(found.difference, output)
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
