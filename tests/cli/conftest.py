"""The working folder of every command."""

from pathlib import Path

import pytest
from typed import bomb, picture

from impasto import painting
from impasto.options import PaintOptions


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with content.png and style.png in it; nothing of this machine's cache is seen."""
    picture().save(tmp_path / "content.png")
    picture(36, 36, seed=1).save(tmp_path / "style.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IMPASTO_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "1000")  # help on one line an option
    return tmp_path


@pytest.fixture
def painted_with(monkeypatch: pytest.MonkeyPatch) -> list[PaintOptions]:
    """What the command line hands to the library, which paints nothing."""
    seen: list[PaintOptions] = []
    monkeypatch.setattr(
        painting, "paint_steps", lambda content, style, options, **rest: iter(seen.append(options) or ())
    )
    return seen


@pytest.fixture
def bad_folder(folder: Path) -> Path:
    """The working folder with all that can be wrong in it."""
    (folder / "empty.png").touch()
    (folder / "text.txt").write_text("This is no picture.")
    (folder / "truncated.png").write_bytes((folder / "content.png").read_bytes()[:-200])
    frames = [picture(seed=seed) for seed in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    (folder / "bomb.png").write_bytes(bomb())
    picture(1, 40).save(folder / "thin.png")
    picture(300, 8).save(folder / "narrow.png")
    picture(seed=2).save(folder / "start.png")
    (folder / "garbage.pth").write_bytes(b"PK\x03\x04" + b"\x07" * 500)
    (folder / "folder").mkdir()
    (folder / "link.png").symlink_to("content.png")
    return folder
