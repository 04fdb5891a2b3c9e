"""Paint the clips of docs/video.md, measure how steady they are, and draw the strip and the curve that stand there.

python docs/video.py [FOLDER]           clips go to FOLDER, runs/video if left out; what is there is not painted again
python docs/video.py --traces [FOLDER]  every shipped style instead: its trace, and how much it flickers by `frame`
python docs/video.py --photos PHOTOS [--judge FILE.py] [FOLDER]
                                        `fast` against `frame` instead: flicker and style distance, by presto and by
                                        networks that are trained on a folder of photographs; the judge as for strength.py
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import av
from PIL import Image
from strength import load_judge
from trials import save_small

from impasto import images, sheets
from impasto.film import flicker, reading
from impasto.shipped import DEMO

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import clips

HERE = Path(__file__).parent
HEIGHT, WIDTH, FRAMES = 192, 256, 8
SHOWN = 0, 2, 5, 7  # frames on the strip

CLIPS = {"pan": "camera that moves over the photo", "square": "square that crosses the photo"}
DRAWN = {"cut": clips.cut, "occlusion": clips.occlusion}  # the tests' own
# name -> the flags that paint it
METHODS = {
    "frame": "--method frame",
    "steady": "--method steady",
    "presto, each frame": "--method fast --touches 0 --steadiness 0 --repaint 1",
    "fast": "--method fast",
}
SIZE = "--min-scale 256"
STYLES = "swirl", "woodcut", "mosaic", "points", "fauve"
# what is compared to `frame` -> its flags, and whether a network trained in the style paints
RIVALS = {
    "presto": ("--method fast", False),
    "presto, `--touches 0`": ("--method fast --touches 0", False),
    "a network trained in it": ("--method fast", True),
    "the same, `--passes 2`": ("--method fast --passes 2", True),
}
LEARNT = ("swirl",)
TRAINING = "--size 160 --crop 120 --steps 600"  # quick, and its strokes suit small frames


def pictures(clip: str) -> Iterator[Image.Image]:
    """The frames of a clip."""
    if clip in DRAWN:
        yield from map(Image.fromarray, DRAWN[clip](FRAMES, HEIGHT, WIDTH))
        return
    with Image.open(DEMO / "valley.jpg") as photo:
        wide = photo.convert("RGB").resize((WIDTH * 3 // 2, HEIGHT * 3 // 2), Image.Resampling.LANCZOS)
    with Image.open(DEMO / "points.jpg") as other:
        square = other.convert("RGB").resize((HEIGHT // 3, HEIGHT // 3), Image.Resampling.LANCZOS)
    for number in range(FRAMES):
        left = 3 * number if clip == "pan" else 20
        frame = wide.crop((left, 40, left + WIDTH, 40 + HEIGHT))
        if clip == "square":
            frame.paste(square, (10 + 8 * number, HEIGHT // 3))
        yield frame


def write(path: Path, clip: str) -> None:
    """Write a clip without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for number, picture in enumerate(pictures(clip)):
            frame = av.VideoFrame.from_image(picture).reformat(format="yuv444p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def paint(source: Path, name: str, folder: Path, style: str = "swirl") -> Path:
    """A clip painted by one of the methods."""
    suffix = "" if style == "swirl" else f"-{style}"
    target = folder / f"{source.stem}-{name.replace(', ', '-').replace(' ', '-')}{suffix}.mkv"
    return painted(source, DEMO / f"{style}.jpg", METHODS[name], target)


def painted(source: Path, style: Path, flags: str, target: Path) -> Path:
    """A clip painted without loss, unless it is there, with the command that docs/video.md shows."""
    if not target.exists():
        size = [] if "fast" in flags else SIZE.split()
        run("video", str(source), str(style), *flags.split(), *size, "--codec", "ffv1", "-o", str(target))
    return target


def run(*words: str) -> None:
    """An impasto command."""
    subprocess.run([sys.executable, "-m", "impasto", *words], check=True)


def clip_in(folder: Path, clip: str) -> Path:
    """The clip's file, written if it is not there."""
    source = folder / f"{clip}.mp4"
    if not source.exists():
        write(source, clip)
    return source


def traces(folder: Path) -> str:
    """Styles by their trace, with the flicker of the pan where every frame is painted on its own: root, in 255ths."""
    source = clip_in(folder, "pan")
    found = []
    for style in STYLES:
        one = flicker.measure(source, {style: paint(source, "frame", folder, style)})[style]
        found.append((flicker.restlessness(DEMO / f"{style}.jpg"), style, 255 * one.mean**0.5))
    rows = [f"| {style} | {trace:.1f} | {error:.1f} |" for trace, style, error in sorted(found)]
    return "\n".join(["| style | trace | flicker of `frame` |", "| --- | --- | --- |", *rows])


def network(style: str, photos: Path, folder: Path) -> Path:
    """A network trained in a shipped style, unless it is there."""
    target = folder / f"{style}.safetensors"
    if not target.exists():
        run("train", str(DEMO / f"{style}.jpg"), "--photos", str(photos), "-o", str(target), *TRAINING.split())
    return target


def distance(judge: Any, source: Path, video: Path, style: str) -> float:
    """The mean style distance of a painted video's frames."""
    painting = Image.open(DEMO / f"{style}.jpg").convert("RGB")
    pairs = zip(reading.read(source).shots(), reading.read(video).shots(), strict=True)
    return fmean(
        judge.score(Image.fromarray(one.picture), painting, Image.fromarray(other.picture))["style"]
        for one, other in pairs
    )


def shares(photos: Path, judge: Any, folder: Path) -> None:
    """Print the table of `fast` against `frame`: both numbers as shares of those of `frame`."""
    print("| style | clip | by | flicker | style distance |\n| --- | --- | --- | --- | --- |")
    for style in LEARNT:
        learnt = network(style, photos, folder)
        for clip in (*CLIPS, *DRAWN):
            source = clip_in(folder, clip)
            videos = {"frame": paint(source, "frame", folder, style)}
            for number, (name, (flags, trained)) in enumerate(RIVALS.items()):
                by = learnt if trained else DEMO / f"{style}.jpg"
                videos[name] = painted(source, by, flags, folder / f"{clip}-{style}-rival-{number}.mkv")
            errors = {name: one.mean**0.5 for name, one in flicker.measure(source, videos).items()}
            ways = {name: distance(judge, source, video, style) for name, video in videos.items()}
            for name in RIVALS:
                numbers = f"{errors[name] / errors['frame']:.2f} | {ways[name] / ways['frame']:.2f}"
                print(f"| {style} | {clip} | {name} | {numbers} |", flush=True)


def strip(clip: str, videos: dict[str, Path]) -> sheets.Sheet:
    """Some frames of every video of a clip, a row each."""
    rows = [[shot.picture for shot in reading.read(path).shots()] for path in videos.values()]
    cells = [[sheets.Cell(images.load(row[index])) for index in SHOWN] for row in rows]
    columns = [f"frame {index + 1}" for index in SHOWN]
    return sheets.Sheet(f"A {CLIPS[clip]}", "python docs/video.py", list(videos), columns, cells)


def table(found: dict[str, dict[str, flicker.Flicker]]) -> str:
    """The errors as the page shows them: roots, in 255ths."""
    rows = ["| | " + " | ".join(f"{clip}, mean | {clip}, worst" for clip in found) + " |"]
    rows.append("| --- |" + " --- |" * (2 * len(found)))
    for name in ("input", *METHODS):
        numbers = [(255 * one[name].mean ** 0.5, 255 * one[name].worst[1] ** 0.5) for one in found.values()]
        rows.append(f"| {name} | " + " | ".join(f"{mean:.1f} | {worst:.1f}" for mean, worst in numbers) + " |")
    return "\n".join(rows)


def main(folder: Path) -> None:
    """Paint and measure all, draw the pictures, print the table."""
    shown = HERE / "images" / "video"
    shown.mkdir(parents=True, exist_ok=True)
    found = {}
    for clip in CLIPS:
        source = clip_in(folder, clip)
        painted = {name: paint(source, name, folder) for name in METHODS}
        found[clip] = flicker.measure(source, painted)
        save_small(strip(clip, {"the clip": source, **painted}), shown / f"{clip}.jpg")
    flicker.save_plot(found["pan"], shown / "flicker.png")
    print(table(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/video"))
    parser.add_argument("--traces", action="store_true")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--judge", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.traces:
        print(traces(arguments.folder))
    elif arguments.photos is not None:
        shares(arguments.photos, load_judge(arguments.judge), arguments.folder)
    else:
        main(arguments.folder)
