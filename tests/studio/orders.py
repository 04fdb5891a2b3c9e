"""What the studio's tests share: small orders, and waiting for them."""

import asyncio
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impasto.options import PaintOptions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what other packages warn of while they are imported
    pytest.importorskip("gradio", reason="the studio needs Gradio: pip install 'impasto[studio]'")

    from impasto.studio import (
        painting,
        single,
    )
    from impasto.studio.messages import Order, Report
    from impasto.studio.workshop import Job

VERBS = [painting.PAINT, single.TEXTURE, single.RECONSTRUCT]
TINY = PaintOptions(size=32, min_scale=32, first_steps=3, canvas_padding=0)
ENDLESS = TINY.replace(first_steps=100_000)


def within_a_loop(build: Callable[[], Any]) -> Any:
    """What Gradio builds outside a running loop makes loops of its own, which it never closes."""

    async def call() -> Any:
        return build()

    return asyncio.run(call())


def paint(path: Path, options: PaintOptions = TINY, name: str = "result") -> Order:
    return Order("paint", Path(), name, (path, [path], options), {"preset": "default"}, photo=path)


def wait(job: Job, until: str = "ended") -> Job:
    end = time.monotonic() + 60
    while not (job.ended if until == "ended" else job.report is not None):
        assert time.monotonic() < end, f"still {job.state}"
        time.sleep(0.01)
    return job


def report(index: int, total: int = 20, size: int = 32) -> Report:
    return Report(index, total, size, 1 / index, {}, 0.5 * index, b"jpeg")
