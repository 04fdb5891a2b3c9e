"""Optimal transport between two normal distributions: the linear map of the least movement, and roots of covariances.

Colors are matched by it, and so are the features of the feed-forward network.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.eigen import eigh


def root(matrix: Tensor, power: float = 0.5, floor: float = 1e-8) -> Tensor:
    """A power of a symmetric positive semi-definite (..., C, C), its eigenvalues no less than `floor` of their mean."""
    return roots(matrix, (power,), floor)[0]


def roots(matrix: Tensor, powers: Sequence[float], floor: float = 1e-8) -> list[Tensor]:
    """Several powers of one matrix, each as `root` has it."""
    mean = matrix.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).clamp_min(1e-8)
    # channels that are zero everywhere break MKL's eigenvalues in float32 unless something stands on the diagonal
    scales, axes = eigh(matrix + torch.diag_embed((1e-6 * mean).expand(matrix.shape[:-1])))
    scales = scales.clamp_min(floor * mean)
    return [(axes * scales.pow(power).unsqueeze(-2)) @ axes.mT for power in powers]


def optimal_map(covariance: Tensor, other: Tensor, floor: float = 1e-8) -> Tensor:
    """The symmetric A with A Σ Aᵀ = Σ* that moves what is distributed so the least: Σ^-½ (Σ^½ Σ* Σ^½)^½ Σ^-½.

    covariance, other: Σ and Σ*, (..., C, C). floor: a direction with a smaller share of Σ's mean variance counts as having
    that, so that noise is not amplified. Source: Olkin and Pukelsheim 1982.
    """
    half, inverse = roots(covariance, (0.5, -0.5), floor)
    return inverse @ root(half @ other @ half) @ inverse
