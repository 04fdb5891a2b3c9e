"""Videos: what is read is what was drawn, what is written comes back, and a video that was killed is the same video."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from impasto import images, machine, transform
from impasto.cli import program
from impasto.distances import normal, wasserstein
from impasto.errors import ImpastoError, InputError, OptionError, OutputError
from impasto.figures import DEMO
from impasto.film import filming, flicker, flow, methods, reading, times
from impasto.film.ahead import ahead
from impasto.film.folder import LENGTH, Folder
from impasto.film.reading import Shot
from impasto.film.writing import CONTAINERS
from impasto.networks import TAPS
from impasto.options import StylizeOptions
from impasto.scene import Scene
from impasto.stylizer import Stylizer

FAST: dict[str, Any] = {"engine": "torch", "precision": "float32", "device": "cpu", "repaint": 1, "touches": 1}
SLOW: dict[str, Any] = {
    "size": 64,
    "min_scale": 64,
    "first_steps": 6,
    "later_steps": 3,
    "device": "cpu",
    "precision": "float32",
}
IRREGULAR = [0, 40, 81, 133, 170, 260, 300, 333]  # milliseconds


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


def shots(path: Path) -> list[Shot]:
    return list(reading.read(path).shots())


def make(source: Path, style: Any, target: Path, **given: Any) -> list[str]:
    notes: list[str] = []
    for _ in impasto.video(source, style, target, on_note=notes.append, **{**FAST, **given}):
        pass
    return notes


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(streams) if packet.size]


def samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1)


def differing(path: Path, painted: list[Tensor | None]) -> list[tuple[int, int]]:
    """(index, largest difference) of the frames of a file that are not as they were painted."""
    found = [shot.picture.astype(int) for shot in shots(path)]
    assert len(found) == len(painted)
    pictures = [np.asarray(images.to_picture(image)) for image in painted if image is not None]
    gaps = [int(np.abs(one - other).max()) for one, other in zip(found, pictures, strict=True)]
    return [(index, gap) for index, gap in enumerate(gaps) if gap]


# -------------------------------------------------------------------------------------------------------- reading


def test_frames_come_as_they_were_drawn_at_their_times(pan: Path) -> None:
    found = shots(pan)
    assert [shot.time for shot in found] == [Fraction(index, 24) for index in range(8)]
    assert {shot.duration for shot in found} == {Fraction(1, 24)}
    for shot, drawn in zip(found, clips.pan(8), strict=True):
        assert np.abs(shot.picture.astype(int) - drawn).mean() < 1.5


def test_a_variable_rate_is_read_to_the_millisecond(irregular: Path) -> None:
    assert [shot.time for shot in shots(irregular)] == [Fraction(moment, 1000) for moment in IRREGULAR]
    assert reading.read(irregular).count == 8


def test_a_part_and_every_nth_frame(pan: Path) -> None:
    clip = reading.read(pan).part(Fraction(2, 24), Fraction(7, 24), 2)
    found = list(clip.shots())
    assert [shot.time * 24 for shot in found] == [2, 4, 6]
    assert [shot.index for shot in found] == [0, 1, 2]
    assert clip.count == 3
    assert [shot.duration * 24 for shot in found] == [2, 2, 1], "the last one ends where the part ends"


@pytest.mark.parametrize(("turn", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_a_video_is_turned_as_its_file_says(turn: int, quarters: int, tmp_path: Path) -> None:
    path = clips.write(tmp_path / "turned.mp4", clips.pan(2), turn=turn, tone=False)
    (first, _), drawn = shots(path), np.rot90(clips.pan(2)[0], quarters)
    assert first.picture.shape == drawn.shape
    assert np.abs(first.picture.astype(int) - drawn).mean() < 1.5


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("range_", [1, 2])
def test_matrix_and_range_are_undone_and_kept(matrix: int, range_: int, tmp_path: Path, style: Path) -> None:
    tags = {"colorspace": matrix, "color_range": range_, "color_primaries": 9, "color_trc": 14}
    path = clips.write(tmp_path / "in.mp4", clips.pan(2), tone=False, **tags)
    assert np.abs(shots(path)[0].picture.astype(int) - clips.pan(2)[0]).mean() < 1.5
    make(path, style, tmp_path / "out.mp4", strength=0.0, steadiness=0.0)
    assert reading.read(tmp_path / "out.mp4").color == reading.Color(matrix, range_, 9, 14)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == matrix


def test_more_than_eight_bits_and_opacity_are_said_to_be_lost(tmp_path: Path, style: Path) -> None:
    pictures = [np.concatenate([picture, np.full_like(picture[..., :1], 99)], 2) for picture in clips.pan(2)]
    path = clips.write(tmp_path / "in.mov", pictures, codec="prores_ks", pixels="yuva444p10le", tone=False, options={})
    deep, transparent = make(path, style, tmp_path / "out.mp4")
    assert "12 bits" in deep, "as FFmpeg reads ProRes 4444"
    assert "no opacity" in transparent
    assert len(make(path, style, tmp_path / "out.gif")) == 1


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_opacity_is_read_painted_around_and_written(suffix: str, tmp_path: Path, style: Path) -> None:
    codec, pixels = {".webm": ("libvpx-vp9", "yuva420p"), ".mov": ("prores_ks", "yuva444p10le")}[suffix]
    opacity = np.zeros((48, 64, 1), np.uint8)
    opacity[:, :32] = 255
    pictures = [np.concatenate([picture, opacity], 2) for picture in clips.pan(2)]
    path = clips.write(tmp_path / f"in{suffix}", pictures, codec=codec, pixels=pixels, tone=False, options={})
    assert reading.read(path).has_alpha
    assert np.abs(shots(path)[0].picture[..., 3].astype(int) - opacity[..., 0]).mean() < 8
    make(path, style, tmp_path / f"out{suffix}", codec="prores" if suffix == ".mov" else "auto")
    found = shots(tmp_path / f"out{suffix}")[0].picture[..., 3]
    assert np.abs(found.astype(int) - opacity[..., 0]).mean() < 8


# -------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_times_are_the_input_s_and_sound_is_copied(irregular: Path, style: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    assert make(irregular, style, target) == []
    before, after = shots(irregular), shots(target)
    assert [shot.time for shot in after] == [shot.time for shot in before]
    assert {shot.picture.shape for shot in after} == {(47, 65, 3)}
    assert packets(target, "audio") == packets(irregular, "audio")
    assert np.array_equal(samples(target), samples(irregular))
    assert not (tmp_path / f"out{suffix}.work").exists()


def test_matroska_and_webm_keep_milliseconds(irregular: Path, style: Path, tmp_path: Path) -> None:
    for name in ("out.mkv", "out.webm"):
        make(irregular, style, tmp_path / name)
        first, *rest = [shot.time for shot in shots(tmp_path / name)]
        assert [1000 * (moment - first) for moment in rest] == IRREGULAR[1:]


def test_sound_that_a_container_does_not_hold_is_encoded_anew(pan: Path, style: Path, tmp_path: Path) -> None:
    (note,) = make(pan, style, tmp_path / "out.webm")
    assert "aac" in note
    sound, tone = samples(tmp_path / "out.webm")[0], samples(pan)[0]
    assert abs(len(sound) - len(tone)) < 3000
    spectrum = np.abs(np.fft.rfft(sound))
    assert abs(spectrum.argmax() * clips.RATE / len(sound) - clips.TONE) < 10


def test_a_part_takes_its_sound_along(pan: Path, style: Path, tmp_path: Path) -> None:
    make(pan, style, tmp_path / "out.mp4", begin="0.125", end=0.25)
    assert [shot.time for shot in shots(tmp_path / "out.mp4")] == [0, Fraction(1, 24), Fraction(2, 24)]
    kept, whole = packets(tmp_path / "out.mp4", "audio"), dict(reversed(pair) for pair in packets(pan, "audio"))
    assert kept
    assert all(abs(whole[data] - Fraction(1, 8) - moment) < Fraction(1, 1000) for moment, data in kept)


def test_subtitles_are_copied_or_said_to_be_lost(pan: Path, style: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(pan)) as first, av.open(str(source), "w") as container:
        picture = container.add_stream_from_template(first.streams.video[0])
        words = container.add_mux_stream("subrip")
        for packet in first.demux(video=0):
            if packet.size:
                packet.stream = picture
                container.mux(packet)
        line = av.Packet(b"Hello")
        line.pts, line.dts, line.duration, line.time_base, line.stream = 100, 100, 100, Fraction(1, 1000), words
        container.mux(line)
    assert make(source, style, tmp_path / "out.mkv") == []
    assert [data for _, data in packets(tmp_path / "out.mkv", "subtitle")] == [b"Hello"]
    (note,) = make(source, style, tmp_path / "out.mov")
    assert "srt" in note


def test_a_gif_has_one_palette_and_the_right_times(irregular: Path, style: Path, tmp_path: Path) -> None:
    make(irregular, style, tmp_path / "out.gif")
    with Image.open(tmp_path / "out.gif") as picture:
        durations, colors = [], set()
        for index in range(picture.n_frames):
            picture.seek(index)
            durations.append(picture.info["duration"])
            colors |= {tuple(color) for color in np.asarray(picture.convert("RGB")).reshape(-1, 3)}
    assert durations[:-1] == [40, 40, 50, 40, 90, 40, 30]
    assert len(colors) <= 256


def test_a_folder_gets_pictures_and_their_times(pan: Path, style: Path, tmp_path: Path) -> None:
    make(pan, style, tmp_path / "frames")
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [*(f"frame-{number:06d}.png" for number in range(1, 9)), "times.csv"]
    painted = [frame.image for frame in impasto.video(pan, style, **FAST)]
    for number, image in enumerate(painted, 1):
        assert torch.equal(images.load(tmp_path / "frames" / f"frame-{number:06d}.png"), image)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(suffix, codec) for suffix, (_, codecs, _) in CONTAINERS.items() for codec in codecs]
)
def test_every_codec_goes_into_its_files(suffix: str, codec: str, pan: Path, style: Path, tmp_path: Path) -> None:
    make(pan, style, tmp_path / f"out{suffix}", codec=codec, end=0.1)
    assert [shot.picture.shape for shot in shots(tmp_path / f"out{suffix}")] == [(48, 64, 3)] * 3


def test_segments_join_to_the_frames_that_one_file_would_have(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.pan(LENGTH + 3, 16, 16, 1))
    make(source, style, tmp_path / "out.mkv", codec="ffv1")
    painted = [frame.image for frame in impasto.video(source, style, **FAST)]
    assert differing(tmp_path / "out.mkv", painted) == []


# ---------------------------------------------------------------------------------------------- stopped and resumed


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
        with machine.threads(count):
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


# ------------------------------------------------------------------------------------------------------ bad input


def damaged(path: Path, pan: Path, kind: str) -> Path:
    """A file that is no video any more, or never was."""
    if kind == "sound alone":
        with av.open(str(path), "w", format="mp4") as container:
            stream: Any = container.add_stream("aac", rate=48000, layout="mono")
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate = 48000
            container.mux(stream.encode(block))
            container.mux(stream.encode(None))
    elif kind == "half":
        path.write_bytes(pan.read_bytes()[: pan.stat().st_size // 2])
    elif kind == "no frames":
        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
    else:
        path.write_bytes({"empty": b"", "text": b"no video " * 1000}[kind])
    return path


@pytest.mark.parametrize("kind", ["sound alone", "half", "no frames", "empty", "text"])
def test_what_is_no_video_is_said_in_a_sentence(
    kind: str, pan: Path, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = damaged(tmp_path / "bad.mp4", pan, kind)
    assert program.run(["video", str(source), str(style), "-o", str(tmp_path / "out.mp4")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("impasto: ")
    assert "bad.mp4" in said
    assert said.count("\n") == 0
    assert not (tmp_path / "out.mp4").exists()


def test_one_frame_is_a_video(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.pan(1), tone=False)
    make(source, style, tmp_path / "out.mp4")
    assert len(shots(tmp_path / "out.mp4")) == 1


def cut_short(path: Path, source: Path) -> Path:
    """The index of a whole video and a part of its pictures, as a download that broke off."""
    with av.open(str(source)) as first, av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream_from_template(first.streams.video[0])
        for packet in first.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def test_a_video_that_breaks_off_is_painted_up_to_there(
    style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = cut_short(tmp_path / "short.mp4", clips.write(tmp_path / "in.mp4", clips.pan(20), tone=False))
    target = tmp_path / "out.mp4"
    options = ["--engine", "torch", "--precision", "float32"]
    assert program.run(["video", str(source), str(style), "-o", str(target), *options]) == 2
    said = capsys.readouterr().err
    assert "short.mp4" in said
    assert 2 < len(shots(target)) < 20
    assert f"The {len(shots(target))} frames before that are in {target}" in said


def test_a_video_that_changes_its_size_is_painted_up_to_there(style: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    parts = [
        clips.write(
            tmp_path / f"{height}.ts", clips.pan(6, height, 64), tone=False, codec="mpeg2video", pixels="yuv420p"
        )
        for height in (48, 64)
    ]
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(InputError, match="changes its size"):
        make(source, style, tmp_path / "out.mp4")
    assert 4 <= len(shots(tmp_path / "out.mp4")) <= 6


def test_a_full_disk_costs_no_finished_frame(
    pan: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = np.save

    def full(file: Any, picture: np.ndarray, **rest: Any) -> None:
        if "000003" in file.name:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, picture, **rest)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match=r"No space left on device.*3 finished frames are kept"):
        make(pan, style, tmp_path / "out.mp4")
    monkeypatch.setattr(np, "save", real)
    found = list(impasto.video(pan, style, tmp_path / "out.mp4", **FAST))
    assert [frame.found for frame in found] == [True] * 3 + [False] * 5
    assert len(shots(tmp_path / "out.mp4")) == 8


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"begin": "abc"}, "--from is 'abc'; write seconds"),
        ({"begin": 9}, "--from is 9: choose an earlier"),
        ({"begin": 0.2, "end": 0.1}, "let --to be later"),
        ({"steps": 3}, "--steps says nothing to --method fast"),
        ({"method": "steady", "passes": 2}, "--passes says nothing to --method steady"),
        ({"preset": "blog"}, "--preset is a recipe of the optimiser"),
        ({"moments": [1, 2]}, "Give every style a time or none"),
        ({"codec": "vp9", "target": "out.mov"}, "--codec vp9 does not go into a .mov file"),
        ({"target": "out.xyz"}, "cannot be written with the suffix '.xyz'"),
        ({"references": (0,)}, "from 1 to 240"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_painted(
    given: dict[str, Any], words: str, pan: Path, style: Path, tmp_path: Path
) -> None:
    given = {"engine": "torch", **given} if given.get("method") is None else given
    target = tmp_path / given.pop("target", "out.mp4")
    with pytest.raises(ImpastoError) as caught:
        list(impasto.video(pan, style, target, **given))
    assert words in str(caught.value)


def test_the_result_is_never_the_input(pan: Path, style: Path) -> None:
    before = pan.read_bytes()
    with pytest.raises(OutputError, match="also the input"):
        make(pan, style, pan)
    assert pan.read_bytes() == before


# ------------------------------------------------------------------------------------------------------------ flow


def as_tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255)).contiguous()


def test_the_flow_of_a_pan_is_its_step() -> None:
    first, second = map(as_tensor, clips.pan(2, 64, 96, 3))
    found, trusted = flow.between(second, first)
    inner = found[:, :, 8:-8, 8:-8]
    assert float((inner[:, 0] - 3).abs().mean()) < 0.2
    assert float(inner[:, 1].abs().mean()) < 0.2
    assert trusted[:, :, :, :-8].mean() > 0.95
    assert trusted[:, :, :, -2:].mean() < 0.3, "what has just come in was nowhere before"


def test_warp_by_whole_pixels_is_a_shift() -> None:
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    moved = flow.warp(image, torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 12, 16))
    assert torch.allclose(moved[:, :, :-1, :-2], image[:, :, 1:, 2:], atol=1e-5)


def test_what_was_hidden_is_not_trusted() -> None:
    """A square moves to the right by 6 pixels: the ground that it uncovers was not there before."""
    first, second = (as_tensor(picture) for picture in clips.occlusion(2, 64, 96, 6))
    _, trusted = flow.between(second, first)
    assert trusted[:, :, 20:44, 1:5].mean() < 0.3
    assert trusted[:, :, :12, :].mean() > 0.95


def test_a_cut_is_told_from_a_pan() -> None:
    pictures = [as_tensor(picture) for picture in clips.cut(6, 64, 96)]
    cuts = [flow.is_cut(flow.between(later, earlier)[1]) for earlier, later in pairwise(pictures)]
    assert cuts == [False, False, True, False, False]


def test_another_flow_can_be_plugged_in(pan: Path, style: Path) -> None:
    asked: list[tuple[int, ...]] = []

    def still(first: Tensor, second: Tensor) -> Tensor:
        asked.append(tuple(first.shape))
        return torch.zeros(1, 2, *first.shape[2:])

    list(impasto.video(pan, style, flow=still, **FAST))
    assert asked == [(1, 3, 48, 64)] * 14  # there and back, for every frame but the first


# --------------------------------------------------------------------------------------------------------- methods


def test_the_nearest_picture_counts_where_it_can_be_trusted_and_a_farther_one_elsewhere() -> None:
    near, far = torch.full((1, 3, 1, 4), 0.2), torch.full((1, 3, 1, 4), 0.8)
    trust = [torch.tensor(row).view(1, 1, 1, 4) for row in ([1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0])]
    still = torch.zeros(1, 2, 1, 4)
    image, trusted, _ = methods.merged([methods.Past(near, trust[0], still), methods.Past(far, trust[1], still)])
    assert torch.equal(trusted.flatten(), torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert torch.allclose(image[0, 0, 0, :3], torch.tensor([0.2, 0.8, 0.2]))


def test_what_came_in_since_the_network_painted_is_taken_from_it() -> None:
    """Two pixels a frame come in at the right; the network paints every third frame, and last did six pixels ago."""
    fast = object.__new__(methods.Fast)
    fast.repaint, fast.steadiness = 3, 1.0
    flow = torch.zeros(1, 2, 8, 400)
    flow[:, 0] = 2
    trust = torch.ones(1, 1, 8, 400)
    trust[..., -2:] = 0
    painted = fast(None, [methods.Past(torch.zeros(1, 3, 8, 400), trust, flow)], torch.ones(1, 3, 8, 400))  # type: ignore[arg-type]
    assert painted[..., -6:].min() == 1
    assert painted[..., :-6].max() == 0


@pytest.mark.parametrize("method", ["fast", "steady"])
def test_a_still_video_is_painted_still(method: str, style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.pan(1) * 4, tone=False)
    options = {**SLOW, "temporal_weight": 1000.0} if method == "steady" else {**FAST, "steadiness": 0.9}
    painted = [frame.image for frame in impasto.video(source, style, method=method, **options)]
    for before, after in pairwise(painted):
        assert before is not None
        assert after is not None
        assert float((before - after).abs().mean()) < 0.02


def test_after_a_cut_nothing_of_the_scene_before_is_left(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.cut(6), tone=False)
    alone = clips.write(tmp_path / "second.mp4", clips.cut(6)[3:], tone=False)
    whole = [frame.image for frame in impasto.video(source, style, **FAST)]
    second = [frame.image for frame in impasto.video(alone, style, **FAST)]
    assert whole[3] is not None
    assert second[0] is not None
    assert float((whole[3] - second[0]).abs().mean()) < 0.01


def test_no_strength_is_the_video_itself(pan: Path, style: Path) -> None:
    frames = impasto.video(pan, style, strength=0.0, steadiness=0.0, colors="keep", **FAST)
    for frame, shot in zip(frames, shots(pan), strict=True):
        assert frame.image is not None
        assert float((frame.image - as_tensor(shot.picture)).abs().mean()) < 0.08


def test_protect_and_masks_hold_in_every_frame(pan: Path, style: Path) -> None:
    for frame, shot in zip(
        impasto.video(pan, style, protect="left", mask_softness=0.0, **FAST), shots(pan), strict=True
    ):
        assert frame.image is not None
        left, content = frame.image[..., :30], as_tensor(shot.picture)[..., :30]
        assert float((left - content).abs().max()) < 0.01
        assert float((frame.image[..., 34:] - as_tensor(shot.picture)[..., 34:]).abs().mean()) > 0.02


def test_one_style_changes_into_the_next(pan: Path, style: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(255 - clips.texture(40, 40, 9)).save(other)
    plain = {**FAST, "steadiness": 0.0}
    first, second = ([frame.image for frame in impasto.video(pan, each, **plain)] for each in (style, other))
    changing = [
        frame.image for frame in impasto.video(pan, [str(style), str(other)], moments=["0s", Fraction(7, 24)], **plain)
    ]
    distances = [
        [float((image - end).square().mean()) for image, end in zip(changing, ends, strict=True)]
        for ends in (first, second)
    ]
    assert distances[0][0] < 1e-5
    assert distances[1][-1] < 1e-5
    assert distances[0][4] > distances[0][1]
    assert distances[1][4] < distances[1][1]


def test_a_loop_leads_its_end_into_its_beginning_and_does_not_darken(style: Path, tmp_path: Path) -> None:
    """A clip that ends where it begins: painted as a loop, the step over its end is no larger than the others."""
    pictures = clips.pan(9)
    source = clips.write(tmp_path / "in.mp4", [*pictures, *reversed(pictures[1:-1])], tone=False)
    gaps, light = {}, {}
    for loop in (0, 4):
        target = tmp_path / f"out{loop}.mkv"
        make(source, style, target, codec="ffv1", loop=loop, steadiness=0.95)
        found = [as_tensor(shot.picture) for shot in shots(target)]
        assert len(found) == 16
        shown = shots(source)
        moved, trusted = flow.between(as_tensor(shown[0].picture), as_tensor(shown[-1].picture))
        gaps[loop] = flicker.warping_error(found[0], found[-1], moved, trusted)
        light[loop] = [float(image.mean()) for image in found[:4]]
    assert gaps[4] < gaps[0] / 2
    assert np.allclose(light[4], light[0], atol=0.02)


# --------------------------------------------------------------------------------------------------------- flicker


def test_noise_flickers_by_its_variance_and_a_pan_does_not(pan: Path, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    noisy = [np.clip(picture * 0.5 + 64 + numbers.normal(0, 12, picture.shape), 0, 255) for picture in clips.pan(8)]
    path = clips.write(tmp_path / "noisy.mp4", [picture.astype(np.uint8) for picture in noisy], tone=False)
    found = flicker.measure(pan, {"noisy": path})
    assert found["noisy"].mean == pytest.approx(2 * (12 / 255) ** 2, rel=0.3)
    assert found["input"].mean < found["noisy"].mean / 10
    assert len(found["noisy"].errors) == 7
    assert found["noisy"].worst[1] >= found["noisy"].mean


def test_a_cut_is_no_flicker(tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.cut(6), tone=False)
    found = flicker.measure(source, {})["input"]
    assert [error is None for error in found.errors] == [False, False, True, False, False]
    flicker.save_plot({"input": found}, tmp_path / "curve.csv")
    assert (tmp_path / "curve.csv").read_text().count("\n") == 5


def test_a_flat_style_is_calm_and_noise_is_restless(tmp_path: Path) -> None:
    flat = torch.full((1, 3, 40, 40), 0.5)
    noise = torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(0)).round()
    assert flicker.restlessness(flat) < flicker.restlessness(noise)
    assert "calm" in flicker.advice(flat)
    assert "restless" in flicker.advice(noise)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (clips.pan(1, 96, 128) * 10, [0, 3, 6, 9]),
        (clips.cut(10, 96, 128), [0, 2, 4, 5, 6, 8]),  # the cut is at 5; every frame has two hundredths that are new
    ],
)
def test_presto_runs_for_every_nth_frame_and_oftener_where_much_is_new(
    drawn: list[np.ndarray], expected: list[int], style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []
    real = methods.Fast.draft

    def noted(method: methods.Fast, scene: Scene, motions: Any, index: int) -> Tensor | None:
        draft = real(method, scene, motions, index)
        painted.extend([index] if draft is not None else [])
        return draft

    monkeypatch.setattr(methods.Fast, "draft", noted)
    source = clips.write(tmp_path / "in.mp4", drawn, tone=False)
    list(impasto.video(source, style, **{**FAST, "repaint": 3}))
    assert painted == expected


def test_a_still_is_touched_and_comes_to_rest(tmp_path: Path) -> None:
    """With touches it comes nearer to the style than presto in one pass, and nothing goes on changing."""
    still = clips.write(tmp_path / "in.mp4", clips.pan(1, 96, 128) * 16, tone=False)
    painting = DEMO / "swirl.jpg"
    found = [frame.image for frame in impasto.video(still, painting, **{**FAST, "touches": None})]
    once = [frame.image for frame in impasto.video(still, painting, **{**FAST, "touches": 0}, steadiness=0)]
    stylizer = Stylizer(StylizeOptions(size=128, engine="torch", precision="float32"))
    style = stylizer.style(images.resize(images.load(painting), 128))

    def away(image: Tensor | None) -> float:
        assert image is not None
        known = stylizer.style(image)
        return sum(float(wasserstein(known[layer], normal(style[layer]), "mean")) for layer in TAPS)

    assert all(away(image) < 0.8 * away(once[-1]) for image in found)
    changes = [float((one - other).square().mean().sqrt()) for one, other in pairwise(found)]
    assert max(changes[-3:]) < 0.02
    assert max(changes[-3:]) < changes[0]


@pytest.mark.parametrize("strength", [0, 50])
def test_a_still_keeps_its_strength(strength: float, tmp_path: Path) -> None:
    """However often it is painted over, it does not go on to the style."""
    still = clips.write(tmp_path / "in.mp4", clips.pan(1, 96, 128) * 12, tone=False)
    frames = [frame.image for frame in impasto.video(still, DEMO / "swirl.jpg", **FAST, strength=strength)]
    (photo,) = {shot.picture.tobytes(): as_tensor(shot.picture) for shot in shots(still)}.values()
    away = [float((image - photo).square().mean().sqrt()) for image in frames]
    whole = list(impasto.video(still, DEMO / "swirl.jpg", **FAST))[-1].image
    if strength == 0:
        assert max(away) < 0.01
    else:
        assert max(away) < 0.8 * float((whole - photo).square().mean().sqrt())


def test_the_command_prints_mean_and_worst(pan: Path, style: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(["flicker", str(pan), str(pan), "--style", str(style)]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"input +mean +\d\.\d\d +worst +\d\.\d\d at 0\.\d\d s", first)
    assert second.split()[1:] == first.split()[1:]
    assert "trace" in third


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_shows_its_recipe(
    suffix: str, pan: Path, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"out{suffix}"
    make(pan, style, target, end=0.1)
    assert program.run(["recipe", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["content"]["name"] == "pan.mp4"
    for bare, said in ((pan, "carries no recipe"), (style, "carries no recipe"), (tmp_path / "no.mp4", "not exist")):
        assert program.run(["recipe", str(bare)]) == 2
        assert said in capsys.readouterr().err


def test_a_video_does_not_go_to_standard_output(
    pan: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert program.run(["video", str(pan), str(style), "-o", "-"]) == 2
    assert "standard output" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


# ------------------------------------------------------------------------------------------------------------ times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12", 12), ("12.5s", 12.5), ("01:12.5", 72.5), ("1:01:12", 3672), (".5", 0.5), ("00:00", 0)],
)
def test_times_in_words(text: str, seconds: float) -> None:
    assert times.seconds(text) == Fraction(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1", "1:2:3:4", "1e3", "nan", "12,5", "1:"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="write seconds"):
        times.seconds(text)


def test_shares_are_whole_at_a_style_s_own_time_and_add_up_to_one() -> None:
    moments = (Fraction(2), Fraction(4), Fraction(10))
    for now, expected in [(0, (1, 0, 0)), (2, (1, 0, 0)), (3, (0.5, 0.5, 0)), (4, (0, 1, 0)), (7, (0, 0.5, 0.5))]:
        assert times.shares(moments, Fraction(now)) == expected
    assert times.shares(moments, Fraction(10)) == times.shares(moments, Fraction(99)) == (0, 0, 1)
    assert times.shares((Fraction(3),), Fraction(0)) == times.shares((Fraction(3),), Fraction(9)) == (1,)


def test_a_style_with_a_time_is_told_from_a_name_with_an_at_sign() -> None:
    assert times.split_moment("a.jpg@10s") == ("a.jpg", 10)
    assert times.split_moment("a@home.jpg") == ("a@home.jpg", None)
    assert times.split_moment("a.jpg:0.5") == ("a.jpg:0.5", None)


def test_a_trained_network_paints_a_video_as_it_paints_its_frames(pan: Path, tmp_path: Path) -> None:
    network = tmp_path / "n.safetensors"
    torch.manual_seed(0)
    transform.Trained("light", transform.TransformNet(transform.PLANS["light"], 2), ("a",)).save(network)
    painted = [frame.image for frame in impasto.video(pan, network, **FAST, steadiness=0, strength=60.0)]
    options = StylizeOptions(
        **{name: value for name, value in FAST.items() if name not in ("repaint", "touches")}, size=64, strength=60.0
    )
    alone = [impasto.stylize(shot.picture, network, options) for shot in shots(pan)]
    for one, other in zip(painted, alone, strict=True):
        assert one is not None
        torch.testing.assert_close(one, other.image, atol=0.5 / 255 + 1e-5, rtol=0)  # frames are bytes


def test_a_trained_network_and_the_optimiser_do_not_go_together(pan: Path, tmp_path: Path) -> None:
    network = tmp_path / "n.safetensors"
    transform.Trained("light", transform.TransformNet(transform.PLANS["light"]), ("a",)).save(network)
    with pytest.raises(OptionError, match="Choose --method fast"):
        next(impasto.video(pan, network, method="steady", **SLOW))


def test_a_style_s_size_can_be_found_for_a_video(pan: Path, style: Path) -> None:
    found = next(impasto.video(pan, style, **FAST, style_scale="auto")).image
    assert found is not None
    assert bool(found.isfinite().all())
