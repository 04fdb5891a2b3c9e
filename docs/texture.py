"""Paint the pictures of docs/texture.md with the commands that stand there.

python docs/texture.py [NAME ...]        writes docs/images/texture/NAME.jpg, of texture and reconstruct
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from trials import save_strip

from impasto.shipped import DEMO

HERE = Path(__file__).parent
OUT = HERE / "images" / "texture"

# picture -> its title, the picture it begins with, and the commands that paint the others, by what they are
COMMANDS = {
    "texture": (
        "Textures",
        "woodcut",
        {
            "a texture of it": "impasto texture woodcut.jpg --size 256",
            "swirl, seamless, laid 2 x 2": "impasto texture swirl.jpg --width 256 --height 192 --seamless",
        },
    ),
    "reconstruct": (
        "What is left of a picture",
        "valley",
        {
            "from relu2_1": "impasto reconstruct valley.jpg --layer relu2_1 --size 256",
            "from relu4_2": "impasto reconstruct valley.jpg --layer relu4_2 --size 256",
            "from statistics": "impasto reconstruct valley.jpg --style-layers relu1_1 relu2_1 relu3_1 --size 256",
        },
    ),
}


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


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or COMMANDS:
        title, first, commands = COMMANDS[name]
        pictures = {first: Image.open(DEMO / f"{first}.jpg").convert("RGB")}
        pictures |= {what: painted(command) for what, command in commands.items()}
        save_strip(title, f"python docs/texture.py {name}", pictures, OUT / f"{name}.jpg")
