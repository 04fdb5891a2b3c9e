"""Many pictures at once: files, folders and patterns become photos and styles, and these become tasks."""

import glob
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import InputError
from impasto.opening import answered, is_folder
from impasto.scene import Style

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".avif", ".heic", ".heif")
)


@contextmanager
def standard_input(names: Sequence[str]) -> Iterator[list[str]]:
    """The names, with a file in place of "-" that holds, inside the block, what standard input had."""
    with tempfile.TemporaryDirectory() as folder:
        received = Path(folder) / "standard-input"
        if "-" in names:
            received.write_bytes(sys.stdin.buffer.read())
        yield [str(received) if name == "-" else name for name in names]


def gather(names: Sequence[str], what: str) -> list[Path]:
    """Every picture that the names stand for, in order and once; a folder stands for the pictures in it.

    what: "photo" or "style", for the message. Raises InputError where a name stands for nothing.
    """
    found = dict.fromkeys(path for name in names for path in matches(name))
    if not found:
        raise InputError(f"There is no {what} among what was given: name at least one photo and, last, one style.")
    return list(found)


def matches(name: str) -> Iterator[Path]:
    """The pictures of one name. A file is taken as it is: whether it holds a picture shows when it is read."""
    path = Path(name)
    if is_folder(path):
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
        if not inside:
            raise InputError(f"There is no picture in the folder {name}: choose another, or name a file.")
        yield from inside
    elif glob.has_magic(name) and not answered(path.exists):
        named = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
        if not named:
            raise InputError(f"No file matches {name}: check the pattern and the folder it starts from.")
        yield from (Path(one) for one in named)
    else:
        yield path


@dataclass(frozen=True)
class Task:
    """A photo, the style or the styles that are mixed, and where the result goes."""

    content: Path
    styles: tuple[Style, ...]
    target: Path


def tasks(contents: Sequence[Path], styles: Sequence[Style], mixed: bool, folder: Path) -> list[Task]:
    """Every photo in every style, or in the one mixture of them, each with a name of its own in the folder."""
    result: dict[Path, Task] = {}
    for mixture in [tuple(styles)] if mixed else [(style,) for style in styles]:
        for content in contents:
            stem = "-".join((content.stem, *(Path(str(style.source)).stem for style in mixture)))
            names = (folder / f"{stem}{number}.png" for number in ("", *(f"-{i}" for i in range(2, 10_000))))
            target = next(name for name in names if name not in result)
            result[target] = Task(content, mixture, target)
    return list(result.values())
