"""Measure the cost of sizes and the forecasts for docs/performance.md, every painting in a process of its own.

python docs/performance.py growth        draws docs/images/performance/growth.png
python docs/performance.py forecasts     prints the table

Times are of the processor on one thread, so that a machine need not be idle; memory is the peak beyond what a process
holds after its imports.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLAIN = {"first_steps": 0, "steps": 4, "precision": "auto"}
SIZES = 256, 512, 1024, 1536, 2048, 3072, 4096
SETTINGS: tuple[dict[str, Any], ...] = (
    {"size": 256, "steps": 30},
    {"size": 384, "steps": 12, "style_loss": "gram"},
    {"size": 512, "first_steps": 10, "min_scale": 256, "steps": 8},
    {"size": 640, "optimizer": "adam", "steps": 8},
    {"size": 768, "precision": "float32"},
    {"size": 800, "tile": 384},
    {"size": 1024, "style_loss": "gram", "optimizer": "adam"},
    {"size": 1280, "history": 4, "tile": 512},
    {"size": 1536, "memory": "1.5G"},
    {"size": 1792, "optimizer": "adam", "memory": "1200M"},
)


def pictures(size: int, folder: Path) -> tuple[str, str]:
    """The shipped photo and a style as files of that size."""
    from PIL import Image

    from impasto.figures import DEMO

    paths = []
    for name in ("valley", "swirl"):
        picture = Image.open(DEMO / f"{name}.jpg")
        height = round(size * picture.height / picture.width)
        picture.resize((size, height), Image.Resampling.BICUBIC).save(folder / f"{name}-{size}.png")
        paths.append(str(folder / f"{name}-{size}.png"))
    return paths[0], paths[1]


def peak() -> int:
    """The most bytes that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def alone(what: str, options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a process of its own says of painting, or of the plan."""
    task = json.dumps([what, pictures(options["size"], folder), options])
    run = subprocess.run([sys.executable, __file__, "child", task], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def child(task: str) -> None:
    """Do what `alone` asks for, and print seconds and bytes."""
    import torch

    import impasto
    from impasto import figures, machine, painting, planning
    from impasto.presets import options_for

    del figures
    what, (content, style), given = json.loads(task)
    machine.keep_freed_memory()
    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # what the forecast's probe measures with
    options = options_for(**{**PLAIN, "min_scale": given["size"], **given})
    before, began = peak(), time.process_time()
    if what == "plan":
        found = planning.plan(content, style, options)
        print(json.dumps({"seconds": found.seconds, "memory": found.memory, "tile": found.options.tile}))
        return
    times = [began]
    painted = impasto.paint(content, style, options, on_step=lambda step: times.append(time.process_time()))
    spent = time.process_time() - began
    gaps = sorted(late - early for early, late in itertools.pairwise(times[1:-1])) or [spent]
    used = painted.recipe["options"]
    facts = {"seconds": spent, "step": gaps[len(gaps) // 2], "memory": peak() - before, "resident": peak()}
    print(json.dumps({**facts, "tile": used.get("tile", 0), "history": used.get("history")}))
    del painting


def words(options: dict[str, Any]) -> str:
    """Options as flags."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())


def forecasts(folder: Path, settings: tuple[dict[str, Any], ...]) -> Iterator[str]:
    """The table, line by line."""
    yield "| options | seconds: forecast | measured | error | MiB: forecast | measured | error |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for options in settings:
        said, done = alone("plan", options, folder), alone("paint", options, folder)
        cells = [f"`{words(options)}`"]
        for name, unit in (("seconds", 1), ("memory", 2**20)):
            cells += [f"{said[name] / unit:,.0f}", f"{done[name] / unit:,.0f}", f"{said[name] / done[name] - 1:+.0%}"]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["growth", "forecasts", "child"])
    parser.add_argument("task", nargs="?", default="")
    args = parser.parse_args()
    if args.what == "child":
        child(args.task)
    with tempfile.TemporaryDirectory() as name:
        for line in forecasts(Path(name), SETTINGS) if args.what == "forecasts" else ():
            print(line, flush=True)
