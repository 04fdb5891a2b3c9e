"""Who works through a batch on this machine: this process, or several that share its cores."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread

import torch

from impasto import machine
from impasto.jobs import Job, Outcome, perform
from impasto.shelf import Shelf


def alone(jobs: Iterable[Job], with_recipe: bool) -> Iterator[Outcome]:
    """Paint one job after the other in this process."""
    shelf = Shelf()
    for job in jobs:
        yield perform(job, shelf, with_recipe)


def together(jobs: Iterable[Job], workers: int, with_recipe: bool) -> Iterator[Outcome]:
    """Paint the jobs in so many processes, which share the cores; one that dies costs its job alone, and is replaced."""
    waiting = deque(jobs)
    busy: dict[Connection, tuple[BaseProcess, Job]] = {}
    idle = [hire(workers, with_recipe) for _ in range(workers)]
    try:
        while waiting or busy:
            while waiting and idle:
                connection, process = idle.pop()
                busy[connection] = process, waiting.popleft()
                with suppress(OSError):  # of a worker that is no more, which `wait` reports
                    connection.send(busy[connection][1])
            ready = wait(list(busy))
            for connection in [line for line in busy if line in ready]:
                process, job = busy.pop(connection)
                try:
                    outcome = connection.recv()
                    idle.append((connection, process))
                except (EOFError, OSError):
                    process.join()
                    outcome = Outcome(
                        job, f"Its process ended with {process.exitcode}: was there too little memory?", 0.0
                    )
                    idle.append(hire(workers, with_recipe))
                yield outcome
    finally:
        for process in [process for _, process in idle] + [process for process, _ in busy.values()]:
            process.terminate()
            process.join()


def hire(workers: int, with_recipe: bool) -> tuple[Connection, BaseProcess]:
    """A process that paints what it is sent, with its share of the cores."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, max(1, cores() // workers), with_recipe), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the line
    return ours, process


def serve(line: Connection, threads: int, with_recipe: bool) -> None:
    """Paint the jobs that come in and answer each with its outcome, until the line is cut."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    machine.keep_freed_memory()
    shelf = Shelf()
    with suppress(EOFError, OSError):
        while True:
            line.send(perform(line.recv(), shelf, with_recipe))


def end_with_parent() -> None:
    """End this process when the one that hired it is killed: whoever begins the batch anew would paint the same job."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
