"""What the studio's tests begin with: a picture, a line of orders, a worker, an area of the page."""

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image


def workshops() -> ModuleType:
    """The studio's module of that name; tests are skipped where there is no Gradio."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other packages warn of while they are imported
        pytest.importorskip("gradio", reason="the studio needs Gradio: pip install 'impasto[studio]'")
        return importlib.import_module("impasto.studio.workshop")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture in a folder whose name nobody is to learn."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    path = folder / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def line() -> Iterator[Any]:
    """A workshop where nobody works: orders wait."""
    workshop = workshops().Workshop(workers=0, waiting=5)
    yield workshop
    workshop.close()


@pytest.fixture(scope="module")
def workshop() -> Iterator[Any]:
    """One worker, a process of its own."""
    with warnings.catch_warnings():
        workshop = workshops().Workshop()
        yield workshop
        workshop.close()
