"""Reading videos: what is read is what was drawn, and bad files are said in a sentence."""

import errno
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
from PIL import Image
from reels import FAST, IRREGULAR, make, shots

import impasto
from impasto import cli
from impasto.cli import program
from impasto.errors import ImpastoError, InputError, OutputError
from impasto.film import reading
from impasto.options import PaintOptions


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


def test_a_gif_has_opacity_where_something_shows_through(tmp_path: Path) -> None:
    pictures = [Image.fromarray(picture).quantize(64) for picture in clips.pan(3)]
    pictures[0].save(tmp_path / "opaque.gif", save_all=True, append_images=pictures[1:], duration=80)
    assert not reading.read(tmp_path / "opaque.gif").has_alpha
    holes = [Image.fromarray(picture).convert("RGBA") for picture in clips.pan(3)]
    holes[2].putalpha(0)
    holes[0].save(tmp_path / "late.gif", save_all=True, append_images=holes[1:], duration=80, disposal=2)
    assert reading.read(tmp_path / "late.gif").has_alpha


def test_a_cover_before_the_video_is_passed_over(pan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "covered.mkv"
    with av.open(str(pan)) as source, av.open(str(path), "w") as target:
        cover: Any = target.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        video = target.add_stream_from_template(source.streams.video[0])
        target.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
    # what FFmpeg writes into this file is no cover by its tags
    monkeypatch.setattr(reading, "is_cover", lambda stream: stream.codec_context.name == "mjpeg")
    assert reading.read(path).count == 8
    assert len(shots(path)) == 8


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
    with pytest.raises(OutputError, match=r"No space left on device.*the finished frames are kept"):
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
        ({"method": "steady", "budget": "60s"}, "--budget plans one picture"),
        ({"budget": "60s"}, "--budget plans one picture"),
        ({"method": "frame", "painting": PaintOptions(budget="60s")}, "--budget plans one picture"),
        ({"preset": "blog"}, "--preset is a recipe of the optimiser"),
        ({"moments": [1, 2]}, "Give every style a time or none"),
        ({"codec": "vp9", "target": "out.mov"}, "--codec vp9 does not go into a .mov file"),
        ({"target": "out.xyz"}, "cannot be written with the suffix '.xyz'"),
        ({"method": "steady", "references": (0,)}, "from 1 to 240"),
        ({"references": (2,)}, "--references says nothing to --method fast"),
        ({"later_steps": 3}, "choose --method steady"),
        ({"method": "steady", "touches": 2}, "--touches says nothing to --method steady"),
        ({"method": "frame", "temporal_weight": 5}, "--temporal-weight says nothing to --method frame"),
        ({"crf": 3, "target": "out.gif"}, "say nothing to"),
        ({"codec": "h264", "target": "folder"}, "say nothing to"),
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


def test_the_preview_is_never_an_input(pan: Path, style: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for taken in (pan, style):
        before = taken.read_bytes()
        assert cli.run(["video", str(pan), str(style), "--preview", str(taken), "--engine", "torch"]) == 2
        assert taken.read_bytes() == before
    assert "also the input" in capsys.readouterr().err


def test_the_result_is_never_the_input(pan: Path, style: Path) -> None:
    before = pan.read_bytes()
    with pytest.raises(OutputError, match="also the input"):
        make(pan, style, pan)
    assert pan.read_bytes() == before
