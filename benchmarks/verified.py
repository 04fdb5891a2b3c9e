"""`impasto verify` on twenty pictures of mixed settings, sizes and formats, and how far apart other threads bring them.

    python benchmarks/verified.py [FOLDER] [--threads 1 2] [--only NUMBER ...]

Each of `PICTURES` is painted by the command line with the first number of threads and verified by it, both in processes of
their own. Then it is painted again from its recipe with every other number of threads, and the two are compared in dB.
Prints a table; the status is 1 unless every picture verifies to the last pixel.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import impasto
from impasto.painting import last
from impasto.repeat import judge, prepare, verification

DEMO = Path(impasto.__file__).parent / "assets" / "demo"
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


def ran(arguments: str, folder: Path, threads: int) -> subprocess.CompletedProcess[str]:
    """impasto in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "impasto", *arguments.split()]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def apart(path: Path, threads: int) -> str:
    """How far from the picture its recipe leads with another number of threads, in the words of verify."""
    verdict = judge(path, last(verification(replace(prepare(path), threads=threads)), None))
    return "the same" if verdict.identical else f"{verdict.psnr:.1f} dB"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="kept afterwards")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="the first paints")
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES))
    given = parser.parse_args()
    first, *others = given.threads
    passed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for source in DEMO.glob("*.jpg"):
            (folder / source.name).write_bytes(source.read_bytes())
        print(f"| | painted by | verify | {' | '.join(f'{count} threads' for count in others)} |")
        print("| --- | --- | --- |" + " --- |" * len(others))
        for name in given.only:
            made = ran(f"{PICTURES[name]} -o {name} -q", folder, first)
            if made.returncode:
                print(f"| {name} | {PICTURES[name]} | {made.stderr.strip()} |", flush=True)
                continue
            found = ran(f"verify {name}", folder, first)
            same = found.returncode == 0 and "every pixel is the same" in found.stdout
            passed += same
            said = "the same" if same else f"{found.stdout} {found.stderr}".strip()
            cells = [apart(folder / name, count) for count in others]
            print(f"| {name} | {PICTURES[name]} | {said} | {' | '.join(cells)} |", flush=True)
    print(f"\n{passed} of {len(given.only)} verified to the last pixel")
    return 0 if passed == len(given.only) else 1


if __name__ == "__main__":
    sys.exit(main())
