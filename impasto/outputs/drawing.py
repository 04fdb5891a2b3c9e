"""A figure's pictures made, and its sheets written."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from impasto import curves, machine, sheets
from impasto.figures import making
from impasto.figures.layout import Plan
from impasto.outputs import STOPPED
from impasto.outputs.places import check_source, check_text
from impasto.outputs.terminal import FigureProgress


def draw(laid: Plan, targets: Sequence[Path], curve: Path | None, linear_curve: bool, quiet: bool) -> int:
    """Make a figure's pictures, in a folder beside the first target, and write its sheets; returns the status.

    Stopped by Ctrl-C the status is 130, and the pictures that are finished stay for the next time.
    """
    machine.keep_freed_memory()
    if curve is None and laid.curves:
        curve = targets[0].with_name(f"{targets[0].stem}-curve.png")
    check_sheets(laid, targets, curve)
    console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
    folder = targets[0].with_suffix(".cells")
    made = []
    with FigureProgress(console, quiet, len(laid.cells)) as progress:
        try:
            for one in making.cells(laid, folder, on_step=progress.step):
                made.append(one)
                progress.finish()
        except KeyboardInterrupt:
            console.print(f"Stopped: {len(made)} of {len(laid.cells)} pictures are in {folder}.", soft_wrap=True)
            return STOPPED
    for target in targets:
        sheets.save(making.sheet(laid, made), target)
    if curve is not None:
        curves.save_curves(making.histories(laid, made), curve, logarithmic=not linear_curve)
    written = ", ".join(map(str, [*targets, *([curve] if curve else [])]))
    console.print(f"{written}: {len(made)} pictures, each with its recipe in {folder}", soft_wrap=True, markup=False)
    return 0


def check_sheets(laid: Plan, targets: Sequence[Path], curve: Path | None) -> None:
    """Find out before the first picture what cannot be read or written. Raises InputError or OutputError."""
    sources = list(dict.fromkeys(path for job in laid.cells for path in job.sources.values()))
    for path in sources:
        check_source(path)
    for target in targets:
        sheets.check_output(target)
        check_text("-o", target, sources)
    if curve is not None:
        curves.check_output(curve)
        check_text("--curve", curve, [*sources, *targets])
