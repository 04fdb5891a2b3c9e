"""Pictures out: every format, the recipe inside, whole or not at all."""

import errno
import io
import json
import os

import numpy as np
import pytest
import torch
from drawn import RECIPE, SUFFIXES, assert_refused, bytes_of, encoded, names, noise, smooth
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image, ImageCms

from impasto import images, saving
from impasto.errors import OptionError, OutputError

# Writing


def test_to_picture_rounds_and_clamps():
    row = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 99.6 / 255, 254.6 / 255, 1.0, 3.0])
    picture = images.to_picture(row.expand(3, 4, 8).requires_grad_())
    assert picture.mode == "RGB"
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 0, 0, 1, 100, 255, 255, 255]


@pytest.mark.parametrize("image", [torch.zeros(4, 8, 8), torch.zeros(2, 3, 8, 8), torch.full((3, 8, 8), float("nan"))])
def test_to_picture_refuses_what_is_no_picture(image):
    assert_refused(lambda: images.to_picture(image))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(arrays(np.uint8, st.tuples(st.integers(4, 12), st.integers(4, 12), st.just(3))))
def test_png_round_trip_is_exact(array):
    image = images.load(array)
    assert (images.load(saving.encode(image, "png")) == image).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip_through_a_file(suffix, tmp_path):
    path = tmp_path / f"result{suffix.upper()}"
    saving.save(smooth(), path, recipe=RECIPE)
    loaded = images.load(path)
    if suffix in (".png", ".tif", ".tiff"):
        assert (bytes_of(loaded).round() == bytes_of(smooth()).round()).all()
    psnr = -10 * (loaded - smooth()).square().mean().log10()
    assert psnr > 40
    assert saving.read_recipe(path) == RECIPE
    assert saving.read_recipe(path.read_bytes()) == RECIPE
    assert names(tmp_path) == [path.name]
    with Image.open(path) as opened:
        assert ImageCms.getProfileDescription(io.BytesIO(opened.info["icc_profile"])).startswith("sRGB")


def test_jpeg_keeps_full_chroma():
    with Image.open(io.BytesIO(saving.encode(smooth(), ".jpg"))) as opened:
        assert [layer[1:3] for layer in opened.layer] == [(1, 1)] * 3


def test_png_holds_the_recipe_as_itxt():
    data = saving.encode(smooth(), ".png", recipe=RECIPE)
    assert b"iTXtimpasto\0" in data
    assert json.dumps(RECIPE).encode("ascii") in data


def test_equal_results_are_equal_files():
    saving._srgb_profile.cache_clear()
    first = saving.encode(smooth(), ".png")
    saving._srgb_profile.cache_clear()
    assert saving.encode(smooth(), ".png") == first
    assert b"\x07\xd0\0\1\0\1\0\0\0\0\0\0acsp" in saving._srgb_profile()


def test_quality():
    assert len(saving.encode(smooth(), "jpg", quality=30)) < len(saving.encode(smooth(), "jpg", quality=95))
    for quality in (0, 101):
        assert_refused(lambda quality=quality: saving.encode(smooth(), "jpg", quality=quality), error=OptionError)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("recipe", [None, {}])
def test_no_recipe(suffix, recipe):
    assert saving.read_recipe(saving.encode(smooth(), suffix, recipe=recipe)) == recipe


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA", '{"cut": ', "[1, 2]", "7", "[" * 60_000])
def test_foreign_or_damaged_recipe_is_none(text):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    assert saving.read_recipe(encoded(Image.new("RGB", (8, 8)), "JPEG", exif=exif)) is None


@pytest.mark.parametrize("name", ["result.xyz", "result", "result.bmp", "result.png.txt"])
def test_unknown_suffix(name, tmp_path):
    for call in (lambda path: saving.save(smooth(), path), saving.check_output):
        message = assert_refused(lambda call=call: call(tmp_path / name), error=OutputError)
        assert ", ".join(SUFFIXES) in message
    assert names(tmp_path) == []


def test_format_that_cannot_hold_the_picture(tmp_path):
    wide = torch.zeros(3, 4, 16_400)
    message = assert_refused(lambda: saving.save(wide, tmp_path / "a.webp"), error=OutputError)
    assert "choose .png" in message
    long = {"text": "x" * 70_000}
    assert_refused(lambda: saving.save(smooth(), tmp_path / "a.jpg", recipe=long), error=OutputError)


@pytest.mark.parametrize("place", ["PIL.Image.Image.save", "os.fsync", "pathlib.Path.replace"])
def test_a_failure_leaves_the_old_file_and_no_litter(place, tmp_path, monkeypatch):
    path = tmp_path / "result.png"
    path.write_bytes(b"the old file")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place, fail)
        assert "No space left" in assert_refused(lambda: saving.save(smooth(), path), error=OutputError)
    assert path.read_bytes() == b"the old file"
    assert names(tmp_path) == ["result.png"]


def test_an_interrupt_leaves_no_litter(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        saving.save(smooth(), tmp_path / "result.png")
    assert names(tmp_path) == []


def test_save_replaces_what_a_link_points_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "result.png")
    saving.save(smooth(), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert names(tmp_path / "real") == ["result.png"]


def test_saved_file_has_ordinary_permissions(tmp_path):
    (tmp_path / "plain").touch()
    saving.save(smooth(), tmp_path / "result.png")
    assert (tmp_path / "result.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("writes", [lambda path: saving.save(smooth(), path), saving.check_output])
def test_places_that_cannot_be_written(writes, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    cases = {
        str(tmp_path / "missing" / "a.png"): "create its folder",
        str(tmp_path / "folder.png"): "name a file inside it",
        str(tmp_path / "file" / "a.png"): "choose another folder",
        "/proc/a.png": "create its folder or choose another",
        str(tmp_path / ("x" * 300 + ".png")): "too long",
        "null\0byte.png": "choose another folder or name",
    }
    for path, remedy in cases.items():
        assert remedy in assert_refused(lambda path=path: writes(path), path, OutputError)
    assert names(tmp_path) == ["file", "folder.png"]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(errno.EACCES, "permissions"), (errno.EROFS, "another folder"), (errno.ENOSPC, "free some space")],
)
def test_check_output_tries_the_folder(code, remedy, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("pathlib.Path.open", fail)
    assert remedy in assert_refused(lambda: saving.check_output(tmp_path / "a.png"), "a.png", OutputError)


def test_check_output_keeps_what_is_there(tmp_path):
    path = tmp_path / "a.png"
    saving.check_output(path, [tmp_path / "input.png", "missing.jpg"])
    assert names(tmp_path) == []
    path.write_bytes(b"the old file")
    saving.check_output(path, [])
    assert path.read_bytes() == b"the old file"


@pytest.mark.parametrize("kind", ["same", "relative", "symbolic", "hard"])
def test_check_output_protects_the_inputs(kind, tmp_path, monkeypatch):
    content, style, output = (tmp_path / name for name in ("content.png", "style.png", "output.png"))
    for path in (content, style):
        path.write_bytes(encoded(Image.fromarray(noise())))
    monkeypatch.chdir(tmp_path)
    if kind == "symbolic":
        output.symlink_to(style)
    elif kind == "hard":
        output.hardlink_to(style)
    else:
        output = style if kind == "same" else "style.png"
    message = assert_refused(lambda: saving.check_output(output, [content, style]), str(output), OutputError)
    assert f"input {style}" in message
