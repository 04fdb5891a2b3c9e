"""Take the screenshots of docs/studio.md: python docs/studio.py

Opens a studio and drives it in Debian's chromium; needs pip install '.[browser]'. Writes docs/images/studio/*.jpg.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent / "images" / "studio"
SIZE = {"width": 1320, "height": 820}


def shoot(page: Any, name: str) -> None:
    """Write what the page shows."""
    data = BytesIO()
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(data, "JPEG", quality=82, optimize=True, progressive=True)
    (HERE / f"{name}.jpg").write_bytes(data.getvalue())


def shots(browser: Any, address: str) -> None:
    """A painting on its way, and the finished one in the dark with the handle in the middle."""
    for look, name in (("light", "painting"), ("dark", "compare")):
        page = browser.new_context(viewport=SIZE, color_scheme=look).new_page()
        page.goto(address)
        page.locator(".stage").first.wait_for()
        page.wait_for_timeout(1500)
        if look == "dark":
            page.locator(".shipped button").nth(1).click()
            page.locator(".pictures img[src$='woodcut.jpg']").first.wait_for()
        page.get_by_role("button", name="Paint", exact=True).first.click()
        if look == "light":
            page.wait_for_function("document.querySelector('.stage').innerText.includes('512 px')")
            page.wait_for_timeout(3000)
        else:
            slider = page.get_by_label("Photo against painting").first
            slider.wait_for(timeout=300_000)
            slider.evaluate("one => { one.value = 45; one.dispatchEvent(new Event('input')) }")
        shoot(page, name)
        page.close()


if __name__ == "__main__":
    HERE.mkdir(parents=True, exist_ok=True)
    log = Path(tempfile.mkdtemp()) / "log.txt"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "impasto", "studio", "--no-browser", "--port", "0"], stderr=said
        )
        try:
            while not (found := re.search(r"http://\S+", log.read_text())):
                time.sleep(0.1)
            with sync_playwright() as driver:
                shots(driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]), found[0])
        finally:
            process.terminate()
            process.wait()
