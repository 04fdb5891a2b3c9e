"""Time the feed-forward networks by every engine, against the transform network of Johnson et al. 2016 in plain torch.

    python benchmarks/networks.py [--rounds 15]

Everything runs in this process, in turns, and the medians are printed as Markdown. Weights are random but for presto's,
which costs the same. The style's moments are known beforehand, as a trained network knows its style. "whole" is all that
`stylize` does: the style's file is read, the recipe made, and the doctor looks.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

from impasto import images, machine
from impasto.options import StylizeOptions
from impasto.scene import Picture, View
from impasto.shipped import DEMO
from impasto.stylizer import Stylizer
from impasto.trained import TrainedStylizer
from impasto.transform import PLANS, Trained, TransformNet

SIZES = (512, 512), (640, 360)
ENGINES = [("torch", "float32"), ("torch", "bfloat16")]
ENGINES += [(name, "auto") for name in ("openvino", "onnxruntime") if find_spec(name)]


def candidates(folder: Path, width: int, height: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is timed: a name, and a call that paints one picture. The first is what the others are measured against."""
    picture = torch.rand(1, 3, height, width)
    for plan in ("transform", "light"):
        network = Trained(plan, TransformNet(PLANS[plan]), ("a",)).save(folder / f"{plan}.safetensors")
        for engine, precision in ENGINES:
            options = StylizeOptions(engine=engine, precision=precision, size=max(width, height))  # type: ignore[arg-type]
            stylizer = TrainedStylizer(network, options)
            yield f"{plan}, {stylizer.engine}", lambda stylizer=stylizer: stylizer.over(picture)  # type: ignore[misc]
    for engine, precision in ENGINES:
        options = StylizeOptions(engine=engine, precision=precision, size=max(width, height))  # type: ignore[arg-type]
        presto = Stylizer(options)
        style = images.resize(images.load(DEMO / "swirl.jpg"), max(width, height))
        view = View(picture, (Picture(style),))
        yield f"presto, one pass, {presto.engine}", partial(presto.image, view, 1)
        yield f"presto, {presto.engine}", partial(presto.image, view)
        yield f"presto, whole, {presto.engine}", partial(presto.paint, picture, DEMO / "swirl.jpg")


def medians(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each, the calls taking turns; the first two rounds warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round in range(rounds + 2):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if round >= 2:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    machine.keep_freed_memory()  # as the command line does
    for width, height in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            found = medians(dict(candidates(Path(folder), width, height)), rounds)
        first = next(iter(found.values()))
        print(f"| {width} x {height}, {torch.get_num_threads()} threads | seconds | a second | as fast as the first |")
        print("| --- | --- | --- | --- |")
        for name, median in found.items():
            print(f"| {name} | {median:.3f} | {1 / median:.1f} | {first / median:.1f} times |")
        print(flush=True)


if __name__ == "__main__":
    main()
