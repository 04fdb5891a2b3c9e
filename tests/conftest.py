"""What every test starts from: an isolated environment, fixed seeds, a tiny backbone and a few pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import impasto  # noqa: F401  (before torch, because it says how threads wait)

# isort: split
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.backbones import IMAGENET, Architecture, Backbone

TINY = Architecture("three small blocks", ((4, 4), (6,), (8, 8)), IMAGENET)
MakeBackbone = Callable[..., Backbone]


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's cache or the network, nor the random numbers that another test has drawn."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IMPASTO_OFFLINE", "1")
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_architecture() -> Architecture:
    """conv1_1 to relu3_2, at most eight channels."""
    return TINY


@pytest.fixture(scope="session")
def random_weights() -> Callable[[Architecture], dict[str, Tensor]]:
    """architecture -> weights after He et al. 2015, the same at every call."""

    def draw(architecture: Architecture) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        return {
            key: torch.randn(shape, generator=generator) * ((2 / (9 * shape[1])) ** 0.5 if len(shape) == 4 else 0.1)
            for key, shape in architecture.shapes.items()
        }

    return draw


@pytest.fixture(scope="session")
def make_backbone(random_weights: Callable[[Architecture], dict[str, Tensor]]) -> MakeBackbone:
    """A tiny backbone with random weights; takes the settings of `Backbone`, and `architecture`."""

    def make(architecture: Architecture = TINY, **settings: Any) -> Backbone:
        return Backbone("tiny", architecture, random_weights(architecture), **settings)

    return make


@pytest.fixture(scope="session")
def tiny_backbone(make_backbone: MakeBackbone) -> Backbone:
    """conv1_1 to relu3_2 with zero padding and max pooling, in float32."""
    return make_backbone()


@pytest.fixture
def image() -> Tensor:
    """Noise, (1, 3, 20, 24) in [0, 1]."""
    return torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def batch() -> Tensor:
    """Noise, (2, 3, 20, 24) in [0, 1]."""
    return torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def smooth_image() -> Tensor:
    """Soft random blobs, (1, 3, 64, 80) in [0, 1]: nearer to a photograph than noise is."""
    coarse = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(4))
    return F.interpolate(coarse, (64, 80), mode="bicubic").clamp(0, 1)
