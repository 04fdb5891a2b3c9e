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
from trials import save_strip

from impasto.shipped import DEMO

HERE = Path(__file__).parent
EDGE = 384  # pixels: longer side of a painted picture

# name -> how it is trained, and what is painted
COMMANDS = {
    "swirl": "impasto train swirl.jpg --photos photos/ -o swirl.safetensors --steps 600",
    "presto": "impasto train swirl.jpg --photos photos/ -o presto.safetensors --preset presto",
    "fast": "impasto train swirl.jpg --photos photos/ -o fast.safetensors --steps 500 --preset fast --backbone petit "
    "--style-layers relu1_2 relu2_2 relu3_2 relu4_3 relu5_1 --style-weight 1 --tv-weight 1e-5",
}
# name -> its title, and how the valley is painted, by what that is
PAINTED = {
    "swirl": (
        "A network trained for swirl",
        {"strength 50": "valley.jpg swirl.safetensors --strength 50", "strength 100": "valley.jpg swirl.safetensors"},
    ),
    "presto": (
        "presto, fine-tuned for swirl",
        {
            "presto, one pass": "valley.jpg swirl.jpg --passes 1",
            "presto, two passes": "valley.jpg swirl.jpg",
            "fine-tuned, one pass": "valley.jpg presto.safetensors",
        },
    ),
}


def run(arguments: list[str]) -> None:
    """An impasto command, where the demo pictures are."""
    subprocess.run([sys.executable, "-m", "impasto", *arguments], cwd=DEMO, check=True)


def train(name: str, photos: Path, network: Path, curve: Path) -> None:
    """The network, and the curve of its losses."""
    places = {f"{name}.safetensors": str(network), "photos/": str(photos.resolve())}
    run([*(places.get(word, word) for word in shlex.split(COMMANDS[name])[1:]), "--curve", str(curve.resolve())])


def draw(name: str, network: Path, sheet: Path) -> None:
    """The style, the valley, and what is made of it, beside each other."""
    title, commands = PAINTED[name]
    pictures = {"the style": Image.open(DEMO / "swirl.jpg"), "the photo": Image.open(DEMO / "valley.jpg")}
    for what, words in commands.items():
        painted = network.with_name("painted.png")
        given = [str(network) if word.endswith(".safetensors") else word for word in words.split()]
        run(["stylize", *given, "-o", str(painted), "--size", str(EDGE)])
        print(words, flush=True)
        run(["evaluate", str(painted), "--content", "valley.jpg", "--style", "swirl.jpg"])
        pictures[what] = Image.open(painted).copy()
    save_strip(title, f"python docs/training.py PHOTOS {name}", pictures, sheet)


if __name__ == "__main__":
    folder = HERE / "images" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or COMMANDS:
        with tempfile.TemporaryDirectory() as place:
            network = Path(place) / "network.safetensors"
            train(name, Path(sys.argv[1]), network, folder / f"{name}-curve.png")
            if name in PAINTED:
                draw(name, network, folder / f"{name}.jpg")
