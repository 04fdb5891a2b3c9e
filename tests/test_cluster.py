"""Ray: the same pictures as without it, also where an actor is killed, and nothing that listens to other machines."""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto import cli, cluster, images
from impasto.batch import work_through
from impasto.errors import OptionError
from impasto.jobs import pairs

QUICK: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 2, "device": "cpu"}
installed = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with three contents, one of them no picture, and a style."""
    random = np.random.default_rng(0)
    (tmp_path / "contents").mkdir()
    for name in ("contents/a.png", "contents/b.png", "contents/c.png", "style.png"):
        Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "contents" / "bad.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listening() -> set[str]:
    """Addresses, in hexadecimal, that somebody on this machine listens on for TCP."""
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == "0A"}


def is_loopback(address: str) -> bool:
    return address.startswith(("0100007F:", "0000000000000000FFFF00000100007F:", "00000000000000000000000001000000:"))


def painter_processes() -> list[int]:
    """The processes of our actors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Painter"):
                found.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return found


@installed
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own, of its log files
def test_a_batch_on_ray_survives_a_killed_actor_and_listens_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(cluster.__file__).parent.parent))
    before = listening()
    work = pairs(Path("contents").resolve(), Path("style.png").resolve(), Path("ray").resolve(), QUICK)
    outcomes = []
    for outcome in work_through(work, "ray", workers=1, engine="ray"):
        if not outcomes:
            assert {address for address in listening() - before if not is_loopback(address)} == set()
            os.kill(painter_processes()[0], signal.SIGKILL)
        outcomes.append(outcome)
    errors = {outcome.job.content.name: outcome.error for outcome in outcomes}
    assert {name for name, error in errors.items() if error is None} == {"a.png", "b.png", "c.png"}
    assert "no picture" in str(errors["bad.png"])
    list(work_through(pairs("contents", "style.png", "here", QUICK), "here"))
    for name in ("a", "b", "c"):
        ours, theirs = images.load(f"here/{name}-style.png"), images.load(f"ray/{name}-style.png")
        assert float((ours - theirs).abs().mean()) < 0.02  # one thread each there, and so another order of sums
    assert [outcome.earlier for outcome in work_through(work, "ray", workers=1, engine="ray")] == [True] * 4


def test_ray_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"impasto\[distributed\]"):
        next(cluster.on_ray(pairs("contents", "style.png", "out", QUICK), 1))
    assert cli.run(["batch", "contents", "x", "style.png", "--engine", "ray", "-q"]) == 2
    assert "pip install" in capsys.readouterr().err
