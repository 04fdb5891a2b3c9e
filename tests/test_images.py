"""Pictures in: arrays and tensors, and any size."""

import numpy as np
import pytest
import torch
from drawn import assert_refused, bytes_of, noise, smooth
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto import images
from impasto.errors import InputError, OptionError

# Reading: arrays and tensors


@pytest.mark.parametrize(
    "array",
    [
        noise(),
        noise()[:, ::-1],
        noise().astype(np.uint16) * 257,
        (noise().astype(np.uint16) * 257).astype(">u2"),
        noise().astype(np.float32) / 255,
        noise().astype(np.float64) / 255,
    ],
    ids=["uint8", "flipped view", "uint16", "big-endian", "float32", "float64"],
)
def test_arrays(array):
    back = bytes_of(images.load(array))
    expected = noise()[:, ::-1] if array.strides[1] < 0 else noise()
    np.testing.assert_allclose(back, expected, atol=1e-4)


def test_grey_array():
    loaded = images.load(noise()[..., 0])
    assert (bytes_of(loaded).round() == noise()[..., :1]).all()
    assert loaded.is_contiguous()


@pytest.mark.parametrize("batched", [True, False])
def test_tensors_are_copied(batched):
    tensor = smooth() if batched else smooth()[0]
    loaded = images.load(tensor.double().requires_grad_())
    torch.testing.assert_close(loaded, smooth())
    assert not loaded.requires_grad
    same = images.load(tensor)
    same.zero_()
    assert tensor.max() == 1


@pytest.mark.parametrize(
    "source",
    [
        noise()[None],
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8), bool),
        np.zeros((8, 8), np.int32),
        np.zeros((3, 8)),
        np.full((8, 8, 3), 1.5),
        np.full((8, 8, 3), -0.1),
        np.full((8, 8, 3), np.nan),
        np.full((8, 8, 3), 1e300),
        np.zeros((0, 8, 3)),
        torch.zeros(8, 8, 3),
        torch.zeros(2, 3, 8, 8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.full((3, 8, 8), 255.0),
        torch.full((3, 8, 8), float("nan")),
        torch.full((3, 8, 8), float("inf")),
        torch.zeros(3, 2, 8),
        torch.zeros(0),
        None,
        7,
        ["a.png"],
    ],
    ids=lambda source: f"{type(source).__name__} {getattr(source, 'dtype', '')} {tuple(getattr(source, 'shape', ()))}",
)
def test_unusable_arrays(source):
    assert_refused(lambda: images.load(source))


# Resizing


@settings(derandomize=True)
@given(height=st.integers(1, 5000), width=st.integers(1, 5000), size=st.integers(16, 4096))
def test_fit_keeps_the_aspect(height, width, size):
    try:
        fitted = images.fit(height, width, size)
    except InputError:
        assert min(height, width) * size / max(height, width) < 16
        return
    assert max(fitted) == size
    assert min(fitted) >= 16
    assert fitted[0] == pytest.approx(size * height / max(height, width), abs=0.5)
    assert fitted[1] == pytest.approx(size * width / max(height, width), abs=0.5)
    assert images.fit(width, height, size) == fitted[::-1]


def test_extreme_aspect_tells_the_size_that_is_enough():
    message = assert_refused(lambda: images.resize(torch.zeros(1, 3, 300, 4), 512))
    assert "4 x 300 pixels; the shorter side must come to at least 16 pixels at size 512" in message
    assert "from 1200," in message
    assert images.fit(300, 4, 1200) == (1200, 16)


def test_size_under_16_is_an_option_error():
    assert_refused(lambda: images.resize(torch.zeros(1, 3, 300, 400), 15), error=OptionError)


@pytest.mark.parametrize("size", [27, 33, 100, 250])
def test_resize_keeps_a_constant_constant(size):
    resized = images.resize(torch.full((1, 3, 60, 100), 0.3), size)
    assert resized.shape == (1, 3, *images.fit(60, 100, size))
    torch.testing.assert_close(resized, torch.full_like(resized, 0.3))


@pytest.mark.parametrize("size", [32, 64, 192])
def test_resize_keeps_the_mean_and_stays_in_range(size):
    image = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    resized = images.resize(image, size)
    assert max(resized.shape) == size
    assert resized.mean().item() == pytest.approx(image.mean().item(), abs=0.01)
    assert resized.min() >= 0
    assert resized.max() <= 1


def test_resize_down_is_antialiased():
    stripes = torch.arange(256).remainder(2).float().expand(1, 3, 256, 256).contiguous()
    assert (images.resize(stripes, 64)[..., 2:-2] - 0.5).abs().max() < 0.02


def test_resize_agrees_with_pillow():
    image = images.load(noise(60, 90) // 2 + 64)  # no overshoot that Pillow would clip between its two passes
    for shape in [(20, 30), (120, 180), (47, 91)]:
        expected = images.to_picture(image).resize(shape[::-1], Image.Resampling.BICUBIC)
        assert (images.resize_to(image, shape) - images.load(expected)).abs().max() < 2 / 255


def test_resize_to_the_same_shape_is_exact():
    assert (images.resize_to(smooth(), (64, 96)) == smooth()).all()
