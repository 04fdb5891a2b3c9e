"""Writing videos: what is written comes back, times and sound included."""

import json
from fractions import Fraction
from pathlib import Path

import av
import clips
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from reels import FAST, IRREGULAR, differing, make, packets, samples, shots

import impasto
from impasto import images
from impasto.cli import program
from impasto.film.folder import LENGTH
from impasto.film.writing import CONTAINERS


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


def test_a_gif_leaves_out_what_is_quicker_than_it_can_show(style: Path, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", clips.pan(12), rate=240, tone=False)
    notes = make(source, style, tmp_path / "out.gif")
    assert "A GIF holds at most 100 frames a second: 7 are left out." in notes
    with Image.open(tmp_path / "out.gif") as picture:
        shown = [frame.info["duration"] for frame in ImageSequence.Iterator(picture)]
    assert sum(shown) == 50
    assert min(shown) == 10


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
