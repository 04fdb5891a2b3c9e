"""Runs: whatever kills the program, it goes on to the very same picture, and branches where one wishes."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto import cli, forecast, images, optimize, runs, saving
from impasto.errors import ImpastoError, InputError, OptionError, OutputError
from impasto.forecast import Cost
from impasto.painting import PaintStep, paint_steps
from impasto.presets import options_for
from impasto.runs import branch, keep, load

ROOT = Path(impasto.__file__).parent.parent
QUICK: dict[str, Any] = {"size": 48, "min_scale": 24, "first_steps": 4, "steps": 4, "device": "cpu"}
SOURCES = {"content": Path("content.png"), "style": Path("style.png")}
# a state after every step, where the program itself takes its time
PROGRAM = "from impasto import cli, runs; runs.PAUSE, runs.SHARE, runs.KEPT_EVERY = 0, 1, 1; cli.main()"


def picture(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with two pictures in it; every state is kept."""
    picture(40, 30, 0).save(tmp_path / "content.png")
    picture(36, 36, 1).save(tmp_path / "style.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "PAUSE", 0.0)
    monkeypatch.setattr(runs, "SHARE", float("inf"))
    monkeypatch.setattr(runs, "KEPT_EVERY", 2)
    return tmp_path


def begun(steps: int, **options: Any) -> None:
    """A run in the folder `run` that ended after so many steps."""
    painting = paint_steps("content.png", "style.png", **{**QUICK, **options})
    for _ in islice(keep(painting, "run", SOURCES), steps):
        pass


def last(steps: Iterator[PaintStep]) -> PaintStep:
    *_, step = steps
    return step


# -------------------------------------------------------------------------------------------------------- resume


@pytest.mark.parametrize("ended", range(1, 9))
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "lbfgs"},
        {"averaging": 0.9},
        {"optimizer": "lbfgs", "learning_rate": 0.5, "start": "noise", "history": 2},
    ],
    ids=["lbfgs", "adam", "retreats"],
)
def test_a_run_goes_on_to_the_same_picture_from_every_step(ended: int, options: dict[str, Any]) -> None:
    whole = last(paint_steps("content.png", "style.png", **{**QUICK, **options}))
    begun(ended, **options)
    steps = list(load("run").steps())
    assert [step.index for step in steps] == list(range(ended, 9))
    assert torch.equal(steps[-1].painting.image, whole.painting.image)
    assert steps[-1].painting.history == whole.painting.history
    seconds = dict.fromkeys(["seconds"])
    assert {**steps[-1].painting.recipe, **seconds} == {**whole.painting.recipe, **seconds}


def test_a_budget_is_spent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is gone on with on a slower machine has the steps that it was begun with."""
    monkeypatch.setattr(forecast, "probe", lambda *_: Cost(1, 0))
    begun(3, budget="8s")
    monkeypatch.setattr(forecast, "probe", lambda *_: Cost(4, 0))
    assert [(step.index, step.total) for step in load("run").steps()] == [(3, 4), (4, 4)]


def test_what_a_run_needs_is_in_its_folder(folder: Path) -> None:
    start = folder / "start.png"
    picture(20, 20, 2).save(start)
    painting = paint_steps("content.png", "style.png", **QUICK, start=str(start))
    steps = keep(painting, "run", {**SOURCES, "start": start}, target="out.png")
    assert len(list(islice(steps, 3))) == 3
    for path in (start, *SOURCES.values()):
        path.unlink()
    run = load("run")
    assert run.target == folder / "out.png"
    assert last(run.steps()).index == 8


def tile() -> Iterator[PaintStep]:
    return impasto.texture_steps("style.png", seamless=True, **{**QUICK, "size": 64, "min_scale": 32})


def inside() -> Iterator[PaintStep]:
    return impasto.reconstruct_steps("content.png", steps=5, size=32)


@pytest.mark.parametrize(("steps", "sources"), [(tile, ["style"]), (inside, ["content", "style"])])
def test_textures_and_reconstructions_are_runs_too(
    steps: Callable[[], Iterator[PaintStep]], sources: list[str]
) -> None:
    whole = last(steps())
    file = Path("style.png" if steps is tile else "content.png")
    for _ in islice(keep(steps(), "run", dict.fromkeys(sources, file)), 3):
        pass
    assert torch.equal(last(load("run").steps()).painting.image, whole.painting.image)


def test_a_state_holds_no_pickle_and_is_never_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(3)
    state = (folder / "run" / "state.safetensors").read_bytes()
    assert int.from_bytes(state[:8], "little") < len(state)
    assert json.loads(state[8 : 8 + int.from_bytes(state[:8], "little")])["canvas"]["dtype"] == "F32"

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        list(load("run").steps())
    assert (folder / "run" / "state.safetensors").read_bytes() == state


@pytest.mark.parametrize("full", ["inputs", "steps"])
def test_a_full_disk_is_said_where_a_folder_is_made(full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def mkdir(path: Path, *given: Any, **named: Any) -> None:
        if full in path.parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *given, **named)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(OutputError, match="No space left"):
        begun(8)


def test_states_are_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(runs, "write_state", lambda state, path: written.append(path.name))
    monkeypatch.setattr(runs, "PAUSE", 3600.0)
    begun(8)
    assert written.count("state.safetensors") == 2  # the first and the last
    assert sorted(set(written)) == [*(f"{step:06d}.safetensors" for step in (2, 4, 6, 8)), "state.safetensors"]


# -------------------------------------------------------------------------------------------------------- branch


def test_a_branch_begins_at_a_kept_picture_with_other_options() -> None:
    begun(8)
    repeat, state = branch("run", 6, content_weight=0.7, steps=6)
    steps = list(repeat.steps(state=state))
    assert [step.index for step in steps] == [6, 7, 8, 9, 10]
    assert steps[-1].painting.recipe["options"]["content_weight"] == 0.7
    original = list(paint_steps("content.png", "style.png", **QUICK))
    torch.testing.assert_close(steps[0].painting.image, original[5].painting.image)
    assert steps[0].painting.history == original[5].painting.history


def test_a_branched_picture_says_where_it_began_and_is_verified() -> None:
    begun(8)
    repeat, state = branch("run", 6, content_weight=0.7, colors="keep", optimizer="lbfgs", start="noise")
    for _ in islice(keep(repeat.steps(state=state), "once", SOURCES), 3):
        pass
    picture = last(load("once").steps()).painting
    picture.save("once.png")
    assert picture.recipe["branch"] == [
        {"at": 6, "options": {"colors": "style", "content_weight": picture_weight(), "optimizer": "adam"}}
    ]
    verdict = impasto.verify("once.png")
    assert verdict.identical
    assert verdict.notes == ()
    assert [step.index for step in impasto.prepare("once.png").steps()] == list(range(1, 9))
    # a branch of the branch, at the very step it began with and at a later one
    for at in (6, 8):
        repeat, state = branch("once", at, content_weight=0.1, steps=6)
        twice = last(repeat.steps(state=state)).painting
        twice.save("twice.png")
        assert [entry["at"] for entry in twice.recipe["branch"]] == [6, at]
        assert impasto.verify("twice.png").identical


def picture_weight() -> float:
    return options_for(**QUICK).content_weight


def test_a_branch_that_was_killed_before_its_first_state_goes_on_from_its_root() -> None:
    begun(8)
    repeat, state = branch("run", 6, content_weight=0.7)
    whole = last(keep(repeat.steps(state=state), "other", SOURCES)).painting.image
    Path("other", "state.safetensors").unlink()
    assert torch.equal(last(load("other").steps()).painting.image, whole)


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("does not say at which steps", {"branch": [{"at": "2"}]}),
        ("does not say at which steps", {"branch": [{"at": 2}] * 101}),
        ("of its options", {"branch": [{"at": 2, "options": {"content_weight": -1}}]}),
        ("ends before", {"branch": [{"at": 9000}]}),
        ("weights of its own", {"branch": [{"at": 2, "options": {"weights": "mine.safetensors"}}]}),
        ("which these options do not have", {"branch": [{"at": 2, "options": {"size": 64}}]}),
    ],
)
def test_a_branch_that_cannot_be_followed_is_refused_in_a_sentence(said: str, changes: dict[str, Any]) -> None:
    found = impasto.paint("content.png", "style.png", **QUICK).recipe
    saving.save(images.load("content.png"), "out.png", recipe={**found, **changes})
    with pytest.raises(ImpastoError, match=said):
        list(impasto.prepare("out.png").steps())


def test_a_branch_refuses_what_it_cannot_do() -> None:
    begun(5)
    with pytest.raises(InputError, match=r"has not kept step 3\. Choose --at among 2, 4\."):
        branch("run", 3)
    with pytest.raises(OptionError, match="choose --steps"):
        branch("run", 4, budget="8s")
    for changes in ({"size": 64}, {"min_scale": 48}, {"canvas_padding": 0}, {"first_steps": 1}):
        with pytest.raises(OptionError, match="which these options do not have"):
            branch("run", 4, **changes)


# --------------------------------------------------------------------------------------------------------- refusals


def test_a_folder_with_something_in_it_is_not_taken(folder: Path) -> None:
    begun(2)
    before = (folder / "run" / "state.safetensors").read_bytes()
    with pytest.raises(OutputError, match="impasto resume run"):
        begun(2)
    assert (folder / "run" / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "emptied", "flipped", "other"])
@pytest.mark.parametrize("name", ["run.json", "state.safetensors"])
def test_a_damaged_run_is_refused_in_a_sentence(damage: str, name: str, folder: Path) -> None:
    begun(3)
    path = folder / "run" / name
    data = path.read_bytes()
    path.write_bytes(
        {"cut": data[:-9], "emptied": b"", "flipped": b"\xff" + data[1:], "other": b'{"recipe": 7}'}[damage]
    )
    with pytest.raises(ImpastoError, match="begin the run again"):
        load("run")


def test_no_run_is_said() -> None:
    with pytest.raises(InputError, match="holds no run"):
        load("nowhere")


def test_an_input_that_changed_since_it_was_read_is_noticed() -> None:
    steps = paint_steps("content.png", "style.png", **QUICK)
    with pytest.raises(InputError, match="has changed"):
        next(keep(steps, "run", {**SOURCES, "style": "content.png"}))


# ------------------------------------------------------------------------------------------------------ command line


FLAGS = ["--size", "48", "--min-scale", "24", "--first-steps", "4", "--steps", "4", "-q"]


def test_the_verbs_of_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["paint", "content.png", "style.png", *FLAGS, "-o", "out.png", "--run", "run"]) == 0
    whole = images.load("out.png")
    Path("out.png").unlink()
    assert cli.run(["resume", "run"]) == 0  # it had ended: the picture is there again
    assert torch.equal(images.load("out.png"), whole)
    assert cli.run(["branch", "run", "--at", "6", "--content-weight", "0.3", "--run", "other", "-q"]) == 0
    assert images.load("run-6.png").shape == whole.shape
    assert load("other").target == folder / "run-6.png"
    assert cli.run(["paint", "content.png", "style.png", *FLAGS, "--run", "run"]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_run_that_was_killed_before_its_first_step_can_be_begun_again(folder: Path) -> None:
    begun(1)
    (folder / "run" / "run.json").rename(folder / "run" / ".run.json.0123abcd")  # killed while that was written
    for name in ("state.safetensors", "steps"):
        path = folder / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    with pytest.raises(InputError, match="begin it with --run run"):
        load("run")
    assert cli.run(["paint", "content.png", "style.png", *FLAGS, "-o", "out.png", "--run", "run"]) == 0
    assert last(load("run").steps()).index == 8
    (folder / "other").mkdir()
    (folder / "other" / "inputs").write_text("somebody's")
    (folder / "other" / "letter.txt").write_text("somebody's")
    with pytest.raises(OutputError, match="is not empty"):
        runs.check_new("other")


def test_what_is_refused_leaves_no_folder(folder: Path) -> None:
    assert cli.run(["paint", "content.png", "missing.png", *FLAGS, "--run", "run"]) == 2
    assert cli.run(["paint", "content.png", "style.png", *FLAGS, "--run", "content.png"]) == 2
    assert not (folder / "run").exists()


def test_what_was_good_is_written_before_an_error_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = optimize.evaluate, iter(range(100))

    def evaluate(*arguments: Any) -> Any:
        if next(calls) == 3:
            raise optimize.divergence(4, float("nan"))
        return real(*arguments)

    monkeypatch.setattr(optimize, "evaluate", evaluate)
    assert cli.run(["paint", "content.png", "style.png", *FLAGS, "-o", "out.png"]) == 2
    assert (saving.read_recipe("out.png") or {})["steps"] == 3


def program(*arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment, stderr=subprocess.PIPE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_picture(folder: Path) -> None:
    flags = ["--size", "48", "--min-scale", "24", "--first-steps", "60", "--steps", "60", "-q"]
    assert cli.run(["paint", "content.png", "style.png", *flags, "-o", "whole.png"]) == 0
    arguments = ["paint", "content.png", "style.png", *flags, "-o", "out.png", "--run", "run"]
    state = folder / "run" / "state.safetensors"
    for seed in range(3):
        before = state.stat().st_mtime_ns if state.exists() else 0
        with program(*arguments) as process:
            while process.poll() is None and (state.stat().st_mtime_ns if state.exists() else 0) == before:
                time.sleep(0.005)
            time.sleep(random.Random(seed).uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
        arguments = ["resume", "run", "-q"]
    with program(*arguments) as process:
        _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, b"")
    assert torch.equal(images.load("out.png"), images.load("whole.png"))
    assert impasto.diff("out.png", "whole.png").lines == ()
    assert not list(folder.rglob(".*.new"))
