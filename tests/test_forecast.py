"""The forecast: what fits is chosen, in the right order, and what cannot fit is said before anything is painted."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from impasto import forecast, machine, planning
from impasto.bundle import bytes_of, seconds_of
from impasto.errors import InputError, OptionError
from impasto.options import BackboneName, PaintOptions
from impasto.presets import options_for
from impasto.shipped import DEMO

CPU = torch.device("cpu")
READ = forecast.READING + forecast.LOADING * forecast.BACKBONES["petit"].numbers()  # seconds before painting begins
PICTURES = torch.zeros(1, 3, 30, 40), torch.zeros(1, 3, 40, 40)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 4 GiB free and a process that holds 256 MiB."""
    monkeypatch.setattr(machine, "free_memory", lambda device: 2**32)
    monkeypatch.setattr(machine, "resident_memory", lambda: 2**28)


@pytest.mark.parametrize(
    ("text", "value"), [("2G", 2**31), ("800M", 800 * 2**20), ("1.5GiB", 1.5 * 2**30), ("3 KB", 3072), ("7", 7)]
)
def test_amounts_of_memory(text: str, value: float) -> None:
    assert bytes_of(text) == value


@pytest.mark.parametrize(("text", "value"), [("60s", 60), ("5m", 300), (".5 h", 1800), ("7", 7)])
def test_amounts_of_time(text: str, value: float) -> None:
    assert seconds_of(text) == value


@pytest.mark.parametrize(
    ("name", "text", "units"),
    [
        ("memory", "800m", "K, M, G or T, such as 2G or 800M"),
        ("memory", "60s", "K, M, G or T"),
        ("budget", "5M", "s, m or h, such as 60s or 5m"),
        ("budget", "2GiB", "s, m or h"),
        ("budget", "5sB", "s, m or h"),
    ],
)
def test_time_is_not_measured_in_bytes_nor_memory_in_seconds(name: str, text: str, units: str) -> None:
    with pytest.raises(OptionError, match=f"--{name} is '{text}'; it must be a number of {units}"):
        options_for(**{name: text})


@pytest.mark.parametrize("text", ["", "G", "-1G", "2 gigs", "nan", "0s"])
@pytest.mark.parametrize("name", ["memory", "budget"])
def test_bad_amounts_are_named(name: str, text: str) -> None:
    with pytest.raises(OptionError, match=f"--{name} is"):
        options_for(**{name: text})


@pytest.mark.usefixtures("free")
def test_what_fits_in_one_piece_stays_as_it_is() -> None:
    options = PaintOptions(size=512)
    assert forecast.fit_memory(PICTURES, options, CPU) == options


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(
    ("backbone", "rooms"), [("petit", (20000, 3000, 2400, 2000)), ("vgg19", (20000, 4000, 3000, 2600))]
)
def test_less_memory_means_tiles_then_a_shorter_history(backbone: BackboneName, rooms: tuple[int, ...]) -> None:
    options = PaintOptions(size=2048, backbone=backbone, optimizer="lbfgs")
    plans = [forecast.fit_memory(PICTURES, options.replace(memory=f"{room}M"), CPU) for room in rooms]
    assert (plans[0].tile, plans[0].history) == (0, 10)
    assert plans[1].tile > plans[2].tile > 0 or plans[2].history < plans[1].history
    needs = [forecast.memory(PICTURES, plan, 4) for plan in plans]
    assert needs == sorted(needs, reverse=True)
    for plan, room in zip(plans, rooms, strict=True):
        assert forecast.memory(PICTURES, plan, 4) <= room * 2**20 - 2**28


@pytest.mark.usefixtures("free")
def test_a_tile_that_was_asked_for_is_kept() -> None:
    assert forecast.fit_memory(PICTURES, PaintOptions(size=1024, tile=300), CPU).tile == 300


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_cannot_fit_names_a_size_that_does(optimizer: str) -> None:
    options = PaintOptions(size=16384, optimizer=optimizer)
    with pytest.raises(InputError, match=r"At --size 16384 .* even in tiles") as error:
        forecast.fit_memory(PICTURES, options, CPU)
    fits = int(str(error.value).split("at most ")[1].split(",")[0].rstrip("."))
    assert 1000 < fits < 16384
    forecast.fit_memory(PICTURES, options.replace(size=fits), CPU)
    with pytest.raises(InputError, match="even in tiles"):
        forecast.fit_memory(PICTURES, options.replace(size=fits + 1), CPU)


def test_a_small_picture_is_probed_at_its_size() -> None:
    seen = []

    def steps(picture: Tensor, count: int) -> Iterator[None]:
        seen.append(picture.shape[-1])
        yield from [None] * count

    forecast.probe(lambda picture: picture, steps, CPU, 96)
    assert seen == [48, 96]


def test_what_tiles_cost_at_the_start_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe's own picture is larger than such tiles, and is measured in one piece all the same."""
    asked = []
    monkeypatch.setattr(planning, "start", lambda view, options, shelf: asked.append(options.tile))
    planning.plan(DEMO / "valley.jpg", DEMO / "swirl.jpg", options_for(size=512, tile=128, steps=1))
    assert asked == [0, 0]  # the second is timed
    whole, tiled = (PaintOptions(size=512, tile=tile, min_scale=512) for tile in (0, 128))
    read = [sum(forecast.panes_read((512, 512), options)) for options in (whole, tiled)]
    picture = torch.empty(1, 3, 512, 512, device="meta")
    seconds = [
        forecast.estimate((picture, picture), options, forecast.Cost(0, 0, 1e-6), 4).seconds - READ
        for options in (whole, tiled)
    ]
    assert seconds == pytest.approx([1e-6 * read[0], 1e-6 * read[1] * forecast.AGAIN])


def test_time_that_is_gone_is_no_part_of_a_budget() -> None:
    options = PaintOptions(steps=50, budget="20s")
    assert forecast.fit_budget(options, lambda fewer: 0.5 * fewer.steps).steps == 40
    assert forecast.fit_budget(options, lambda fewer: 0.5 * fewer.steps, spent=10).steps == 20


def test_a_machine_that_does_not_say_its_memory_paints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda device: None)
    options = PaintOptions(size=16384)
    assert forecast.fit_memory(PICTURES, options, CPU) == options


def test_memory_of_a_tile_does_not_grow_with_the_picture() -> None:
    """Beyond the picture's own copies, which grow with its pixels."""
    petit = forecast.BACKBONES["petit"]
    small, large = (PaintOptions(size=size, tile=512) for size in (4096, 8192))
    read = (512 + 2 * 64) ** 2
    assert 0.9 * read < forecast.pixels_at_once((3072, 4096), petit, small) <= read
    assert 0.9 * read < forecast.pixels_at_once((6144, 8192), petit, large) <= read


def test_the_probe_finds_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes by 2 s and a microsecond a pixel with every step; before the first, by targets and 0.7 s."""
    now = [0.0]
    monkeypatch.setattr(forecast.time, "perf_counter", lambda: now[0])

    def steps(picture: Tensor, count: int) -> Iterator[None]:
        now[0] += 0.7 + forecast.TARGETS * (2 + 1e-6 * picture.shape[2] * picture.shape[3])
        for _ in range(count):
            now[0] += 2 + 1e-6 * picture.shape[2] * picture.shape[3]
            yield None

    loading = iter([5.0])

    def start(picture: Tensor) -> None:
        now[0] += 1e-5 * picture.shape[2] * picture.shape[3] + next(loading, 0)

    cost = forecast.probe(start, steps, CPU)
    assert cost == pytest.approx((2, 1e-6, 1e-5, 0.7))
    options = PaintOptions(size=512, min_scale=512, first_steps=0, steps=9, canvas_padding=0)
    found = forecast.estimate((torch.zeros(1, 3, 64, 64), PICTURES[1]), options, cost, 4)
    once = READ + 2 * 0.7
    assert found.seconds == pytest.approx(once + (10 + forecast.JUDGING) * (2 + 1e-6 * 512**2) + 1e-5 * 512**2)
    assert "512 px x 9; in one piece; about 28 s" in found.line


def test_tiles_read_more_and_smaller_ones_the_most() -> None:
    pixels = [forecast.pixels_read((4096, 4096), PaintOptions(tile=tile)) for tile in (0, 5000, 2048, 1024, 512)]
    assert pixels[0] == pixels[1] == 4096**2
    assert pixels[1:] == sorted(pixels[1:])
    assert pixels[2] == sum((2048 + 64) ** 2 for _ in range(4))  # an inner edge has a margin, the picture's edge none


def test_a_forecast_of_tiles_is_dearer_than_of_one_piece() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    seconds = [
        forecast.estimate((picture, picture), PaintOptions(size=2048, tile=tile), forecast.Cost(0.1, 1e-6), 4).seconds
        for tile in (0, 1024, 256)
    ]
    assert seconds == sorted(set(seconds))


def test_no_more_pairs_are_remembered_than_there_are_steps() -> None:
    plain = PaintOptions(size=512, history=8, start="content", optimizer="lbfgs")
    few, many = (forecast.memory(PICTURES, plain.replace(steps=steps), 4) for steps in (3, 300))
    assert many - few == 2 * (8 - 2) * 12 * (512 + 32) * (384 + 32)


def test_pictures_that_are_read_are_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What --memory leaves beside the process has them in it already."""
    monkeypatch.setattr(machine, "resident_memory", lambda: 2**28)
    read = 4 * sum(picture.numel() for picture in PICTURES)
    assert forecast.room_for(PICTURES, PaintOptions(memory="1G"), CPU) == 2**30 - 2**28 + read


@pytest.mark.parametrize("first_steps", [0, 1, 100])
@pytest.mark.parametrize("budget", [4, 5, 20, 40])
def test_a_budget_cuts_steps_until_what_is_left_takes_no_longer(budget: int, first_steps: int) -> None:
    """Reading, presto's start, the targets and the doctor's look stay whatever the steps."""
    cost = forecast.Cost(0.01, 1e-6, 1e-6)

    def seconds(plan: PaintOptions) -> float:
        return forecast.estimate(PICTURES, plan, cost, 4).seconds

    asked = PaintOptions(size=1024, first_steps=first_steps, budget=f"{budget}s")
    fitted = forecast.fit_budget(asked, seconds)
    assert asked.steps > fitted.steps >= 1
    assert bool(fitted.first_steps) == bool(first_steps)
    more = fitted.replace(steps=fitted.steps + 1, first_steps=fitted.first_steps + bool(first_steps))
    assert seconds(fitted) <= budget < seconds(more)


@pytest.mark.parametrize(("budget", "steps"), [("100s", 64), ("0.1s", 1)])
def test_a_budget_is_settled(budget: str, steps: int) -> None:
    """Whether it is enough for all steps or for none."""
    fitted = forecast.fit_budget(PaintOptions(first_steps=64, budget=budget), lambda plan: 1 + plan.steps)
    assert fitted == PaintOptions(first_steps=steps, steps=steps)


def test_a_plan_is_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that measures otherwise every time."""
    costs = iter([forecast.Cost(1, 0), forecast.Cost(2, 0)])
    monkeypatch.setattr(forecast, "probe", lambda *_: next(costs))
    pictures = [torch.rand(1, 3, 24, 32) for _ in range(2)]
    found = planning.plan(pictures[0], pictures[1], options_for(size=64, min_scale=64, steps=100, budget="30s"))
    # 28, the targets, half for the doctor, and reading
    assert (found.options.steps, found.seconds) == (28, pytest.approx(29.5 + READ))


def test_a_plan_of_real_pictures() -> None:
    """Tiny, so that it is quick; seconds and memory are numbers above 0, and nothing is painted."""
    pictures = [torch.rand(1, 3, 24, 32) for _ in range(2)]
    found = planning.plan(pictures[0], pictures[1], options_for(size=64, min_scale=64, first_steps=0, steps=2))
    assert found.seconds > 0
    assert found.memory > 2**20
