"""Draw what a training run logged, as the cards show it.

python training/curves.py petit runs/petit/log.jsonl docs/images/petit-training.png
python training/curves.py presto runs/presto/log.jsonl docs/images/presto-training.png
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

TITLES = {"petit": "R² on held-out pictures, by layer", "presto": "loss, by term"}
Point = tuple[int, float]


def petit(entry: dict) -> Iterator[tuple[str, float]]:
    """Layer, R²."""
    for layer, found in entry.get("held_out", {}).items():
        yield layer, found["r2"]


def presto(entry: dict) -> Iterator[tuple[str, float]]:
    """Term, its mean over the last 50 steps."""
    for term in ("style", "content", "variation", "pixels"):
        yield term, entry[term]


def lines(log: Path, values) -> dict[str, list[Point]]:  # type: ignore[no-untyped-def]
    """Name -> points. Where a run was continued from an earlier checkpoint, what was undone is left out."""
    result: dict[str, list[Point]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        for name, value in values(entry):
            points = [point for point in result.get(name, []) if point[0] < entry["step"]]
            result[name] = [*points, (entry["step"], value)]
    return result


def draw(network: str, log: Path, out: Path) -> None:
    figure = Figure((7, 3.6), layout="constrained")
    axes = figure.add_subplot(title=TITLES[network], xlabel="step")
    for name, points in lines(log, {"petit": petit, "presto": presto}[network]).items():
        axes.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
    if network == "presto":
        axes.set_yscale("log")
    axes.grid(color="#dedad4", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(out, dpi=120)


if __name__ == "__main__":
    draw(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
