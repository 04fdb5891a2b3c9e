"""Where a verb writes, tried before the first step, so that nothing is painted in vain."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from impasto import curves, images, masks, runs, saving
from impasto.equipment import option_files
from impasto.errors import OptionError, OutputError
from impasto.images import ImageSource
from impasto.options import Options
from impasto.scene import PLACES


@dataclass(frozen=True)
class Outputs:
    """What is to be written: the picture ("-" is standard output), numbered pictures, losses as JSON and as a curve.

    run: the folder that the state is kept in.
    """

    target: Path
    save_every: int = -1
    json_file: Path | None = None
    curve: Path | None = None
    linear_curve: bool = False
    quiet: bool = False
    recipe: bool = True
    embed_inputs: bool = False
    run: Path | None = None

    @property
    def streams(self) -> bool:
        """Whether the picture goes to standard output."""
        return str(self.target) == "-"


def check(outputs: Outputs, inputs: Sequence[Path]) -> None:
    """Find out what cannot be read or written. Raises InputError, OptionError or OutputError."""
    every = outputs.save_every
    if every == 0 or every < -1:
        raise OptionError(f"--save-every is {every}; it must be a whole number of at least 1, or -1 for none.")
    if every > 0 and outputs.streams:
        raise OptionError("--save-every needs a file to number, and -o - is standard output. Name a file with -o.")
    if outputs.streams and str(outputs.json_file) == "-":
        raise OptionError("-o and --json both go to standard output. Name a file for one of them.")
    for path in inputs:
        check_source(path)
    if outputs.embed_inputs and not outputs.recipe:
        raise OptionError(
            "--embed-inputs stores copies in the recipe, and --no-recipe leaves it out. Choose one of them."
        )
    if not outputs.streams:
        saving.check_output(outputs.target, inputs)
    for path in inputs:
        if every > 0 and path.parent.resolve() == outputs.target.parent.resolve() and is_numbered(path, outputs.target):
            raise OutputError(f"--save-every could replace {path}: choose another name for -o.")
    if outputs.json_file is not None and str(outputs.json_file) != "-":
        check_text("--json", outputs.json_file, [*inputs, outputs.target])
    if outputs.curve is not None:
        curves.check_output(outputs.curve)
        check_text("--curve", outputs.curve, [*inputs, outputs.target])
    if outputs.run is not None:
        runs.check_new(outputs.run)


def check_source(path: Path) -> None:
    """Find out at once where there is no file; what is in it shows when it is read. Raises InputError."""
    with suppress(OSError):  # the name is too long, say
        if path.is_file():
            return
    images.load_picture(path)


def check_text(flag: str, path: Path, others: Sequence[Path]) -> None:
    """Find out before painting whether a text can be written, and that it replaces none of `others`. Raises OutputError."""
    saving.check_writable(path)
    for other in others:
        if path.resolve() == other.resolve():
            raise OutputError(f"{flag} {path} would replace {other}: choose another name.")


def files_among(sources: Mapping[str, ImageSource], options: Options) -> list[Path]:
    """The files that are read: pictures, masks that are none in words, and what options name."""
    named = [Path(str(source)) for role, source in sources.items() if isinstance(source, Path) or is_mask(role, source)]
    return [*named, *map(Path, option_files(options).values())]


def is_mask(role: str, source: ImageSource) -> bool:
    """Whether a source is a mask given as the name of a file. Raises OptionError for neither file nor shape."""
    return role.startswith(PLACES) and isinstance(source, str) and masks.is_file(source)


def beside(source: Path, suffix: str) -> Path:
    """source-suffix.png beside the source, numbered rather than written over what is there."""
    first = source.parent / f"{source.stem}-{suffix}.png"
    candidates = (first, *(first.with_stem(f"{first.stem}-{number}") for number in range(2, 10_000)))
    return next(path for path in candidates if not os.path.lexists(path))


def numbered(target: Path, index: int) -> Path:
    """out.png -> out-0050.png"""
    return target.with_stem(f"{target.stem}-{index:04d}")


def is_numbered(path: Path, target: Path) -> bool:
    """Whether `numbered` could give this name."""
    number = path.stem.removeprefix(f"{target.stem}-")
    return path.suffix == target.suffix and number != path.stem and number.isdecimal()


def make_folder(folder: Path) -> None:
    """Raises OutputError where there cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"There cannot be a folder {folder} ({error.strerror}); several results need one: choose another -o."
        ) from error


def write_text(path: Path, text: str) -> None:
    """To a file, or to standard output for "-". Raises OutputError."""
    if str(path) == "-":
        print(text)
        return
    saving.write(f"{text}\n".encode(), path)
