"""What a picture was made from, found again: by the hash in its recipe, or as the small copy stored there.

A recipe's names open no file: the folders to look in come from the caller, and only what has the right SHA-256 is taken.
"""

import base64
import binascii
import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from impasto import images, masks, recipe
from impasto.errors import InputError, OptionError
from impasto.images import ImageSource
from impasto.painting import Painting
from impasto.scene import PLACES
from impasto.shipped import DEMO
from impasto.transform import is_network

COPY_SIDE = 256  # pixels on the longer side of a stored copy
COPY_BYTES = 36_000  # of all stored copies together, so that they fit into the 64 KiB that a JPEG can carry


def embed(painting: Painting, sources: Mapping[str, ImageSource]) -> Painting:
    """The painting with small copies of the pictures it was made from in its recipe.

    sources: role -> picture, of those in the recipe. Raises InputError if one cannot be read.
    """
    inputs = dict(painting.recipe["inputs"])
    copied = [role for role in inputs if role in sources and is_copied(role, inputs[role])]
    for role in copied:
        copy = small_copy(sources[role], COPY_BYTES // max(3, len(copied)))
        inputs[role] = {**inputs[role], "copy": base64.b64encode(copy).decode("ascii")}
    return dataclasses.replace(painting, recipe={**painting.recipe, "inputs": inputs})


def is_copied(role: str, source: Mapping[str, Any]) -> bool:
    """Whether an input is a picture; the others are masks in words, trained networks and files that options name."""
    return role not in ("start", "weights") and "shape" not in source and not is_network(source.get("name"))


def small_copy(source: ImageSource, room: int) -> bytes:
    """A WebP file of at most 256 pixels and `room` bytes, or 48 pixels if there is very little of that."""
    picture = images.to_picture(images.load(source), images.load_opacity(source))
    side, quality = COPY_SIDE, 85
    while True:
        copy = picture.copy()
        copy.thumbnail((side, side))
        buffer = BytesIO()
        copy.save(buffer, "WEBP", quality=quality)
        if buffer.tell() <= room or side <= 48:
            return buffer.getvalue()
        side, quality = side * 3 // 4, max(60, quality - 10)


def find(
    inputs: Mapping[str, Mapping[str, Any]], folders: Iterable[Path]
) -> tuple[dict[str, Path | bytes | str], list[str]]:
    """(role -> file, stored copy or words of a mask, sentences on copies that had to do) for every input of a recipe.

    folders: looked through in this order, not below; after them the pictures that come with impasto. Raises InputError
    for the first input that is nowhere.
    """
    places = [*folders, DEMO]
    found: dict[str, Path | bytes | str] = {}
    notes = []
    for role, source in inputs.items():
        if "shape" in source:
            found[role] = shape_of(role, source["shape"])
            continue
        file = by_hash(source, places)
        copy = stored(source) if file is None and is_copied(role, source) else None
        if file is not None:
            found[role] = file
        elif copy is not None:
            found[role] = copy
            notes.append(f"The {role} {shown(source)} was not found: its small copy in the recipe is used.")
        else:
            raise InputError(
                f"The {role} {shown(source)} is not beside the picture, in this folder or in those given: "
                f"name it with --{role} FILE, or its folder with --inputs FOLDER."
            )
    return found, notes


def shape_of(role: str, words: object) -> str:
    """A mask in words. Raises InputError for anything else, above all for the name of a file."""
    with suppress(OptionError):
        if role.startswith(PLACES) and isinstance(words, str) and masks.is_shape(words):
            return words
    raise recipe.damaged(f"the {role} has the shape {words!r}")


def by_hash(source: Mapping[str, Any], folders: Iterable[Path]) -> Path | None:
    """The first file with a recipe's size and SHA-256. Only files of that size are read."""
    return next((path for folder in folders for path in listed(folder) if is_same(path, source)), None)


def listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it may not be listed."""
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []


def is_same(path: Path, source: Mapping[str, Any]) -> bool:
    """Whether a file has a recipe's size and SHA-256; no for one that is gone or cannot be read."""
    with suppress(OSError, InputError):
        same_size = path.is_file() and path.stat().st_size == source.get("bytes")
        return same_size and recipe.fingerprint(path)["sha256"] == source.get("sha256")
    return False


def stored(source: Mapping[str, Any]) -> bytes | None:
    """The small copy in a recipe, or None; whether it is a picture shows when it is read."""
    try:
        return base64.b64decode(source.get("copy", ""), validate=True) or None
    except (TypeError, ValueError, binascii.Error):
        return None


def shown(source: Mapping[str, Any]) -> str:
    """An input's name as it may safely be printed."""
    return ascii(str(source.get("name", "without a name"))[:100])
