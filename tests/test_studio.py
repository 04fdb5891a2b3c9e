"""The studio without a browser: its forms, its sentences, its line, its workers, and what its buttons do."""

import asyncio
import dataclasses
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto import images, recipe
from impasto.doctor import Finding
from impasto.errors import ImpastoError, InputError, OptionError
from impasto.options import PaintOptions, StylizeOptions, TrainOptions, option
from impasto.presets import PRESETS, options_for, training_options
from impasto.stylizer import stylize

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what other packages warn of while they are imported
    pytest.importorskip("gradio", reason="the studio needs Gradio: pip install 'impasto[studio]'")
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    from impasto.studio import (
        dialing,
        forms,
        history,
        instant,
        limits,
        look,
        painting,
        server,
        service,
        shelf,
        single,
        stage,
        teaching,
        videos,
    )
    from impasto.studio.easel import Area, known
    from impasto.studio.fields import Fields
    from impasto.studio.messages import Laid, Order, Report
    from impasto.studio.worker import RUN
    from impasto.studio.workshop import Job, LineFull, Workshop, pace

VERBS = [painting.PAINT, single.TEXTURE, single.RECONSTRUCT]
TINY = PaintOptions(size=32, min_scale=32, first_steps=3, canvas_padding=0)
ENDLESS = TINY.replace(first_steps=100_000)


def within_a_loop(build: Callable[[], Any]) -> Any:
    """What Gradio builds outside a running loop makes loops of its own, which it never closes."""

    async def call() -> Any:
        return build()

    return asyncio.run(call())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture in a folder whose name nobody is to learn."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    path = folder / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def line() -> Iterator[Workshop]:
    """A workshop where nobody works: orders wait."""
    workshop = Workshop(workers=0, waiting=5)
    yield workshop
    workshop.close()


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    """One worker, a process of its own."""
    with warnings.catch_warnings():
        workshop = Workshop()
        yield workshop
        workshop.close()


def paint(path: Path, options: PaintOptions = TINY, name: str = "result") -> Order:
    return Order("paint", Path(), name, (path, [path], options), {"preset": "default"}, photo=path)


def wait(job: Job, until: str = "ended") -> Job:
    end = time.monotonic() + 60
    while not (job.ended if until == "ended" else job.report is not None):
        assert time.monotonic() < end, f"still {job.state}"
        time.sleep(0.01)
    return job


# ---------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_option_is_asked_once_or_withheld_for_a_reason(verb: Any) -> None:
    asked = [name for name in forms.controls(verb.options("default")) if name not in verb.without]
    shown = [*verb.front, *(name for names in forms.sections(asked, verb.front).values() for name in names)]
    assert sorted(shown) == sorted(asked)
    everything = {declared.name for declared in dataclasses.fields(PaintOptions)}
    assert everything == set(asked) | set(verb.without) | (everything & set(forms.WITHHELD))


def test_the_tables_name_no_option_that_is_gone() -> None:
    known = {
        declared.name
        for kind in (PaintOptions, StylizeOptions, TrainOptions, videos.VideoOptions)
        for declared in dataclasses.fields(kind)
    }
    named = {
        *forms.LABELS,
        *forms.IN_TRAINING,
        *forms.OTHERWISE,
        *forms.SLIDERS,
        *forms.WITHHELD,
        *(name for names in forms.SECTIONS.values() for name in names),
    }
    assert named <= known


def test_an_option_that_is_new_is_asked_among_the_further_ones() -> None:
    @dataclasses.dataclass(frozen=True)
    class More(PaintOptions):
        gloss: float = option(0.25, "How shiny; see --size.", least=0, most=1)

    asked = forms.controls(More())
    assert forms.sections(asked, ())[forms.FURTHER][-1] == "gloss"
    assert (asked["gloss"].default, asked["gloss"].least, asked["gloss"].most) == (0.25, 0, 1)
    assert asked["gloss"].help == "How shiny; see size."


@pytest.mark.parametrize("preset", PRESETS)
def test_a_form_that_is_left_alone_gives_the_preset(preset: str) -> None:
    options = options_for(preset)
    fields = form_of(options)
    answers = fields.answers([part.value for part in fields.components])  # type: ignore[attr-defined]
    assert options_for("default").replace(**answers) == options
    assert forms.bundle(PaintOptions, answers) == options


def form_of(options: PaintOptions) -> Fields:
    """All fields for such options."""

    def build() -> Fields:
        fields = Fields(options, ())
        with server.gr.Blocks():
            fields.show_the_rest()
        return fields

    return within_a_loop(build)


@pytest.mark.parametrize("chosen", [{"strength": 35.0}, {"style_scale": "auto"}, {"strength": 0.0, "style_scale": 2.0}])
def test_a_slider_that_may_be_off_has_a_box_for_that(chosen: dict[str, Any]) -> None:
    options = PaintOptions().replace(**chosen)
    fields = form_of(options)
    assert fields.of(["strength"]) == [fields.made["strength"], fields.boxes["strength"]]
    answers = fields.answers([part.value for part in fields.components])  # type: ignore[attr-defined]
    assert answers["strength"] == options.strength
    assert answers["style_scale"] == options.style_scale
    slider, box = form_of(PaintOptions()).showing(options, ["style_scale"])
    assert box["value"] == (options.style_scale == "auto")
    assert slider["value"] == (1 if options.style_scale == "auto" else options.style_scale)
    assert forms.controls(StylizeOptions())["strength"].otherwise is None  # there it is always a number
    assert forms.SLIDERS["strength"][:2] == (0, 100)


def test_a_list_of_whole_numbers_stays_one() -> None:
    asked = forms.controls(videos.VideoOptions())["references"]
    assert forms.answer(asked, forms.entered(asked)) == videos.VideoOptions().references
    with pytest.raises(OptionError, match=r"'1\.5' is no number"):
        forms.answer(asked, "1 1.5")


def test_help_says_nothing_that_a_box_says() -> None:
    asked = forms.controls(PaintOptions())
    assert asked["style_scale"].help == "Size of the style's features against the picture's."
    assert asked["strength"].help.endswith("it finds the content weight.")
    assert asked["backbone"].help == "Network whose features are compared."


def test_what_gradio_makes_of_numbers_is_taken() -> None:
    asked = forms.controls(PaintOptions())
    assert forms.answer(asked["size"], 640.0) == 640
    assert forms.answer(asked["style_layer_weights"], "1, 0.5 .25") == (1.0, 0.5, 0.25)
    with pytest.raises(OptionError, match="'x' is no number"):
        forms.answer(asked["style_layer_weights"], "1 x")


@pytest.mark.parametrize("name", forms.WITHHELD)
def test_a_browser_does_not_decide_about_the_machine(name: str) -> None:
    with pytest.raises(OptionError, match=name):
        forms.bundle(PaintOptions, {name: "/etc/passwd"})


@pytest.mark.parametrize("given", [{"start": "/etc/passwd"}, {"start": "../photo.png"}, {"size": 1}, {"sise": 64}])
def test_what_is_no_option_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        forms.bundle(PaintOptions, given)


# ----------------------------------------------------------------------------------------------- limits, sentences


def test_sentences_name_no_folder(picture: Path) -> None:
    picture.write_text("not a picture")
    for failing in (images.load_picture, lambda path: limits.check_picture(path, "photo")):
        with pytest.raises(InputError) as caught:
            failing(picture)
        told = limits.sentence(caught.value, [picture])
        assert "photo.png" in told
        assert "secret" not in told
        assert "/" not in told


def test_of_a_fault_only_the_kind_is_told() -> None:
    told = limits.sentence(KeyError("/srv/secret"))
    assert "KeyError" in told
    assert "secret" not in told


def test_uploads_have_limits(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.check_picture(str(picture), "photo") == picture
    with pytest.raises(InputError, match="no photo yet"):
        limits.check_picture(None, "photo")
    monkeypatch.setattr(limits, "UPLOAD_PIXELS", 40 * 48 - 1)
    with pytest.raises(InputError, match="pixels"):
        limits.check_picture(picture, "photo")
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 100)
    with pytest.raises(InputError, match="MB"):
        limits.check_picture(picture, "photo")


def test_options_are_named_without_dashes() -> None:
    assert (
        limits.undashed("--style-layers names none; give -1 or x--y --size.")
        == "style layers names none; give -1 or xy size."
    )


# ---------------------------------------------------------------------------------------------------------- stage


def report(index: int, total: int = 20, size: int = 32) -> Report:
    return Report(index, total, size, 1 / index, {}, 0.5 * index, b"jpeg")


def test_the_stage_tells_each_state() -> None:
    job = Job(Order("paint", Path(), "x", (ENDLESS.replace(first_steps=20),)))
    assert "2 before you" in stage.show(job, 2)
    assert "next in line" in stage.show(job, 0)
    job.state = "working"
    assert "first preview" in stage.show(job)
    job.report, job.preview, job.history = report(5), b"jpeg", [(32, 1 / n) for n in range(1, 6)]
    job.began = time.monotonic() - 2.5
    told = stage.show(job)
    assert "step 5 of 20" in told
    assert 'aria-valuenow="25"' in told
    assert job.left == pytest.approx(7.5, rel=0.05)  # 5 of 20 equal evaluations took 2.5 s
    assert "8 s left" in told
    job.state = "stopped"
    assert "stopped at step 5 of 20" in stage.show(job)
    assert 'type="range"' in stage.show(job, before=b"photo")


def test_the_stage_tells_what_the_doctor_found() -> None:
    job = Job(Order("paint", Path(), "x", (TINY,)), state="done", preview=b"jpeg", report=report(20))
    assert "advice" not in stage.show(job)
    job.findings = [
        Finding("speckle", 2.0, "dots stand out all over", {"tv_weight": 20.0, "pooling": "average"}),
        Finding("haze", 1.0, "a gray veil lies over the picture", {}),
    ]
    told = stage.show(job)
    assert (
        "Dots stand out all over: try Smoothing 20 and Pooling average. A gray veil lies over the picture.</p>" in told
    )


def test_a_sheet_fills_and_what_is_there_can_be_pressed() -> None:
    job = Job(Order("dial", Path(), "x"), state="working", laid=Laid([20, 40], [0.5, 1], 1.5), cells=[b"jpeg"])
    job.report, job.preview = dataclasses.replace(report(2, total=4), unit="picture", left=31.0), b"now"
    told = stage.show(job)
    assert (told.count("<button"), told.count('class="cell now"'), told.count('class="cell"')) == (1, 1, 3)
    assert 'data-cell="0" aria-label="strength 20, strokes ×0.5"' in told
    assert "picture 2 of 4" in told
    assert "31 s left" in told
    job.state = "stopped"
    assert "stopped after 1 of 4 pictures" in stage.show(job)


def test_time_left_goes_by_pixels() -> None:
    options = PaintOptions(size=64, min_scale=32, first_steps=8, steps=4)  # 8 at 32 and 4 at 64: as 8 + 16
    job = Job(Order("paint", Path(), "x", (options,)), state="working")
    job.report, job.history = report(8, total=12), [(32, 1.0)] * 8
    job.began = time.monotonic() - 4
    assert job.left == pytest.approx(8, rel=0.05)
    job.history = job.history[4:]  # of a painting that goes on from step 4
    assert job.left == pytest.approx(16, rel=0.05)


def test_nothing_that_somebody_wrote_becomes_html() -> None:
    job = Job(Order("paint", Path(), "x"), state="failed", error="<script>alert(1)</script>")
    for told in (stage.show(job), stage.trouble(job.error), stage.empty(job.error, job.error)):
        assert "<script" not in told
        assert "&lt;script" in told


def test_the_curve_falls_with_the_loss_and_starts_anew_at_each_scale() -> None:
    drawn = stage.curve([(32, 4.0), (32, 2.0), (32, 1.0), (64, 9.0), (64, 3.0)])
    first, second = (
        [tuple(map(float, point.split(","))) for point in points.split()]
        for points in re.findall(r'points="([^"]+)"', drawn)
    )
    _, height = stage.CURVE
    assert [y for _, y in first] == pytest.approx([0, height / 2, height], abs=0.1)  # halves are equal steps down
    assert [y for _, y in second] == pytest.approx([0, height], abs=0.1)
    assert first[-1][0] < second[0][0]
    assert drawn.count('class="scale"') == 1
    assert stage.curve([(32, 1.0)] * 2) == ""
    assert "nan" not in stage.curve([(32, 0.0)] * 5)


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (80, "1 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_words(seconds: float, words: str) -> None:
    assert stage.duration(seconds) == words


# ------------------------------------------------------------------------------------------------------- the line


def test_under_the_button_stands_how_long_it_will_take_or_that_nobody_knows(area: Area, line: Workshop) -> None:
    def told(**changes: Any) -> str:
        shown = area.fields.showing(PaintOptions().replace(**changes), painting.MATTERS)
        return painting.forecast(area, None, "default", [update["value"] for update in shown])

    assert "not known yet" in told()
    line.rates[pace(PaintOptions())] = 1e-7
    assert re.search(r"About \d+ s on this machine", told())
    assert "% of the steps" in told(budget="1s")
    assert "not known yet" in told(optimizer="lbfgs" if PaintOptions().optimizer == "adam" else "adam")


def test_orders_wait_in_line_and_leave_it(line: Workshop, picture: Path) -> None:
    jobs = [line.submit(paint(picture)) for _ in range(5)]
    assert [line.place(job) for job in jobs] == [0, 1, 2, 3, 4]
    with pytest.raises(LineFull, match="Try again"):
        line.submit(paint(picture))
    line.stop(jobs[1])
    assert jobs[1].state == "stopped"
    assert [line.place(job) for job in jobs] == [0, 0, 1, 2, 3]
    assert len({job.ticket for job in jobs}) == 5
    assert line.find(jobs[0].ticket) is jobs[0]
    assert [line.find(ticket) for ticket in ("", "nonsense", None, 5, ["x"])] == [None] * 5


def test_closing_removes_what_was_made(picture: Path) -> None:
    workshop = Workshop(workers=0)
    job = workshop.submit(paint(picture))
    assert job.order.folder.is_dir()
    workshop.close()
    assert not workshop.folder.exists()


def test_everyone_gets_their_own_picture_and_a_bad_one_costs_no_other(workshop: Workshop, picture: Path) -> None:
    (broken := picture.with_name("broken.png")).write_bytes(picture.read_bytes()[:200])
    orders = [paint(broken if index == 1 else picture, TINY.replace(seed=index), f"name-{index}") for index in range(4)]
    jobs = [wait(job) for job in [workshop.submit(order) for order in orders]]
    assert [job.state for job in jobs] == ["done", "failed", "done", "done"]
    assert "broken.png" in str(jobs[1].error)
    assert "secret" not in str(jobs[1].error)
    for index in (0, 2, 3):
        (file,) = jobs[index].files
        found = images.read_recipe(file)
        assert found is not None
        assert (file.name, found["options"]["seed"], found["steps"]) == (f"name-{index}.png", index, 3)
    rate = workshop.rates[pace(TINY)]
    assert rate > 0
    assert workshop.forecast(TINY, 1.0) == pytest.approx(rate * 3 * 32**2)
    for other in ({"backbone": "vgg19"}, {"style_loss": "sliced"}, {"optimizer": "adam"}):
        assert workshop.forecast(TINY.replace(**other), 1.0) is None


def test_the_doctor_looks_at_what_is_painted(workshop: Workshop, picture: Path) -> None:
    job = wait(workshop.submit(paint(picture, TINY.replace(size=96, min_scale=96, first_steps=1, start="content"))))
    assert "under-stylized" in [finding.name for finding in job.findings]
    assert "The picture is still the photo: try " in stage.show(job)


def test_stopping_keeps_what_was_reached(workshop: Workshop, picture: Path) -> None:
    job = wait(workshop.submit(paint(picture, ENDLESS)), "first report")
    workshop.stop(job)
    wait(job)
    assert (job.state, job.error) == ("stopped", None)
    found = images.read_recipe(job.files[0])
    assert found is not None
    assert 1 <= found["steps"] < 100_000


def test_one_goes_on_from_the_step_at_which_one_stopped(workshop: Workshop, picture: Path) -> None:
    first = wait(workshop.submit(paint(picture, ENDLESS)), "first report")
    workshop.stop(first)
    found = images.read_recipe(wait(first).files[0])
    assert found is not None
    reached = found["steps"]
    assert max(first.kept) == reached
    wanted = ENDLESS.replace(first_steps=reached + 2)
    arguments = (first.order.folder / RUN, reached, history.changed(ENDLESS, wanted))
    second = wait(workshop.submit(Order("branch", Path(), "result", arguments, planned=wanted)))
    assert (second.state, second.error) == ("done", None)
    assert len(second.history) == 3  # its first is the one that was reached
    assert second.history[0] == first.history[reached - 1]


@pytest.mark.parametrize("kept", [[12], [25], [25, 39], [25, 50, 60]])
def test_the_slider_among_kept_steps_is_one_that_can_be_built(kept: list[int]) -> None:
    job = Job(Order("paint", Path(), "x"), state="stopped", kept=dict.fromkeys(kept, b"jpeg"))
    part, slider = history.offered(job)
    assert part["visible"]
    assert slider["visible"] == (len(kept) > 1)
    given = {name: value for name, value in slider.items() if name != "__type__"}
    assert within_a_loop(lambda: server.gr.Slider(**given)).value == max(kept)


def test_one_can_go_back_to_a_kept_step_and_paint_on_otherwise(workshop: Workshop, picture: Path) -> None:
    first = wait(workshop.submit(paint(picture, TINY.replace(first_steps=60))))
    assert sorted(first.kept) == [25, 50, 60]
    assert history.nearest(first, 44) == 50
    wanted = history.lengthened(TINY.replace(first_steps=60, colors="keep"), 10)
    changes = history.changed(TINY.replace(first_steps=60), wanted)
    assert changes == {"first_steps": 70, "colors": "keep"}
    order = Order("branch", Path(), "result", (first.order.folder / RUN, 50, changes), planned=wanted)
    second = wait(workshop.submit(order))
    assert (second.state, second.error) == ("done", None)
    found = images.read_recipe(second.files[0])
    assert found is not None
    assert (found["steps"], found["options"]["colors"]) == (70, "keep")
    assert max(second.kept) == 70
    missing = wait(workshop.submit(dataclasses.replace(order, arguments=(first.order.folder / RUN, 51, {}))))
    assert "25, 50, 60" in str(missing.error)
    assert "/" not in str(missing.error)


def test_a_video_is_painted_frame_by_frame(workshop: Workshop, picture: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.gif"
    frames = [Image.new("RGB", (48, 40), (40 * n, 80, 120)) for n in range(3)]
    frames[0].save(clip, save_all=True, append_images=frames[1:], duration=100)
    job = wait(workshop.submit(videos.video_order(videos.VideoOptions(), "default", str(clip), str(picture), 128)))
    assert (job.state, job.error) == ("done", None)
    assert [file.name for file in job.files] == ["clip-photo.gif"]
    with Image.open(job.files[0]) as painted:
        assert (getattr(painted, "n_frames", 1), max(painted.size)) == (3, 128)
    assert job.report is not None
    assert (job.report.unit, job.report.index) == ("frame", 3)
    with pytest.raises(InputError, match="no video yet"):
        videos.video_order(videos.VideoOptions(), "default", None, str(picture), 128)


def test_a_stop_does_not_wait_for_a_long_evaluation_and_the_next_order_finds_a_worker(
    workshop: Workshop, picture: Path
) -> None:
    job = workshop.submit(paint(picture, ENDLESS.replace(size=1600, min_scale=1600)))
    while job.state == "waiting":
        time.sleep(0.01)
    time.sleep(0.5)  # inside the first evaluations, each of which outlasts the worker's patience
    workshop.stop(job)
    assert wait(job).state in ("stopped", "failed")
    assert wait(workshop.submit(paint(picture))).state == "done"


def test_a_worker_that_dies_is_replaced(workshop: Workshop, picture: Path) -> None:
    job = wait(workshop.submit(paint(picture, ENDLESS)), "first report")
    for process in multiprocessing.active_children():
        process.kill()
    assert "smaller size" in str(wait(job).error)
    assert wait(workshop.submit(paint(picture))).state == "done"


def test_a_budget_leaves_fewer_steps_and_the_time_left_knows(workshop: Workshop, picture: Path) -> None:
    asked = TINY.replace(first_steps=5000, budget="0.1s")
    job = wait(workshop.submit(paint(picture, asked)))
    assert (job.state, job.error) == ("done", None)
    assert job.settled is not None
    assert job.options is job.settled
    assert 0 < job.settled.first_steps < 5000
    assert job.report is not None
    assert job.report.total == job.settled.first_steps


def test_a_sheet_to_choose_from_is_painted_cell_by_cell_and_looked_at_closer(workshop: Workshop, picture: Path) -> None:
    settings = {"size": 64, "first_steps": 1, "min_scale": 64}
    whole = wait(workshop.submit(Order("dial", Path(), "sheet", (picture, picture), settings)))
    assert (whole.state, whole.error) == ("done", None)
    assert whole.laid is not None
    assert len(whole.cells) == len(whole.laid.values) == 15
    assert whole.laid.values[:2] == [(20, 0.5), (40, 0.5)]
    assert whole.laid.aspect == pytest.approx(48 / 40)
    assert [file.name for file in whole.files] == ["sheet.png"]
    around = {**settings, "strength": 60.0, "style_scale": 2.0}
    job = wait(workshop.submit(Order("dial", Path(), "sheet", (picture, picture), around, around=(60.0, 2.0))))
    assert job.laid is not None
    assert job.laid.values[7] == (60, 2.0)
    assert job.cells[7] == whole.cells[12]  # painted once, and there at once the second time
    told = stage.show(job)
    assert told.count("<button") == 15
    assert told.count('class="cell center"') == 1
    assert 'aria-label="strength 60, strokes ×2"' in told


LESSON = training_options(
    steps=3, batch=1, crop=64, size=64, precision="float32", style_layers=("relu1_1",), content_layers=("relu2_1",)
)


def lesson(picture: Path, options: TrainOptions = LESSON) -> Order:
    return teaching.train_order(options, "default", str(picture), None, [str(picture), str(picture)], "my style/../x")


def test_a_network_is_trained_and_paints(workshop: Workshop, picture: Path) -> None:
    job = wait(workshop.submit(lesson(picture)))
    assert (job.state, job.error) == ("done", None)
    assert [file.name for file in job.files] == ["my-style-x.safetensors", "my-style-x-checkpoint.safetensors"]
    assert [index for index, _ in enumerate(job.history, 1)] == [1, 2, 3]
    assert job.preview is not None
    assert job.kept == {}
    told = stage.show(job)
    assert "3 steps" in told
    assert " px" not in told
    network = limits.check_network(job.files[0])
    studio = instant.Studio()
    full, half = (
        studio.paint(picture, [(network, 1.0)], StylizeOptions(size=64, engine="torch", strength=strength)).image
        for strength in (100, 50)
    )
    assert (full - half).abs().max() > 0.001  # the same network, at another strength
    again = stylize(picture, str(network), StylizeOptions(size=64, engine="torch", strength=50)).image
    assert (again - half).abs().max() < 1e-6


def test_a_training_that_is_stopped_keeps_its_checkpoint_and_goes_on_from_there(
    workshop: Workshop, picture: Path
) -> None:
    job = wait(workshop.submit(lesson(picture, LESSON.replace(steps=100_000))), "first report")
    assert job.left is not None
    workshop.stop(job)
    assert (wait(job).state, job.error, len(job.files)) == ("stopped", None, 2)
    assert job.report is not None
    reached = job.report.index
    with pytest.raises(InputError, match="Ask for more"):
        teaching.train_on(job, reached)
    on = wait(workshop.submit(teaching.train_on(job, reached + 2)))
    assert (on.state, on.error) == ("done", None)
    assert on.report is not None
    assert on.report.index == reached + 2
    assert len(on.history) == 3  # its last step is told once more
    with pytest.raises(InputError, match="no training"):
        teaching.train_on(None, 5)


@pytest.mark.parametrize(
    ("photos", "said"), [(None, "no photographs"), ([], "no photographs"), (["letter.txt"], "no photographs")]
)
def test_a_training_wants_photographs(picture: Path, photos: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        teaching.train_order(LESSON, "default", str(picture), None, photos, "")


def test_what_is_no_network_is_refused(picture: Path) -> None:
    with pytest.raises(InputError, match="Train tab"):
        limits.check_network(picture)
    (fake := picture.with_name("fake.safetensors")).write_bytes(b"no")
    with pytest.raises(ImpastoError) as caught:
        instant.Studio().paint(picture, [(limits.check_network(fake), 1.0)], StylizeOptions(size=64))
    assert "secret" not in limits.sentence(caught.value, [fake])


# ------------------------------------------------------------------------------------------------ what buttons do


def order_from(
    options: PaintOptions, picture: Path, *, style: Any = "same", where: str = painting.EVERYWHERE, drawn: Any = None
) -> Order:
    styles = [str(picture) if style == "same" else style, None, str(picture)]
    return painting.order(options, "default", str(picture), *styles, 1.0, 0.5, 0.25, where, drawn)


def layer(opaque: bool) -> dict[str, Any]:
    drawing = Image.new("RGBA", (48, 40))
    if opaque:
        drawing.paste((207, 90, 53, 255), (0, 0, 24, 40))
    return {"background": None, "layers": [drawing], "composite": None}


def test_styles_and_their_weights_reach_the_verb(picture: Path) -> None:
    order = order_from(TINY, picture)
    content, styles, options = order.arguments
    assert (content, options, order.photo) == (picture, TINY, picture)
    assert styles == [(picture, 1.0, None), (picture, 0.25, None)]
    assert order.name == "photo-photo-photo"
    with pytest.raises(InputError, match="no style"):
        order_from(TINY, picture, style=None)


def test_what_is_drawn_is_painted_or_left(picture: Path) -> None:
    only = order_from(TINY, picture, where=painting.ONLY, drawn=layer(True))
    mask = Image.open(BytesIO(only.arguments[1][0][2]))
    assert np.asarray(mask)[:, :24].min() == 255
    assert np.asarray(mask)[:, 24:].max() == 0
    assert only.keywords["protect"] is None
    protecting = order_from(TINY, picture, where=painting.NOT, drawn=layer(True))
    assert protecting.keywords["protect"] is not None
    assert [place for _, _, place in protecting.arguments[1]] == [None, None]
    for drawn in (None, {}, layer(False)):
        with pytest.raises(InputError, match="Nothing is drawn"):
            order_from(TINY, picture, where=painting.ONLY, drawn=drawn)


@pytest.fixture
def area(line: Workshop) -> Area:
    """The Paint tab's area, with its fields."""

    def build() -> Area:
        with server.gr.Blocks():
            area = Area(line, painting.PAINT, server.gr.BrowserState([]))
            area.form()
        return area

    return within_a_loop(build)


def returns(area: Area, path: Path | str, *here: Path) -> dict[str, Any]:
    """What "Open a painting" shows, by the place where it is shown."""
    back = painting.reopened(area, str(path), [str(one) for one in here])
    places = [
        "stage",
        "photo",
        *("styles",) * 3,
        *("weights",) * 3,
        "section",
        "where",
        "laid",
        "drawn",
        "preset",
        "story",
    ]
    assert len(back) == len(places) + len(area.fields.components)
    found: dict[str, Any] = {"styles": [], "weights": [], "fields": back[len(places) :]}
    for place, value in zip(places, back, strict=False):
        if place in ("styles", "weights"):
            found[place].append(value)
        else:
            found[place] = value
    return found


def test_settings_return_from_a_picture(area: Area, picture: Path) -> None:
    chosen = TINY.replace(colors="keep", style_layer_weights=(1.0, 0.5, 0.25, 0.2, 0.1), seed=7)
    inputs = {"content": {"name": "<b>a.jpg", "sha256": "0"}, "style": recipe.fingerprint(painting.DEMO / "swirl.jpg")}
    made = {"schema": 1, "verb": "paint", "options": chosen.as_dict(), "preset": "default", "inputs": inputs}
    images.save(images.load(picture), picture, recipe=made)
    back = returns(area, picture)
    assert "painted from &lt;b&gt;a.jpg and swirl.jpg" in back["stage"]
    assert "photo &lt;b&gt;a.jpg is not here: drop it again" in back["stage"]
    assert back["photo"] is None
    assert back["styles"] == [str(painting.DEMO / "swirl.jpg"), None, None]
    answers = area.fields.answers([update["value"] for update in back["fields"]])
    assert painting.options_for().replace(**answers) == chosen


@pytest.mark.parametrize("where", [painting.ONLY, painting.NOT])
def test_styles_weights_and_mask_return_from_a_painting(
    workshop: Workshop, area: Area, picture: Path, where: str
) -> None:
    swirl, woodcut = (str(painting.DEMO / f"{name}.jpg") for name in ("swirl", "woodcut"))
    asked = painting.order(TINY, "default", str(picture), swirl, None, woodcut, 1.5, 1.0, 0.25, where, layer(True))
    file = wait(workshop.submit(asked)).files[0]
    back = returns(area, file, picture)
    assert f"painted from {picture.name} and swirl.jpg and woodcut.jpg. Its settings are back.</p>" in back["stage"]
    assert (back["photo"], back["styles"]) == (str(picture), [swirl, woodcut, None])
    assert (back["weights"], back["where"]) == ([1.5, 0.25, 1.0], where)
    again = painting.order(
        TINY, "default", back["photo"], *back["styles"], *back["weights"], back["where"], back["drawn"]["value"]
    )
    before, after = (
        np.asarray(Image.open(BytesIO(order.keywords["protect"] or order.arguments[1][0][2])).resize((48, 40))) > 127
        for order in (asked, again)
    )
    assert (before == after).mean() > 0.97


def test_small_copies_stand_in_for_pictures_that_are_not_here(workshop: Workshop, area: Area, picture: Path) -> None:
    painted = impasto.paint(picture, painting.DEMO / "swirl.jpg", TINY)
    file = impasto.embed(painted, {"content": picture}).save(picture.with_name("painted.png"))
    back = returns(area, file)
    assert Path(back["photo"]).name == "photo.webp"
    assert images.load(back["photo"]).shape == images.load(picture).shape
    assert "photo.png is a small copy" in back["stage"]
    assert Path(back["photo"]).is_relative_to(area.workshop.folder)
    assert painting.is_painting(str(file))
    assert not painting.is_painting(str(picture))
    assert not painting.is_painting(None)


@pytest.mark.parametrize(
    "made",
    [
        None, {}, {"options": 5}, {"options": {"size": "large"}}, {"options": {"start": "/etc/passwd"}},
        {"options": {"size": 1e9}}, {"options": {"colors": ["keep"]}}, {"options": {"seed": None}}, {"verb": []},
        {"verb": "texture"}, {"verb": "reconstruct"}, {"verb": "stylize"}, {"inputs": 5}, {"inputs": {"content": "x"}},
    ],
)  # fmt: skip
def test_a_strange_recipe_is_a_sentence(area: Area, picture: Path, made: Any) -> None:
    made = {"schema": 1, "verb": "paint", "options": {}, **made} if made else made
    images.save(images.load(picture), picture, recipe=made)
    back = returns(area, picture)
    assert 'role="alert"' in back["stage"]
    assert "secret" not in back["stage"]
    if made and made["verb"] in ("texture", "stylize"):
        assert f"made by {made['verb']}, whose settings have no place here" in back["stage"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"preset": []}, "content without a name is not here"),
        ({"options": {"new": 1}}, "does not know option &#x27;new&#x27;"),
        ({"inputs": {"style": {"sha256": [], "weight": "x", "copy": "bm8="}}}, "style without a name is not here"),
        ({"inputs": {"style": {"name": ["../x"], "bytes": {}}, "mask": {"shape": "left half"}}}, "draw it again"),
        ({"inputs": {f"style-{number}": {} for number in range(2, 7)}}, "5 styles, and there is room for 3"),
    ],
)
def test_what_a_recipe_holds_besides_options_may_be_anything(
    area: Area, picture: Path, made: dict[str, Any], said: str
) -> None:
    images.save(images.load(picture), picture, recipe={"schema": 1, "verb": "paint", "options": {}, **made})
    back = returns(area, picture)
    assert "Settings returned" in back["stage"]
    assert said.replace("content", "photo") in back["stage"]


async def watched(area: Area, job: Job) -> str:
    """The first that is seen of a job, by somebody who then closes the page."""
    watching = area.watch(job, [job.ticket])
    first = await anext(watching)
    await watching.aclose()
    _, begin, stop, _, ticket, tickets = first
    assert (begin["visible"], stop["visible"], ticket, tickets) == (False, True, job.ticket, [job.ticket])
    return str(first[0])


@pytest.mark.parametrize("keep", [False, True])
def test_closing_the_page_stops_the_work_unless_it_is_to_go_on(area: Area, picture: Path, keep: bool) -> None:
    job = area.workshop.submit(paint(picture))
    area.kept(job.ticket, keep)
    assert "next in line" in asyncio.run(watched(area, job))
    assert job.state == ("waiting" if keep else "stopped")


def test_who_goes_back_sees_the_sheet_before(area: Area, picture: Path) -> None:
    earlier, job = (area.workshop.submit(paint(picture)) for _ in range(2))
    area.workshop.stop(earlier)
    earlier.preview = b"the sheet before"

    async def seen() -> list[str]:
        watching = area.watch(job, [])
        first = await anext(watching)
        area.workshop.leave(job, earlier)
        return [shown[0] for shown in (first, *[one async for one in watching])]

    shown = asyncio.run(seen())
    assert job.state == "stopped"
    assert stage.source(b"the sheet before") in shown[-1]


def test_a_sheet_that_is_followed_by_another_leaves_the_stage_to_it(area: Area, picture: Path) -> None:
    job, other = (area.workshop.submit(paint(picture)) for _ in range(2))

    async def seen() -> int:
        watching = area.watch(job, [])
        await anext(watching)
        area.workshop.leave(job, other)
        return len([one async for one in watching])

    assert asyncio.run(seen()) == 0
    assert (job.state, other.state) == ("stopped", "waiting")


def test_a_stop_by_somebody_else_s_guess_does_nothing(area: Area, picture: Path) -> None:
    job = area.workshop.submit(paint(picture))
    for guess in ("", "x", None, [job.ticket], {"ticket": job.ticket}):
        area.stopped(guess)
    assert job.state == "waiting"
    area.stopped(job.ticket)
    assert job.state == "stopped"


def test_what_a_browser_remembers_may_be_anything() -> None:
    assert [known(one) for one in (None, 5, "abc", {"a": 1}, ["t", 5, None])] == [[], [], [], [], ["t"]]


def test_an_order_beyond_the_limits_is_refused(picture: Path) -> None:
    with pytest.raises(OptionError, match="command line"):
        limits.check_size(limits.SIZE + 1)
    with pytest.raises(ImpastoError):
        single.texture_order(single.TEXTURE.options("default"), "default", str(picture), 64, 0, False)
    shaped = single.texture_order(single.TEXTURE.options("default"), "default", str(picture), 128, 64, True)
    assert shaped.arguments[1].size == 128
    assert shaped.keywords == {"preset": "default", "width": 128, "height": 64, "seamless": True}


def test_a_reconstruction_is_of_features_or_of_statistics(picture: Path) -> None:
    options = single.RECONSTRUCT.options("default")
    for kept, weights in ((single.FEATURES, (1.0, 0.0)), (single.STATISTICS, (0.0, 1.0))):
        made = single.reconstruct_order(options, "default", str(picture), kept).arguments[1]
        assert (made.content_weight, made.style_weight) == weights


def test_sheets_are_those_of_the_table(picture: Path) -> None:
    order = shelf.figure_order(TINY, "default", "seeds", [str(picture)], None)
    assert order.arguments == ("seeds", [picture], [])
    with pytest.raises(OptionError, match="no such sheet"):
        shelf.figure_order(TINY, "default", "../../etc/passwd", None, None)


# --------------------------------------------------------------------------------------------------- for programs


def test_a_sheet_s_middle_is_what_was_chosen(picture: Path) -> None:
    options = options_for(size=160, colors="keep")
    whole = dialing.dial_order(options, str(picture), str(picture))
    assert (whole.around, whole.keywords) == (None, {"size": 160, "colors": "keep"})
    closer = dialing.dial_order(options, str(picture), str(picture), (80.0, 0.5))
    assert closer.keywords == {"size": 160, "colors": "keep", "strength": 80.0, "style_scale": 0.5}
    with pytest.raises(InputError, match="no style"):
        dialing.dial_order(options, str(picture), None)


def test_programs_give_options_by_name(picture: Path) -> None:
    order = service.paint_order({"size": 64, "colors": "keep"}, "default", str(picture), [str(picture)])
    assert order.arguments[2] == options_for(size=64, colors="keep")
    order = service.reconstruct_order({"layer": "relu2_1"}, "default", str(picture))
    assert order.arguments[1].content_layers == ("relu2_1",)
    order = service.reconstruct_order({"style_layers": ["relu1_1"]}, "default", str(picture))
    assert (order.arguments[1].content_weight, order.arguments[1].style_weight) == (0.0, 1.0)
    order = service.texture_order({"width": 64, "height": 64, "seamless": True}, "default", str(picture))
    assert order.keywords == {"preset": "default", "width": 64, "height": 64, "seamless": True}


@pytest.mark.parametrize("options", ["nonsense", [1], 5, '"text"', {"preset": "nonsense"}, {"weights": "/etc/passwd"}])
def test_what_a_program_sends_amiss_is_a_sentence(line: Workshop, picture: Path, options: Any) -> None:
    async def call() -> None:
        async for _ in service.endpoint(line, service.paint_order)(str(picture), [str(picture)], options):
            pass

    with pytest.raises(server.gr.Error) as caught:
        asyncio.run(call())
    assert "secret" not in str(caught.value)
    assert not line.jobs


# --------------------------------------------------------------------------------------------------------- server


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


ALONE = """
import socket, sys
from pathlib import Path
import pytest
from gradio_client import Client, handle_file
from impasto import recipe
from impasto.figures import DEMO
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
