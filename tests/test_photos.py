"""Photos: crops that depend on the seed and the position alone, and folders with whatever may be in them."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto import photos
from impasto.errors import InputError
from impasto.photos import Photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos, each of one color, one of them in a folder of its own."""
    (tmp_path / "deep").mkdir()
    for number, place in enumerate(("a.png", "b.jpg", "c.png", "d.png", "deep/e.webp")):
        Image.new("RGB", (60 + number, 40), (50 * number, 20, 200)).save(tmp_path / place, quality=100)
    return tmp_path


def colors(crops: torch.Tensor) -> list[int]:
    """Which photo each crop is from."""
    return (crops[:, 0].mean((1, 2)) * 255 / 50).round().int().tolist()


def test_a_round_shows_every_photo_once_and_the_next_one_in_another_order(folder: Path) -> None:
    shown = Photos(folder, 64, 32, seed=1)
    first, second = colors(shown.crops(range(5))), colors(shown.crops(range(5, 10)))
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    assert first != second


def test_crops_depend_on_seed_and_position_alone(folder: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(folder / "noise.png")
    whole = Photos(folder, 64, 32, seed=1).crops(range(12))
    later = Photos(folder, 64, 32, seed=1).crops(range(6, 12))
    other = Photos(folder, 64, 32, seed=2).crops(range(12))
    assert torch.equal(whole[6:], later)
    assert not torch.equal(whole, other)
    assert whole.shape == (12, 3, 32, 32)


def test_what_does_not_fit_in_memory_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Photos(folder, 64, 32, seed=1)
    monkeypatch.setattr(photos, "KEPT", 0)
    unkept = Photos(folder, 64, 32, seed=1)
    assert torch.equal(kept.crops(range(10)), unkept.crops(range(10)))
    assert not unkept.kept


def test_a_photo_smaller_than_a_crop_is_enlarged(folder: Path) -> None:
    assert Photos(folder, 64, 128, seed=0).crops([0]).shape == (1, 3, 128, 128)


def test_a_broken_photo_is_left_out_and_named(folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "empty.png").touch()
    shown = Photos(folder, 64, 32, seed=1)
    assert set(colors(shown.crops(range(7)))) == {0, 1, 2, 3, 4}
    assert {Path(place).name for place in shown.broken} == {"broken.jpg", "empty.png"}
    assert all(place in reason for place, reason in shown.broken.items())


def test_photos_in_a_tar_file_are_those_in_the_folder(folder: Path, tmp_path: Path) -> None:
    plain = Photos(folder, 64, 32, seed=3).crops(range(5))
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "shard.tar", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder))
        archive.add(__file__, "readme.txt")
        (folder / "deep" / "z.jpg").write_bytes(b"no picture")
        archive.add(folder / "deep" / "z.jpg", "deep/z.jpg")
    shown = Photos(packed, 64, 32, seed=3)
    assert len(shown.places) == 6
    assert set(colors(shown.crops(range(6)))) == set(colors(plain))
    assert list(shown.broken) == [f"{packed / 'shard.tar'}/deep/z.jpg"]
    assert "z.jpg" in next(iter(shown.broken.values()))


def test_a_damaged_tar_file_is_refused(folder: Path) -> None:
    (folder / "shard.tar").write_bytes(b"no archive at all" * 100)
    with pytest.raises(InputError, match=r"shard\.tar is damaged"):
        Photos(folder, 64, 32, seed=0)


@pytest.mark.parametrize("what", ["missing", "empty", "a file"])
def test_where_there_are_no_photos_it_says_where_to_get_them(tmp_path: Path, what: str) -> None:
    place = tmp_path / "photos"
    if what == "empty":
        place.mkdir()
    elif what == "a file":
        place.touch()
    with pytest.raises(InputError, match="photograph"):
        Photos(place, 64, 32, seed=0)


def test_a_folder_of_broken_photos_is_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_text("no picture")
    with pytest.raises(InputError, match="None of the 2 pictures"):
        Photos(tmp_path, 64, 32, seed=0).crops([0])


def test_samples_are_whole_photos_at_the_size(folder: Path) -> None:
    samples = Photos(folder, 64, 32, seed=0).samples(3)
    assert [tuple(sample.shape[1:]) for sample in samples] == [(3, 42, 64)] * 3  # of 60 x 40 to 62 x 40
