"""Clips for tests and measurements: drawn, so that every frame, its motion and its sound are known.

write(path, frames(24))          moving shapes over a moving ground, with a tone
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

TONE, RATE = 440, 48_000  # Hz


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft blobs of color with some grain, (H, W, 3) uint8."""
    numbers = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(
                numbers.integers(0, 256, (max(2, height // cell), max(2, width // cell), 3), dtype=np.uint8)
            ).resize((width, height), Image.Resampling.BICUBIC)
        )
        for cell in (24, 8)
    ]
    return (0.7 * layers[0] + 0.3 * layers[1]).astype(np.uint8)


def pan(count: int, height: int = 48, width: int = 64, step: int = 2, seed: int = 0) -> list[np.ndarray]:
    """A window that moves to the right over a texture, `step` pixels a frame."""
    ground = texture(height, width + step * count, seed)
    return [ground[:, step * index : step * index + width].copy() for index in range(count)]


def occlusion(count: int, height: int = 48, width: int = 64, step: int = 3) -> list[np.ndarray]:
    """A textured square that crosses a ground that stands still."""
    ground, square = texture(height, width), 255 - texture(height // 2, height // 2, 1)
    pictures = []
    for index in range(count):
        picture = ground.copy()
        left = min(step * index, width - square.shape[1])
        picture[height // 4 : height // 4 + square.shape[0], left : left + square.shape[1]] = square
        pictures.append(picture)
    return pictures


def cut(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Two pans that have nothing to do with each other, one after the other."""
    return [*pan(count // 2, height, width, seed=0), *pan(count - count // 2, height, width, seed=7)]


def write(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    rate: int = 24,
    times: Sequence[int] | None = None,
    tone: bool = True,
    turn: float = 0,
    codec: str = "libx264",
    pixels: str = "yuv444p",
    options: dict[str, str] | None = None,
    **tags: Any,
) -> Path:
    """Write a clip; times: of every frame, in milliseconds, for a variable rate; tags: of the codec, as colorspace."""
    pictures = list(pictures)
    base = Fraction(1, 1000) if times else Fraction(1, rate)
    moments = times or range(len(pictures))
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options={"crf": "0"} if options is None else options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = base
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        if turn:
            stream.set_display_rotation(turn)
        sound: Any = container.add_stream("aac", rate=RATE, layout="mono") if tone else None
        for moment, picture in zip(moments, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
            range_ = {"dst_color_range": tags["color_range"]} if "color_range" in tags else {}
            frame = frame.reformat(format=pixels, dst_colorspace=tags.get("colorspace"), src_color_range=2, **range_)
            frame.pts, frame.time_base = moment, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            seconds = float((moments[-1] + (40 if times else 1)) * base)
            wave = np.sin(2 * np.pi * TONE * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)
            for start in range(0, len(wave) - 1023, 1024):
                block = av.AudioFrame.from_ndarray(wave[None, start : start + 1024] / 2, format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path
