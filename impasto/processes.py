"""Several processes or machines that train one network, as started by torch's own launcher: `torchrun`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Team:
    """This process's number and how many there are."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and speaks."""
        return self.rank == 0

    def share(self, positions: range) -> range:
        """This process's part of a batch."""
        size = len(positions) // self.count
        return positions[self.rank * size : (self.rank + 1) * size]

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes: with DistributedDataParallel where there are several."""
        return network if self.count == 1 else nn.parallel.DistributedDataParallel(network)

    def mean(self, numbers: Tensor) -> Tensor:
        """Averaged over all processes."""
        if self.count > 1:
            dist.all_reduce(numbers)
        return numbers / self.count


def from_environment() -> Team:
    """The team that `torchrun` has set up in the environment; without it, this process alone."""
    return Team(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextmanager
def joined(team: Team, device: torch.device) -> Iterator[None]:
    """The block runs with the processes connected: by NCCL on CUDA, by gloo otherwise."""
    if team.count == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=team.rank, world_size=team.count)
    try:
        yield
    finally:
        dist.destroy_process_group()
