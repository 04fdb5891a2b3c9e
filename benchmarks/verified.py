"""`impasto verify` on twenty pictures of mixed settings, sizes and formats, and how far apart other threads bring them.

    python benchmarks/verified.py FOLDER [--only NAME ...]
    python benchmarks/verified.py FOLDER --threads 2 [--only NAME ...]

The first paints each of `PICTURES` into FOLDER by the command line, if it is not there, and verifies it, in processes of
their own with OMP_NUM_THREADS as it is; the status is 1 unless every one verifies to the last pixel. The second paints them
again from their recipes with another number of threads, and says how far from the pictures in FOLDER that leads, in dB.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import impasto
from impasto.painting import last
from impasto.repeat import judge, prepare, verification
from impasto.shipped import DEMO

ROOT = Path(impasto.__file__).parent.parent

# what is typed, without -o; the pictures are those that come with impasto
PICTURES = {
    "1.png": "paint valley.jpg swirl.jpg --size 128",
    "2.jpg": "paint valley.jpg mosaic.jpg --size 160 --min-scale 80 --first-steps 30 --steps 20",
    "3.webp": "paint valley.jpg points.jpg --size 96 --optimizer adam --first-steps 40 --averaging 0.9",
    "4.avif": "paint valley.jpg fauve.jpg --size 128 --start noise --seed 7 --first-steps 40",
    "5.tif": "paint valley.jpg woodcut.jpg --size 100 --colors keep --first-steps 30",
    "6.png": "paint valley.jpg swirl.jpg:0.7 mosaic.jpg:0.3 --size 128 --first-steps 30",
    "7.jpg": "paint valley.jpg swirl.jpg fauve.jpg --mask left right --size 128 --first-steps 30",
    "8.png": "paint valley.jpg points.jpg --protect ellipse:0.5,0.4,0.2,0.3 --size 128 --first-steps 30",
    "9.webp": "paint valley.jpg mosaic.jpg --style-loss sliced --size 96 --first-steps 20",
    "10.png": "paint valley.jpg swirl.jpg --parametrization pyramid --optimizer adam --size 96 --first-steps 30",
    "11.tif": "paint valley.jpg swirl.jpg --style-loss gram --precision float32 --size 111 --first-steps 30",
    "12.jpg": "paint valley.jpg fauve.jpg --colors match --pooling max --size 128 --first-steps 30",
    "13.png": "texture swirl.jpg --size 128 --seamless --first-steps 20 --steps 20",
    "14.avif": "texture mosaic.jpg --size 96 --seed 3 --first-steps 30",
    "15.png": "reconstruct valley.jpg --layer relu3_1 --size 96 --steps 40",
    "16.png": "stylize valley.jpg swirl.jpg --size 256",
    "17.jpg": "stylize valley.jpg mosaic.jpg --size 320 --strength 60 --engine torch",
    "18.webp": "stylize valley.jpg --style fauve.jpg woodcut.jpg --mix --size 200 --colors keep",
    "19.png": "paint valley.jpg woodcut.jpg --size 256 --min-scale 128 --first-steps 60 --steps 30",
    "20.jpg": "paint valley.jpg points.jpg --size 80 --strength 70 --first-steps 30",
}


def ran(arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """impasto in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "impasto", *arguments.split()]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def verified(name: str, folder: Path) -> tuple[bool, str]:
    """Whether a picture, painted if it is not there, is the same when it is painted again; and what was said."""
    if not (folder / name).exists():
        made = ran(f"{PICTURES[name]} -o {name} -q", folder)
        if made.returncode:
            return False, made.stderr.strip()
    found = ran(f"verify {name}", folder)
    same = found.returncode == 0 and "every pixel is the same" in found.stdout
    return same, "the same" if same else f"{found.stdout} {found.stderr}".strip()


def apart(path: Path, threads: int) -> tuple[bool, str]:
    """Whether it passes as the same picture when it is painted with another number of threads, and how far apart it is."""
    verdict = judge(path, last(verification(replace(prepare(path), threads=threads)), None))
    return verdict.passed, "the same" if verdict.identical else f"{verdict.psnr:.1f} dB"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for source in DEMO.glob("*.jpg"):
        (given.folder / source.name).write_bytes(source.read_bytes())
    passed = 0
    print(f"| | painted by | {f'{given.threads} threads' if given.threads else 'verify'} |\n| --- | --- | --- |")
    for name in given.only:
        good, said = apart(given.folder / name, given.threads) if given.threads else verified(name, given.folder)
        passed += good
        print(f"| {name} | {PICTURES[name]} | {said} |", flush=True)
    print(f"\n{passed} of {len(given.only)} {'above 40 dB' if given.threads else 'the same to the last pixel'}")
    return 0 if given.threads or passed == len(given.only) else 1


if __name__ == "__main__":
    sys.exit(main())
