"""Equality to rounding."""

import torch
from torch import Tensor


def close(value: Tensor, expected: Tensor | float, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Equal to rounding; a number stands for a tensor full of it."""
    expected = torch.as_tensor(expected, dtype=value.dtype).expand(value.shape)
    torch.testing.assert_close(value, expected, rtol=rtol, atol=atol)
