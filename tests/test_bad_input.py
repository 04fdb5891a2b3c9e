"""A corpus of bad files, made anew by a generator: every verb works or says no in a sentence, and leaves nothing behind."""

import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

import impasto
from impasto import cli, images, repeat, saving
from impasto.errors import ImpastoError

QUICK = ["--size", "32", "--min-scale", "32", "--first-steps", "1"]
READERS = (images.load, images.load_opacity, repeat.prepare)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".avif": "AVIF"}


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@cache
def good_recipe() -> dict[str, Any]:
    options = {"size": 32, "min_scale": 32, "first_steps": 1}
    return {**impasto.paint(picture(), picture(seed=1), **options).recipe, "seconds": 1.0}  # the same at every run


def good(suffix: str) -> bytes:
    """A sound picture with its recipe inside."""
    return saving.encode(images.load(picture()), suffix, recipe=good_recipe())


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


# ---------------------------------------------------------------------------------------------------- the generator


def cut_off() -> Iterator[tuple[str, bytes]]:
    """Every format, cut where its parts begin and end and in between."""
    for suffix in FORMATS:
        data = good(suffix)
        for place in sorted(
            {0, 1, 2, 4, 8, 12, 16, 24, 33, 64, *(len(data) * n // 9 for n in range(1, 9)), len(data) - 1}
        ):
            yield f"cut-{place}{suffix}", data[:place]


def flipped() -> Iterator[tuple[str, bytes]]:
    """Every format with single bits and whole blocks changed."""
    for suffix in FORMATS:
        chance = random.Random(suffix)
        for number in range(10):
            data = bytearray(good(suffix))
            for _ in range(1 + number // 3 * 8):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            yield f"flip-{number}{suffix}", bytes(data)


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG of a header and these compressed rows alone."""
    chunks = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0), b"IDAT" + rows
    body = b"".join(struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def lying() -> Iterator[tuple[str, bytes]]:
    """Headers that promise what is not there, wrong suffixes, and things that are no pictures."""
    for width, height in ((100_000, 100_000), (2**31 - 1, 1), (0, 5), (65_535, 65_535), (40, 2**31)):
        yield f"bomb-{width}-{height}.png", png(width, height, zlib.compress(b""))
    yield "long.png", good(".png") + b"tail" * 1000
    for suffix, other in zip(FORMATS, [*list(FORMATS)[1:], ".png"], strict=True):
        yield f"named-otherwise{suffix}", good(other)
    for name, data in {
        "empty": b"", "zero": bytes(5000), "text": b"hello", "svg": b"<svg/>", "html": b"<html></html>", "pdf": b"%PDF-1.7",
        "ps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print quit", "zip": b"PK\x03\x04" + bytes(40),
        "pickle": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", "gzip": b"\x1f\x8b" + bytes(60),
    }.items():  # fmt: skip
        yield f"{name}.png", data


def odd() -> Iterator[tuple[str, bytes]]:
    """Modes and metadata that pictures rarely have; many of these are read."""
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"):
        image = picture().convert("L").convert("I") if mode == "I;16" else picture()
        yield f"mode-{mode.replace(';', '')}.tif", encoded(image.convert(mode), "TIFF")
    for size in ((1, 1), (3, 3), (4, 400), (2000, 1)):
        yield f"thin-{size[0]}.png", encoded(picture(*size))
    for number, profile in enumerate((b"", b"x", bytes(200), b"\xff" * 5000)):
        yield f"profile-{number}.png", encoded(picture(), icc_profile=profile)
        yield f"profile-{number}.jpg", encoded(picture(), "JPEG", icc_profile=profile)
    for number in range(4):
        exif = b"Exif\0\0" + random.Random(number).randbytes(10 ** (number + 1) % 60_000)
        yield f"exif-{number}.jpg", encoded(picture(), "JPEG", exif=exif)


def hostile() -> Iterator[tuple[str, bytes]]:
    """Recipes that were not written by impasto."""
    settings = good_recipe()["options"]
    changes: list[dict[str, Any]] = [{"schema": value} for value in (None, -1, 2, "one", [], 10**40)] + [
        {"verb": value} for value in ("import os", None, [], {}, "\x1b[2J", "x" * 100_000)
    ]
    changes += [{"options": {**settings, "start": path}} for path in ("/etc/passwd", "../../secret", "C:\\x", "\0", "")]
    changes += [
        {"options": {**settings, "weights": path}} for path in ("/dev/zero", "https://example.org/w.pth", "~", "-")
    ]
    changes += [{"options": {**settings, "size": value}} for value in (0, -1, 10**9, 1e308, "9" * 5000, None, [[]])]
    changes += [{"options": {"\x1b]0;title\a": 1, "__class__": 2, "backbone": "../x"}}, {"inputs": {"content": None}}]
    changes += [{"inputs": {"content": {"name": "../../x", "sha256": 0, "bytes": "1", "copy": "%%"}}}]
    changes += [{"inputs": {role: {"copy": "AAAA"} for role in ("content", "style", "start", "weights")}}]
    texts = [json.dumps({**good_recipe(), **change}) for change in changes]
    texts += [
        "[" * 900 + "]" * 900,
        '{"a":' * 500 + "1" + "}" * 500,
        "{" * 10**5,
        '{"schema": NaN}',
        "null",
        '{"size": 1e999}',
    ]
    for number, text in enumerate(texts):
        chunks = PngInfo()
        chunks.add_itxt("impasto", text, zip=number % 2 == 1)
        yield f"recipe-{number}.png", encoded(picture(), pnginfo=chunks)
        if len(text) < 60_000:
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = text
            yield f"recipe-{number}.jpg", encoded(picture(), "JPEG", exif=exif)
    chunks = PngInfo()
    chunks.add_itxt("impasto", "x" * 10**8, zip=True)
    yield "recipe-bomb.png", encoded(picture(), pnginfo=chunks)


CORPUS = {name: data for make in (cut_off, flipped, lying, odd, hostile) for name, data in make()}


# --------------------------------------------------------------------------------------------------------- the tests

PAINTING = ["-o", "out.png", "-q", *QUICK]
STYLIZING = ["-o", "out.png", "-q", "--size", "32", "--engine", "torch"]
TRAINING = ["-o", "out.safetensors", "-q", "--steps", "1", "--batch", "1", "--crop", "64", "--size", "64"]
# BAD is the file; the folder `mixed` holds it beside a sound one, the folder `sound` a sound one alone
VERBS: dict[str, list[str]] = {
    "recipe": ["recipe", "BAD"],
    "diff": ["diff", "BAD", "sound.png", "-o", "out.png"],
    "verify": ["verify", "BAD", "-q"],
    "rerun": ["rerun", "BAD", "-o", "out.png", "-q"],
    "content": ["paint", "BAD", "sound.png", *PAINTING],
    "style": ["paint", "sound.png", "BAD", *PAINTING],
    "several": ["paint", "sound.png", "sound.png", "BAD", *PAINTING, "--style-scale", "auto"],
    "mask": ["paint", "sound.png", "sound.png", "--mask", "BAD", *PAINTING],
    "protect": ["paint", "sound.png", "sound.png", "--protect", "BAD", *PAINTING],
    "start": ["paint", "sound.png", "sound.png", "--start", "BAD", *PAINTING],
    "stylize": ["stylize", "BAD", "sound.png", *STYLIZING],
    "stylize in": ["stylize", "sound.png", "BAD", *STYLIZING],
    "texture": ["texture", "BAD", *PAINTING],
    "reconstruct": ["reconstruct", "BAD", *PAINTING],
    "evaluate": ["evaluate", "BAD", "--content", "sound.png", "--style", "sound.png"],
    "evaluate to": ["evaluate", "sound.png", "--content", "BAD", "--style", "BAD"],
    "scout": ["scout", "BAD", "sound.png", "-q"],
    "scout one": ["scout", "sound.png", "BAD", "-q"],
    "scout among": ["scout", "sound.png", "mixed"],
    "train": ["train", "BAD", "--photos", "sound", *TRAINING],
    "train on": ["train", "sound.png", "--photos", "mixed", *TRAINING],
    "video": ["video", "BAD", "sound.png", "-o", "out.mp4", "-q", "--engine", "torch"],
    "weights": ["paint", "sound.png", "sound.png", "--weights", "BAD", *PAINTING],
    "table": ["batch", "BAD", "-o", "out", "-q"],
}
TELLING = ("scout among", "train on", "table")  # name what they leave out, and may fail for several reasons
GUARD = 60.0  # seconds of the processor, against hanging; what a no costs is measured in a process of its own


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 250


@pytest.mark.parametrize("name", CORPUS)
def test_every_file_is_read_or_refused_and_by_some_verb(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The readers try every file, the verbs take turns. capfd, for libraries have a voice of their own."""
    monkeypatch.chdir(tmp_path)
    write_beside(CORPUS[name], name)
    for read in READERS:
        with suppress(ImpastoError):
            read(name)
    assert capfd.readouterr() == ("", "")
    verb = list(VERBS)[list(CORPUS).index(name) % len(VERBS)]
    tried(verb, name, capfd)
    left = {path.name for path in tmp_path.iterdir()} - {"cache"}  # where compiled networks and fonts are kept
    assert left == {name, "mixed", "sound", "sound.png"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_a_cut_file_of_every_format(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix in FORMATS:
        data = good(suffix)
        write_beside(data[: len(data) // 2], f"cut{suffix}")
        assert tried(verb, f"cut{suffix}", capfd) == (0 if verb in ("scout among", "train on") else 2)
        shutil.rmtree("mixed")


def write_beside(data: bytes, name: str) -> None:
    """The file in the working folder and in `mixed`, and sound pictures."""
    Path(name).write_bytes(data)
    picture(seed=2).save("sound.png")
    for folder in ("mixed", "sound"):
        Path(folder).mkdir(exist_ok=True)
        shutil.copy("sound.png", folder)
    shutil.copy(name, "mixed")


def tried(verb: str, name: str, capfd: pytest.CaptureFixture[str]) -> int:
    """The status of a verb, after a look at what it said and left behind."""
    began = time.process_time()
    status = cli.run([name if word == "BAD" else word for word in VERBS[verb]])
    assert time.process_time() - began < GUARD
    said = capfd.readouterr()
    assert status in (0, 2) or (verb == "verify" and status == 1)
    assert all(character.isprintable() or character == "\n" for character in said.out + said.err)
    assert "Traceback" not in said.err
    made = list(Path().glob("out*")) + list(Path().glob(".out*"))
    if status == 2:
        assert said.err.startswith("impasto: ")
        assert said.err.endswith(".\n")
        assert len(said.err) < 1000
        assert said.err.count("\n") == 1 or verb in TELLING
        assert not made or verb == "table"  # whose journal names what failed
    for path in made:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return status


@pytest.mark.parametrize("format", FORMATS.values())
def test_a_small_file_may_be_cut_at_every_byte(format: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(picture(6, 5), format)
    whole = images.load(data)
    for length in range(len(data)):
        with suppress(ImpastoError):
            saving.read_recipe(data[:length])
        with suppress(ImpastoError):
            assert images.load(data[:length]).shape == whole.shape
    assert capfd.readouterr() == ("", "")


MEASURE = """
import gc, resource, sys, time
from pathlib import Path
from impasto import cli, images
from impasto.errors import ImpastoError

slowest = 0.0
for number, path in enumerate(sorted(Path("corpus").iterdir())):
    began, refused = time.process_time(), False
    try:
        images.load_picture(path)
    except ImpastoError:
        refused = True
    if refused and number % 8 == 0:
        gc.collect()  # an error holds on to what it was raised in
        assert cli.run(["paint", str(path), "sound.png", "-o", "out.png", "-q"]) == 2
    cli.run(["recipe", str(path)])
    slowest = max(slowest, time.process_time() - began)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
Path("measured").write_text(f"{peak} {slowest}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
def test_to_say_no_takes_neither_memory_nor_time(tmp_path: Path) -> None:
    """The readers try all of the corpus and a picture as large as any, cut off before its end; `paint` every eighth."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, data in CORPUS.items():
        (folder / name).write_bytes(data)
    rows = zlib.compress(bytes(13_000 * (1 + 3 * 13_000)), 1)
    (folder / "0-huge.png").write_bytes(png(13_000, 13_000, rows[: len(rows) * 9 // 10]))
    picture().save(tmp_path / "sound.png")
    environment = {**os.environ, "PYTHONPATH": str(Path(impasto.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", MEASURE], cwd=tmp_path, env=environment, check=True, capture_output=True)
    peak, slowest = map(float, (tmp_path / "measured").read_text().split())
    assert peak < 2**30  # bytes, all that is imported among them
    assert slowest < 5  # seconds
