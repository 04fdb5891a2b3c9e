"""What the training programs share: precision, the course of the learning rate, and checkpoints to continue from."""

from pathlib import Path

import torch
from torch import nn

from impasto.machine import has_bfloat16

HALF = has_bfloat16(torch.device("cpu"))
PRECISION = torch.bfloat16 if HALF else torch.float32


def learning_rate(step: int, hold: int, steps: int, peak: float, warm_up: int = 200) -> float:
    """Warm up over so many steps, stay at the peak until step `hold`, and fall linearly to nothing at `steps`."""
    return peak * min(1, (step + 1) / warm_up, (steps - step) / (steps - hold))


def save_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Written aside and renamed, so that a run that is killed keeps the last good one."""
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Take up what is there; returns the step to go on with, 0 where there is nothing."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
