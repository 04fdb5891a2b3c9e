"""What tests of videos share: quick options, painting, and what a file holds."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

import impasto
from impasto import images
from impasto.film import reading
from impasto.film.reading import Shot

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


def as_tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255)).contiguous()
