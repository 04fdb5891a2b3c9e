"""The studio as people use it, in Chromium. `pytest -m browser` runs these; screenshots go to runs/studio.

They need Debian's chromium (or the one that IMPASTO_CHROMIUM names) and Playwright: pip install '.[browser]'.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto import images, saving, transform
from impasto.shipped import DEMO

CHROMIUM = os.environ.get("IMPASTO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).parent.parent
SHOTS = ROOT / "runs" / "studio"
# What Chromium would ask of other hosts for itself
QUIET = [
    "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-default-apps", "--disable-extensions", "--disable-domain-reliability",
    "--disable-client-side-phishing-detection", "--disable-features=Translate,OptimizationHints,MediaRouter",
]  # fmt: skip
TABS = ("Paint", "Dial", "Stylize", "Texture", "Reconstruct", "Video", "Train", "Gallery")
SIZES = {"wide": {"width": 1360, "height": 860}, "phone": {"width": 390, "height": 844}}

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install '.[browser]'")
if CHROMIUM is None:
    pytest.skip("needs Chromium: apt install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio, opened as users open it."""
    log = tmp_path_factory.mktemp("studio") / "log.txt"
    with log.open("w") as said:
        program = [sys.executable, "-m", "impasto", "studio", "--no-browser", "--port", "0"]
        began = time.monotonic()
        process = subprocess.Popen(program, stderr=said, cwd=ROOT)
        try:
            end = time.monotonic() + 60
            while not (found := re.search(r"http://\S+", log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, "the studio did not open"
                time.sleep(0.1)
            note("from the command to the page", time.monotonic() - began)
            yield found[0]
        finally:
            process.terminate()
            assert process.wait(20) == 130


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the studio in a browser of its own; in the end no other host was asked for anything."""
    hosts: set[str] = set()
    contexts = []

    def open_it(look: str = "light", size: str = "wide") -> Any:
        context = browser.new_context(viewport=SIZES[size], color_scheme=look)
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: hosts.add(request.url))
        page.goto(address)
        page.locator(".stage").first.wait_for()
        page.wait_for_timeout(1000)  # what the page asks for at first
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [url for url in hosts if not url.startswith((address, "data:", "blob:"))] == []


def stage(page: Any, state: str = "") -> Any:
    """The stage of the tab that is open, in a state."""
    return page.locator(f".stage{'.' + state if state else ''}").locator("visible=true").first


def set_size(page: Any, pixels: int) -> None:
    field = page.get_by_label("number input for Size").locator("visible=true").first
    field.fill(str(pixels))
    field.press("Tab")


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).locator("visible=true").first.click()


def upload(page: Any, label: str, path: Path) -> None:
    """Put a file where one would drop it, in the place of what is there."""
    block = page.locator(".block", has=page.get_by_text(label, exact=True)).locator("visible=true").last
    clear = block.get_by_label("Remove Image")
    if clear.count():
        clear.first.click()
    block.locator("input[type=file]").first.set_input_files(path)


def note(what: str, *seconds: float) -> None:
    """Add to what was measured, beside the screenshots. Nothing is asserted of it: machines differ."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with (SHOTS / "seconds.txt").open("a") as file:
        file.write(f"{what}: {' '.join(f'{one:.2f}' for one in seconds)}\n")


# ---------------------------------------------------------------------------------------------------------- tests


def test_the_example_is_painted_as_soon_as_the_page_is_up(open_page: Any) -> None:
    page = open_page()
    began = time.monotonic()
    press(page, "Paint")
    stage(page, "working").locator("img").wait_for()
    note("from the button to the first preview", time.monotonic() - began)
    began = time.monotonic()
    press(page, "Stop and keep")
    stage(page, "ended").wait_for()
    note("from the stop to the result", time.monotonic() - began)


def test_paint_watch_stop_compare_download_and_have_the_settings_back(open_page: Any, tmp_path: Path) -> None:
    page = open_page()
    upload(page, "Photo", DEMO / "fauve.jpg")
    page.locator(".shipped button").locator("visible=true").nth(1).click()
    page.locator(".pictures img[src$='woodcut.jpg']").locator("visible=true").first.wait_for()
    set_size(page, 704)
    press(page, "Paint")
    stage(page, "working").wait_for()
    seen = set()
    while len(seen) < 4:  # the picture changes while it is painted
        seen.add(stage(page, "working").locator("img").get_attribute("src"))
    stage(page).locator("svg.curve").wait_for()
    press(page, "Stop and keep")
    stage(page, "ended").wait_for()
    assert "stopped at step" in stage(page).inner_text()

    slider = stage(page).get_by_label("Photo against painting")
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    assert slider.input_value() == "30"
    assert "30%" in str(stage(page).locator(".compare").get_attribute("style"))

    with page.expect_download() as download:
        page.locator(".download").locator("visible=true").first.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    recipe = saving.read_recipe(file)
    assert recipe is not None
    assert (file.name, recipe["verb"], recipe["options"]["size"]) == ("fauve-woodcut.png", "paint", 704)

    fresh = open_page()
    with fresh.expect_file_chooser() as chooser:
        fresh.get_by_text("Open a painting").click()
    chooser.value.set_files(file)
    fresh.get_by_text("Its settings are back").wait_for()
    assert fresh.get_by_label("number input for Size").locator("visible=true").first.input_value() == "704"


def test_one_goes_back_a_few_steps_and_paints_on_in_other_colors(open_page: Any) -> None:
    page = open_page()
    set_size(page, 128)
    press(page, "Paint")
    stage(page).locator(".compare").wait_for()
    page.get_by_text("Go back, or go on from here").click()
    slider = page.get_by_label("range slider for Step").locator("visible=true").first
    end = stage(page).locator("img").first.get_attribute("src")
    slider.focus()
    slider.press("Home")
    page.get_by_text("step 25 of 100").wait_for()
    assert stage(page).locator("img").first.get_attribute("src") != end
    page.get_by_label("More steps").fill("20")
    page.screenshot(path=SHOTS / "back.png")
    press(page, "Paint on from this step with the options as they are now")
    stage(page).locator(".compare").wait_for()
    assert "120 steps" in stage(page).inner_text()


def test_a_mask_is_drawn_with_the_mouse(open_page: Any, tmp_path: Path) -> None:
    page = open_page()
    set_size(page, 128)
    page.get_by_text("More styles, and where they go").click()
    page.get_by_label("Only where I draw").check()
    canvas = page.locator(".editor canvas").first
    canvas.wait_for()
    page.wait_for_timeout(1500)  # the photo is laid under
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 10, steps=12)
    page.mouse.up()
    page.wait_for_timeout(500)
    page.screenshot(path=SHOTS / "mask.png")
    press(page, "Paint")
    stage(page, "ended").wait_for()
    with page.expect_download() as download:
        page.locator(".download").locator("visible=true").first.click()
    download.value.save_as(tmp_path / "masked.png")
    recipe = saving.read_recipe(tmp_path / "masked.png")
    assert recipe is not None
    assert "mask" in recipe["inputs"]
    painted = images.load(tmp_path / "masked.png")
    photo = images.resize(images.load(DEMO / "valley.jpg"), 128)
    changed = (painted - photo).abs().mean(1)[0]
    assert changed[:8].max() < 0.02  # far from the stroke the photo stays
    assert changed[changed.shape[0] // 2].max() > 0.05

    fresh = open_page()
    upload(fresh, "Photo", tmp_path / "masked.png")
    press(fresh, "impasto painted this photo: use its settings")
    fresh.get_by_text("Its settings are back").wait_for()
    assert fresh.get_by_label("Only where I draw").is_checked()
    fresh.locator(".editor canvas").first.wait_for()
    fresh.wait_for_timeout(1500)
    fresh.screenshot(path=SHOTS / "mask-back.png")
    press(fresh, "Paint")
    stage(fresh, "ended").wait_for()
    with fresh.expect_download() as download:
        fresh.locator(".download").locator("visible=true").first.click()
    download.value.save_as(tmp_path / "again.png")
    assert (images.load(tmp_path / "again.png") - painted).abs().mean() < 0.02


def test_one_draws_on_the_photo_that_is_there(open_page: Any) -> None:
    page = open_page()
    page.get_by_text("More styles, and where they go").click()
    page.get_by_label("Only where I draw").check()
    editor = page.locator(".editor canvas").first
    editor.wait_for()
    page.get_by_label("Remove Image").locator("visible=true").first.click()
    editor.wait_for(state="hidden")
    upload(page, "Photo", DEMO / "fauve.jpg")
    editor.wait_for()


DROP = """(place, [name, type, bytes]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const target = place.querySelector("img") ?? place.querySelector("button");
  for (const event of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(event, { bubbles: true, cancelable: true, dataTransfer }));
}"""


@pytest.mark.parametrize("look", ["light", "dark"])
def test_what_is_dropped_and_no_picture_or_too_large_is_a_sentence(open_page: Any, look: str) -> None:
    page = open_page(look)
    place = page.locator(".place").locator("visible=true").first
    before = place.locator("img").get_attribute("src")
    border = "one => getComputedStyle(one).borderColor"
    calm = place.evaluate(border)
    place.evaluate(DROP, ["letter.txt", "text/plain", 20])
    said = place.get_by_role("alert")
    said.wait_for()
    assert said.inner_text() == "letter.txt is no picture. Give a PNG, JPEG, WebP or TIFF."
    page.screenshot(path=SHOTS / f"dropped-{look}.png")
    assert place.locator("img").get_attribute("src") == before  # what was there stays
    assert place.evaluate(border) == calm
    place.evaluate(DROP, ["large.png", "image/png", 48 * 2**20 + 1])
    said.get_by_text("large.png has more than 48 MB").wait_for()
    assert place.locator("img").get_attribute("src") == before
    place.evaluate(DROP, ["small.png", "image/png", 20])
    page.locator(".place img[src$='small.png']").wait_for(state="attached")
    assert said.count() == 0


def test_what_is_no_picture_is_a_sentence_and_costs_nothing(open_page: Any, tmp_path: Path) -> None:
    page = open_page()
    (text := tmp_path / "letter.png").write_text("Dear Sir or Madam")
    upload(page, "Photo", text)
    set_size(page, 128)
    press(page, "Paint")
    said = stage(page).get_by_role("alert")
    said.wait_for()
    assert "letter.png is no picture" in said.inner_text()
    assert "/" not in said.inner_text()
    upload(page, "Photo", DEMO / "valley.jpg")
    press(page, "Paint")
    stage(page).locator(".compare").wait_for()


def test_stylize_answers_as_the_slider_moves(open_page: Any) -> None:
    page = open_page()
    page.get_by_role("tab", name="Stylize").click()
    picture = page.locator(".compare img").locator("visible=true").first
    picture.wait_for()
    before = picture.get_attribute("src")
    field = page.get_by_label("range slider for Strength").locator("visible=true").first
    field.focus()
    seconds = []
    for _ in range(5):
        began = time.monotonic()
        field.press("ArrowLeft")
        while (now := picture.get_attribute("src")) == before:
            time.sleep(0.005)
        seconds.append(time.monotonic() - began)
        before = now
    note("from a slider to the new picture", *seconds)
    with page.expect_download() as download:
        page.locator("button.download").locator("visible=true").first.click()
    assert saving.read_recipe(download.value.path())["options"]["strength"] == pytest.approx(95)  # type: ignore[index]


def test_the_dial_looks_closer_and_a_choice_is_painted_large(open_page: Any) -> None:
    page = open_page()
    page.get_by_role("tab", name="Dial", exact=True).click()
    press(page, "Paint the sheet")
    cells = page.locator(".dial button.cell")
    cells.nth(1).wait_for()
    box = cells.nth(1).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.wait_for_timeout(800)  # in which the sheet is written anew
    page.mouse.up()
    page.get_by_text("In the middle: strength 40, strokes ×0.5").wait_for()
    page.locator(".dial").get_by_text("45", exact=True).wait_for()
    page.screenshot(path=SHOTS / "dial-closer.png")
    press(page, "Back")
    page.get_by_text("Choose one to look closer").wait_for()
    page.get_by_text("In the middle").wait_for(state="hidden")
    cells.nth(1).focus()
    cells.nth(1).press("Enter")
    page.get_by_text("In the middle: strength 40, strokes ×0.5").wait_for()
    press(page, "Paint it large")
    strength = page.get_by_label("number input for Strength").locator("visible=true").first
    strength.wait_for()
    page.wait_for_timeout(1000)
    assert page.get_by_role("tab", name="Paint", exact=True).get_attribute("aria-selected") == "true"
    assert strength.input_value() == "40"
    assert (
        page.get_by_label("number input for Size of the strokes").locator("visible=true").first.input_value() == "0.5"
    )
    assert not page.get_by_label("Leave it to the preset").locator("visible=true").first.is_checked()


def test_a_slider_that_is_moved_is_on(open_page: Any) -> None:
    page = open_page()
    box = page.get_by_label("Leave it to the preset").locator("visible=true").first
    assert box.is_checked()
    page.get_by_label("range slider for Strength").locator("visible=true").first.press("ArrowLeft")
    page.wait_for_function("one => !one.checked", arg=box.element_handle())


def test_a_network_is_trained_kept_downloaded_and_used(open_page: Any, tmp_path: Path) -> None:
    page = open_page()
    page.get_by_role("tab", name="Train", exact=True).click()
    photos = [DEMO / "valley.jpg", DEMO / "fauve.jpg"]
    page.locator(".photographs input[type=file]").first.set_input_files(photos)
    page.locator(".photographs").get_by_text("fauve").locator("visible=true").first.wait_for()
    press(page, "Train")
    stage(page, "working").locator("img").wait_for()
    stage(page).locator("svg.curve").wait_for()
    page.screenshot(path=SHOTS / "training.png")
    press(page, "Stop and keep")
    stage(page, "ended").wait_for()
    assert "stopped at step" in stage(page).inner_text()
    with page.expect_download() as download:
        page.locator("button.download").locator("visible=true").first.click()
    assert download.value.suggested_filename == "swirl.safetensors"
    assert transform.load(download.value.path()).styles == ("swirl",)
    press(page, "Use it in Stylize")
    stage(page).get_by_text("swirl", exact=True).wait_for()  # by which it is painted
    page.screenshot(path=SHOTS / "trained.png")


@pytest.mark.parametrize("keep", [False, True])
def test_a_tab_that_is_closed_stops_its_painting_or_not(open_page: Any, keep: bool) -> None:
    page = open_page()
    if keep:
        page.get_by_label("Go on when this page is closed").locator("visible=true").first.check()
    set_size(page, 256)
    press(page, "Paint")
    stage(page, "working").wait_for()
    context = page.context
    page.close()
    again = context.new_page()
    again.goto(page.url)
    again.locator(".stage").first.wait_for()
    if keep:
        stage(again, "ended").wait_for()
        assert "stopped" not in stage(again).inner_text()
    else:
        again.wait_for_timeout(3000)
        assert stage(again, "empty").count() == 1
        set_size(again, 128)
        press(again, "Paint")  # and the machine is free
        stage(again, "ended").wait_for()


def test_the_page_s_example_client_runs(address: str) -> None:
    page = (ROOT / "docs" / "studio.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(example.strip().splitlines()) <= 10
    program = example.replace("http://127.0.0.1:7860", address)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    recipe = saving.read_recipe(done.stdout.strip().splitlines()[-1])
    assert recipe is not None
    assert (recipe["options"]["size"], recipe["options"]["colors"]) == (256, "keep")


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_tab_is_there_in_every_look(open_page: Any, look: str, size: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = open_page(look, size)
    for tab in TABS:
        found = page.get_by_role("tab", name=tab, exact=True).locator("visible=true")
        if not found.count():  # on a phone the last tabs are behind a button
            page.locator(".overflow-menu > button").click()
            found = page.locator(".overflow-dropdown button", has_text=tab)
        found.first.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=SHOTS / f"{tab.lower()}-{look}-{size}.png", full_page=size == "phone")
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, button, select, textarea, canvas[tabindex]')]
        .filter(one => one.offsetParent && one.type !== 'file' && !one.ariaLabel && !one.title && !one.labels?.length
                && !one.innerText.trim()).map(one => one.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
