"""Measure how many pictures an hour this machine makes, for the table in docs/batch.md.

python docs/sizing.py [--price DOLLARS_PER_CORE_HOUR]
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator

import impasto
from impasto.batch import work_through
from impasto.jobs import pairs
from impasto.shipped import DEMO
from impasto.workers import cores

MILLION = 1_000_000


def painted(size: int, count: int) -> float:
    """Median seconds of a painting at that size, after the first, which also loads the network."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = pairs(DEMO / "valley.jpg", DEMO, folder, {"size": size})[: count + 1]
        return statistics.median([outcome.seconds for outcome in work_through(jobs, folder)][1:])


def stylized(size: int, count: int) -> float:
    """Median seconds of a pass at that size, reading and writing not counted, after the first."""
    stylizer = impasto.Stylizer(impasto.StylizeOptions(size=size))
    passes = [stylizer.paint(DEMO / "valley.jpg", DEMO / "swirl.jpg").recipe["seconds"] for _ in range(count + 1)]
    return statistics.median(passes[1:])


def rows(price: float) -> Iterator[str]:
    """The table, line by line."""
    heads = [
        "",
        "seconds",
        f"an hour on {cores()} cores",
        "an hour and core",
        "core hours for a million",
        f"at ${price:g}",
    ]
    yield f"| {' | '.join(heads)} |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, seconds in (
        ("paint, 256", painted(256, 3)),
        ("paint, 512", painted(512, 3)),
        ("paint, 1024", painted(1024, 2)),
        ("stylize, 512", stylized(512, 9)),
        ("stylize, 1024", stylized(1024, 5)),
    ):
        hour = 3600 / seconds
        hours = MILLION / hour * cores()
        yield f"| {name} | {seconds:.3g} | {hour:,.0f} | {hour / cores():,.0f} | {hours:,.0f} | ${hours * price:,.0f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--price", type=float, default=0.04, help="of an hour of one core")
    for line in rows(parser.parse_args().price):
        print(line, flush=True)
