"""The work folder beside a result: what is finished, so that a video that was stopped, or killed, goes on.

    video.json            what is being made of what; other settings are another video
    frames/000123.npy     finished pictures, 8 bits a channel, until their segment is encoded and no later frame looks back
    segments/0002.mkv     encoded pictures, `LENGTH` each
    lock                  held by the process that paints, for two would write over each other

A picture on disk is the whole state: the next frame is painted from the pictures as they are written, not as they were
before rounding, so it makes no difference whether there was a stop in between.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import BaseFileLock, FileLock, Timeout

from impasto import saving
from impasto.errors import InputError, OutputError
from impasto.film.reading import Picture

LENGTH = 48  # frames in a segment
DESCRIPTION = "video.json"
LOCK = "lock"


@dataclass(frozen=True)
class Folder:
    """A work folder; `Folder.open` makes or takes up one, and nobody else can until its `lock` is released.

    threads: with how many its pictures are computed.
    """

    path: Path
    threads: int
    lock: BaseFileLock

    @classmethod
    def open(cls, path: Path, description: Mapping[str, Any]) -> "Folder":
        """Begin a folder, or go on with one of the same description.

        Raises OutputError for one of another, and for one that another process is painting.
        """
        lock = FileLock(path / LOCK, thread_local=False)  # a generator may end in another thread than it began in
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputError(
                f"Another process is painting this video, in {path}: wait for it, or choose another -o."
            ) from error
        except OSError as error:
            raise OutputError(f"{path} cannot hold the frames ({error.strerror}): choose another -o.") from error
        try:
            return cls(path, take_up(path, description), lock)
        except BaseException:
            (path / LOCK).unlink(missing_ok=True)
            lock.release()
            raise

    def frame(self, index: int) -> Path:
        """Where a picture is, or will be."""
        return self.path / "frames" / f"{index:06d}.npy"

    def segment(self, number: int) -> Path:
        """Where a segment is, or will be."""
        return self.path / "segments" / f"{number:04d}.mkv"

    def has(self, index: int) -> bool:
        """Whether a picture is finished."""
        return self.frame(index).exists() or self.segment(index // LENGTH).exists()

    def keep(self, index: int, picture: Picture) -> None:
        """Write a finished picture, whole or not at all. Raises OutputError, such as when the disk is full."""
        aside = self.frame(index).with_name(f".{index:06d}.npy")
        try:
            with aside.open("wb") as file:
                np.save(file, picture, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self.frame(index))
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise OutputError(
                f"{self.path} cannot take another frame ({error.strerror or 'no space left'}): free some space and run it "
                f"again; the finished frames are kept."
            ) from error

    def picture(self, index: int) -> Picture:
        """A finished picture that is still there singly. Raises OutputError where it is not, or is damaged.

        No InputError: that says the video is damaged, and ends it.
        """
        try:
            return np.load(self.frame(index), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise OutputError(f"{self.frame(index)} is damaged: remove it and run it again.") from error

    def drop(self, indices: Sequence[int]) -> None:
        """Remove pictures that nothing looks back to any more; those whose segment is not encoded yet stay."""
        for index in indices:
            if self.segment(index // LENGTH).exists():
                self.frame(index).unlink(missing_ok=True)

    def is_empty(self) -> bool:
        """Whether nothing is finished."""
        return not any(self.path.glob("*/[0-9]*"))

    def remove(self) -> None:
        """The video is made, or nothing of it can be."""
        self.lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def take_up(path: Path, description: Mapping[str, Any]) -> int:
    """Make of a folder one that holds this video, unless it does; returns the threads. Raises as `Folder.open`."""
    try:
        known = read_description(path)
        # what is written aside by a process that was killed; in a folder that is not ours, nothing is touched
        for stale in path.glob(f".{DESCRIPTION}.*") if known is None else path.rglob(".*"):
            stale.unlink()
        if known is None and any(found.name != LOCK for found in path.iterdir()):
            raise OutputError(f"{path} is not empty and holds no video: remove that folder, or choose another -o.")
        if known is None:
            known = {**description, "threads": torch.get_num_threads()}
            saving.write(json.dumps(known, indent=1).encode(), path / DESCRIPTION)
        for name in (
            "frames",
            "segments",
        ):  # after the description: whatever kills it, what is there can be taken up
            (path / name).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot hold the frames ({error.strerror}): choose another -o.") from error
    if {key: value for key, value in known.items() if key != "threads"} != json.loads(json.dumps(description)):
        raise OutputError(
            f"{path} holds frames of another video or other settings: remove that folder, or choose another -o."
        )
    return int(known["threads"])


def read_description(path: Path) -> dict[str, Any] | None:
    """What a work folder says it holds, None where there is none. Raises InputError where that is damaged."""
    file = path / DESCRIPTION
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        found["threads"] = int(found["threads"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{file} is damaged: remove its folder and begin again.") from error
    return dict(found)
