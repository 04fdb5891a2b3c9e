"""The verb that measures this machine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from impasto.cli.program import Quiet, app

DISTURBED = 0.05  # share of the machine that others take, above which times are not to be trusted

if TYPE_CHECKING:
    from rich.table import Table

    from impasto.benchmark import Benchmark


@app.command
def benchmark(
    *,
    size: int = 512,
    quick: Annotated[bool, Parameter(negative=())] = False,
    clock: Literal["wall", "processor"] = "wall",
    json_file: Annotated[Path | None, Parameter(name="--json", allow_leading_hyphen=True)] = None,
    quiet: Quiet = False,
) -> int:
    """Measure how fast this machine evaluates, by impasto's engine and by the textbook loop, in turns.

    Takes one to two minutes on two cores.

    Parameters
    ----------
    size
        Longer side of the picture in pixels.
    quick
        At most 256 pixels and fewer rounds: some ten seconds, rougher figures.
    clock
        wall; or processor, which counts the processor's time on one thread: for a machine that is not idle.
    json_file
        Write every figure to this file; "-" is standard output, in place of the table.
    """
    from rich.console import Console
    from rich.progress import Progress

    from impasto import machine
    from impasto.benchmark import run
    from impasto.outputs import check_text, write_text

    if json_file is not None and str(json_file) != "-":
        check_text("--json", json_file, [])
    machine.keep_freed_memory()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        found = run(size, quick=quick, clock=clock, on_case=tell)
    if json_file is not None:
        write_text(json_file, json.dumps(found.as_dict(), indent=1))
    if str(json_file) != "-":
        output = Console(highlight=False, emoji=False)
        output.print(said(found), soft_wrap=True, markup=False)
        output.print(drawn(found))
    return 0


def said(found: "Benchmark") -> str:
    """The machine, its ceilings and what the columns are, in words."""
    facts = found.machine
    instructions = f" with {', '.join(facts['instructions'])}" if facts["instructions"] else ""
    ceilings = " and ".join(f"{ceiling / 1e9:,.0f} GFLOP/s in {name}" for name, ceiling in found.ceilings.items())
    lines = [
        f"{facts['processor']}{instructions}, threads {facts['threads']} on {facts['cores']} cores, torch "
        f"{facts['torch']} on {facts['device']}. At most {ceilings}.",
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
