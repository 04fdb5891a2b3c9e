"""Measure the cost of sizes and the forecasts for docs/performance.md, every painting in a process of its own.

python docs/performance.py growth        draws docs/images/performance/growth.png
python docs/performance.py forecasts     prints the table
python docs/performance.py large         prints what 4096 x 3072 and 8192 x 6144 take

VGG-19 has random weights, which cost what trained ones do.

Times are of the processor on one thread, so that a machine need not be idle; memory is the peak beyond what a process
holds after its imports.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLAIN = {"first_steps": 0, "steps": 4, "precision": "auto"}
# name of a curve -> its sizes and options
CURVES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "in one piece": ((256, 512, 768, 1024, 1536, 2048), {}),
    "in tiles of 512": ((768, 1024, 2048, 3072, 4096), {"tile": 512}),
}
GROWTH = {"steps": 3, "start": "content"}  # what evaluations cost, without presto's picture
SETTINGS: tuple[dict[str, Any], ...] = (
    {"size": 256, "steps": 30, "optimizer": "lbfgs"},
    {"size": 384, "steps": 12, "style_loss": "gram"},
    {"size": 512, "first_steps": 10, "min_scale": 256, "steps": 8},
    {"size": 640, "steps": 8},
    {"size": 768, "precision": "float32", "optimizer": "lbfgs"},
    {"size": 960, "style_loss": "gram"},
    {"size": 1100, "tile": 400},
    {"size": 1344, "optimizer": "lbfgs", "history": 4, "tile": 640},
    {"size": 1664, "optimizer": "lbfgs", "memory": "1.4G"},
    {"size": 1920, "memory": "1300M"},
    {"size": 1920, "memory": "1400M"},
    {"size": 480, "backbone": "vgg19", "pooling": "average"},
    {"size": 800, "backbone": "vgg19", "steps": 2, "tile": 320},
)
LARGE: tuple[dict[str, Any], ...] = tuple(
    {"size": 4096, "steps": 2, "start": "content", **options}
    for options in (
        {"memory": "3G"},
        {"memory": "3G", "backbone": "vgg19", "pooling": "average"},
        {"memory": "3G", "backbone": "vgg19", "steps": 1},
        {"tile": 512},
        {"tile": 512, "size": 8192},
    )
)


def pictures(size: int, folder: Path) -> tuple[str, str]:
    """The shipped photo and a style as files of that size."""
    from PIL import Image

    from impasto.shipped import DEMO

    paths = []
    for name in ("valley", "swirl"):
        picture = Image.open(DEMO / f"{name}.jpg")
        height = round(size * picture.height / picture.width)
        picture.resize((size, height), Image.Resampling.BICUBIC).save(folder / f"{name}-{size}.png")
        paths.append(str(folder / f"{name}-{size}.png"))
    return paths[0], paths[1]


def random_weights(backbone: str, folder: Path) -> str:
    """A file with weights of that network's shapes."""
    from safetensors.torch import save_file

    from impasto import benchmark
    from impasto.backbones import BACKBONES

    path = folder / f"{backbone}.safetensors"
    save_file(benchmark.random_weights(BACKBONES[backbone]), path)
    return str(path)


def peak() -> int:
    """The most bytes that this process has held so far; getrusage would begin with what its parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def alone(what: str, options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a process of its own says of painting, or of the plan."""
    known = {"weights": random_weights(options["backbone"], folder)} if "backbone" in options else {}
    task = json.dumps([what, pictures(options["size"], folder), {**options, **known}])
    run = subprocess.run([sys.executable, __file__, "child", task], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def child(task: str) -> None:
    """Do what `alone` asks for, and print seconds and bytes."""
    import torch

    import impasto
    from impasto import forecast, machine, painting, planning
    from impasto.presets import options_for

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
    gaps = sorted(late - early for early, late in pairwise(times[1:-1])) or [spent]
    used = painted.recipe["options"]
    facts = {"seconds": spent, "step": gaps[len(gaps) // 2], "memory": peak() - before, "resident": peak()}
    facts["precision"] = painted.recipe["precision"]
    shapes = tuple(torch.empty(1, 3, *painted.image.shape[2:], device="meta") for _ in (content, style))
    facts["held"] = forecast.held_bytes(shapes, options, getattr(torch, facts["precision"]).itemsize)
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


def large(folder: Path, settings: tuple[dict[str, Any], ...]) -> Iterator[str]:
    """The table, line by line."""
    yield "| options | tile | precision | resident, GiB | beyond the pictures, GiB | seconds |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for options in settings:
        done = alone("paint", options, folder)
        held = f"{done['resident'] / 2**30:.2f} | {(done['resident'] - done['held']) / 2**30:.2f}"
        cells = f"{done['tile']} | {done['precision']} | {held} | {done['seconds']:.0f}"
        yield f"| `{words(options)}` | {cells} |"


def growth(folder: Path) -> dict[str, list[dict[str, float]]]:
    """By curve: megapixels, seconds of an evaluation and of the whole, MiB at the peak."""
    return {
        name: [
            {"megapixels": size * size * 3 / 4 / 1e6, **alone("paint", {"size": size, **GROWTH, **options}, folder)}
            for size in sizes
        ]
        for name, (sizes, options) in CURVES.items()
    }


def line(points: list[dict[str, float]], value: str) -> tuple[float, float, float]:
    """(slope, intercept, share of the variance explained) of a value over megapixels, by least squares."""
    x, y = ([point[key] for point in points] for key in ("megapixels", value))
    slope, intercept = statistics.linear_regression(x, y)
    return slope, intercept, statistics.correlation(x, y) ** 2


def draw(measured: dict[str, list[dict[str, float]]], path: Path) -> Iterator[str]:
    """Both plots side by side, and the lines in words."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from impasto.curves import COLORS
    from impasto.sheets import plotting

    titles = {"step": "seconds of an evaluation", "memory": "MiB at the peak"}
    with plotting("Plots"):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        for axes, (value, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
            for color, (name, points) in zip(COLORS, measured.items(), strict=False):
                scaled = [{**point, "memory": point["memory"] / 2**20} for point in points]
                slope, intercept, fit = line(scaled, value)
                ends = [0, scaled[-1]["megapixels"]]
                axes.plot(ends, [intercept + slope * end for end in ends], color=color, linewidth=0.8)
                x, y = ([point[key] for point in scaled] for key in ("megapixels", value))
                axes.plot(x, y, "o", color=color, markersize=4, label=name)
                yield f"{title}, {name}: {slope:.3g} a megapixel and {intercept:.3g}; R² {fit:.4f}"
            axes.set(title=title, xlabel="megapixels", xlim=(0, None), ylim=(0, None))
            axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["growth", "forecasts", "large", "child"])
    parser.add_argument("task", nargs="?", default="")
    args = parser.parse_args()
    if args.what == "child":
        child(args.task)
        raise SystemExit
    with tempfile.TemporaryDirectory() as name:
        if args.what == "growth":
            found = growth(Path(name))
            print(json.dumps(found))
            lines = draw(found, HERE / "images" / "performance" / "growth.png")
        else:
            tables = {"forecasts": (forecasts, SETTINGS), "large": (large, LARGE)}
            table, settings = tables[args.what]
            lines = table(Path(name), settings)
        for text in lines:
            print(text, flush=True)
