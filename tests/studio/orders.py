"""What the studio's tests share: small orders, and waiting for them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from impasto.options import PaintOptions
from impasto.studio.messages import Order, Report
from impasto.studio.workshop import Job

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
