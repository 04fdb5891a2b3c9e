"""Where a batch's results and journal go: a local folder, or any store that fsspec reaches by a URL, such as s3://bucket/out.

    place("out") / "a.png"                  a path
    place("s3://bucket/out") / "a.png"      a Remote

The same few functions serve both. A local file is written aside and renamed, and the journal is one file to which lines are
added. A store of objects holds an object whole or not at all but adds to none: there each line is an object in `journal/`.
Extra `distributed`, and the package that fsspec asks for: s3fs for s3, gcsfs for gs, adlfs for abfs.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from impasto import images, saving
from impasto.errors import OptionError, OutputError
from impasto.opening import FilePath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

JOURNAL = "journal"  # journal.jsonl on a disk, journal/JOB.json in a store


@dataclass(frozen=True)
class Remote:
    """An object in a store: `inside`, a relative path, in what the URL `folder` stands for. It acts like a path."""

    folder: str
    inside: PurePosixPath = PurePosixPath()

    def __truediv__(self, name: str) -> "Remote":
        return replace(self, inside=self.inside / name)

    def __str__(self) -> str:
        return "/".join([shown(self.folder), *self.inside.parts])

    @property
    def name(self) -> str:
        """The last part."""
        return self.inside.name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.inside.stem

    @property
    def suffix(self) -> str:
        """The suffix of the name, with its dot."""
        return self.inside.suffix

    def with_stem(self, stem: str) -> "Remote":
        """Beside it, under another name with the same suffix."""
        return replace(self, inside=self.inside.with_name(stem + self.suffix))


Location: TypeAlias = Path | Remote


def shown(url: str) -> str:
    """A URL as it may stand in messages and journals: without name and password."""
    return re.sub("//[^/]*@", "//", url)


def place(name: FilePath | Remote) -> Location:
    """What a name stands for: a store where it is a text with "://" in it, otherwise a path."""
    if isinstance(name, Remote):
        return name
    return Remote(name.rstrip("/")) if isinstance(name, str) and "://" in name else Path(name)


# ------------------------------------------------------------------------------------------------------ pictures


def check(target: Location, inputs: Iterable[FilePath]) -> None:
    """Raise OutputError if a picture could not be written there; a store itself is tried once a batch, by `prepare`."""
    if isinstance(target, Remote):
        saving.is_lossy(target.suffix)  # whether the format is one that is written
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    saving.check_output(target, inputs)


def write(data: bytes, target: Location) -> None:
    """Write a file or an object, whole or not at all. Raises OutputError."""
    if isinstance(target, Path):
        saving.write(data, target)
        return
    with refusals(target, "written") as (store, path):
        try:
            store.pipe_file(path, data)
        except FileNotFoundError:  # of a store that has folders
            store.makedirs(path.rpartition("/")[0], exist_ok=True)
            store.pipe_file(path, data)


def picture(source: Location) -> Path | bytes:
    """A picture as the readers take it; one from a store is looked at as a whole. Raises OutputError, InputError."""
    if isinstance(source, Path):
        return source
    with refusals(source, "read") as (store, path):
        data: bytes = store.cat_file(path)
    images.load(data)  # a store that has files, not objects, may hold the first half of one
    return data


# -------------------------------------------------------------------------------------------------------- journal


def prepare(folder: Location) -> None:
    """Make a journal ready for the next line, also after a line that was cut off. Raises OutputError."""
    if isinstance(folder, Remote):
        return try_out(folder / JOURNAL / "trial")
    path = folder / f"{JOURNAL}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            if file.tell() and path.read_bytes()[-1:] != b"\n":
                file.write(b"\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder with -o.") from error
    return None


def try_out(target: Remote) -> None:
    """Write an object and remove it. Raises OutputError: only a trial tells what one may do in a store."""
    write(b"", target)
    with suppress(OutputError), refusals(target, "removed") as (store, path):
        store.rm_file(path)


def lines(folder: Location) -> Iterator[str]:
    """The journal's lines, some of them perhaps damaged. Raises OutputError."""
    if isinstance(folder, Path):
        yield from (folder / f"{JOURNAL}.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        return
    with refusals(folder / JOURNAL, "read") as (store, path):
        store.invalidate_cache()
        names = [name for name in store.find(path) if name.endswith(".json")]
        found = store.cat(names) if names else {}
    for data in found.values():
        yield data.decode("utf-8", errors="replace")


def add_line(folder: Location, name: str, line: str) -> None:
    """Add a line to the journal and see it onto the disk; in a store it replaces what had its name. Raises OutputError."""
    if isinstance(folder, Remote):
        write(line.encode(), folder / JOURNAL / f"{name}.json")
        return
    path = folder / f"{JOURNAL}.jsonl"
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): free some space, then begin again.") from error


# --------------------------------------------------------------------------------------------------------- stores


@contextmanager
def refusals(target: Remote, done: str) -> Iterator[tuple["AbstractFileSystem", str]]:
    """(store, the object's path in it) for the block, in which whatever a store may raise becomes an OutputError."""
    store, root = connected(target.folder)
    try:
        yield store, f"{root.rstrip('/')}/{target.inside}"
    except Exception as error:  # every store has errors of its own
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise OutputError(
            f"{target} cannot be {done} ({reason:.300}): check the address, what you may do there and the network."
        ) from error


def connected(url: str) -> tuple["AbstractFileSystem", str]:
    """The store of a folder's URL and the folder's path in it; only that is taken for a URL. Raises OptionError."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError as error:
        raise OptionError(
            f"-o {shown(url)} needs fsspec: pip install 'impasto[distributed]', or name a folder."
        ) from error
    try:
        found: tuple[Any, str] = url_to_fs(url)
    except Exception as error:  # a package that is missing, an unknown protocol, credentials that are not there
        reason = " ".join(str(error).split())
        raise OptionError(
            f"-o {shown(url)} cannot be reached ({reason:.300}): install what it asks for, or name a folder."
        ) from error
    return found
