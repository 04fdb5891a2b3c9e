"""A corpus of bad files, made anew by a generator: every verb works or says no in a sentence, and leaves nothing behind."""

import io
import json
import random
import struct
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
from impasto import cli, images, repeat
from impasto.errors import ImpastoError

QUICK = ["--size", "32", "--min-scale", "32", "--first-steps", "1"]
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".avif": "AVIF"}


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@cache
def good_recipe() -> dict[str, Any]:
    options = {"size": 32, "min_scale": 32, "first_steps": 1}
    return impasto.paint(picture(), picture(seed=1), **options).recipe


def good(suffix: str) -> bytes:
    """A sound picture with its recipe inside."""
    return images.encode(images.load(picture()), suffix, recipe=good_recipe())


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


def lying() -> Iterator[tuple[str, bytes]]:
    """Headers that promise what is not there, wrong suffixes, and things that are no pictures."""
    for width, height in ((100_000, 100_000), (2**31 - 1, 1), (0, 5), (65_535, 65_535), (40, 2**31)):
        chunks = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")
        body = b"".join(
            struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in chunks
        )
        yield f"bomb-{width}-{height}.png", b"\x89PNG\r\n\x1a\n" + body
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


# ---------------------------------------------------------------------------------------------------------- the test


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 200


@pytest.mark.parametrize("name", CORPUS)
def test_every_verb_works_or_says_no(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`recipe`, `diff`, `paint`, and of `rerun` and `verify` all but the painting, which a recipe may make long."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(CORPUS[name])
    picture(seed=2).save("sound.png")
    began = time.monotonic()
    for arguments in (
        ["recipe", name],
        ["diff", name, "sound.png", "-o", "out.png"],
        ["paint", name, "sound.png", "-o", "out.png", "-q", *QUICK],
    ):
        status = cli.run(arguments)
        said = capsys.readouterr()
        assert status in (0, 2), arguments
        assert all(character.isprintable() or character == "\n" for character in said.out + said.err)
        if status == 2:
            assert said.err.startswith("impasto: ")
            assert said.err.endswith(".\n")
            assert said.err.count("\n") == 1
            assert len(said.err) < 1000
            assert not list(tmp_path.glob("out*"))
        Path("out.png").unlink(missing_ok=True)
    with suppress(ImpastoError):
        repeat.prepare(name)
    assert time.monotonic() - began < 30  # a guard against hanging, with room for a busy machine
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({name, "sound.png"})
