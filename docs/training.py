"""Train the network and draw the pictures of docs/train.md, on photographs of your own.

python docs/training.py PHOTOS        writes docs/images/train/swirl.jpg and curve.png
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import impasto

HERE = Path(__file__).parent
DEMO = Path(impasto.__file__).parent / "assets" / "demo"
COMMAND = "impasto train swirl.jpg --photos photos/ -o swirl.safetensors --steps 600"
STRENGTHS = 50, 100
EDGE = 384  # pixels: longer side of a picture on the sheet


def run(arguments: list[str]) -> None:
    """An impasto command, where the demo pictures are."""
    subprocess.run([sys.executable, "-m", "impasto", *arguments], cwd=DEMO, check=True)


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in a row, of one height."""
    height = min(picture.height for picture in pictures)
    scaled = [picture.resize((round(picture.width * height / picture.height), height)) for picture in pictures]
    row = Image.new("RGB", (sum(picture.width for picture in scaled) + 8 * (len(scaled) - 1), height), "white")
    left = 0
    for picture in scaled:
        row.paste(picture, (left, 0))
        left += picture.width + 8
    return row


def draw(photos: Path, folder: Path) -> None:
    """Train, paint the valley at several strengths, and write both pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        network = Path(place) / "swirl.safetensors"
        places = {"swirl.safetensors": str(network), "photos/": str(photos.resolve())}
        words = [places.get(word, word) for word in shlex.split(COMMAND)[1:]]
        run([*words, "--curve", str(folder.resolve() / "curve.png")])
        pictures = [Image.open(DEMO / "swirl.jpg"), Image.open(DEMO / "valley.jpg")]
        for strength in STRENGTHS:
            painted = Path(place) / f"{strength}.png"
            flags = ["--size", str(EDGE), "--strength", str(strength)]
            run(["stylize", "valley.jpg", str(network), "-o", str(painted), *flags])
            pictures.append(Image.open(painted))
        for picture in pictures:
            picture.thumbnail((EDGE, EDGE))
        beside(pictures).save(folder / "swirl.jpg", quality=85, optimize=True, progressive=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), HERE / "images" / "train")
