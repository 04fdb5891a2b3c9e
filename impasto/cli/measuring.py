"""The verb that measures this machine."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from impasto.cli.program import Quiet, app

DISTURBED = 0.05  # share of the machine that others take, above which times are not to be trusted

if TYPE_CHECKING:
    from rich.table import Table

    from impasto.benchmark import Benchmark
    from impasto.race import Race, Races


@app.command
def benchmark(
    *,
    size: int = 512,
    quick: Annotated[bool, Parameter(negative=())] = False,
    race: Annotated[bool, Parameter(negative=())] = False,
    clock: Literal["wall", "processor"] = "wall",
    json_file: Annotated[Path | None, Parameter(name="--json", allow_leading_hyphen=True)] = None,
    quiet: Quiet = False,
) -> int:
    """Measure how fast this machine evaluates, by impasto's engine and by the textbook loop, in turns.

    Takes two to four minutes on two cores.

    Parameters
    ----------
    size
        Longer side of the picture in pixels.
    quick
        At most 256 pixels and fewer rounds: some ten seconds, rougher figures.
    race
        Measure how soon impasto comes to the loss that other loops end with, instead: minutes, seconds if quick.
    clock
        wall; or processor, which counts the processor's time on one thread: for a machine that is not idle.
    json_file
        Write every figure to this file; "-" is standard output, in place of the table.
    """
    from rich.console import Console
    from rich.progress import Progress

    from impasto import machine
    from impasto import race as racing
    from impasto.benchmark import QUICK_SIZE, run
    from impasto.outputs.places import check_text, write_text

    if json_file is not None and str(json_file) != "-":
        check_text("--json", json_file, [])
    machine.keep_freed_memory()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        found = (
            racing.run(min(size, QUICK_SIZE) if quick else size, clock=clock, on_race=tell)
            if race
            else run(size, quick=quick, clock=clock, on_case=tell)
        )
    if json_file is not None:
        write_text(json_file, json.dumps(found.as_dict(), indent=1))
    if str(json_file) != "-":
        output = Console(highlight=False, emoji=False)
        words, table = (
            (told(found), timed(found.races)) if isinstance(found, racing.Races) else (said(found), drawn(found))
        )
        output.print(words, soft_wrap=True, markup=False)
        output.print(table)
    return 0


def here(facts: Mapping[str, Any]) -> str:
    """The machine in words."""
    instructions = f" with {', '.join(facts['instructions'])}" if facts["instructions"] else ""
    return (
        f"{facts['processor']}{instructions}, threads {facts['threads']} on {facts['cores']} cores, torch "
        f"{facts['torch']} on {facts['device']}."
    )


def told(found: "Races") -> str:
    """The machine and what the columns of the races are, in words."""
    return (
        f"{here(found.machine)}\nTo the rival's lowest loss, or within half a percent, at {found.size[0]} x "
        f"{found.size[1]} on petit: evaluations and seconds by the {found.clock} clock, how much sooner impasto is there, "
        "and its lowest loss in units of the rival's. The losses are computed by the rival's own float32 code."
    )


def timed(races: Sequence["Race"]) -> "Table":
    """The races as a table, eighty columns wide."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("rival")
    for head in ("its seconds", "impasto's", "sooner", "lowest"):
        table.add_column(head, justify="right")
    for each in races:
        (steps, seconds), ours = each.theirs, each.ours
        there = ("", "not reached") if ours is None else (f"{seconds / ours[1]:.1f}x", f"{ours[0]}: {ours[1]:.2f}")
        table.add_row(each.name, f"{steps}: {seconds:.1f}", there[1], there[0], f"{each.lowest:.3f}")
    return table


def said(found: "Benchmark") -> str:
    """The machine, its ceilings and what the columns are, in words."""
    ceilings = " and ".join(f"{ceiling / 1e9:,.0f} GFLOP/s in {name}" for name, ceiling in found.ceilings.items())
    lines = [
        f"{here(found.machine)} At most {ceilings}.",
        f"One evaluation at {found.size[0]} x {found.size[1]}: median seconds by the {found.clock} clock, how often as "
        "fast as the textbook loop, share of that most, cosine of the gradient to autograd's in float32. "
        "* is what impasto chooses here.",
    ]
    if found.clock == "wall" and found.others is not None and found.others > DISTURBED:
        lines.append(
            f"Other programs took {found.others:.0%} of the machine meanwhile: repeat this when it is idle, or with "
            "--clock processor."
        )
    return "\n".join(lines)


def drawn(found: "Benchmark") -> "Table":
    """The rows as a table, eighty columns wide."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("network, loss, way")
    for head in ("seconds", "times", "ceiling", "cosine"):
        table.add_column(head, justify="right")
    case = ""
    for row in found.rows:
        if case != f"{row.network}, {row.loss}":
            table.add_section()
            case = f"{row.network}, {row.loss}"
            table.add_row(case)
        table.add_row(
            f"  {row.way}{' *' if row.chosen else ''}",
            f"{row.seconds[1]:.3f}",
            f"{row.ratio:.2f}",
            f"{row.share:.0%}",
            "" if row.cosine is None else f"{row.cosine:.5f}",
        )
    return table
