"""Eigenvalues on one thread: the same as torch's, and the threads are as they were."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from impasto import eigen


@pytest.fixture
def matrices() -> Tensor:
    """Two covariances of eight channels."""
    rows = torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return rows.mT @ rows


def test_a_matrix_is_put_together_again(matrices: Tensor) -> None:
    values, axes = eigen.eigh(matrices)
    torch.testing.assert_close((axes * values.unsqueeze(1)) @ axes.mT, matrices)
    torch.testing.assert_close(eigen.eigvalsh(matrices), values)


def test_the_gradient_of_an_eigenvalue_is_its_axis(matrices: Tensor) -> None:
    matrices.requires_grad_()
    (gradient,) = torch.autograd.grad(eigen.eigvalsh(matrices)[0, -1], matrices)
    axis = eigen.eigh(matrices.detach())[1][0, :, -1]
    torch.testing.assert_close(gradient[0], axis.outer(axis))


@pytest.mark.parametrize("name", ["eigh", "eigvalsh"])
def test_one_thread_computes_and_the_others_come_back(
    name: str, matrices: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = [], getattr(torch.linalg, name)

    def spy(matrix: Tensor) -> Any:
        seen.append(torch.get_num_threads())
        return real(matrix)

    monkeypatch.setattr(torch.linalg, name, spy)
    function: Callable[[Tensor], Any] = getattr(eigen, name)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        function(matrices)
        with pytest.raises(RuntimeError, match="square"):
            function(torch.zeros(2, 3))
        assert (seen, torch.get_num_threads()) == ([1, 1], 2)
    finally:
        torch.set_num_threads(before)
