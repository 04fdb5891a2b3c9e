"""What the command line does with the steps of a training: shows them, writes checkpoints, samples and curves.

Everything that will be written is tried before the first step. Of several processes only the first writes and speaks.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from impasto import curves, machine, processes, saving, transform
from impasto.errors import OptionError, OutputError
from impasto.options import TrainOptions
from impasto.outputs import STOPPED
from impasto.outputs.places import check_source, check_text, make_folder
from impasto.outputs.terminal import TrainProgress
from impasto.training import TrainStep, enough, train


@dataclass(frozen=True)
class Results:
    """Where a training's results go: the network's file, a curve, TensorBoard's folder."""

    target: Path
    save_every: int = 100
    curve: Path | None = None
    tensorboard: Path | None = None
    quiet: bool = False

    @property
    def checkpoint(self) -> Path:
        """The state, beside the network."""
        return self.target.with_name(f"{self.target.stem}-checkpoint{self.target.suffix}")

    @property
    def paintings(self) -> Path:
        """What the optimiser paints for `--teacher paint`, beside the network."""
        return self.target.with_name(f"{self.target.stem}-paintings")

    @property
    def sheet(self) -> Path:
        """Samples, beside the network."""
        return self.target.with_name(f"{self.target.stem}-samples.jpg")


def carry_out(styles: Sequence[Path], photos: Path, options: TrainOptions, results: Results) -> int:
    """Train, write, and return the status: 0, or 130 when Ctrl-C stopped it and the last checkpoint stands."""
    machine.keep_freed_memory()
    leads = processes.from_environment().leads
    if leads:
        check(styles, results)
    console = Console(stderr=True, highlight=False, emoji=False, quiet=results.quiet or not leads)
    board = writer(results.tensorboard) if leads and results.tensorboard is not None else None
    step: TrainStep | None = None
    kept: int | None = None  # the last step whose network stands: at first the one that is gone on from
    goes_on = results.checkpoint.exists()
    with TrainProgress(console) as progress, board or nullcontext():
        try:
            for step in train(
                list(styles),
                photos,
                options,
                checkpoint=results.checkpoint,
                save_every=results.save_every,
                paintings=results.paintings,
                on_painting=progress.paint,
            ):
                if goes_on and kept is None:
                    kept = step.index
                if leads:
                    progress.show(step)
                    if write(step, results, board):
                        kept = step.index
        except KeyboardInterrupt:
            console.print(stopped(step, kept, results), soft_wrap=True, markup=False)
            return STOPPED
    assert step is not None  # a training has a step, or yields that of its checkpoint
    for reason in step.broken.values() if leads else ():
        print(f"impasto: left out: {reason}", file=sys.stderr)
    console.print(summary(step, results), soft_wrap=True, markup=False)
    return 0


def write(step: TrainStep, results: Results, board: Any) -> bool:
    """TensorBoard's numbers; with every checkpoint the network, the sheet and the curve. Returns whether it was one."""
    if board is not None:
        board.add_scalar("loss", step.loss, step.index)
        for name, value in step.parts.items():
            board.add_scalar(f"loss/{name}", value, step.index)
    if step.index % results.save_every and step.index != step.total:
        return False
    step.save(results.target)
    sheet = step.sheet()
    saving.save(sheet, results.sheet, quality=90)
    if board is not None:
        board.add_image("samples", sheet[0], step.index)
    if results.curve is not None:
        curves.save_curve(step.history, results.curve, noisy=True)
    return True


def check(styles: Sequence[Path], results: Results) -> None:
    """Find out before the first step what cannot be read or written. Raises InputError, OptionError or OutputError."""
    if results.save_every < 1:
        raise OptionError(f"--save-every is {results.save_every}; it must be a whole number of at least 1.")
    for path in styles:
        check_source(path)
    transform.check_suffix(results.target)
    for path in (results.target, results.checkpoint):
        saving.check_writable(path)
    saving.check_output(results.sheet, styles)
    if results.curve is not None:
        curves.check_output(results.curve)
        check_text("--curve", results.curve, [*styles, results.target])
    if results.tensorboard is not None:
        make_folder(results.tensorboard)


def writer(folder: Path) -> Any:
    """TensorBoard's. Raises OutputError where the package is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OutputError("--tensorboard needs TensorBoard: pip install 'impasto[train]'.") from error
    return SummaryWriter(str(folder))


def stopped(step: TrainStep | None, kept: int | None, results: Results) -> str:
    """What to say after Ctrl-C. kept: the last step whose network was written."""
    if step is None and results.checkpoint.exists():
        return f"Stopped before the first step: {results.checkpoint} is as it was; the same command goes on from there."
    if step is None or kept is None:
        return "Stopped before the first checkpoint: nothing was kept."
    return (
        f"Stopped at step {step.index}: {results.target} is the network after step {kept}; the same command goes on from "
        "there."
    )


def summary(step: TrainStep, results: Results) -> str:
    """What was written, how long it took, and whether more would help."""
    more = enough(step.history)
    said = ""
    if more is not None and more > step.index:
        said = f" The loss was still falling: with --steps {more} it should be nearly as low as it gets."
    elif more is not None:
        said = " More steps would hardly help."
    return (
        f"{results.target}: {step.index} steps, {step.seconds:.0f} s, loss {step.loss:.3f}; samples in "
        f"{results.sheet}.{said}"
    )
