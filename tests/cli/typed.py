"""What tests of the command line share: arguments, pictures, and what is refused."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto import cli, saving

ROOT = Path(impasto.__file__).parent.parent
FAST = ["--size", "32", "--min-scale", "32", "--first-steps", "4"]
PAINT = ["paint", "content.png", "style.png", *FAST]


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def bomb() -> bytes:
    """A PNG whose header speaks of 10^10 pixels."""
    chunks = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def recipe_of(source: str | Path | bytes) -> dict[str, Any]:
    found = saving.read_recipe(source)
    assert found is not None
    return found


def refused(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said to arguments that must be refused, whole and with nothing left behind."""
    before = contents(folder)
    assert cli.run(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("impasto: ")
    assert output.err.endswith(".\n")
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    assert contents(folder) == before
    return output.err
