"""Stores: a batch whose results go to one is the same batch, and what a store refuses is said in a sentence."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from impasto import cli, images, jobs, storage
from impasto.batch import work_through
from impasto.errors import OptionError, OutputError
from impasto.jobs import Outcome, pairs, table
from impasto.storage import Remote, place

fsspec = pytest.importorskip("fsspec")
QUICK: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 2, "device": "cpu"}
URL = "memory://bucket/out"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder: three contents, one of them no picture, and a style. The store in memory is emptied."""
    (tmp_path / "contents").mkdir()
    random = np.random.default_rng(0)
    for name in ("contents/a.png", "contents/b.png", "style.png"):
        Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "contents" / "bad.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    fsspec.filesystem("memory").store.clear()


def ended(url: str = URL, **options: Any) -> list[Outcome]:
    return list(work_through(pairs("contents", "style.png", url, QUICK, suffix=".jpg"), url, **options))


def stored() -> dict[str, bytes]:
    return {name: file.getvalue() for name, file in fsspec.filesystem("memory").store.items()}


# ---------------------------------------------------------------------------------------------------------- names


def test_a_url_is_a_store_and_all_else_a_path() -> None:
    assert place("s3://bucket/out/") == Remote("s3://bucket/out")
    assert place("out") == place(Path("out")) == Path("out")
    assert place("c:/out") == Path("c:/out")


def test_a_remote_has_the_names_that_a_path_has() -> None:
    one, path = place(URL) / "deep/a.b.png", Path("deep/a.b.png")
    assert (one.name, one.stem, one.suffix) == (path.name, path.stem, path.suffix)
    assert str(one.with_stem("a-2")) == f"{URL}/deep/a-2.png"
    assert str(place(URL)) == URL


def test_no_password_gets_into_messages_and_journals() -> None:
    assert str(place("sftp://anna:secret@host/out") / "a.png") == "sftp://host/out/a.png"
    assert str(place("s3://bucket/a@b") / "a.png") == "s3://bucket/a@b/a.png"
    with pytest.raises(OptionError, match=r"^-o nosuch://host/out cannot be reached"):
        ended("nosuch://anna:secret@host/out")


def test_jobs_of_one_name_are_numbered_in_a_store_too() -> None:
    Path("contents/a.jpg").write_bytes(Path("contents/a.png").read_bytes())
    names = [str(job.output) for job in pairs("contents", "style.png", URL)]
    assert names == [f"{URL}/{name}.png" for name in ("a-style", "a-style-2", "b-style", "bad-style")]


def test_an_output_that_looks_like_a_url_stays_in_the_folder() -> None:
    Path("jobs.csv").write_text("content,style,output\ncontents/a.png,style.png,x::memory://other/y.png\n")
    (job,) = table("jobs.csv", URL, QUICK)
    (outcome,) = work_through([job], URL)
    assert outcome.error is None
    assert all(name.startswith("/bucket/out/") for name in stored())


# ---------------------------------------------------------------------------------------------------------- batches


def test_a_batch_in_a_store_is_the_batch_in_a_folder() -> None:
    outcomes = ended()
    assert [outcome.error is None for outcome in outcomes] == [True, True, False]
    list(work_through(pairs("contents", "style.png", "here", QUICK, suffix=".jpg"), "here"))
    lines = [json.loads(line) for line in Path("here/journal.jsonl").read_text().splitlines()]
    files = stored()
    for line in lines[:2]:
        ours, theirs = images.load(files[f"/bucket/out/{line['output']}"]), images.load(f"here/{line['output']}")
        assert torch.equal(ours, theirs)
    noted = [json.loads(data) for name, data in files.items() if name.startswith("/bucket/out/journal/")]
    assert sorted(files) == sorted(
        ["/bucket/out/a-style.jpg", "/bucket/out/b-style.jpg"]
        + [f"/bucket/out/journal/{outcome.job.key}.json" for outcome in outcomes]
    )
    varying = dict.fromkeys(["job", "seconds"])  # another folder makes another job
    assert [{**one, **varying} for one in noted] == [{**one, **varying} for one in lines]


def test_what_a_store_has_is_not_painted_again_and_failures_on_demand() -> None:
    ended()
    before = stored()
    assert [outcome.earlier for outcome in ended()] == [True] * 3
    assert stored() == before
    Path("contents/bad.png").write_bytes(Path("contents/a.png").read_bytes())
    assert [(one.earlier, one.error) for one in ended(retry=True)] == [(True, None), (True, None), (False, None)]
    assert [one.earlier for one in ended()] == [True] * 3


def test_a_picture_that_the_journal_missed_is_known_by_its_recipe_unless_it_is_cut_off() -> None:
    first, second, _ = ended()
    store = fsspec.filesystem("memory")
    store.rm("/bucket/out/journal", recursive=True)
    for outcome in (first, second):
        assert jobs.is_painted(outcome.job, outcome.job.options())
    whole = stored()["/bucket/out/a-style.jpg"]
    store.pipe_file("/bucket/out/a-style.jpg", whole[:-200])  # as only a store of files would leave it
    assert not jobs.is_painted(first.job, first.job.options())
    assert [outcome.earlier for outcome in ended()] == [False] * 3
    assert images.load(stored()["/bucket/out/a-style.jpg"]).shape == (1, 3, 24, 32)


def test_a_damaged_line_of_the_journal_counts_as_none() -> None:
    first, *_ = ended()
    fsspec.filesystem("memory").pipe_file(f"/bucket/out/journal/{first.job.key}.json", b'{"job": "')
    assert {outcome.job.key: outcome.earlier for outcome in ended()}[first.job.key] is False


def test_several_processes_write_to_a_store_and_a_batch_that_ended_early_goes_on(folder: Path) -> None:
    for number in range(4):
        Path(f"contents/c{number}.png").write_bytes(Path("contents/b.png").read_bytes())
    url = (folder / "out").as_uri()
    work = work_through(pairs("contents", "style.png", url, QUICK), url, workers=2)
    early = {next(work).job.key for _ in range(3)}
    work.close()  # type: ignore[attr-defined]
    outcomes = list(work_through(pairs("contents", "style.png", url, QUICK), url))
    assert {outcome.job.key for outcome in outcomes if outcome.earlier} == early
    assert [outcome.job.content.name for outcome in outcomes if outcome.error] == ["bad.png"]
    assert len(list(folder.glob("out/journal/*.json"))) == 7
    for name in ("a", "b", "c0", "c1", "c2", "c3"):
        assert images.load(f"out/{name}-style.png").shape == (1, 3, 24, 32)


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("fault", [PermissionError("Access Denied"), RuntimeError("no such\nbucket"), OSError(5, "x")])
def test_a_store_that_fails_is_said_in_a_sentence(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise fault

    work = pairs("contents/a.png", "style.png", URL, QUICK)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refuse)
    with pytest.raises(OutputError, match=r"cannot be written \(\w+: [^\n]+\): check the address") as caught:
        next(work_through(work, URL))
    assert "\n" not in str(caught.value)
    assert "cannot be written" in (jobs.perform(work[0], jobs.Shelf(), True).error or "")


def test_a_store_that_nobody_knows_and_a_format_that_is_not_written_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(OptionError, match=r"nosuch://x/y cannot be reached \(Protocol not known"):
        ended("nosuch://x/y")
    assert cli.run(["batch", "contents", "x", "style.png", "-o", "nosuch://x/y", "-q"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(OutputError, match=r"'\.xyz'"):
        storage.check(place(URL) / "a.xyz", [])


def test_fsspec_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(OptionError, match=r"pip install 'impasto\[distributed\]'"):
        ended()


def test_the_verb_takes_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--size", "32", "--min-scale", "32", "--first-steps", "2"]
    assert cli.run(["batch", "contents", "x", "style.png", "-o", URL, *flags]) == 2
    assert f"{URL}: 2 painted, 1 failed" in capsys.readouterr().err
    assert sorted(name for name in stored() if name.endswith(".png")) == [
        "/bucket/out/a-style.png",
        "/bucket/out/b-style.png",
    ]
