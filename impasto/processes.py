"""Several processes or machines that train one network, as started by torch's own launcher: `torchrun`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

ENVIRONMENT = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}  # what torchrun sets, and what holds without it


@dataclass(frozen=True)
class Team:
    """This process's number, how many there are, and its number among those of this machine."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and speaks."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """This process's device: of several graphics cards, where none was named, each process takes its own."""
        if self.count > 1 and chosen.type == "cuda" and chosen.index is None:
            return torch.device("cuda", self.local)
        return chosen

    def share(self, positions: range) -> range:
        """This process's part of a batch."""
        size = len(positions) // self.count
        return positions[self.rank * size : (self.rank + 1) * size]

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes: with DistributedDataParallel where there are several."""
        return network if self.count == 1 else nn.parallel.DistributedDataParallel(network)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def united(self, found: Mapping[str, str]) -> dict[str, str]:
        """What all processes have found."""
        everywhere: list[dict[str, str]] = [dict(found)]
        if self.count > 1:
            everywhere *= self.count
            dist.all_gather_object(everywhere, dict(found))
        return {key: value for one in everywhere for key, value in one.items()}

    def mean(self, numbers: Tensor) -> Tensor:
        """Averaged over all processes."""
        if self.count > 1:
            dist.all_reduce(numbers)
        return numbers / self.count


def from_environment() -> Team:
    """The team that `torchrun` has set up in the environment; without it, this process alone."""
    return Team(*(int(os.environ.get(name, default)) for name, default in ENVIRONMENT.items()))


@contextmanager
def joined(team: Team, device: torch.device) -> Iterator[None]:
    """The block runs with the processes connected: by NCCL on CUDA, by gloo otherwise."""
    if team.count == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)  # NCCL's calls go to the current one
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=team.rank, world_size=team.count)
    try:
        yield
    finally:
        dist.destroy_process_group()
