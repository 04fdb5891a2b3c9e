"""The page of a network in Chromium: what WebGL paints is what torch paints. `pytest -m browser` runs these."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from impasto import cli, images, transform
from impasto.shipped import DEMO

CHROMIUM = os.environ.get("IMPASTO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = Path(__file__).parent.parent / "runs" / "webpage"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
         "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]  # fmt: skip
PIXELS = """() => {
  const read = canvas => {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const pen = copy.getContext("2d");
    pen.drawImage(canvas, 0, 0);
    return [canvas.height, canvas.width, Array.from(pen.getImageData(0, 0, canvas.width, canvas.height).data)];
  };
  return [read(find("photo")), read(find("painting"))];
}"""

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install '.[browser]'")
if CHROMIUM is None:
    pytest.skip("needs Chromium: apt install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network with a photo's row, and its page."""
    torch.manual_seed(4)
    net = transform.TransformNet(transform.PLANS["light"], 2)
    torch.nn.init.normal_(net.styles, 1.0, 0.3)
    path = transform.Trained("light", net, ("a",)).save(tmp_path_factory.mktemp("page") / "n.safetensors")
    assert cli.run(["export", str(path), "--to", "html", "-q"]) == 0
    return path


@pytest.fixture
def page(network: Path) -> Iterator[Any]:
    """The page, opened from the disk; whatever it asks of others is a failure."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(network.with_suffix(".html").as_uri())
        yield page
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    assert faults == []


def painted(page: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The photo as the page has it and what it painted, (1, 3, H, W) in [0, 1]."""
    playwright.expect(page.locator("#said")).to_have_text(re.compile(" ms$"), timeout=60_000)
    found = (np.array(bytes_, np.float32).reshape(height, width, 4) for height, width, bytes_ in page.evaluate(PIXELS))
    photo, painting = (torch.from_numpy(each[:, :, :3] / 255).permute(2, 0, 1)[None] for each in found)
    return photo, painting


@pytest.mark.parametrize(("size", "strength"), [(256, 100), (320, 40)])
def test_the_page_paints_as_torch_does(network: Path, page: Any, size: int, strength: int) -> None:
    page.evaluate(f"find('size').value = {size}; find('strength').value = {strength}")
    page.set_input_files("#file", DEMO / "valley.jpg")
    photo, painting = painted(page)
    trained = transform.load(network)
    with torch.no_grad():
        expected = trained.network(photo, trained.row(strength=strength / 100))
    assert max(photo.shape[2:]) == size
    torch.testing.assert_close(painting, expected, atol=2e-3 + 0.5 / 255, rtol=0)  # the canvas holds bytes
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"page-{size}.png")


def test_a_dropped_photo_is_painted_and_a_text_is_refused_in_a_sentence(page: Any) -> None:
    drop = """([name, kind, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
      dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    page.evaluate(drop, ["letter.txt", "text/plain", list(b"Dear painter")])
    playwright.expect(page.locator("#said")).to_have_text(re.compile("no picture"))
    page.evaluate("find('size').value = 256")
    page.evaluate(drop, ["v.jpg", "image/jpeg", list((DEMO / "valley.jpg").read_bytes())])
    painted(page)


def test_the_camera_is_painted_live_until_it_is_stopped(page: Any) -> None:
    page.evaluate("find('size').value = 256")
    page.click("#camera")
    painted(page)
    assert page.inner_text("#camera") == "Stop the camera"
    page.evaluate("find('camera').click()")  # without a graphics card there is no moment in which the page holds still
    assert page.inner_text("#camera") == "Camera"


def test_the_slider_uncovers_the_painting_and_it_can_be_saved(page: Any, tmp_path: Path) -> None:
    page.evaluate("find('size').value = 256")
    page.set_input_files("#file", DEMO / "valley.jpg")
    _, painting = painted(page)
    page.locator("#split").fill("100")
    assert "inset(0px 0%" in page.evaluate("getComputedStyle(find('photo')).clipPath").replace("0px 0px", "0px 0%")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "saved.png")
    torch.testing.assert_close(images.load(tmp_path / "saved.png"), painting, atol=1e-3, rtol=0)
