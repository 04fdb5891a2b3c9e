"""The program: what all verbs share, and how a run ends."""

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter

import impasto
from impasto.errors import ImpastoError
from impasto.outputs import STOPPED
from impasto.presets import PRESETS, TRAINING

if TYPE_CHECKING:
    from impasto.outputs.places import Outputs


def told(default: Any) -> str | None:
    """A default as help shows it, None where nothing is done if nothing is given."""
    return None if default in (None, False, ()) else str(default)


app = App(
    name="impasto",
    help="Paint one picture in the manner of another.",
    version=impasto.__version__,
    result_action="return_value",
    help_format="plaintext",
    default_parameter=Parameter(show_default=told),
    suppress_keyboard_interrupt=False,  # run() answers with a status
)

CLOSED = 141  # and one whose reader has gone, such as `head`

TrainingPresetName: TypeAlias = Literal[tuple(TRAINING)]  # type: ignore[valid-type]
PresetName: TypeAlias = Literal[tuple(PRESETS)]  # type: ignore[valid-type]
LinearCurve: TypeAlias = Annotated[
    bool, Parameter(help="Give the curve a linear scale instead of a logarithmic one.", negative=())
]
NoRecipe: TypeAlias = Annotated[
    bool, Parameter(help="Write no recipe into the picture: nothing then tells how it was made.", negative=())
]
RunFolder: TypeAlias = Annotated[
    Path | None,
    Parameter(name="--run", help="Keep the state in this folder, for `impasto resume` and `impasto branch`."),
]
Doctor: TypeAlias = Annotated[
    Literal["tell", "fix"],
    Parameter(
        help="Every picture is looked at for faults. tell: say what was found and the flag to try; fix: also try it, in a "
        "second picture beside the first."
    ),
]
Quiet: TypeAlias = Annotated[bool, Parameter(name=["-q", "--quiet"], help="Say nothing but errors.", negative=())]


def picture_to(otherwise: str) -> Parameter:
    """The flag for the place of a verb's picture; otherwise: where that is if left out, in words."""
    return Parameter(
        name=["-o", "--output"],
        allow_leading_hyphen=True,
        help='Where the result goes: .png, .jpg, .webp, .avif or .tif; "-" writes a PNG to standard output. If left out, '
        f"{otherwise}.",
    )


@Parameter(name="*")
@dataclass(frozen=True)
class Results:
    """Where a verb's results go: the same flags for all."""

    output: Annotated[Path | None, picture_to("beside the picture")] = None
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
    no_recipe: NoRecipe = False
    embed_inputs: Annotated[
        bool,
        Parameter(help="Store small copies of the pictures it is made from in the recipe, for `rerun`.", negative=()),
    ] = False
    quiet: Quiet = False

    def outputs(self, otherwise: Path, run: Path | None = None) -> "Outputs":
        """What is to be written, with `otherwise` as the picture's place where none was named; see `Outputs`."""
        from impasto.outputs.places import Outputs

        return Outputs(
            self.output or otherwise,
            self.save_every,
            self.json_file,
            self.curve,
            self.linear_curve,
            self.quiet,
            recipe=not self.no_recipe,
            embed_inputs=self.embed_inputs,
            run=run,
        )


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
        print(f"impasto: {one_line(error)} {dashed(arguments)}See `impasto {verb}--help`.", file=sys.stderr)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return CLOSED
    return 2


def dashed(arguments: Sequence[str]) -> str:
    """What to do about a file that passes for an option, where there is one."""
    files = (argument for argument in arguments if argument.startswith("-") and os.path.lexists(argument))
    return next((f"The file {name} is written ./{name} here. " for name in files), "")


def one_line(error: Exception) -> str:
    """A message, cyclopts' or one with a strange file name in it, as one line that ends with a full stop."""
    text = " ".join(str(error).split())
    return text if text.endswith((".", "!", "?")) else text + "."
