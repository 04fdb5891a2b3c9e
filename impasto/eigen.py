"""Eigenvalues of symmetric matrices, on one thread.

LAPACK's threads wait for each other thousands of times in one matrix. Where another program has one of the cores, and torch
was loaded before impasto so that waiting threads spin, each wait lasts until the system gives the core back: a matrix of
192 channels then took two threads several hundred times as long as one. On an idle machine one thread is hardly slower.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric (..., C, C) -> eigenvalues (..., C), rising, and eigenvectors (..., C, C), in columns."""
    with one_thread():
        values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def eigvalsh(matrix: Tensor) -> Tensor:
    """Symmetric (..., C, C) -> eigenvalues (..., C), rising."""
    with one_thread():
        return torch.linalg.eigvalsh(matrix)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
