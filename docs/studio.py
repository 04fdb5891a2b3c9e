"""Take the screenshots of docs/studio.md, or the times: python docs/studio.py [SHOT ...] | --measure

Opens a studio and drives it in Debian's chromium; needs pip install '.[browser]'. Writes docs/images/studio/*.jpg. A shot
is painting, dial, compare or train; all if none is named. --measure prints seconds instead: from the command to the page,
from the button to the first preview of the shipped example, and from a slider of Stylize to the new picture at 512 pixels.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from impasto.shipped import DEMO

HERE = Path(__file__).parent / "images" / "studio"
SIZE = {"width": 1320, "height": 820}


def shoot(page: Any, name: str) -> None:
    """Write what the page shows."""
    data = BytesIO()
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(data, "JPEG", quality=82, optimize=True, progressive=True)
    (HERE / f"{name}.jpg").write_bytes(data.getvalue())


def opened(browser: Any, address: str, look: str = "light") -> Any:
    """The page, when it is ready."""
    page = browser.new_context(viewport=SIZE, color_scheme=look).new_page()
    page.set_default_timeout(600_000)
    page.goto(address)
    page.locator(".stage").first.wait_for()
    return page


def press(page: Any, name: str) -> None:
    """A button of the tab that is open."""
    page.get_by_role("button", name=name, exact=True).locator("visible=true").first.click()


def painting(browser: Any, address: str) -> Any:
    """A painting on its way."""
    page = opened(browser, address)
    page.wait_for_timeout(1500)
    press(page, "Paint")
    page.wait_for_function("document.querySelector('.stage').innerText.includes('512 px')")
    page.wait_for_timeout(3000)
    return page


def dial(browser: Any, address: str) -> Any:
    """A sheet to choose from."""
    page = opened(browser, address)
    page.get_by_role("tab", name="Dial", exact=True).click()
    page.wait_for_timeout(1000)
    page.locator(".shipped button").locator("visible=true").nth(1).click()
    page.locator(".pictures img[src$='woodcut.jpg']").locator("visible=true").first.wait_for()
    press(page, "Paint the sheet")
    page.get_by_text("Choose one to look closer").wait_for()
    page.locator("[data-cell='7']").hover()
    page.wait_for_timeout(500)
    return page


def compare(browser: Any, address: str) -> Any:
    """A finished painting in the dark, with the handle in the middle."""
    page = opened(browser, address, "dark")
    page.wait_for_timeout(1500)
    page.locator(".shipped button").nth(1).click()
    page.locator(".pictures img[src$='woodcut.jpg']").first.wait_for()
    press(page, "Paint")
    slider = page.get_by_label("Photo against painting").first
    slider.wait_for()
    slider.evaluate("one => { one.value = 45; one.dispatchEvent(new Event('input')) }")
    return page


def train(browser: Any, address: str) -> Any:
    """A network that learns; from the two shipped photos alone, which is too few but enough to see how it goes."""
    page = opened(browser, address)
    page.get_by_role("tab", name="Train", exact=True).click()
    page.wait_for_timeout(1000)
    page.locator(".photographs input[type=file]").first.set_input_files([DEMO / "valley.jpg", DEMO / "fauve.jpg"])
    page.locator(".photographs").get_by_text("fauve").locator("visible=true").first.wait_for()
    press(page, "Train")
    page.get_by_text(re.compile(r"step [3-9]\d of")).wait_for()
    page.wait_for_timeout(8000)  # until the next sheet
    return page


SHOTS: dict[str, Callable[[Any, str], Any]] = {
    "painting": painting, "dial": dial, "compare": compare, "train": train,
}  # fmt: skip


def measure(browser: Any, address: str) -> None:
    """Print how long one waits for a first preview, and for a picture that follows a slider."""
    page = opened(browser, address)
    began = time.monotonic()
    press(page, "Paint")
    page.locator(".stage.working img").first.wait_for()
    print(f"first preview of the example, from the page: {time.monotonic() - began:.1f} s")
    press(page, "Stop and keep")
    page.locator(".stage.ended").first.wait_for()
    page.get_by_role("tab", name="Stylize", exact=True).click()
    field = page.get_by_label("range slider for Strength").locator("visible=true").first
    picture = page.locator(".compare img").locator("visible=true").first
    picture.wait_for()
    page.wait_for_timeout(1000)
    seconds = []
    for _ in range(12):
        before, began = picture.get_attribute("src"), time.monotonic()
        field.press("ArrowLeft")
        while picture.get_attribute("src") == before:
            time.sleep(0.002)
        seconds.append(time.monotonic() - began)
    print(f"slider to picture at 512 px: median {median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f} s")


if __name__ == "__main__":
    wanted = sys.argv[1:]
    HERE.mkdir(parents=True, exist_ok=True)
    log = Path(tempfile.mkdtemp()) / "log.txt"
    with log.open("w") as said:
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "impasto", "studio", "--no-browser", "--port", "0"], stderr=said
        )
        try:
            while not (found := re.search(r"http://\S+", log.read_text())):
                time.sleep(0.02)
            urllib.request.urlopen(found[0]).read()
            up = time.monotonic() - start
            with sync_playwright() as driver:
                chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                if wanted == ["--measure"]:
                    print(f"page up after the command: {up:.1f} s")
                    measure(chromium, found[0])
                for name in [] if wanted == ["--measure"] else wanted or SHOTS:
                    page = SHOTS[name](chromium, found[0])
                    shoot(page, name)
                    page.close()
        finally:
            process.terminate()
            process.wait()
