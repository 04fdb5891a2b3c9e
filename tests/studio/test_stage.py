"""The stage: what is shown while something is made."""

import dataclasses
import re
import time
from pathlib import Path

import pytest
from orders import ENDLESS, TINY, report

from impasto.doctor import Finding
from impasto.options import PaintOptions
from impasto.studio import (
    stage,
)
from impasto.studio.messages import Laid, Order
from impasto.studio.workshop import Job


def test_the_stage_tells_each_state() -> None:
    job = Job(Order("paint", Path(), "x", (ENDLESS.replace(first_steps=20),)))
    assert "2 before you" in stage.show(job, 2)
    assert "next in line" in stage.show(job, 0)
    job.state = "working"
    assert "first preview" in stage.show(job)
    job.report, job.preview, job.history = report(5), b"jpeg", [(32, 1 / n) for n in range(1, 6)]
    job.began = time.monotonic() - 2.5
    told = stage.show(job)
    assert "step 5 of 20" in told
    assert 'aria-valuenow="25"' in told
    assert job.left == pytest.approx(7.5, rel=0.05)  # 5 of 20 equal evaluations took 2.5 s
    assert "8 s left" in told
    job.state = "stopped"
    assert "stopped at step 5 of 20" in stage.show(job)
    assert 'type="range"' in stage.show(job, before=b"photo")


def test_the_stage_tells_what_the_doctor_found() -> None:
    job = Job(Order("paint", Path(), "x", (TINY,)), state="done", preview=b"jpeg", report=report(20))
    assert "advice" not in stage.show(job)
    job.findings = [
        Finding("speckle", 2.0, "dots stand out all over", {"tv_weight": 20.0, "pooling": "average"}),
        Finding("haze", 1.0, "a gray veil lies over the picture", {}),
    ]
    told = stage.show(job)
    assert (
        "Dots stand out all over: try Smoothing 20 and Pooling average. A gray veil lies over the picture.</p>" in told
    )


def test_a_sheet_fills_and_what_is_there_can_be_pressed() -> None:
    job = Job(Order("dial", Path(), "x"), state="working", laid=Laid([20, 40], [0.5, 1], 1.5), cells=[b"jpeg"])
    job.report, job.preview = dataclasses.replace(report(2, total=4), unit="picture", left=31.0), b"now"
    told = stage.show(job)
    assert (told.count("<button"), told.count('class="cell now"'), told.count('class="cell"')) == (1, 1, 3)
    assert 'data-cell="0" aria-label="strength 20, strokes ×0.5"' in told
    assert "picture 2 of 4" in told
    assert "31 s left" in told
    job.state = "stopped"
    assert "stopped after 1 of 4 pictures" in stage.show(job)


def test_time_left_goes_by_pixels() -> None:
    options = PaintOptions(size=64, min_scale=32, first_steps=8, steps=4)  # 8 at 32 and 4 at 64: as 8 + 16
    job = Job(Order("paint", Path(), "x", (options,)), state="working")
    job.report, job.history = report(8, total=12), [(32, 1.0)] * 8
    job.began = time.monotonic() - 4
    assert job.left == pytest.approx(8, rel=0.05)
    job.history = job.history[4:]  # of a painting that goes on from step 4
    assert job.left == pytest.approx(16, rel=0.05)


def test_nothing_that_somebody_wrote_becomes_html() -> None:
    job = Job(Order("paint", Path(), "x"), state="failed", error="<script>alert(1)</script>")
    for told in (stage.show(job), stage.trouble(job.error), stage.empty(job.error, job.error)):
        assert "<script" not in told
        assert "&lt;script" in told


def test_the_curve_falls_with_the_loss_and_starts_anew_at_each_scale() -> None:
    drawn = stage.curve([(32, 4.0), (32, 2.0), (32, 1.0), (64, 9.0), (64, 3.0)])
    first, second = (
        [tuple(map(float, point.split(","))) for point in points.split()]
        for points in re.findall(r'points="([^"]+)"', drawn)
    )
    _, height = stage.CURVE
    assert [y for _, y in first] == pytest.approx([0, height / 2, height], abs=0.1)  # halves are equal steps down
    assert [y for _, y in second] == pytest.approx([0, height], abs=0.1)
    assert first[-1][0] < second[0][0]
    assert drawn.count('class="scale"') == 1
    assert stage.curve([(32, 1.0)] * 2) == ""
    assert "nan" not in stage.curve([(32, 0.0)] * 5)


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (80, "1 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_words(seconds: float, words: str) -> None:
    assert stage.duration(seconds) == words
