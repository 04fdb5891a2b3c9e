"""The clips and the style that tests of videos share."""

from pathlib import Path

import clips
import pytest
from PIL import Image
from reels import IRREGULAR


@pytest.fixture(scope="session")
def pan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of a pan, with a tone."""
    return clips.write(tmp_path_factory.mktemp("clips") / "pan.mp4", clips.pan(8))


@pytest.fixture(scope="session")
def irregular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at a variable rate, with odd sides."""
    return clips.write(tmp_path_factory.mktemp("clips") / "vfr.mp4", clips.pan(8, 47, 65), times=IRREGULAR)


@pytest.fixture
def style(tmp_path: Path) -> Path:
    """A small painting."""
    path = tmp_path / "style.png"
    Image.fromarray(clips.texture(40, 40, 5)).save(path)
    return path
