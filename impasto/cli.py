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
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, TypeAlias

from cyclopts import App, CycloptsError, Group, Parameter

import impasto
from impasto.errors import ImpastoError, OptionError, OutputError
from impasto.options import PaintOptions
from impasto.presets import PRESETS, options_for

if TYPE_CHECKING:
    from impasto.painting import PaintStep

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
Quiet: TypeAlias = Annotated[bool, Parameter(name=["-q", "--quiet"], help="Say nothing but errors.", negative=())]


@app.command
def paint(
    content: Path,
    style: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)] = None,
    preset: PresetName = "default",
    save_every: int = -1,
    json_file: Annotated[Path | None, Parameter(name="--json", allow_leading_hyphen=True)] = None,
    quiet: Quiet = False,
    options: Annotated[Flags, Parameter(name="*")] = Flags(),  # noqa: B008  (frozen, and holds nothing)
) -> int:
    """Paint CONTENT in the manner of STYLE.

    Parameters
    ----------
    content
        The picture to paint.
    style
        The picture whose manner is taken.
    output
        Where the result goes: .png, .jpg, .webp or .tif; "-" writes a PNG to standard output. Beside CONTENT if left out.
    preset
        A recipe to start from; `impasto presets` says what each reproduces.
    save_every
        Also save a numbered picture every so many steps; -1: none.
    json_file
        Write the recipe and the losses of every step to this file; "-" is standard output.
    """
    return run_paint(
        content, style, output, options_for(preset, **given(options)), preset, save_every, json_file, quiet
    )


def given(flags: Any) -> dict[str, Any]:
    """The options that were typed."""
    return {declared.name: value for declared in fields(flags) if (value := getattr(flags, declared.name)) is not None}


def run_paint(
    content: Path,
    style: Path,
    output: Path | None,
    options: PaintOptions,
    preset: str,
    save_every: int,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Check where everything will go, paint, and keep what was reached when stopped."""
    from rich.console import Console

    from impasto import images, machine
    from impasto.painting import paint_steps
    from impasto.terminal import PaintProgress

    machine.keep_freed_memory()
    console = Console(stderr=True, highlight=False, emoji=False)
    if save_every == 0 or save_every < -1:
        raise OptionError(f"--save-every is {save_every}; it must be a whole number of at least 1, or -1 for none.")
    if str(output) == str(json_file) == "-":
        raise OptionError("-o and --json both go to standard output. Name a file for one of them.")
    for path in (content, style):
        check_source(path)
    target = output or beside(content, style)
    inputs = [content, style, *(Path(path) for path in (options.start, options.weights) if path)]
    if str(target) != "-":
        images.check_output(target, inputs)
    if json_file is not None and str(json_file) != "-":
        check_text(json_file, [*inputs, target])
    step: PaintStep | None = None
    status = 0
    with PaintProgress(console, quiet) as progress:
        try:
            for step in paint_steps(content, style, options, preset=preset, on_download=progress.download):
                progress.show(step)
                if save_every > 0 and step.index % save_every == 0 and str(target) != "-":
                    step.painting.save(numbered(target, step.index))
        except KeyboardInterrupt:
            status = STOPPED
    if step is None:
        return status
    if str(target) == "-":
        sys.stdout.buffer.write(images.encode(step.painting.image, ".png", recipe=step.painting.recipe))
    else:
        step.painting.save(target)
    if json_file is not None:
        write_text(json_file, json.dumps({**step.painting.recipe, "history": step.painting.history}, indent=1))
    if not quiet:
        console.print(summary(step, target, stopped=status == STOPPED), soft_wrap=True, markup=False)
    return status


def summary(step: "PaintStep", target: Path, stopped: bool) -> str:
    """One line: what was written, and what made it."""
    recipe = step.painting.recipe
    height, width = step.painting.image.shape[2:]
    reached = f"stopped at step {step.index} of {step.total}" if stopped else f"{step.index} steps"
    return (
        f"{target}: {width} x {height}, {reached}, {step.seconds:.1f} s, "
        f"{recipe['options']['backbone']} in {recipe['precision']} on {recipe['device']}"
    )


def beside(content: Path, style: Path) -> Path:
    """content-style.png beside the content, numbered rather than written over what is there."""
    first = content.with_name(f"{content.stem}-{style.stem}.png")
    candidates = (first, *(first.with_stem(f"{first.stem}-{number}") for number in range(2, 10_000)))
    return next(path for path in candidates if not os.path.lexists(path))


def numbered(target: Path, index: int) -> Path:
    """out.png -> out-0050.png"""
    return target.with_stem(f"{target.stem}-{index:04d}")


def check_source(path: Path) -> None:
    """Find out at once where there is no file; what is in it shows when it is read. Raises InputError."""
    from impasto import images

    with suppress(OSError):  # the name is too long, say
        if path.is_file():
            return
    images.load_picture(path)


def check_text(path: Path, others: Sequence[Path]) -> None:
    """Find out before painting whether a text can be written, and that it replaces none of `others`. Raises OutputError."""
    from impasto import images

    images.check_output(f"{path}.png")  # a trial in the same folder
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file inside it.")
    for other in others:
        if path.resolve() == other.resolve():
            raise OutputError(f"--json {path} would replace {other}: choose another name.")


def write_text(path: Path, text: str) -> None:
    """To a file, or to standard output for "-". Raises OutputError."""
    if str(path) == "-":
        print(text)
        return
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder or name.") from error


@app.command
def demo(
    *,
    style: Literal["swirl", "woodcut", "mosaic", "points", "fauve"] = "swirl",
    output: Annotated[Path, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)] = Path("impasto-demo.png"),
    quiet: Quiet = False,
    options: Annotated[Flags, Parameter(name="*")] = Flags(),  # noqa: B008
) -> int:
    """Paint the pictures that come with the package: the first thing to try.

    Parameters
    ----------
    style
        Which of the shipped styles.
    output
        Where the result goes.
    """
    folder = Path(impasto.__file__).parent / "assets" / "demo"
    content, painted = folder / "valley.jpg", folder / f"{style}.jpg"
    return run_paint(content, painted, output, options_for(**given(options)), "default", -1, None, quiet)


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
