"""Videos that were stopped or killed go on to the very same video."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import clips
import pytest
import torch
from reels import FAST, SLOW, differing, make, shots

import impasto
from impasto import images
from impasto.errors import InputError, OptionError, OutputError
from impasto.film import filming, folder, methods
from impasto.film.ahead import ahead
from impasto.film.folder import Folder
from impasto.film.reel import Frame
from impasto.scene import Scene
from impasto.threads import threads


def test_a_video_that_was_stopped_goes_on_and_paints_nothing_twice(
    pan: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [frame.image for frame in impasto.video(pan, style, **FAST)]
    frames = impasto.video(pan, style, tmp_path / "out.mkv", codec="ffv1", **FAST)
    for _ in range(3):
        next(frames)
    frames.close()
    painted: list[int] = []
    real = filming.Film.painted
    monkeypatch.setattr(
        filming.Film, "painted", lambda film, take, *rest: painted.append(take.key) or real(film, take, *rest)
    )
    found = list(impasto.video(pan, style, tmp_path / "out.mkv", codec="ffv1", **FAST))
    assert painted == [3, 4, 5, 6, 7]
    assert [frame.found for frame in found] == [True] * 3 + [False] * 5
    assert differing(tmp_path / "out.mkv", whole) == []


def test_a_video_that_was_killed_has_the_same_frames(style: Path, tmp_path: Path) -> None:
    """The program is killed by a signal that it cannot answer, at any moment after its second frame."""
    source = clips.write(tmp_path / "in.mp4", clips.pan(40, 32, 48))
    whole = [frame.image for frame in impasto.video(source, style, **FAST)]
    command = [sys.executable, "-m", "impasto", "video", str(source), str(style), "-o", str(tmp_path / "out.mkv")]
    flags = [
        "--codec",
        "ffv1",
        "--engine",
        "torch",
        "--precision",
        "float32",
        "--device",
        "cpu",
        "--quiet",
        "--repaint",
        "1",
        "--touches",
        "1",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    folder = tmp_path / "out.mkv.work" / "frames"
    with subprocess.Popen([*command, *flags], env=environment) as process:
        while process.poll() is None and len(list(folder.glob("0*.npy"))) < 2:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    found = list(impasto.video(source, style, tmp_path / "out.mkv", codec="ffv1", **FAST))
    assert 2 <= sum(frame.found for frame in found) < 40
    assert differing(tmp_path / "out.mkv", whole) == []


def test_work_ahead_comes_in_order_fails_in_its_place_and_ends_when_it_is_closed() -> None:
    made: list[int] = []
    ended = []

    def counted() -> Generator[int, None, None]:
        try:
            for number in range(1, 5):
                made.append(number)
                yield number
            raise InputError("broken")
        finally:
            ended.append(True)

    items = ahead(ahead(counted()))
    assert [next(items) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(InputError, match="broken"):
        next(items)
    made.clear()
    items = ahead(counted(), 2)
    assert next(items) == 1
    items.close()
    assert len(ended) == 2
    assert len(made) <= 3, "no more than two ahead"


def test_what_paints_is_made_with_the_threads_that_a_video_was_begun_with(
    pan: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO sums in another order with other threads."""
    counts: list[int] = []
    real = methods.make
    monkeypatch.setattr(methods, "make", lambda *given: counts.append(torch.get_num_threads()) or real(*given))
    for count in (2, 1):
        with threads(count):
            frames = impasto.video(pan, style, tmp_path / "out.mp4", **FAST)
            next(frames)
            frames.close()
    assert counts == [2, 2]


def test_the_optimiser_goes_on_with_the_same_frames(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.pan(5))
    options = {**SLOW, "method": "steady", "references": (1, 2)}
    whole = [frame.image for frame in impasto.video(source, style, **options)]
    for count in (1, 3):
        frames = impasto.video(source, style, tmp_path / "frames", **options)
        for _ in range(count):
            next(frames)
        frames.close()
    list(impasto.video(source, style, tmp_path / "frames", **options))
    for number, image in enumerate(whole, 1):
        assert torch.equal(images.load(tmp_path / "frames" / f"frame-{number:06d}.png"), image)


def test_a_folder_of_a_video_killed_while_it_was_described_is_taken_up_and_no_other(tmp_path: Path) -> None:
    work = tmp_path / "out.mp4.work"
    work.mkdir()
    (work / ".video.json.0123abcd").write_bytes(b"{")  # as it is written aside
    Folder.open(work, {"clip": 1})
    assert sorted(path.name for path in work.iterdir()) == ["frames", "lock", "segments", "video.json"]
    other = tmp_path / "other.work"
    other.mkdir()
    (other / ".hidden").write_bytes(b"somebody's")
    with pytest.raises(OutputError, match="holds no video"):
        Folder.open(other, {"clip": 1})
    assert (other / ".hidden").exists()


def test_a_failure_before_the_first_frame_leaves_nothing_behind(pan: Path, style: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="nothing to paint"):
        make(pan, style, tmp_path / "out.mp4", protect="alpha")
    assert list(tmp_path.iterdir()) == [style]


def test_what_is_being_painted_is_not_painted_twice_at_once(pan: Path, style: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    first = impasto.video(pan, style, target, **FAST)
    next(first)
    with pytest.raises(OutputError, match="Another process is painting this video"):
        next(impasto.video(pan, style, target, **FAST))
    next(first)
    first.close()
    again = impasto.video(pan, style, target, **FAST)
    assert [next(again).found for _ in range(3)] == [True, True, False]
    again.close()


def test_another_video_does_not_go_on_in_the_same_folder(pan: Path, style: Path, tmp_path: Path) -> None:
    frames = impasto.video(pan, style, tmp_path / "out.mp4", **FAST)
    next(frames)
    frames.close()
    with pytest.raises(OutputError, match=r"out\.mp4\.work holds frames of another video or other settings"):
        make(pan, style, tmp_path / "out.mp4", strength=50)


Begin: TypeAlias = Callable[[str], Generator[Frame, None, None]]


class Trailing:
    """Paints a frame as itself and half of the one before it, so that whatever is lost is seen in all that follow."""

    engine, reach, threads = "trailing", (1, 2), None

    def draft(self, *_: object) -> None:
        return None

    def __call__(self, scene: Scene, past: Sequence[methods.Past], draft: None) -> torch.Tensor:
        image = scene.content.image
        return torch.lerp(image, past[0].image, 0.5) if past else image


@pytest.fixture
def looped(style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Begins a video of fourteen frames, in segments of four, whose first three are led into by its end."""
    for module in (filming, folder):
        monkeypatch.setattr(module, "LENGTH", 4)
    monkeypatch.setattr(methods, "make", lambda *_: Trailing())
    source = clips.write(tmp_path / "in.mp4", clips.pan(14, 32, 32), tone=False)
    return lambda name: impasto.video(source, style, tmp_path / name, codec="ffv1", loop=3, **FAST)


def test_a_loop_keeps_its_beginning_until_that_is_encoded(looped: Begin, tmp_path: Path) -> None:
    """The first segment waits for the end, and the method looks back into it while the second is encoded."""
    assert len(list(looped("out.mkv"))) == 14 + 3
    assert len(shots(tmp_path / "out.mkv")) == 14
    assert not (tmp_path / "out.mkv.work").exists()


def damage_after_twelve(frames: Generator[Frame, None, None], work: Path, index: int) -> Path:
    """Stop a video when its second and third segment are encoded, and spoil a frame that is still there singly."""
    with closing(frames):
        for _ in range(12):
            next(frames)
    assert sorted(path.name for path in (work / "segments").iterdir()) == ["0001.mkv", "0002.mkv"]
    kept = work / "frames" / f"{index:06d}.npy"
    assert kept.exists()
    kept.write_bytes(b"no picture")
    return kept


@pytest.mark.parametrize("index", [1, 3])
def test_a_frame_that_is_damaged_in_the_folder_is_painted_again(looped: Begin, tmp_path: Path, index: int) -> None:
    """What is said to be done brings the same video; a damaged source, which ends a video, is something else."""
    list(looped("whole.mkv"))
    kept = damage_after_twelve(looped("out.mkv"), tmp_path / "out.mkv.work", index)
    with pytest.raises(OutputError, match=f"{kept.name} is damaged: remove it and run it again"):
        list(looped("out.mkv"))
    assert not (tmp_path / "out.mkv").exists()
    kept.unlink()
    list(looped("out.mkv"))
    whole, found = ([shot.picture.tobytes() for shot in shots(tmp_path / name)] for name in ("whole.mkv", "out.mkv"))
    assert found == whole


def test_a_frame_that_is_damaged_after_it_was_encoded_does_not_end_the_video(looped: Begin, tmp_path: Path) -> None:
    """The last of a segment, which the next one looks back to, and does without where it is gone."""
    kept = damage_after_twelve(looped("out.mkv"), tmp_path / "out.mkv.work", 11)
    with pytest.raises(OutputError, match=f"{kept.name} is damaged: remove it and run it again"):
        list(looped("out.mkv"))
    assert not (tmp_path / "out.mkv").exists()
    kept.unlink()
    list(looped("out.mkv"))
    assert len(shots(tmp_path / "out.mkv")) == 14
