"""The studio as a server: what it answers, to whom."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from orders import paint, wait, within_a_loop

from impasto import recipe
from impasto.errors import OptionError
from impasto.studio import (
    look,
    server,
    service,
)
from impasto.studio.workshop import Workshop


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[..., str]]:
    """Opens a studio, where nobody works unless a workshop is given; gives its address."""
    closing: list[Callable[[], Any]] = []

    def open_it(workshop: Workshop | None = None, **access: str) -> str:
        workshop = workshop or Workshop(workers=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            page, address = within_a_loop(lambda: server.launch(workshop, port=None, **access))
        closing.extend((lambda: page.close(verbose=False), workshop.close))
        return str(address)

    yield open_it
    for close in closing:
        close()


def ask(address: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    """(status, text) of an address."""
    request = urllib.request.Request(address, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(errors="replace")


ALONE = """
import socket, sys
from pathlib import Path
import pytest
from gradio_client import Client, handle_file
from impasto import recipe
from impasto.shipped import DEMO
from studio_load import opened
process, address, _ = opened(Path(sys.argv[1]) / "log.txt")
try:
    client = Client(address, verbose=False, download_files=sys.argv[1])
    options = {"size": 64, "min_scale": 64, "first_steps": 2}
    painted = client.predict(
        handle_file(DEMO / "valley.jpg"), [handle_file(DEMO / "swirl.jpg")], options, api_name="/paint"
    )
    assert recipe.read(painted)["steps"] == 2
finally:
    process.terminate()
    process.wait(20)
with pytest.raises(OSError):  # there is no way out
    socket.create_connection(("192.0.2.1", 80), 2)
print("painted alone")
"""
APART = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def can_be_alone() -> bool:
    """Whether a program may have a network of its own here, of loopback alone."""
    return shutil.which("unshare") is not None and subprocess.run([*APART, "true"], capture_output=True).returncode == 0


def test_the_page_can_be_built_and_offers_programs_the_verbs_alone(line: Workshop) -> None:
    page = within_a_loop(lambda: server.page(line))
    public = {event.api_name for event in page.fns.values() if event.api_visibility != "private"}
    assert public == set(service.ENDPOINTS)
    kinds = ("Image", "Slider", "Dropdown", "Number", "Textbox", "Checkbox", "Radio", "ImageEditor", "File")
    asking = [block for block in page.blocks.values() if type(block).__name__ in kinds]
    assert len(asking) > 60
    assert all(block.label for block in asking)


@pytest.mark.parametrize(
    ("host", "user", "password", "allowed"),
    [
        ("127.0.0.1", None, None, True), ("::1", None, None, True), ("localhost", "me", "pass", True),
        ("0.0.0.0", None, None, False), ("192.168.1.2", "me", None, False), ("0.0.0.0", None, "pass", False),
        ("0.0.0.0", "me", "pass", True), ("127.0.0.1", "me", None, False), ("", None, None, False),
    ],
)  # fmt: skip
def test_whoever_lets_others_in_asks_who_they_are(host: str, user: Any, password: Any, allowed: bool) -> None:
    if allowed:
        server.check_access(host, user, password)
    else:
        with pytest.raises(OptionError, match="IMPASTO_STUDIO_PASSWORD"):
            server.check_access(host, user, password)


def test_the_page_is_made_of_what_is_here() -> None:
    assert not re.search(r"https?:|//|@import|url\(", look.CSS.read_text(encoding="utf-8"))
    assert not [font for font in look.theme()._font if "Google" in type(font).__name__]
    assert re.findall(r"https?://[^\"]+", server.HEADER) == []


@pytest.mark.filterwarnings("ignore")  # what Gradio and pandas warn of in threads of their own
def test_reading_files_of_the_machine_is_refused(opened: Callable[..., str]) -> None:
    address = opened()
    own = str(Path(__file__).parent.parent / "pyproject.toml")
    places = ("/etc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd",
              "//etc/passwd", "%00/etc/passwd", "file%3A///etc/passwd", own, "pyproject.toml", quote(own, safe=""),
    )  # fmt: skip
    doors = ("file=", "gradio_api/file=", "gradio_api/file/", "static/", "assets/", "svelte/", "gradio_api/stream/")
    for door in doors:
        for place in places:
            status, told = ask(f"{address}{door}{place}")
            assert "root:" not in told
            assert "build-backend" not in told
            assert status >= 400, f"{door}{place}"
    sent = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    call = json.dumps({"data": [sent, [sent], {}]}).encode()
    status, told = ask(f"{address}gradio_api/call/paint", call)
    if status == 200:  # taken into the line of requests, and refused when it is its turn
        _, told = ask(f"{address}gradio_api/call/paint/{json.loads(told)['event_id']}")
        assert "event: error" in told
    assert "root:" not in told


@pytest.mark.filterwarnings("ignore")
def test_of_thirty_jobs_at_once_each_good_one_ends_with_its_own_picture(
    opened: Callable[..., str], workshop: Workshop, picture: Path, tmp_path: Path
) -> None:
    (broken := picture.with_name("broken.png")).write_bytes(b"no picture")
    client = Client(opened(workshop), verbose=False, download_files=tmp_path / "results", analytics_enabled=False)
    good = {"size": 32, "min_scale": 32, "first_steps": 2}
    bad = [{"size": 5}, {"sise": 64}, {"weights": "/etc/passwd"}]
    jobs = []
    for seed in range(30):
        wrong = [None, "picture", "options"][seed % 3]
        photo = handle_file(broken if wrong == "picture" else picture)
        settings = {**good, "seed": seed, **(bad[seed % 9 // 3] if wrong == "options" else {})}
        jobs.append(client.submit(photo, [handle_file(picture)], settings, api_name="/paint"))
    for seed, job in enumerate(jobs):
        if seed % 3 == 0:
            assert recipe.read(job.result(60))["options"]["seed"] == seed
        else:
            with pytest.raises(AppError) as caught:
                job.result(60)
            assert str(caught.value)
            assert "secret" not in str(caught.value)
    assert wait(workshop.submit(paint(picture))).state == "done"


@pytest.mark.skipif(not can_be_alone(), reason="needs unshare and ip, and leave to use them")
def test_where_there_is_no_network_at_all_it_paints(tmp_path: Path) -> None:
    program = [sys.executable, "-W", "ignore", "-c", ALONE, str(tmp_path)]
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*APART, *program], env={**os.environ, "PYTHONPATH": paths}, cwd=tmp_path, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.stdout.endswith("painted alone\n"), done.stderr


@pytest.mark.filterwarnings("ignore")
def test_with_a_user_strangers_get_nothing(opened: Callable[..., str]) -> None:
    address = opened(user="me", password="a secret")
    for door in ("config", "gradio_api/info", "gradio_api/file=/etc/passwd"):
        assert ask(f"{address}{door}")[0] in (401, 403), door
    for door in ("gradio_api/upload", "gradio_api/queue/join", "gradio_api/call/paint", "gradio_api/run/predict"):
        assert ask(f"{address}{door}", b"{}")[0] in (401, 403), door
    _, told = ask(address)
    assert "valley" not in told
    assert '"components":[]' in told


@pytest.mark.filterwarnings("ignore")
def test_without_a_user_only_this_machine_s_own_names_are_answered(opened: Callable[..., str]) -> None:
    address = opened()
    port = address.rstrip("/").rsplit(":", 1)[1]
    for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert ask(address, Host=host)[0] == 200, host
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", ""):
        for door in ("", "config", "gradio_api/info"):
            assert ask(f"{address}{door}", Host=host)[0] == 400, host
    assert ask(opened(user="me", password="a secret"), Host="studio.example")[0] == 200  # behind a proxy, say
