"""The line of orders and its workers."""

import dataclasses
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from orders import ENDLESS, TINY, paint, report, wait, within_a_loop
from PIL import Image

from impasto import saving
from impasto.errors import ImpastoError, InputError
from impasto.options import StylizeOptions, TrainOptions
from impasto.presets import training_options
from impasto.studio import (
    history,
    instant,
    limits,
    server,
    stage,
    teaching,
    videos,
)
from impasto.studio.messages import Order
from impasto.studio.worker import RUN
from impasto.studio.workshop import Job, LineFull, Workshop, pace
from impasto.stylizer import stylize

LESSON = training_options(
    steps=3, batch=1, crop=64, size=64, precision="float32", style_layers=("relu1_1",), content_layers=("relu2_1",)
)


def lesson(picture: Path, options: TrainOptions = LESSON) -> Order:
    return teaching.train_order(options, "default", str(picture), None, [str(picture), str(picture)], "my style/../x")


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
        found = saving.read_recipe(file)
        assert found is not None
        assert (file.name, found["options"]["seed"], found["steps"]) == (f"name-{index}.png", index, 3)
    rate = workshop.rates[pace(TINY)]
    assert rate > 0
    assert workshop.forecast(TINY, 1.0) == pytest.approx(rate * 3 * 32**2)
    for other in ({"backbone": "vgg19"}, {"style_loss": "sliced"}, {"optimizer": "lbfgs"}):
        assert workshop.forecast(TINY.replace(**other), 1.0) is None


def test_what_a_painting_took_the_next_one_like_it_will_take(line: Workshop, tmp_path: Path) -> None:
    Image.new("RGB", (32, 16)).save(wide := tmp_path / "wide.png")
    took = report(3)
    line.learn(Job(paint(wide), state="done", report=took, history=[(32, 1.0)] * 3, files=(wide,)))
    assert line.forecast(TINY, 0.5) == pytest.approx(took.seconds)
    assert line.forecast(TINY, 1.0) == pytest.approx(2 * took.seconds)


def test_the_doctor_looks_at_what_is_painted(workshop: Workshop, picture: Path) -> None:
    job = wait(workshop.submit(paint(picture, TINY.replace(size=96, min_scale=96, first_steps=1, start="content"))))
    assert "under-stylized" in [finding.name for finding in job.findings]
    assert "The picture is still the photo: try " in stage.show(job)


def test_stopping_keeps_what_was_reached(workshop: Workshop, picture: Path) -> None:
    job = wait(workshop.submit(paint(picture, ENDLESS)), "first report")
    workshop.stop(job)
    wait(job)
    assert (job.state, job.error) == ("stopped", None)
    found = saving.read_recipe(job.files[0])
    assert found is not None
    assert 1 <= found["steps"] < 100_000


def test_one_goes_on_from_the_step_at_which_one_stopped(workshop: Workshop, picture: Path) -> None:
    first = wait(workshop.submit(paint(picture, ENDLESS)), "first report")
    workshop.stop(first)
    found = saving.read_recipe(wait(first).files[0])
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
    found = saving.read_recipe(second.files[0])
    assert found is not None
    assert (found["steps"], found["options"]["colors"]) == (70, "keep")
    assert max(second.kept) == 70
    missing = wait(workshop.submit(dataclasses.replace(order, arguments=(first.order.folder / RUN, 51, {}))))
    assert "25, 50, 60" in str(missing.error)
    assert "/" not in str(missing.error)


def test_a_video_is_painted_frame_by_frame(workshop: Workshop, picture: Path, tmp_path: Path) -> None:
    """Those that a loop has painted once more are counted on."""
    options = videos.VideoOptions(loop=2)
    clip = tmp_path / "clip.gif"
    frames = [Image.new("RGB", (48, 40), (40 * n, 80, 120)) for n in range(3)]
    frames[0].save(clip, save_all=True, append_images=frames[1:], duration=100)
    job = wait(workshop.submit(videos.video_order(options, "default", str(clip), str(picture), 128)))
    assert (job.state, job.error) == ("done", None)
    assert [file.name for file in job.files] == ["clip-photo.gif"]
    with Image.open(job.files[0]) as painted:
        assert (getattr(painted, "n_frames", 1), max(painted.size)) == (3, 128)
    assert job.report is not None
    assert (job.report.unit, job.report.index, job.report.total) == ("frame", 5, 5)
    with pytest.raises(InputError, match="no video yet"):
        videos.video_order(options, "default", None, str(picture), 128)


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
    for steps in (reached, None):  # None: the field was cleared
        with pytest.raises(InputError, match=f"It has had {reached} steps already. Ask for more"):
            teaching.train_on(job, steps)
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
