"""Batches: every job ends in a picture or a sentence, nothing is painted twice, and no end is the end of it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto import backbones, cli, images, jobs, saving, tiling, workers
from impasto.batch import work_through
from impasto.errors import ImpastoError, InputError, OptionError, OutputError
from impasto.jobs import Job, Outcome, pairs, table

ROOT = Path(impasto.__file__).parent.parent
QUICK: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 2, "device": "cpu"}


def picture(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: three contents, one of them no picture, and two styles."""
    for place in ("contents", "styles"):
        (tmp_path / place).mkdir()
    for number in range(2):
        picture(40, 30, number).save(tmp_path / "contents" / f"c{number}.png")
        picture(36, 36, 7 + number).save(tmp_path / "styles" / f"s{number}.jpg")
    (tmp_path / "contents" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "contents" / "notes.txt").write_text("not for painting")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(**options: Any) -> list[Outcome]:
    return list(work_through(pairs("contents", "styles", "out", QUICK), "out", **options))


def written(folder: Path) -> dict[str, int]:
    """The pictures of the results, and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.png")}


# ---------------------------------------------------------------------------------------------------------- jobs


def test_every_content_meets_every_style() -> None:
    work = pairs("contents", "styles", "out", suffix=".jpg")
    names = [f"{content}-{style}.jpg" for style in ("s0", "s1") for content in ("bad", "c0", "c1")]
    assert [job.output for job in work] == [Path("out", name) for name in names]
    assert len(pairs("contents/c0.png", "styles", "out")) == 2
    with pytest.raises(InputError, match="no picture in the folder"):
        pairs("contents", "out", "elsewhere") if Path("out").mkdir() is None else None
    with pytest.raises(OptionError, match="cannot go to contents"):
        pairs("contents", "styles", "contents")


def test_results_of_one_name_are_numbered() -> None:
    Path("contents/c0.jpg").write_bytes(Path("styles/s0.jpg").read_bytes())
    names = [job.output.name for job in pairs("contents", "styles/s0.jpg", "out")]
    assert names == ["bad-s0.png", "c0-s0.png", "c0-s0-2.png", "c1-s0.png"]


def test_a_table_gives_each_job_its_options(folder: Path) -> None:
    text = "content,style,output,size,style_layers,pooling_rescale\nc0.png,../styles/s0.jpg,,48,relu1_1 relu2_1,yes\n"
    (folder / "contents" / "jobs.csv").write_text(text + "c1.png,../styles/s1.jpg,mine.jpg,,,\n", encoding="utf-8-sig")
    first, second = table("contents/jobs.csv", "out", {"size": 64})
    assert first.options() == impasto.options_for(size=48, style_layers=("relu1_1", "relu2_1"), pooling_rescale=True)
    assert second.options() == impasto.options_for(size=64)
    assert (first.output, second.output) == (Path("out/c0-s0.png"), Path("out/mine.jpg"))
    assert first.content.is_file()
    assert first.style.is_file()


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (b"", InputError, "needs the columns"),
        (b"content;style\na;b\n", InputError, "has a column 'content;style'"),
        (b"content,style,sizes\na,b,3\n", InputError, "has a column 'sizes'"),
        (b"content\na\n", InputError, "needs the columns"),
        (b"content,style\na\n", InputError, "Job 1 of jobs.csv lacks"),
        (b"content,style\n\xff,b\n", InputError, "save it as CSV in UTF-8"),
        (b"content,style,output\na,b,o.png\nc,d,o.png\n", OutputError, "Two jobs would write"),
        (b"content,style,output\na,b,../o.png\n", InputError, "inside the folder"),
        (b"content,style,output\na,b,/o.png\n", InputError, "inside the folder"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(text: bytes, error: type[ImpastoError], said: str) -> None:
    Path("jobs.csv").write_bytes(text)
    with pytest.raises(error, match=said):
        table("jobs.csv", "out")


# ---------------------------------------------------------------------------------------------------------- work


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_stops_no_other_job_and_nothing_is_done_twice(workers: int, folder: Path) -> None:
    outcomes = ended(workers=workers)
    assert {outcome.job.output.name: outcome.error is None for outcome in outcomes} == {
        f"{content}-{style}.png": content != "bad" for content in ("bad", "c0", "c1") for style in ("s0", "s1")
    }
    assert all("no picture" in outcome.error for outcome in outcomes if outcome.error)
    before = written(folder)
    again = ended(workers=workers)
    assert all(outcome.earlier for outcome in again)
    assert {outcome.job.key: outcome.error for outcome in again} == {o.job.key: o.error for o in outcomes}
    picture(40, 30, 5).save("contents/bad.png")
    retried = [outcome for outcome in ended(workers=workers, retry=True) if not outcome.earlier]
    assert [outcome.error for outcome in retried] == [None, None]
    assert before.items() <= written(folder).items()
    assert len(written(folder)) == 6


def test_a_batch_paints_what_paint_paints_and_makes_common_things_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real_load, real_statistics = backbones.load, tiling.statistics
    monkeypatch.setattr(backbones, "load", lambda *rest, **more: made.append("backbone") or real_load(*rest, **more))
    monkeypatch.setattr(tiling, "statistics", lambda *rest: made.append("style") or real_statistics(*rest))
    outcomes = [outcome for outcome in ended() if outcome.error is None]
    assert (made.count("backbone"), made.count("style")) == (1, 2)
    for outcome in outcomes:
        alone = impasto.paint(outcome.job.content, outcome.job.style, **QUICK)
        assert torch.equal(images.load(outcome.job.output), images.load(saving.encode(alone.image, ".png")))


def test_a_finished_picture_that_the_journal_missed_is_not_painted_again(folder: Path) -> None:
    ended()
    before = written(folder)
    journal = folder / "out" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # killed while the fourth line was written
    outcomes = ended()
    assert [outcome.earlier for outcome in outcomes].count(True) == 3
    assert written(folder) == before
    assert all(json.loads(line)["job"] for line in journal.read_bytes().splitlines() if line != lines[3][:20])


def test_a_picture_of_other_options_or_inputs_is_painted_anew(folder: Path) -> None:
    job = Job(Path("contents/c0.png"), Path("styles/s0.jpg"), Path("out/one.png"), "default", QUICK)
    (first,) = work_through([job], "out")
    assert first.error is None
    assert jobs.is_painted(job, job.options())
    assert not jobs.is_painted(job, job.options().replace(seed=1))
    picture(40, 30, 9).save("contents/c0.png")
    assert not jobs.is_painted(job, job.options())


def test_a_job_never_replaces_its_input() -> None:
    job = Job(Path("contents/c0.png"), Path("styles/s0.jpg"), Path("contents/c0.png"), "default", QUICK)
    before = Path("contents/c0.png").read_bytes()
    (outcome,) = work_through([job], "out")
    assert "would be lost" in (outcome.error or "")
    assert Path("contents/c0.png").read_bytes() == before


def test_bad_options_of_a_job_and_faults_of_ours_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("jobs.csv").write_text(
        "content,style,size,preset\ncontents/c0.png,styles/s0.jpg,large,\ncontents/c1.png,styles/s0.jpg,,nonsense\n"
        "contents/c1.png,styles/s1.jpg,,\n"
    )
    errors = [outcome.error for outcome in work_through(table("jobs.csv", "out", QUICK), "out")]
    assert [error and error.split(";")[0].split(".")[0] for error in errors] == [
        "--size is 'large'",
        "There is no preset 'nonsense'",
        None,
    ]

    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(jobs, "paint_steps", fault)
    assert {outcome.error for outcome in work_through(pairs("contents/c0.png", "styles", "new", QUICK), "new")} == {
        "ZeroDivisionError: by nought"
    }


def test_a_worker_that_dies_costs_its_job_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    hired: list[Any] = []
    real = workers.hire

    def hire(*arguments: Any) -> Any:
        hired.append(real(*arguments))
        if len(hired) == 1:
            hired[0][1].kill()
        return hired[-1]

    monkeypatch.setattr(workers, "hire", hire)
    work = pairs("contents", "styles", "out", QUICK)
    errors = [outcome.error for outcome in work_through(work, "out", workers=2)]
    assert sum(error is None for error in errors) in (3, 4)  # the job that met the dead worker may have been a bad one
    assert sum("was there too little memory?" in (error or "") for error in errors) == 1
    assert len(hired) == 3
    assert all(not process.is_alive() for _, process in hired)


def test_no_workers_are_refused() -> None:
    with pytest.raises(OptionError, match="--workers is 0"):
        ended(workers=0)


# ------------------------------------------------------------------------------------------------------ command line

FLAGS = ["--size", "32", "--min-scale", "32", "--first-steps", "2"]


def test_pictures_with_findings_are_counted_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        picture(160, 120, number).save(f"contents/c{number}.png")
    faint = ["--size", "96", "--min-scale", "96", "--first-steps", "1", "--start", "content"]
    assert cli.run(["batch", "contents", "x", "styles/s0.jpg", "-o", "out", *faint]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "The doctor found something in 2: `impasto recipe PICTURE` says what."
    assert all(saving.read_recipe(path)["doctor"]["findings"] for path in Path("out").glob("*.png"))  # type: ignore[index]


def test_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["batch", "contents", "x", "styles", "-o", "out", *FLAGS]
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in said[:2]] == ["bad-s0.png", "bad-s1.png"]
    assert said[2] == "out: 4 painted, 2 failed. Try what failed again with --retry."
    Path("contents/bad.png").unlink()
    assert cli.run(arguments) == 0
    assert capsys.readouterr().err == "out: 0 painted, 4 painted earlier.\n"
    Path("jobs.csv").write_text("content,style\ncontents/c0.png,styles/s0.jpg\n")
    assert cli.run(["batch", "jobs.csv", "-o", "bare", "--no-recipe", "--suffix", ".jpg", "-q", *FLAGS]) == 0
    assert saving.read_recipe("bare/c0-s0.jpg") is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs a table or two folders"),
        (["contents", "styles"], "needs a table or two folders"),
        (["contents", "and", "styles"], "needs a table or two folders"),
        (["contents"], "cannot be read as a table"),
        (["missing.csv"], "cannot be read as a table"),
        (["contents", "x", "styles", "--suffix", ".xyz"], "'.xyz'"),
        (["contents", "x", "styles", "--size", "3"], "--size is 3"),
        (["contents", "x", "styles", "--workers", "0"], "--workers is 0"),
        (["contents", "x", "styles", "--address", "auto"], "Add --engine ray"),
        (["contents", "x", "styles", "-o", "contents/c0.png"], "cannot be written"),
    ],
)
def test_a_bad_batch_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["batch", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("batch").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_batch_that_is_killed_twice_ends_with_every_picture_painted_once(workers: str, folder: Path) -> None:
    for number in range(2, 6):
        picture(40, 30, number).save(f"contents/c{number}.png")
    arguments = [sys.executable, "-m", "impasto", "batch", "contents", "x", "styles", "-o", "out", "--workers", workers]
    arguments += ["--size", "32", "--min-scale", "32", "--first-steps", "5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    seen: dict[str, int] = {}
    for seed in range(2):
        with subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(written(folder)) <= len(seen):
                time.sleep(0.005)
            time.sleep(random.Random(seed).uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
        now = written(folder)
        assert seen.items() <= now.items()
        seen = now
    ending = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)
    assert ending.returncode == 2
    assert [line.split(": ")[1] for line in ending.stderr.splitlines()[:-1]] == ["bad-s0.png", "bad-s1.png"]
    assert seen.items() <= written(folder).items()
    assert len(written(folder)) == 12
    for path in (folder / "out").glob("*.png"):
        images.load(path)


ORPHAN = """
from impasto.jobs import pairs
from impasto.workers import hire
line, process = hire(1, True)
(job,) = pairs("contents/c0.png", "styles/s0.jpg", "out", {"size": 32, "first_steps": 100_000, "device": "cpu"})
line.send(job)
print("sent", flush=True)
process.join()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_ends_with_a_batch_that_is_killed_and_not_with_its_job(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", ORPHAN], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sent\n"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)  # which the worker holds open while it lives
    assert written(folder) == {}


def test_a_trained_network_is_refused_once_with_the_command_that_does_it(folder: Path) -> None:
    (folder / "n.safetensors").write_bytes(b"")
    with pytest.raises(OptionError, match=r"--model n\.safetensors"):
        pairs(folder / "contents", folder / "n.safetensors", folder / "out")
