"""Pictures of every kind: known answers for their pixels, and one sentence for every kind of bad file."""

import errno
import io
import os
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import assert_refused, bytes_of, chunk, encoded, noise, pixel, png, smooth
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageFile
from torch.nn import functional

from impasto import images, opening, saving
from impasto.errors import InputError

# Reading: what the pixels must be


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "picture"])
def test_load_takes_a_file_bytes_or_a_picture(kind, tmp_path):
    expected = noise()
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(expected)))
    source = {"path": path, "str": str(path), "bytes": path.read_bytes(), "picture": Image.fromarray(expected)}[kind]
    image = images.load(source)
    assert image.shape == (1, 3, 9, 14)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    torch.testing.assert_close(image[0].permute(1, 2, 0), torch.from_numpy(expected) / 255, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("TIFF", {}), ("BMP", {}), ("PPM", {})])
def test_lossless_formats_are_exact(format, options):
    assert (bytes_of(images.load(encoded(Image.fromarray(noise()), format, **options))).round() == noise()).all()


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_are_close(format):
    if format not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow has no {format}")
    loaded = images.load(encoded(images.to_picture(smooth()), format, quality=95))
    assert (loaded - smooth()).abs().mean() < 0.01


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda upright: upright),
        (2, lambda upright: upright[:, ::-1]),
        (3, lambda upright: upright[::-1, ::-1]),
        (4, lambda upright: upright[::-1]),
        (5, lambda upright: upright.swapaxes(0, 1)),
        (6, lambda upright: np.rot90(upright, 1)),
        (7, lambda upright: upright[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda upright: np.rot90(upright, -1)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_exif_orientation_is_turned_upright(orientation, stored, format):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored(noise()))), format, exif=exif)
    assert (bytes_of(images.load(data)).round() == noise()).all()


def test_damaged_exif_is_ignored():
    data = encoded(Image.fromarray(noise()), exif=b"Exif\0\0II*\0\xff\xff\xff\x7fnonsense")
    assert (bytes_of(images.load(data)).round() == noise()).all()


def matrix_profile(swap=False, gamma=563):
    """A minimal ICC profile (v2, display, RGB, gamma 563/256 = 2.2), its red and green primaries swapped if asked."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    primaries = [(0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]  # sRGB's, for D50
    if swap:
        primaries[:2] = primaries[1::-1]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, gamma) + b"\0\0"
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    for name, primary in zip(b"rgb", primaries, strict=True):
        tags[bytes([name]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*primary)
        tags[bytes([name]) + b"TRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value
    header = struct.pack(
        ">I4sI4s4s4s", 132 + 12 * len(tags) + len(body), b"\0" * 4, 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + table + body


def test_icc_profile_is_converted_to_srgb():
    data = encoded(Image.new("RGB", (6, 5), (255, 0, 0)), icc_profile=matrix_profile(swap=True))
    assert np.abs(bytes_of(images.load(data)) - (0, 255, 0)).max() <= 2


def test_icc_profile_of_another_gamma():
    data = encoded(Image.new("RGB", (6, 5), (128, 128, 128)), icc_profile=matrix_profile(gamma=256))  # linear light
    assert np.abs(bytes_of(images.load(data)) - 188).max() <= 1  # 0.502 ** (1 / 2.4) * 1.055 - 0.055 = 0.737


def test_icc_rgb_profile_in_a_grey_picture():
    data = encoded(Image.new("L", (6, 5), 128), icc_profile=matrix_profile(gamma=256))
    assert np.abs(bytes_of(images.load(data)) - 188).max() <= 1


def test_icc_profile_applies_before_transparency():
    data = encoded(Image.new("RGBA", (6, 5), (255, 0, 0, 128)), icc_profile=matrix_profile(swap=True))
    assert np.abs(bytes_of(images.load(data)) - (127, 255, 127)).max() <= 2


LAB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.mark.parametrize(
    "profile", [b"nonsense", matrix_profile()[:200], LAB_PROFILE], ids=["nonsense", "cut short", "of another mode"]
)
def test_useless_icc_profile_is_ignored(profile):
    assert pixel(encoded(Image.new("RGB", (6, 5), (200, 100, 50)), icc_profile=profile)) == (200, 100, 50)


def test_srgb_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (bytes_of(images.load(encoded(Image.fromarray(noise()), icc_profile=profile))).round() == noise()).all()


@pytest.mark.parametrize(
    ("picture", "format", "expected"),
    [
        (Image.new("L", (5, 5), 77), "PNG", (77, 77, 77)),
        (Image.new("1", (5, 5), 1), "PNG", (255, 255, 255)),
        (Image.new("CMYK", (5, 5), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("CMYK", (5, 5), (0, 0, 0, 255)), "TIFF", (0, 0, 0)),
        (Image.new("HSV", (5, 5), (0, 255, 200)), None, (200, 0, 0)),
        (Image.new("RGBA", (5, 5), (10, 20, 30, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (5, 5), (10, 20, 30, 255)), "PNG", (10, 20, 30)),
        (Image.new("RGBA", (5, 5), (0, 100, 255, 51)), "PNG", (204, 224, 255)),  # 51 is a fifth
        (Image.new("LA", (5, 5), (0, 51)), "PNG", (204, 204, 204)),
        (Image.new("RGBa", (5, 5), (0, 20, 51, 51)), None, (204, 224, 255)),
    ],
)
def test_modes(picture, format, expected):
    assert pixel(encoded(picture, format) if format else picture) == expected


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_modes_of_other_color_spaces(mode):
    orange = Image.new("RGB", (8, 8), (200, 90, 40))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    picture = ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(orange) if mode == "LAB" else orange.convert(mode)
    picture.info.clear()
    # compressed, for what Pillow before 13 writes of YCbCr without, it cannot read itself
    for source in (picture, encoded(picture, "TIFF", compression="tiff_adobe_deflate")):
        assert np.abs(bytes_of(images.load(source)) - (200, 90, 40)).max() <= 3


def test_cmyk_jpeg():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(bytes_of(images.load(data)) - (255, 0, 0)).max() <= 3


def palette_picture(opacity):
    picture = Image.new("P", (8, 8))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (4, 0, 8, 8))
    return encoded(picture, transparency=opacity)


def test_palette():
    loaded = bytes_of(images.load(palette_picture(None)))
    assert (loaded[:, :4] == (255, 0, 0)).all()
    assert (loaded[:, 4:] == (0, 0, 255)).all()


@pytest.mark.parametrize(("opacity", "left"), [(0, (255, 255, 255)), (bytes([51, 255]), (255, 204, 204))])
def test_palette_with_transparency(opacity, left):
    loaded = bytes_of(images.load(palette_picture(opacity))).round()
    assert (loaded[:, :4] == left).all()
    assert (loaded[:, 4:] == (0, 0, 255)).all()


def test_transparent_color_without_alpha_channel():
    assert pixel(encoded(Image.new("RGB", (5, 5), (1, 2, 3)), transparency=(1, 2, 3))) == (255, 255, 255)


DEEP = np.array(
    [[0, 1, 128, 129], [257, 1000, 12345, 20000], [30000, 40000, 50000, 60000], [65000, 65406, 65407, 65535]]
)


def deep_grey():
    native = Image.fromarray(DEEP.astype(np.uint16))
    yield "PNG", encoded(native)
    yield "TIFF", encoded(native, "TIFF")
    yield "big-endian", Image.frombytes("I;16B", (4, 4), DEEP.astype(">u2").tobytes())
    yield "PGM", b"P5 4 4 65535\n" + DEEP.astype(">u2").tobytes()
    yield "I", Image.fromarray(DEEP.astype(np.int32))
    yield "F to 65535", Image.fromarray(DEEP.astype(np.float32))
    yield "F to 1", Image.fromarray((DEEP / 65535).astype(np.float32))


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in deep_grey()])
def test_16_bit_grey_is_scaled_and_rounded(source):
    expected = np.repeat((DEEP / 257).round()[..., None], 3, axis=2)
    assert (bytes_of(images.load(source)).round() == expected).all()


def test_grey_beyond_16_bits_takes_its_peak_for_white():
    loaded = bytes_of(images.load(Image.fromarray(DEEP.astype(np.int32) * 1000)))[..., 0]
    assert (loaded.round() == (DEEP / 257).round()).all()


def test_float_grey_clips_below_black_and_ignores_nan():
    values = np.array([[-1, 0, 0.2, 1], [np.nan, np.inf, 0.4, 1]] * 2, dtype=np.float32)
    loaded = bytes_of(images.load(Image.fromarray(values)))[:2, :, 0].round()
    assert loaded.tolist() == [[0, 0, 51, 255], [0, 0, 102, 255]]


def test_16_bit_rgb_png():
    rows = (b"\0" + np.array([[65535, 32896, 0]] * 4, dtype=">u2").tobytes()) * 4
    assert pixel(png(4, 4, depth=16, data=rows)) == (255, 128, 0)


def test_first_page_of_a_tiff_and_first_picture_of_an_mpo():
    pages = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    for format in ("TIFF", "MPO"):
        data = encoded(pages[0], format, save_all=True, append_images=pages[1:])
        assert np.abs(bytes_of(images.load(data)) - (255, 0, 0)).max() <= 2


def test_current_frame_of_an_animated_pil_picture():
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    with Image.open(io.BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as opened:
        opened.seek(1)
        assert pixel(opened) == (0, 0, 255)


# Reading: bad files


def animation(format):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green")]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


WHOLE = {format: encoded(Image.fromarray(noise(40, 40)), format) for format in ("PNG", "JPEG", "WEBP", "GIF", "TIFF")}
Image.init()
ANIMATED = [format for format in ("GIF", "WEBP", "PNG", "AVIF") if format in Image.SAVE_ALL]
BAD_FILES = {
    "empty": (b"", "empty"),
    "text": (b"once upon a time\n" * 9, "no picture"),
    "random": (np.random.default_rng(1).bytes(4000), "no picture"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n", "no picture"),
    "bomb": (png(100_000, 100_000), "175,000,000 pixels"),
    "just too many": (png(17_600, 10_000), "17600 x 10000"),
    "no pixels at all": (png(200, 200), "incomplete"),
    "too low": (encoded(Image.new("RGB", (300, 3))), "300 x 3 pixels"),
    "text bomb": (png(9, 9, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(3_000_000)))), "damaged"),
    "bad checksum": (WHOLE["PNG"][:50] + b"\xff" + WHOLE["PNG"][51:], "damaged"),
    **{f"cut {format}": (data[: len(data) // 2], "damaged") for format, data in WHOLE.items()},
    **{f"header of {format}": (data[:14], "damaged") for format, data in WHOLE.items()},
    **{f"animated {format}": (animation(format), "animation of 3 frames") for format in ANIMATED},
}


@pytest.mark.parametrize(("data", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files(data, reason, tmp_path):
    path = tmp_path / "my picture.jpg"
    path.write_bytes(data)
    message = assert_refused(lambda: images.load(path), str(path))
    assert reason in message
    if data:
        assert reason in assert_refused(lambda: images.load(data), f"of {len(data)} bytes")


def test_places_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "file.png").write_bytes(b"x")
    cases = {
        str(tmp_path / "missing.png"): "does not exist",
        str(tmp_path / "file.png" / "under.png"): "does not exist",
        str(tmp_path): "is a folder",
        str(tmp_path / "pipe.png"): "not a regular file",
        "/dev/zero": "not a regular file",
        "null\0byte.png": "cannot be opened",
        "x" * 5000: "cannot be opened",
        "": "The empty path",
    }
    for path, reason in cases.items():
        assert reason in assert_refused(lambda path=path: images.load(path), path)
        assert reason in assert_refused(lambda path=path: saving.read_recipe(path), path)


def test_no_read_permission(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(WHOLE["PNG"])

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # the tests may run as root, whom permission bits do not stop
    assert "permissions" in assert_refused(lambda: images.load(path), str(path))


@pytest.mark.parametrize(
    "fault", [SyntaxError, struct.error, ValueError, OSError, zlib.error, OverflowError, AttributeError]
)
def test_whatever_a_decoder_raises_becomes_one_sentence(fault, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["PNG"])

    def fail(_):
        warnings.warn("Pillow says so", UserWarning, stacklevel=1)
        raise fault("in the\nmiddle.")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    assert "in the middle)" in assert_refused(lambda: images.load(path), str(path))


def test_where_memory_is_lacking_the_file_is_not_blamed(monkeypatch):
    def fail(_):
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    message = assert_refused(lambda: images.load(WHOLE["PNG"]))
    assert "does not fit into the free memory: close other programs" in message


def test_large_picture_warns_of_nothing(monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)  # Pillow warns from here and refuses from twice that
    assert images.load(WHOLE["PNG"]).shape == (1, 3, 40, 40)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 500)
    assert_refused(lambda: images.load(WHOLE["PNG"]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(format=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_damage_is_read_or_refused(format, data):
    """Any three bytes of any format may change: the result is a picture or an InputError, never anything else."""
    damaged = bytearray(WHOLE[format])
    for _ in range(3):
        damaged[data.draw(st.integers(0, min(len(damaged) - 1, 400)))] = data.draw(st.integers(0, 255))
    with pytest.MonkeyPatch.context() as patch, suppress(InputError):
        patch.setattr(opening, "MAX_PIXELS", 100_000)  # a damaged header may tell of a very large picture
        assert images.load(bytes(damaged)).shape[:2] == (1, 3)


# ----------------------------------------------------------------------------------------------------- huge pictures


def test_a_huge_picture_is_read_no_larger_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (180, 240, 4), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    whole = images.load(picture)
    assert torch.equal(images.load(picture, 20), whole)  # no camera's picture is huge
    monkeypatch.setattr(opening, "HUGE", 240 * 180)
    monkeypatch.setattr(opening, "LEAST", 8)
    small, opacity = images.load(picture, 20), images.load_opacity(picture, 20)
    assert small.shape[2:] == (60, 80)  # a third, four times what is asked for
    torch.testing.assert_close(small, functional.avg_pool2d(whole, 3), rtol=0, atol=1 / 255)
    assert opacity is not None
    assert opacity.shape[2:] == small.shape[2:]
    assert torch.equal(images.load(picture, 100), whole)
    monkeypatch.setattr(opening, "LEAST", 240)
    assert torch.equal(images.load(picture, 20), whole)


def test_reading_makes_no_copy_that_it_can_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for name, real in (("copy", Image.Image.copy), ("convert", Image.Image.convert)):
        monkeypatch.setattr(Image.Image, name, lambda *given, name=name, real=real: made.append(name) or real(*given))
    Image.new("RGB", (40, 30)).save(tmp_path / "photo.png")
    images.load_picture(tmp_path / "photo.png")
    assert made == []
    mine = Image.new("RGB", (40, 30))
    assert images.load_picture(mine) is not mine


def test_a_recipe_is_read_without_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saving.save(torch.rand(1, 3, 30, 40), tmp_path / "out.png", recipe={"verb": "paint"})
    Image.new("RGB", (40, 30)).save(tmp_path / "bare.png")

    def load(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert saving.read_recipe(tmp_path / "out.png") == {"verb": "paint"}
    assert saving.read_recipe(tmp_path / "bare.png") is None


@pytest.mark.parametrize("height", [255, 256, 257, 700])
def test_deep_grey_is_the_same_in_strips(height: int) -> None:
    grey = np.random.default_rng(0).integers(0, 60_000, (height, 20)).astype(np.uint16)
    expected = (grey.astype(np.float32) * (255 / 65535)).round().astype(np.uint8)
    assert np.array_equal(np.asarray(images.load_picture(Image.fromarray(grey)))[:, :, 0], expected)
