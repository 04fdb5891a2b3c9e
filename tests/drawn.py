"""Pictures that tests make, and what a refusal must look like."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch

from impasto import images
from impasto.errors import InputError

SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif"]
RECIPE = {"style": "Зимний вечер — 冬 🎨", "size": 512, "weights": [1.5, 0.25], "none": None, "notes": "ä" * 3_300}


def noise(height=9, width=14, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def smooth(height=64, width=96):
    """A soft colored gradient (1, 3, H, W), such as lossy formats are made for."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y, (x + y) / 2])[None]


def encoded(picture, format="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def bytes_of(tensor):
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) 0..255, unrounded."""
    return tensor[0].permute(1, 2, 0).numpy() * 255


def pixel(source):
    """The color of a one-colored picture, 0..255."""
    values = bytes_of(images.load(source)).reshape(-1, 3)
    assert (values == values[0]).all()
    return pytest.approx(tuple(values[0].tolist()), abs=1e-3)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth=8, color=2, data=b"", extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def assert_refused(call, name="", error=InputError):
    """`call` raises `error` with one sentence that names the file, and no warning leaks."""
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        with pytest.raises(error) as caught:
            call()
    message = str(caught.value)
    assert name in message
    assert message.endswith(".")
    assert "\n" not in message
    assert leaked == []
    return message
