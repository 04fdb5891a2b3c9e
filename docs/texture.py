"""Paint the pictures of docs/texture.md with the commands that stand there.

python docs/texture.py [NAME ...]        writes docs/images/texture/NAME.jpg, of texture and reconstruct
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from impasto.shipped import DEMO

HERE = Path(__file__).parent
OUT = HERE / "images" / "texture"

# picture -> the picture it begins with, and the commands that paint the others
COMMANDS = {
    "texture": (
        "woodcut",
        "impasto texture woodcut.jpg --size 256",
        "impasto texture swirl.jpg --width 192 --height 192 --seamless",
    ),
    "reconstruct": (
        "valley",
        "impasto reconstruct valley.jpg --layer relu2_1 --size 256",
        "impasto reconstruct valley.jpg --layer relu4_2 --size 256",
        "impasto reconstruct valley.jpg --style-layers relu1_1 relu2_1 relu3_1 --size 256",
    ),
}
HEIGHT, GAP = 288, 8  # pixels


def painted(command: str) -> Image.Image:
    """What a command paints where the demo pictures are; a seamless picture laid twice by twice."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.png"
        arguments = [*shlex.split(command)[1:], "--quiet", "-o", str(target)]
        subprocess.run([sys.executable, "-m", "impasto", *arguments], cwd=DEMO, check=True)
        with Image.open(target) as picture:
            tile = picture.convert("RGB")
    if "--seamless" not in command:
        return tile
    laid = Image.new("RGB", (2 * tile.width, 2 * tile.height))
    for corner in range(4):
        laid.paste(tile, (corner % 2 * tile.width, corner // 2 * tile.height))
    return laid


def row(pictures: list[Image.Image]) -> Image.Image:
    """Side by side, at one height."""
    scaled = [
        one.resize((round(one.width * HEIGHT / one.height), HEIGHT), Image.Resampling.LANCZOS) for one in pictures
    ]
    whole = Image.new("RGB", (sum(one.width + GAP for one in scaled) - GAP, HEIGHT), "white")
    left = 0
    for one in scaled:
        whole.paste(one, (left, 0))
        left += one.width + GAP
    return whole


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or COMMANDS:
        first, *commands = COMMANDS[name]
        pictures = [Image.open(DEMO / f"{first}.jpg").convert("RGB"), *map(painted, commands)]
        row(pictures).save(OUT / f"{name}.jpg", quality=88, optimize=True, progressive=True)
