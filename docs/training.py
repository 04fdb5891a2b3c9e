"""Train the networks and draw the pictures of docs/train.md, on photographs of your own.

python docs/training.py PHOTOS [NAME ...]        writes NAME-curve.png and NAME.jpg to docs/images/train

NAME is swirl, presto or fast, of which there is but the curve; all three if none is given. What `impasto evaluate` measures
of a painted picture is printed.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from impasto.shipped import DEMO

HERE = Path(__file__).parent
EDGE = 384  # pixels: longer side of a picture on the sheet

# name -> how it is trained, and what is painted
COMMANDS = {
    "swirl": "impasto train swirl.jpg --photos photos/ -o swirl.safetensors --steps 600",
    "presto": "impasto train swirl.jpg --photos photos/ -o presto.safetensors --preset presto",
    "fast": "impasto train swirl.jpg --photos photos/ -o fast.safetensors --steps 500 --preset fast --backbone petit "
    "--style-layers relu1_2 relu2_2 relu3_2 relu4_3 relu5_1 --style-weight 1 --tv-weight 1e-5",
}
PAINTED = {
    "swirl": ("valley.jpg swirl.safetensors --strength 50", "valley.jpg swirl.safetensors"),
    "presto": ("valley.jpg swirl.jpg --passes 1", "valley.jpg swirl.jpg", "valley.jpg presto.safetensors"),
}


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


def train(name: str, photos: Path, network: Path, curve: Path) -> None:
    """The network, and the curve of its losses."""
    places = {f"{name}.safetensors": str(network), "photos/": str(photos.resolve())}
    run([*(places.get(word, word) for word in shlex.split(COMMANDS[name])[1:]), "--curve", str(curve.resolve())])


def draw(name: str, network: Path, sheet: Path) -> None:
    """The style, the valley, and what is made of it, beside each other."""
    pictures = [Image.open(DEMO / "swirl.jpg"), Image.open(DEMO / "valley.jpg")]
    for words in PAINTED[name]:
        painted = network.with_name("painted.png")
        given = [str(network) if word.endswith(".safetensors") else word for word in words.split()]
        run(["stylize", *given, "-o", str(painted), "--size", str(EDGE)])
        print(words, flush=True)
        run(["evaluate", str(painted), "--content", "valley.jpg", "--style", "swirl.jpg"])
        pictures.append(Image.open(painted).copy())
    for picture in pictures:
        picture.thumbnail((EDGE, EDGE))
    beside(pictures).save(sheet, quality=85, optimize=True, progressive=True)


if __name__ == "__main__":
    folder = HERE / "images" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or COMMANDS:
        with tempfile.TemporaryDirectory() as place:
            network = Path(place) / "network.safetensors"
            train(name, Path(sys.argv[1]), network, folder / f"{name}-curve.png")
            if name in PAINTED:
                draw(name, network, folder / f"{name}.jpg")
