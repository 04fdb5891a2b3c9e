"""The recipe: everything that made a picture, as plain data inside the picture's own file.

It holds no paths beyond file names, nothing about the user, and nothing that is ever executed. `make` writes it, `read` and
`understand` take it in again, wherever it comes from: nothing in it is trusted, and what a later version added is left out
and said so. `docs/repeat.md` documents the form.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import impasto
from impasto import saving
from impasto.bundle import Bundle
from impasto.errors import InputError, OptionError
from impasto.opening import FilePath, name_of, sha256, stream_of
from impasto.options import Options, PaintOptions, StylizeOptions

SCHEMA = 1  # raised when a reader of the old form would misread the new one
OPTIONS: dict[str, type[Options]] = {  # of the verbs that can be repeated
    "paint": PaintOptions,
    "texture": PaintOptions,
    "reconstruct": PaintOptions,
    "stylize": StylizeOptions,
}
ROLES = re.compile(r"content|(style|mask)(-[1-9][0-9]{0,3})?|protect|start|weights")
ARGUMENTS = ("height", "width", "seamless")
OUTCOMES = ("loss", "losses", "seconds", "weights", "doctor")  # what came of the settings
RESULTS = (*OUTCOMES, "steps", "quality", "engine", "passes")  # what `understand` need not follow
KEYS = (
    "schema",
    "verb",
    "preset",
    "options",
    "arguments",
    "inputs",
    "weights_sha256",
    "versions",
    "device",
    "precision",
    "threads",
    "branch",
)
LARGEST_SIDE = 16384  # pixels, as of --size
MOST_BRANCHES = 100  # one off the other


@dataclass(frozen=True)
class Instructions:
    """What a recipe says, as far as this version understands it; `notes` are sentences on what it does not.

    inputs: role -> name, sha256, bytes and copy of a file, or the shape of a mask in words, and a style's weight, whatever
    of these is known. shape: (height, width) of a texture. steps: after which the picture was taken. threads: that it was
    computed with. branch: (step, options that differed until then), the oldest first. File names, in `options` too, are for
    people: no file is opened by them.
    """

    verb: str
    preset: str | None
    options: Options
    inputs: Mapping[str, Mapping[str, Any]]
    shape: tuple[int, int] | None
    seamless: bool
    steps: int | None
    threads: int | None
    weights_sha256: str | None
    branch: tuple[tuple[int, dict[str, Any]], ...]
    notes: tuple[str, ...]


def fingerprint(source: object) -> dict[str, Any]:
    """{"name": file name, "sha256": hash, "bytes": size} of a picture: path, bytes, PIL picture, array or tensor.

    Raises InputError for a file that cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        with stream_of(path, name_of(source)):  # which says what is wrong with it
            return {"name": path.name, "sha256": sha256(path), "bytes": path.stat().st_size}
    if isinstance(source, bytes):
        name, data = "bytes", source
    elif isinstance(source, Image.Image):
        name, data = "Image", source.tobytes()
    else:
        array = source.detach().cpu().numpy() if isinstance(source, torch.Tensor) else source
        name, data = type(source).__name__, np.ascontiguousarray(array).tobytes()
    return {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def make(
    verb: str,
    preset: str | None,
    options: Options,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Mapping[str, Any]],
    weights: str,
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, Any]:
    """What is known before the first step; steps, losses and seconds are added at the end.

    arguments: what the verb takes beside options: height, width and seamless of a texture. weights: their SHA-256.
    """
    return {
        "schema": SCHEMA,
        "verb": verb,
        "preset": preset,
        "options": settings(options),
        "arguments": dict(arguments),
        "inputs": dict(inputs),
        "weights_sha256": weights,
        "versions": {
            "impasto": impasto.__version__,
            "torch": torch.__version__.split("+")[0],
            "python": platform.python_version(),
        },
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


def settings(options: Bundle) -> dict[str, Any]:
    """The options as a recipe has them: files by their names alone."""
    plain = options.as_dict()
    for name in ("weights", "start"):
        if isinstance(plain.get(name), str):
            plain[name] = Path(plain[name]).name  # a path says more about the user than about the picture
    return plain


def read(
    picture: FilePath | bytes, reader: Callable[[Any], dict[str, Any] | None] = saving.read_recipe
) -> dict[str, Any]:
    """The recipe inside a picture, or of a file that another `reader` reads. Raises InputError where there is none."""
    found = reader(picture)
    if found is None:
        name = "The picture" if isinstance(picture, bytes) else picture
        raise InputError(
            f"{name} carries no recipe: it was not made by impasto, or an editor removed it. Paint it anew."
        )
    return found


def understand(found: Mapping[str, Any]) -> Instructions:
    """Take a recipe apart and check every value. Raises InputError for one that cannot be followed.

    Keys, options and inputs that this version does not know are left out; an option that is missing has its default.
    """
    verb = found.get("verb")
    if not isinstance(verb, str) or verb not in OPTIONS:
        raise damaged(f"its verb is {verb!r}, and this impasto repeats {', '.join(OPTIONS)}")
    chosen, arguments, inputs = (part(found, key) for key in ("options", "arguments", "inputs"))
    known = {declared.name for declared in fields(OPTIONS[verb])}
    followed = known - {"budget"}  # which is spent: the steps are what it left
    branch = branches(found.get("branch", []), followed)
    try:
        options = OPTIONS[verb](**{key: value for key, value in chosen.items() if key in followed})
        for _, differing in branch:
            options.replace(**differing)
    except OptionError as error:
        raise damaged(f"of its options, {error}".rstrip(".")) from error
    preset, steps, threads, weights = (found.get(key) for key in ("preset", "steps", "threads", "weights_sha256"))
    unknown = [
        *(f"option {key!r}" for key in chosen if key not in known),
        *(f"argument {key!r}" for key in arguments if key not in ARGUMENTS),
        *(f"input {key!r}" for key in inputs if not ROLES.fullmatch(key)),
        *(repr(key) for key in found if key not in (*KEYS, *RESULTS)),
    ]
    return Instructions(
        verb,
        preset if isinstance(preset, str) else None,
        options,
        {role: part(inputs, role) for role in inputs if ROLES.fullmatch(role)},
        texture_shape(arguments),
        arguments.get("seamless") is True,
        steps if isinstance(steps, int) and steps > 0 else None,
        threads if isinstance(threads, int) else None,
        weights if isinstance(weights, str) else None,
        branch,
        tuple(remarks(found.get("schema"), unknown)),
    )


def branched(options: Mapping[str, Any], line: Sequence[tuple[int, Bundle]]) -> list[dict[str, Any]]:
    """How a painting with these settings came to its first step, for its recipe: what `branches` reads.

    line: until which step it was painted with which options before, the oldest first.
    """
    return [
        {"at": at, "options": {key: value for key, value in settings(earlier).items() if value != options[key]}}
        for at, earlier in line
    ]


def branches(found: object, known: Collection[str]) -> tuple[tuple[int, dict[str, Any]], ...]:
    """(step, options that differed until then), the oldest first. Raises InputError for anything else."""
    entries = found if isinstance(found, list) and len(found) <= MOST_BRANCHES else [found]
    read = []
    for entry in entries:
        at = entry.get("at") if isinstance(entry, dict) else None
        if not (isinstance(entry, dict) and isinstance(at, int) and at > 0):
            raise damaged("its 'branch' does not say at which steps")
        read.append((at, {key: value for key, value in part(entry, "options").items() if key in known}))
    return tuple(read)


def remarks(schema: object, unknown: list[str]) -> list[str]:
    """Sentences on what a recipe holds beyond what this version knows."""
    said = []
    if schema != SCHEMA:
        said.append(f"The recipe has schema {schema!r}, this impasto knows {SCHEMA}: what it understands is followed.")
    if unknown:
        said.append(f"This impasto does not know {', '.join(unknown[:8])}: left out.")
    return said


def part(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A part of a recipe that must be a mapping; one that is missing is empty."""
    value = found.get(key, {})
    if not isinstance(value, dict):
        raise damaged(f"{key!r} holds no names and values")
    return value


def texture_shape(arguments: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width), or None where the recipe has none."""
    if "height" not in arguments and "width" not in arguments:
        return None
    height, width = arguments.get("height"), arguments.get("width")
    if not (isinstance(height, int) and isinstance(width, int) and all(0 < x <= LARGEST_SIDE for x in (height, width))):
        raise damaged(f"its height and width are {height!r} and {width!r}")
    return height, width


def damaged(why: str) -> InputError:
    """What to say of a recipe that cannot be followed."""
    return InputError(f"The recipe cannot be followed: {why:.300}. Paint the picture anew, or try a newer impasto.")


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What differs in the settings of two recipes, a readable line each: `options.size: 512 -> 800`.

    What came of the settings (`OUTCOMES`) and the small copies of inputs are left out.
    """
    first, second = (dict(flattened(recipe)) for recipe in (one, other))
    return [
        f"{key}: {first.get(key, 'not given')} -> {second.get(key, 'not given')}"
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]


def flattened(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """("options.size", "512"), ...: the settings of a recipe as texts, with inputs as name and hash."""
    pairs = []
    for name, value in recipe.items():
        key = printable(name)
        if key in OUTCOMES:
            continue
        if key == "inputs" and isinstance(value, dict):
            pairs += [(f"inputs.{printable(role)}", described(source)) for role, source in value.items()]
        elif isinstance(value, dict):
            pairs += [(f"{key}.{printable(name)}", json.dumps(setting)) for name, setting in value.items()]
        else:
            pairs.append((key, json.dumps(value)))
    return pairs


def printable(name: str) -> str:
    """A name without what a terminal would obey."""
    return name.encode("unicode_escape").decode("ascii")[:100]


def described(source: object) -> str:
    """An input as one reads it: its name and the beginning of its hash."""
    if not isinstance(source, dict):
        return json.dumps(source)
    return json.dumps(f"{source.get('name')} ({str(source.get('sha256'))[:8]})")
