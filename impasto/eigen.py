"""Eigenvalues of symmetric matrices, on one thread.

LAPACK's threads wait for each other thousands of times in one matrix. Where another program has one of the cores, and torch
was loaded before impasto so that waiting threads spin, each wait lasts until the system gives the core back, and two
threads take far longer than one. On an idle machine one thread is hardly slower.
"""

import torch
from torch import Tensor

from impasto.threads import threads


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric (..., C, C) -> eigenvalues (..., C), rising, and eigenvectors (..., C, C), in columns."""
    with threads(1):
        values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def eigvalsh(matrix: Tensor) -> Tensor:
    """Symmetric (..., C, C) -> eigenvalues (..., C), rising."""
    with threads(1):
        return torch.linalg.eigvalsh(matrix)
