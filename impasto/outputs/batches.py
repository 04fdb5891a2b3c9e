"""A batch of pictures: what its jobs say, and its status."""

import sys
from collections.abc import Iterator

from rich.console import Console

from impasto import machine
from impasto.jobs import Outcome
from impasto.outputs import STOPPED
from impasto.outputs.terminal import BatchProgress


def carry_out_batch(outcomes: Iterator[Outcome], total: int, folder: str, quiet: bool) -> int:
    """Let every job end, list the failures, return the status: 0, 2 where a job failed, 130 when Ctrl-C stopped it."""
    machine.keep_freed_memory()
    console = Console(stderr=True, highlight=False, emoji=False)
    painted, earlier, faulty, failures, status = 0, 0, 0, [], 0
    with BatchProgress(console, total, quiet) as progress:
        try:
            for outcome in outcomes:
                painted += outcome.error is None and not outcome.earlier
                earlier += outcome.error is None and outcome.earlier
                faulty += outcome.faulty
                failures += [outcome] if outcome.error is not None else []
                progress.show(outcome.job.output.name, len(failures))
        except KeyboardInterrupt:
            status = STOPPED
    for failure in failures:
        print(f"impasto: {failure.job.output.name}: {' '.join(str(failure.error).split())}", file=sys.stderr)
    if not quiet:
        left = total - painted - earlier - len(failures)
        counts = {"painted": painted, "painted earlier": earlier, "failed": len(failures), "left": left}
        said = ", ".join(f"{number} {what}" for what, number in counts.items() if number or what == "painted")
        hint = " Try what failed again with --retry." if failures else ""
        print(f"{folder}: {said}.{hint}", file=sys.stderr)
        if faulty:
            print(f"The doctor found something in {faulty}: `impasto recipe PICTURE` says what.", file=sys.stderr)
    return status or (2 if failures else 0)
