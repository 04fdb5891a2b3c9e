"""Photos to train on, and a style."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six small pictures of soft random blobs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((80, 64), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def style(tmp_path: Path) -> Path:
    """Stripes in two colors."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[::8, :, 0], stripes[:, ::8, 2] = 255, 180
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    return tmp_path / "stripes.png"
