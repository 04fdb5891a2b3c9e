"""Many programs at one studio: python tests/studio_load.py [CLIENTS] [JOBS]

Opens a studio, sends it jobs of good and bad input mixed, and says whether every good one ended with its own picture,
what the bad ones were told, and what memory the studio had before and after. Where /proc is, that is.
"""

import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gradio_client import Client, handle_file

from impasto import saving
from impasto.figures.table import STYLES
from impasto.shipped import DEMO

GROWTH = 1.1  # of memory, at most


def opened(log: Path) -> tuple[subprocess.Popen[str], str, float]:
    """A studio on a free port, its address, and the seconds until its page was up."""
    began = time.monotonic()
    program = [sys.executable, "-m", "impasto", "studio", "--no-browser", "--port", "0"]
    process = subprocess.Popen(program, stderr=log.open("w"), text=True)
    while not (found := re.search(r"http://\S+", log.read_text())):
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    urllib.request.urlopen(found[0]).read()
    return process, found[0], time.monotonic() - began


def memory(process: int) -> float:
    """MB that a process and its children hold."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    status = Path(f"/proc/{process}/status").read_text()
    own = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    return own + sum(memory(int(child)) for file in children for child in file.read_text().split())


def job(number: int, bad: list[Path]) -> tuple[str, tuple[Any, ...], bool]:
    """The endpoint, what is sent, and whether it is good."""
    photo, style = DEMO / "valley.jpg", DEMO / f"{STYLES[number % 5]}.jpg"
    settings = {"size": 96, "seed": number}
    if number % 3 == 0:
        broken = bad[number // 3 % len(bad)]
        return "/paint", (handle_file(broken), [handle_file(style)], settings), False
    if number % 3 == 1 and number % 2:
        wrong = [{"size": 5}, {"sise": 64}, {"weights": "/etc/passwd"}, {"start": "/etc/passwd"}, {"preset": "none"}]
        return "/paint", (handle_file(photo), [handle_file(style)], wrong[number % 5]), False
    if number % 5 == 0:
        return "/texture", (handle_file(style), settings), True
    return "/paint", (handle_file(photo), [handle_file(style)], settings), True


def main(clients: int = 30, jobs: int = 100) -> int:
    """Returns a status: 0 where everything was as it should be."""
    folder = Path(tempfile.mkdtemp(prefix="studio-load-"))
    log = folder / "log.txt"
    process, address, seconds = opened(log)
    print(f"page up after {seconds:.1f} s")
    bad = [folder / name for name in ("text.png", "cut.jpg", "empty.png")]
    bad[0].write_text("no picture")
    bad[1].write_bytes((DEMO / "fauve.jpg").read_bytes()[:9000])
    bad[2].write_bytes(b"")
    connected = [
        Client(address, verbose=False, download_files=str(folder / str(n)), httpx_kwargs={"timeout": 120})
        for n in range(clients)
    ]
    one = (handle_file(DEMO / "valley.jpg"), [handle_file(DEMO / "swirl.jpg")], {"size": 96})
    for _ in range(3):
        connected[0].predict(*one, api_name="/paint")
    before = memory(process.pid)
    told: Counter[str] = Counter()
    wrong = []
    lock = threading.Lock()

    def send(number: int) -> None:
        endpoint, sent, good = job(number, bad)
        try:
            picture = connected[number % clients].predict(*sent, api_name=endpoint)
            recipe = saving.read_recipe(picture) or {}
            own = recipe.get("options", {}).get("seed") == number and good
            with lock:
                told["own picture" if own else "somebody else's"] += 1
        except Exception as error:
            with lock:
                told["a sentence"] += not good
                if good:
                    wrong.append(f"{number}: {error}")
                if tempfile.gettempdir() in str(error) or str(DEMO) in str(error):
                    wrong.append(f"{number} tells a path: {error}")

    began = time.monotonic()
    numbers = random.Random(0).sample(range(jobs), jobs)
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, numbers))
    good = sum(job(number, bad)[2] for number in range(jobs))
    print(f"{jobs} jobs of {clients} clients, {good} of them good, in {time.monotonic() - began:.0f} s: {dict(told)}")
    time.sleep(2)
    after = memory(process.pid)
    print(f"memory {before:.0f} MB before, {after:.0f} MB after: {100 * (after / before - 1):+.1f} %")
    for line in wrong:
        print(line)
    process.terminate()
    process.wait(20)
    as_wanted = told == {"own picture": good, "a sentence": jobs - good}
    return int(bool(wrong) or not as_wanted or after > GROWTH * before)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
