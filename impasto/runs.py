"""Runs: paintings whose state is kept in a folder, so that they go on after any end and branch off anywhere.

    run.json             the recipe, and where the result was to go
    inputs/ROLE/NAME     copies of what it is painted from
    state.safetensors    the latest state, whole: canvas, optimiser's memory, position, losses
    steps/000025.safetensors, ...   the canvas alone, now and then

Every file is written aside and renamed, so that whatever kills the program, each is whole. Nothing is pickled.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from impasto import recipe, saving
from impasto.errors import InputError, OutputError
from impasto.images import ImageSource
from impasto.opening import FilePath
from impasto.painting import PaintStep, State
from impasto.repeat import Repeat, prepare_from, to_branch_from
from impasto.threads import threads

PAUSE = 5.0  # seconds between two states at least
SHARE = 0.05  # of the time at most is spent on writing states
KEPT_EVERY = 25  # steps between two canvases that one can branch from
DESCRIPTION, STATE, STEPS, INPUTS = "run.json", "state.safetensors", "steps", "inputs"


@dataclass(frozen=True)
class Run:
    """A run read from its folder: what is painted, where it stands (None: at the beginning), where the result goes."""

    folder: Path
    repeat: Repeat
    state: State | None
    target: Path | None

    def steps(self, on_download: Callable[[int, int], None] | None = None) -> Iterator[PaintStep]:
        """Go on painting and keeping, from the last state, whose step is yielded once more; with as many threads."""
        with threads(self.repeat.threads):
            yield from saved(self.repeat.steps(on_download, self.state), self.folder)


def keep(
    steps: Iterator[PaintStep],
    folder: FilePath,
    sources: Mapping[str, ImageSource],
    *,
    target: FilePath | None = None,
) -> Iterator[PaintStep]:
    """Pass the steps of a verb on and keep their state in a new folder.

    sources: role -> file of everything that is painted from, see `scene.sources`; also start and weights. target: where
    the result is to go. Raises OutputError where the folder cannot be written or is not empty, InputError where a file is
    no longer what the painting was begun with.
    """
    check_new(folder)
    folder = Path(folder)
    first = next(steps)
    begin(folder, first, sources, target)
    yield from saved(chain([first], steps), folder)


def load(folder: FilePath) -> Run:
    """Read a run to go on with: `load(folder).steps()`. Raises InputError where there is none or it is damaged."""
    folder = Path(folder)
    description = read_description(folder)
    repeat = prepare_from(description["recipe"], input_folders(folder), {}, {})
    path = folder / STATE
    state = read_state(path) if path.exists() else None
    if state is not None:
        repeat.check_state(state, path.name)
    target = description.get("target")
    return Run(folder, repeat, state, Path(target) if isinstance(target, str) else None)


def branch(folder: FilePath, at: int, **changes: Any) -> tuple[Repeat, State]:
    """What paints on from a run's kept step `at` with some options changed: `repeat.steps(state=state)`.

    The optimiser begins anew there; a start among the changes has no say: the step is it. Raises InputError where the step
    was not kept, OptionError where the changed options have another scale in its place.
    """
    folder = Path(folder)
    changes.pop("start", None)
    trunk, repeat = (
        prepare_from(read_description(folder)["recipe"], input_folders(folder), {}, given) for given in ({}, changes)
    )
    repeat = replace(repeat, trunk=(trunk, at))
    path = kept_path(folder, at)
    if not path.exists():
        steps = ", ".join(str(int(kept.stem)) for kept in sorted((folder / STEPS).glob("*.safetensors"))) or "none yet"
        raise InputError(f"{folder} has not kept step {at}. Choose --at among {steps}.")
    state = read_state(path)
    repeat.check_state(state, path.name)
    return repeat, state


def check_new(folder: FilePath) -> None:
    """Raise OutputError unless a run can be begun in this folder: missing, empty, or of a run killed before its first step.

    Nothing is made.
    """
    folder = Path(folder)
    try:
        used = folder.exists() and any(not is_left_over(path) for path in folder.iterdir())
    except OSError as error:
        raise OutputError(f"{folder} cannot hold a run ({error.strerror}): choose another folder.") from error
    if used:
        raise OutputError(
            f"{folder} is not empty: go on with what is there by `impasto resume {folder}`, or choose a new folder."
        )
    saving.check_writable(folder / DESCRIPTION if folder.is_dir() else folder)


def is_left_over(path: Path) -> bool:
    """Whether this is all that `begin` had made where no description is beside it: copied inputs, a file on its way."""
    begun = path.name == INPUTS or path.name.startswith(f".{DESCRIPTION}.")
    return begun and not (path.parent / DESCRIPTION).exists()


# -------------------------------------------------------------------------------------------------------- writing


def begin(folder: Path, step: PaintStep, sources: Mapping[str, ImageSource], target: FilePath | None) -> None:
    """Copy the inputs and describe the run; the description comes last, so that where it is, all is."""
    notes = step.painting.recipe
    for role, wanted in notes["inputs"].items():
        if "shape" in wanted:  # a mask in words
            continue
        source = sources[role]
        data = source if isinstance(source, bytes) else Path(str(source)).read_bytes()
        if recipe.fingerprint(data)["sha256"] != wanted["sha256"]:
            raise InputError(f"The {role} {wanted['name']} has changed since it was read: begin again.")
        place = folder / INPUTS / role
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"There cannot be a folder {place} ({error.strerror}): choose another --run.") from error
        saving.write(data, place / wanted["name"])
    where = None if target is None or str(target) == "-" else os.path.abspath(target)  # noqa: PTH100  (links stay)
    description = {"recipe": notes, "target": where}
    saving.write(json.dumps(description, indent=1).encode(), folder / DESCRIPTION)


def saved(steps: Iterator[PaintStep], folder: Path) -> Iterator[PaintStep]:
    """Pass steps on and write their states: the first, the last, and between them every few seconds."""
    for stale in folder.rglob(".*.new"):  # of a process that was killed while writing
        stale.unlink()
    due = 0.0
    for step in steps:
        began = time.monotonic()
        if began >= due or step.index == step.total:
            write_state(step.state(), folder / STATE)
            now = time.monotonic()
            due = now + max(PAUSE, (now - began) / SHARE)
        if step.index % KEPT_EVERY == 0 or step.index == step.total:
            write_state(to_branch_from(step), kept_path(folder, step.index))
        yield step


def kept_path(folder: Path, step: int) -> Path:
    """Where the canvas of a step is kept."""
    return folder / STEPS / f"{step:06d}.safetensors"


def write_state(state: State, path: Path) -> None:
    """Write a state as one file, whole or not at all. Raises OutputError."""
    assert state.canvas is not None
    numbers = {"scale": state.scale, "step": state.step, "history": state.history, "seconds": state.seconds}
    tensors = {"canvas": state.canvas, **{f"memory.{key}": value for key, value in state.memory.items()}}
    aside = path.parent / f".{path.name}.{os.getpid()}.new"
    try:
        path.parent.mkdir(exist_ok=True)
        safetensors.torch.save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()}, aside, {"state": json.dumps(numbers)}
        )
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise OutputError(f"{path} cannot be written ({error}): free some space, then `impasto resume`.") from error


# -------------------------------------------------------------------------------------------------------- reading


def read_description(folder: Path) -> dict[str, Any]:
    """run.json, checked. Raises InputError."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no run, or one that ended before its first step: begin it with --run {folder}."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or cannot be read: begin the run again.") from error
    if not isinstance(description, dict) or not isinstance(description.get("recipe"), dict):
        raise InputError(f"{path} describes no run: begin the run again.")
    return description


def input_folders(folder: Path) -> list[Path]:
    """Where the copies of a run's inputs are."""
    with suppress(OSError):  # a run in which everything is in words or lost, as its recipe will say
        return sorted((folder / INPUTS).iterdir())
    return []


def read_state(path: Path) -> State:
    """What `write_state` wrote, on the CPU. Raises InputError."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            numbers = json.loads((file.metadata() or {})["state"])
            # a copy of one's own is aligned as fresh results are, and sums then come out the same to the last bit
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        memory = {key.removeprefix("memory."): value for key, value in tensors.items() if key != "canvas"}
        return State(
            int(numbers["scale"]),
            int(numbers["step"]),
            tensors["canvas"],
            memory,
            [dict(entry) for entry in numbers["history"]],
            float(numbers["seconds"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise InputError(f"{path} is damaged or cannot be read: begin the run again.") from error
