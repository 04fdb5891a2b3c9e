"""Paint the pictures of docs/control.md with the commands that stand there.

python docs/control.py [NAME ...]        writes docs/images/control/NAME.jpg
"""

import io
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from impasto.shipped import DEMO

HERE = Path(__file__).parent

# picture -> the command that paints it, but for its size
COMMANDS = {
    "style": "impasto paint valley.jpg fauve.jpg",
    "keep": "impasto paint valley.jpg fauve.jpg --colors keep",
    "match": "impasto paint valley.jpg fauve.jpg --colors match",
    "histogram": "impasto paint valley.jpg fauve.jpg --colors histogram",
    "blend": "impasto paint valley.jpg swirl.jpg:0.6 woodcut.jpg:0.4",
    "gradient": "impasto paint valley.jpg swirl.jpg woodcut.jpg --mask gradient:left",
    "halves": "impasto paint valley.jpg swirl.jpg mosaic.jpg --mask left",
    "unframed": "impasto paint valley.jpg mosaic.jpg",
    "framed": "impasto paint valley.jpg mosaic.jpg --style-frame keep",
    "protect": "impasto paint valley.jpg mosaic.jpg --protect ellipse:0.77,0.64,0.15,0.14",
}
SIZE = ["--size", "640", "--quiet"]


def paint(name: str) -> Image.Image:
    """The picture of that name, painted where the demo pictures are."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.png"
        arguments = [*shlex.split(COMMANDS[name])[1:], *SIZE, "-o", str(target)]
        subprocess.run([sys.executable, "-m", "impasto", *arguments], cwd=DEMO, check=True)
        with Image.open(target) as picture:
            return picture.convert("RGB")


if __name__ == "__main__":
    folder = HERE / "images" / "control"
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or COMMANDS:
        data = io.BytesIO()
        paint(name).save(data, "JPEG", quality=85, optimize=True, progressive=True)
        (folder / f"{name}.jpg").write_bytes(data.getvalue())
