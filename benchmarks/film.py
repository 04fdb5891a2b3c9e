"""Frames a second of `impasto video` end to end, method fast, and where the time goes.

    python benchmarks/film.py [--frames 120] [--width 640] [--height 360]

A clip is drawn and encoded: a pan over the shipped photo, with a tone. Then it is painted by presto and by the light
network (random weights, which cost what trained ones do). A share is of the time on the clock. Reading and flow, the
network, blending and keeping, and encoding go on at once, in a thread each, so shares add up to more than all of it.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import clips

import impasto
from impasto.film import filming, reading
from impasto.film import flow as flows
from impasto.film.folder import Folder
from impasto.film.methods import Fast
from impasto.film.reel import Film
from impasto.film.stage import Stage
from impasto.shipped import DEMO
from impasto.transform import PLANS, Trained, TransformNet

# what is done -> the functions that do it
STAGES: dict[str, list[tuple[Any, str]]] = {
    "reading": [(reading, "upright"), (Stage, "at")],
    "flow": [(flows, "small"), (flows, "motion")],
    "network": [(Fast, "draft")],
    "blending": [(Film, "painted")],
    "keeping": [(Folder, "keep")],
    "encoding": [(filming, "encode")],
}


@contextmanager
def timed() -> Iterator[Counter[str]]:
    """Seconds spent in every stage inside the block."""
    spent: Counter[str] = Counter()

    def around(stage: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            found = inner(*arguments)
            spent[stage] += time.perf_counter() - began
            return found

        return call

    with ExitStack() as patches:
        for stage, functions in STAGES.items():
            for home, name in functions:
                patches.enter_context(mock.patch.object(home, name, around(stage, getattr(home, name))))
        yield spent


def clip(folder: Path, frames: int, width: int, height: int) -> Path:
    """A pan over the shipped photo, one pixel and a half a frame."""
    photo = (
        Image.open(DEMO / "valley.jpg")
        .convert("RGB")
        .resize((width + 2 * frames, height + 40), Image.Resampling.LANCZOS)
    )
    whole = np.asarray(photo)
    shots = [whole[20 : 20 + height, int(1.5 * i) : int(1.5 * i) + width] for i in range(frames)]
    return clips.write(folder / "pan.mp4", shots)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    args = parser.parse_args()
    print(f"| by | frames a second | {' | '.join(STAGES)} |\n{'| --- ' * (len(STAGES) + 2)}|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = clip(folder, args.frames, args.width, args.height)
        light = Trained("light", TransformNet(PLANS["light"]), ("a",)).save(folder / "light.safetensors")
        for name, style in {"presto": DEMO / "swirl.jpg", "light": light}.items():
            with timed() as spent:
                began = time.perf_counter()
                *_, last = impasto.video(source, style, folder / f"{name}.mp4")
                seconds = time.perf_counter() - began
            cells = [f"{spent[stage] / seconds:.0%}" for stage in STAGES]
            print(f"| {last.engine} | {args.frames / seconds:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
