"""How steady a video is."""

import re
from pathlib import Path

import clips
import numpy as np
import pytest
import torch

from impasto.cli import program
from impasto.film import flicker


def test_noise_flickers_by_its_variance_and_a_pan_does_not(pan: Path, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    noisy = [np.clip(picture * 0.5 + 64 + numbers.normal(0, 12, picture.shape), 0, 255) for picture in clips.pan(8)]
    path = clips.write(tmp_path / "noisy.mp4", [picture.astype(np.uint8) for picture in noisy], tone=False)
    found = flicker.measure(pan, {"noisy": path})
    assert found["noisy"].mean == pytest.approx(2 * (12 / 255) ** 2, rel=0.3)
    assert found["input"].mean < found["noisy"].mean / 10
    assert len(found["noisy"].errors) == 7
    assert found["noisy"].worst[1] >= found["noisy"].mean


def test_a_cut_is_no_flicker(tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.cut(6), tone=False)
    found = flicker.measure(source, {})["input"]
    assert [error is None for error in found.errors] == [False, False, True, False, False]
    flicker.save_plot({"input": found}, tmp_path / "curve.csv")
    assert (tmp_path / "curve.csv").read_text().count("\n") == 5


def test_a_flat_style_is_calm_and_noise_is_restless(tmp_path: Path) -> None:
    flat = torch.full((1, 3, 40, 40), 0.5)
    noise = torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(0)).round()
    assert flicker.restlessness(flat) < flicker.restlessness(noise)
    assert "calm" in flicker.advice(flat)
    assert "restless" in flicker.advice(noise)


def test_the_command_prints_mean_and_worst(pan: Path, style: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(["flicker", str(pan), str(pan), "--style", str(style)]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"input +mean +\d\.\d\d +worst +\d\.\d\d at 0\.\d\d s", first)
    assert second.split()[1:] == first.split()[1:]
    assert "trace" in third


def test_the_command_tells_videos_of_one_name_apart(
    pan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        clips.write(tmp_path / folder / "out.mp4", clips.pan(8), tone=False)
    clips.write(tmp_path / "other.mp4", clips.pan(8), tone=False)
    assert program.run(["flicker", str(pan), "a/out.mp4", "other.mp4", "b/out.mp4"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["input", str(Path("a/out.mp4")), "other.mp4", str(Path("b/out.mp4"))]
