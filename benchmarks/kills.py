"""What is left when impasto is killed: kill -9 at random moments, begun again until done, compared with an undisturbed run.

    python benchmarks/kills.py [FOLDER] [--kills 5] [--seed 0] [--only NAME ...]

Small pictures, clips and trainings are made in FOLDER (a temporary one if left out). Each of `UNDERTAKINGS` runs once
undisturbed; then again and again in fresh folders, killed at moments drawn from 0 to the time that took, counted from the
first thing that it writes, until it has been killed so many times. After every kill, every file under its final name is
read from beginning to end, and what is finished must be as in the undisturbed run; at the end all of it. Last, two Ray
workers, one of which is killed; that takes impasto[distributed]. Prints a table; the status is 1 if anything was not as it
should be.
"""

import argparse
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import safetensors.torch
import torch
from PIL import Image

import impasto
from impasto import images
from impasto.shipped import DEMO

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(impasto.__file__).parent.parent)}
BATCH = "--size 48 --min-scale 48 --first-steps 12 --device cpu --workers 2 -o out"
BAD = 10  # jobs of the 200 that cannot be painted
LIMIT = 900  # seconds after which a process hangs


class Wrong(Exception):
    """Something is not as it should be."""


@dataclass(frozen=True)
class Undertaking:
    """A command that is killed.

    again: what goes on where `marker` is there; the same command if left out. finished: files that are as in the
    undisturbed run whenever they are there; results: those that are so at the end. once: that finished files are never
    written again. failures: jobs that have to be named at the end.
    """

    command: str
    finished: str
    results: str = ""
    again: str = ""
    marker: str = ""
    once: bool = False
    failures: int = 0
    kills: int | None = None  # None: as many as --kills says


UNDERTAKINGS = {
    "paint --run, resume": Undertaking(
        "paint ../../inputs/valley.jpg ../../inputs/swirl.jpg --size 160 --run run -o out.png",
        "out.png", again="resume run", marker="run/run.json",
    ),
    "train": Undertaking(
        "train ../../inputs/swirl.jpg --photos ../../inputs/photos --steps 24 --crop 64 --batch 2 --save-every 4 "
        "-o net.safetensors",
        "", "net*.safetensors",
    ),
    "video": Undertaking("video ../../inputs/clip.mp4 ../../inputs/swirl.jpg -o out.mp4", "out.mp4"),
    "video, steady": Undertaking(
        "video ../../inputs/short.mp4 ../../inputs/swirl.jpg --method steady --size 64 --min-scale 64 --first-steps 20 "
        "--later-steps 10 -o out.mp4", "out.mp4"
    ),
    "batch": Undertaking(f"batch ../../inputs/photos x ../../inputs/styles {BATCH}", "out/*.png", once=True),
    "batch of 200": Undertaking(f"batch ../../inputs/jobs.csv {BATCH}", "out/*.png", once=True, failures=BAD, kills=2),
}  # fmt: skip
RAY = Undertaking(f"{UNDERTAKINGS['batch of 200'].command} --engine ray", "out/*.png", once=True, failures=BAD)


# ---------------------------------------------------------------------------------------------------------- inputs


def prepare(folder: Path) -> None:
    """Make everything that is painted from."""
    for name in ("photos", "styles"):
        (folder / name).mkdir(parents=True)
    for name in ("valley.jpg", "swirl.jpg"):
        (folder / name).write_bytes((DEMO / name).read_bytes())
    for name in ("swirl.jpg", "mosaic.jpg"):
        (folder / "styles" / name).write_bytes((DEMO / name).read_bytes())
    with Image.open(DEMO / "valley.jpg") as file:
        valley = file.convert("RGB")
    for number in range(20):
        cut = random.Random(number)
        left, top = cut.randrange(valley.width - 160), cut.randrange(valley.height - 120)
        valley.crop((left, top, left + 160, top + 120)).save(folder / "photos" / f"{number:02d}.jpg", quality=95)
    wide = valley.resize((480, 120), Image.Resampling.LANCZOS)
    for name, count in (("clip.mp4", 240), ("short.mp4", 24)):
        write_clip(folder / name, [wide.crop((number, 0, number + 160, 120)) for number in range(count)])
    write_jobs(folder)


def write_clip(path: Path, pictures: list[Image.Image]) -> None:
    """A clip without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, "yuv420p"  # type: ignore[misc]
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_jobs(folder: Path) -> None:
    """A table of 200 jobs, of which ten cannot be painted, two for each of five reasons."""
    (folder / "cut.jpg").write_bytes((DEMO / "valley.jpg").read_bytes()[:5000])
    (folder / "text.png").write_text("no picture")
    reasons = ["cut.jpg,,", "text.png,,", "missing.jpg,,", "photos/00.jpg,3,", "photos/00.jpg,,nonsense"]
    bad = dict(zip(random.Random(0).sample(range(200), BAD), reasons * 2, strict=True))
    styles = sorted(path.name for path in DEMO.glob("*.jpg") if path.name != "valley.jpg") * 2
    for name in styles:
        (folder / name).write_bytes((DEMO / name).read_bytes())
    lines = ["content,size,preset,style,seed"]
    for number in range(200):
        content = bad.get(number, f"photos/{number % 20:02d}.jpg,,")
        lines.append(f"{content},{styles[number // 20]},{number}")
    (folder / "jobs.csv").write_text("\n".join(lines))


# --------------------------------------------------------------------------------------------------------- checking


def decoded(path: Path) -> Iterator[bytes]:
    """The frames of a clip."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").tobytes()


def tensors(path: Path) -> Iterator[bytes]:
    """Names and values."""
    for name, tensor in sorted(safetensors.torch.load_file(path).items()):
        yield name.encode() + tensor.view(torch.uint8).numpy().tobytes() if tensor.dim() else name.encode()


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a journal; the last one may be cut off, which its reader knows."""
    *whole, _ = path.read_bytes().split(b"\n")
    for line in whole:
        with_job = not line or line.startswith(b'{"job"')
        yield line if with_job and line.endswith(b"}") else b""


def pixels(path: Path) -> Iterator[bytes]:
    """A picture's."""
    yield images.load(path).numpy().tobytes()


def text(path: Path) -> Iterator[bytes]:
    """JSON, parsed."""
    yield json.dumps(json.loads(path.read_text(encoding="utf-8"))).encode()


def array(path: Path) -> Iterator[bytes]:
    """A frame on its way."""
    yield np.load(path, allow_pickle=False).tobytes()


READERS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    ".png": pixels, ".jpg": pixels, ".safetensors": tensors, ".json": text, ".jsonl": lines, ".npy": array,
    ".mp4": decoded, ".mkv": decoded,
}  # fmt: skip


def digest(path: Path) -> str:
    """A hash of what is in a file, read from beginning to end. Raises Wrong where it cannot be read."""
    found = hashlib.sha256()
    try:
        for part in READERS[path.suffix](path):
            found.update(part)
    except Exception as error:
        raise Wrong(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    return found.hexdigest()


class Watch:
    """What is known of an undertaking's files: digests of the undisturbed run, and when finished files were written."""

    def __init__(self, undertaking: Undertaking, whole: Path) -> None:
        self.undertaking, self.whole = undertaking, whole
        self.looked = 0

    def begin(self) -> None:
        """For a fresh folder."""
        self.written: dict[str, int] = {}

    def note(self, folder: Path) -> None:
        """See that no finished file is written again. Raises Wrong."""
        for path in folder.glob(self.undertaking.finished) if self.undertaking.once else ():
            moment = path.stat().st_mtime_ns
            if self.written.setdefault(path.name, moment) != moment:
                raise Wrong(f"{path} was written twice")

    def look(self, folder: Path) -> None:
        """Read every file that has its final name; compare what is finished. Raises Wrong."""
        self.note(folder)
        finished = set(folder.glob(self.undertaking.finished)) if self.undertaking.finished else set()
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                self.looked += 1
                found = digest(path)
                if path in finished and found != digest(self.whole / path.relative_to(folder)):
                    raise Wrong(f"{path} differs from the undisturbed one")

    def end(self, folder: Path) -> None:
        """Compare everything that came out. Raises Wrong."""
        self.look(folder)
        pattern = self.undertaking.results or self.undertaking.finished
        ours, theirs = ({path.relative_to(one) for path in one.glob(pattern)} for one in (folder, self.whole))
        if ours != theirs:
            raise Wrong(f"{folder} has {len(ours)} results, the undisturbed run {len(theirs)}")
        for name in ours:
            if digest(folder / name) != digest(self.whole / name):
                raise Wrong(f"{folder / name} differs from the undisturbed one")


# ---------------------------------------------------------------------------------------------------------- killing


def start(arguments: str, folder: Path) -> subprocess.Popen[str]:
    """impasto, in a folder; what it says goes to a file beside it."""
    with folder.with_suffix(".log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "impasto", *arguments.split()], cwd=folder, env=ENVIRONMENT, stderr=log, text=True
        )


def command(undertaking: Undertaking, folder: Path) -> str:
    """What begins it in a folder, or goes on."""
    return undertaking.again if undertaking.marker and (folder / undertaking.marker).exists() else undertaking.command


def check_ending(undertaking: Undertaking, status: int, folder: Path) -> None:
    """Raise Wrong unless it ended as it should."""
    said = folder.with_suffix(".log").read_text(encoding="utf-8")
    named = len(re.findall(r"^impasto: \S+: ", said, re.M))
    if status != (2 if undertaking.failures else 0) or named != undertaking.failures:
        raise Wrong(f"{folder} ended with {status} and {named} named failures: {said.strip()[-500:]}")


def at_work(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait until the process has written something, or has ended; before that there is nothing to be lost."""
    began = time.time_ns()
    while process.poll() is None and not any(changed(path) > began for path in [folder, *folder.rglob("*")]):
        time.sleep(0.02)


def changed(path: Path) -> int:
    """When a file or folder was changed, 0 if it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def ended(process: subprocess.Popen[str], moment: float, watch: Watch, folder: Path) -> bool:
    """Wait until the process has ended, or until `moment`, seconds from now; whether it has ended."""
    until = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < until:
        watch.note(folder)
        time.sleep(0.02)
    return process.poll() is not None


def undisturbed(undertaking: Undertaking, folder: Path) -> float:
    """Run it to the end; how many seconds that took from the first thing written."""
    folder.mkdir(parents=True)
    process = start(undertaking.command, folder)
    at_work(process, folder)
    began = time.monotonic()
    status = process.wait(timeout=LIMIT)
    check_ending(undertaking, status, folder)
    return time.monotonic() - began


def killed(
    undertaking: Undertaking, place: Path, watch: Watch, seconds: float, kills: int, chance: random.Random
) -> int:
    """Kill it so many times, each time begun again, in a fresh folder whenever it came to its end; how many ends."""
    done, rounds = 0, 0
    while done < kills:
        rounds += 1
        folder = place / f"{rounds}"
        folder.mkdir()
        watch.begin()
        process = start(undertaking.command, folder)
        at_work(process, folder)
        while not ended(process, chance.uniform(0, seconds) if done < kills else LIMIT, watch, folder):
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
            watch.look(folder)
            process = start(command(undertaking, folder), folder)
            at_work(process, folder)
        check_ending(undertaking, process.returncode, folder)
        watch.end(folder)
    return rounds


def descendants(parent: int) -> list[int]:
    """The processes below one, from /proc."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            children.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    found = list(children.get(parent, ()))
    for one in found:
        found += children.get(one, ())
    return found


def painters(parent: int) -> list[int]:
    """Ray's actors below a process."""
    found = []
    for one in descendants(parent):
        try:
            found += [one] if Path(f"/proc/{one}/cmdline").read_bytes().startswith(b"ray::Painter") else []
        except OSError:
            continue
    return found


def on_ray(place: Path, watch: Watch, chance: random.Random) -> None:
    """The batch of 200 on two actors, of which one is killed when a random number of pictures is there."""
    folder = place / "1"
    folder.mkdir(parents=True)
    watch.begin()
    wanted = chance.randrange(20, 150)
    process = start(RAY.command, folder)
    while len(list(folder.glob(RAY.finished))) < wanted:
        if ended(process, 0.02, watch, folder):
            raise Wrong(f"{folder} ended early: {folder.with_suffix('.log').read_text()[-500:]}")
    os.kill(chance.choice(painters(process.pid)), signal.SIGKILL)
    if not ended(process, LIMIT, watch, folder):
        raise Wrong(f"{folder} hangs")
    check_ending(RAY, process.returncode, folder)
    watch.end(folder)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="new; kept afterwards")
    parser.add_argument("--kills", type=int, default=5, help="of each undertaking")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[*UNDERTAKINGS, "ray"], default=[*UNDERTAKINGS, "ray"])
    given = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        prepare(place / "inputs")
        print("| | killed | ends reached | files read | results | |\n| --- | --- | --- | --- | --- | --- |")
        wholes: dict[str, Path] = {}
        for name, undertaking in UNDERTAKINGS.items():
            if name not in given.only and not (name == "batch of 200" and "ray" in given.only):
                continue
            own = place / re.sub(r"\W+", "-", name)
            wholes[name] = own / "whole"
            watch = Watch(undertaking, wholes[name])
            kills, rounds, results, said = undertaking.kills or given.kills, 0, 0, "as undisturbed"
            try:
                seconds = undisturbed(undertaking, wholes[name])
                results = len(list(wholes[name].glob(undertaking.results or undertaking.finished)))
                if name in given.only:
                    rounds = killed(undertaking, own, watch, seconds, kills, random.Random(f"{given.seed} {name}"))
            except Wrong as wrong:
                status, said = 1, f"WRONG: {wrong}"
            print(f"| {name} | {kills} | {rounds} | {watch.looked} | {results} | {said} |", flush=True)
        if "ray" in given.only:
            watch, said = Watch(RAY, wholes["batch of 200"]), "as undisturbed"
            try:
                on_ray(place / "ray", watch, random.Random(given.seed))
            except Wrong as wrong:
                status, said = 1, f"WRONG: {wrong}"
            results = len(list((place / "ray").glob(f"1/{RAY.finished}")))
            print(f"| batch of 200, a Ray worker | 1 | 1 | {watch.looked} | {results} | {said} |", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
