"""The command line as one runs it: help, Ctrl-C, pipes, a terminal; a fault of ours is not hidden."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typed import PAINT, ROOT, contents, picture, recipe_of

import impasto
from impasto import cli, images, painting, saving
from impasto.outputs import terminal


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    listed = {line.strip("│| ").split(" ")[0] for line in capsys.readouterr().out.splitlines() if line}
    assert {"paint", "demo", "presets", "recipe", "weights"} <= listed


def test_without_arguments_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "Usage: impasto" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == impasto.__version__


def test_ctrl_c_keeps_the_picture_reached(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def show(self: terminal.PaintProgress, step: painting.PaintStep) -> None:
        if step.index == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal.PaintProgress, "show", show)
    assert cli.run([*PAINT, "-o", "out.png", "--json", "out.json"]) == 130
    assert recipe_of("out.png")["steps"] == 3
    assert len(json.loads(Path("out.json").read_text(encoding="utf-8"))["history"]) == 3
    assert "stopped at step 3 of 4" in capsys.readouterr().err


def test_ctrl_c_before_the_first_step_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = contents(folder)
    monkeypatch.setattr(images, "load", interrupt)
    assert cli.run([*PAINT, "-o", "out.png"]) == 130
    assert contents(folder) == before


def test_ctrl_c_elsewhere_ends_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "read_recipe", interrupt)
    assert cli.run(["recipe", "content.png"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(images, "load", fail)
    with pytest.raises(ZeroDivisionError):
        cli.run([*PAINT, "-o", "out.png"])


def test_a_thumbnail_holds_two_pixels_in_a_character() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]], [[1, 1, 1], [2, 2, 2]]], dtype=np.uint8)
    text = terminal.thumbnail(Image.fromarray(pixels))
    assert text.plain == "▀▀\n"
    assert [str(span.style) for span in text.spans] == ["rgb(255,0,0) on rgb(0,0,255)", "rgb(0,255,0) on rgb(9,8,7)"]


def test_a_thumbnail_fits_and_keeps_the_aspect() -> None:
    lines = terminal.thumbnail(picture(400, 200)).plain.splitlines()
    assert len(lines) == 14
    assert {len(line) for line in lines} == {56}


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_shows_the_bar_and_the_picture_unless_quiet(quiet: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with terminal.PaintProgress(console, quiet) as progress:
        progress.download(10, 100)
        for step in painting.paint_steps("content.png", "style.png", size=32, min_scale=32, first_steps=2):
            progress.show(step)
    shown = stream.getvalue()
    assert shown == "" if quiet else "▀" in shown and "32 px" in shown and "fetching weights" in shown


def impasto_process(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "impasto", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **options,
    )


def test_the_program_paints_to_a_pipe() -> None:
    with impasto_process(*PAINT, "-o", "-", "-q") as process:
        output, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    assert output.startswith(b"\x89PNG")


@pytest.mark.parametrize(("arguments", "status"), [(["presets"], 0), (["paint", "missing.png", "style.png"], 2)])
def test_main_ends_the_process_with_the_status(
    arguments: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["impasto", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == status


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_stops_the_program_with_status_130_and_the_picture_kept() -> None:
    arguments = ["paint", "content.png", "style.png", "--size", "32", "-o", "out.png", "--save-every", "1"]
    heard = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # what a script runs in the background would ignore it
    with impasto_process(*arguments, "--first-steps", "100000", preexec_fn=heard) as process:
        deadline = time.monotonic() + 60
        while not Path("out-0002.png").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == b""
    assert b"stopped at step" in said
    assert b"Traceback" not in said
    assert recipe_of("out.png")["steps"] >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")
def test_a_reader_that_goes_away_is_no_fault() -> None:
    with impasto_process("presets") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, said) == (141, b"")


def test_a_pipe_without_greek_letters_gets_question_marks() -> None:
    with impasto_process("presets", env={"PYTHONIOENCODING": "ascii"}) as process:
        output, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    assert b"?/? = 10??" in output
