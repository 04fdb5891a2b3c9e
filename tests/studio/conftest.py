"""What the studio's tests begin with: a picture, a line of orders, a worker, an area of the page."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what other packages warn of while they are imported, which is once
    try:
        import gradio_client  # noqa: F401

        from impasto.studio import server  # noqa: F401
        from impasto.studio.workshop import Workshop
    except ImportError:  # the studio needs Gradio
        collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture in a folder whose name nobody is to learn."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    path = folder / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def line() -> Iterator["Workshop"]:
    """A workshop where nobody works: orders wait."""
    workshop = Workshop(workers=0, waiting=5)
    yield workshop
    workshop.close()


@pytest.fixture(scope="module")
def workshop() -> Iterator["Workshop"]:
    """One worker, a process of its own."""
    with warnings.catch_warnings():
        workshop = Workshop()
        yield workshop
        workshop.close()
