"""The recipe: everything that made a picture, as plain data inside the picture's own file.

It holds no paths beyond file names, nothing about the user, and nothing that is ever executed.
"""

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import impasto
from impasto.options import Options

SCHEMA = 1  # raised when a reader of the old form would misread the new one


def fingerprint(source: object) -> dict[str, str]:
    """{"name": file name, "sha256": hash} of a picture given as path, bytes, PIL picture, array or tensor."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, Image.Image):
        data = source.tobytes()
    elif isinstance(source, torch.Tensor):
        data = source.detach().cpu().contiguous().numpy().tobytes()
    else:
        data = np.ascontiguousarray(source).tobytes()
    return {"name": type(source).__name__, "sha256": hashlib.sha256(data).hexdigest()}


def make(
    verb: str,
    preset: str | None,
    options: Options,
    inputs: Mapping[str, Mapping[str, Any]],
    weights: str,
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, Any]:
    """What is known before the first step; steps, losses and seconds are added at the end."""
    settings = options.as_dict()
    for name in ("weights", "start"):
        if isinstance(settings.get(name), str) and os.sep in settings[name]:
            settings[name] = Path(settings[name]).name  # a path says more about the user than about the picture
    return {
        "schema": SCHEMA,
        "verb": verb,
        "preset": preset,
        "options": settings,
        "inputs": dict(inputs),
        "weights_sha256": weights,
        "versions": {
            "impasto": impasto.__version__,
            "torch": torch.__version__.split("+")[0],
            "python": platform.python_version(),
        },
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }
