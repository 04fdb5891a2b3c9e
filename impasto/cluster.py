"""Batches on Ray: the same jobs, worked through by actors on one machine or on a cluster that is there already.

Extra `distributed`. Every actor loads a network once and keeps it; an actor that dies is started again, and the job it was
at is tried again, where a picture that was finished is known by its recipe. Pictures and journal go to a folder that all
machines see under the same name, or to a store, see `storage`.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from impasto import machine
from impasto.errors import OptionError
from impasto.jobs import Job, Outcome, perform
from impasto.shelf import Shelf
from impasto.workers import cores

if TYPE_CHECKING:
    import ray

TRIES = 3  # of a job whose actor dies under it


class Painter:
    """An actor: paints what it is sent, with a shelf of its own."""

    def __init__(self, threads: int, with_recipe: bool) -> None:
        torch.set_num_threads(threads)
        machine.keep_freed_memory()
        self.shelf = Shelf()
        self.with_recipe = with_recipe

    def perform(self, job: Job) -> Outcome:
        """Paint a job's picture; its failure is in the outcome."""
        return perform(job, self.shelf, self.with_recipe)


def on_ray(
    jobs: Sequence[Job], workers: int, with_recipe: bool = True, *, address: str | None = None
) -> Iterator[Outcome]:
    """Paint the jobs with so many actors, yielding outcomes as they come.

    address: of a running cluster, such as "auto" or "ray://head:10001"; without one Ray is started on this machine, bound
    to loopback, and ended with the batch. Raises OptionError where Ray is missing or the cluster cannot be reached.
    """
    with connected(address) as ray:
        from ray.exceptions import RayError

        threads = max(1, cores() // workers) if address is None else 1
        actor: Any = ray.remote(num_cpus=threads, max_restarts=-1, max_task_retries=TRIES - 1)(Painter)
        idle = [actor.remote(threads, with_recipe) for _ in range(min(workers, len(jobs)))]
        waiting = deque(jobs)
        busy: dict[Any, tuple[Any, Job]] = {}
        while waiting or busy:
            while waiting and idle:
                painter, job = idle.pop(), waiting.popleft()
                busy[painter.perform.remote(job)] = painter, job
            (ready, *_), _ = ray.wait(list(busy))
            painter, job = busy.pop(ready)
            try:
                outcome = ray.get(ready)
            except RayError:
                outcome = Outcome(job, f"Its actor ended {TRIES} times: was there too little memory?", 0.0)
            idle.append(painter)
            yield outcome


@contextmanager
def connected(address: str | None) -> Iterator["ray"]:  # type: ignore[valid-type]
    """Ray, connected to a cluster or started here; ended again if it was not running before."""
    if find_spec("ray") is None:
        raise OptionError("--engine ray needs Ray: pip install 'impasto[distributed]', or choose processes.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    if address is None:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # as there: every server is bound to loopback
    import ray

    if ray.is_initialized():
        yield ray
        return
    here: dict[str, Any] = {"include_dashboard": False, "num_cpus": cores()}
    try:
        ray.init(address or "local", log_to_driver=False, **({} if address else here))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise OptionError(f"Ray cannot be reached at {address} ({error}): start a cluster or name another.") from error
    try:
        yield ray
    finally:
        with suppress(Exception):
            ray.shutdown()
