"""How many threads compute."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads inside the block, where that is sensible here: the order of sums depends on it."""
    before = torch.get_num_threads()
    most = 4 * (os.cpu_count() or 1)
    torch.set_num_threads(count if count is not None and 1 <= count <= most else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
