"""Figures: layouts, the cache of cells, and what the finished sheets say."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from impasto import saving, sheets
from impasto.errors import InputError, OptionError
from impasto.figures import making
from impasto.figures.layout import Made, Plan
from impasto.figures.plans import fidelity, number
from impasto.figures.table import FIGURES, figure, plan
from impasto.shipped import DEMO

TINY = {"size": 48, "steps": 2, "first_steps": 2, "canvas_padding": 0}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three small pictures with something in them."""
    paths = []
    for index, name in enumerate(("valley", "swirl", "mosaic")):
        path = tmp_path / f"{'abc'[index]}.png"
        with Image.open(DEMO / f"{name}.jpg") as opened:
            opened.resize((48, 36)).save(path)
        paths.append(path)
    return paths


def made_of(laid: Plan, folder: Path) -> tuple[list[Made], int]:
    """All cells, and how many had to be painted."""
    firsts: list[int] = []
    made = list(making.cells(laid, folder, on_step=lambda step: firsts.append(step.index)))
    return made, firsts.count(1)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_laid_out_with_the_shipped_pictures(name: str) -> None:
    laid = plan(name, **TINY)
    assert [len(row) for row in laid.jobs] == [len(laid.columns)] * len(laid.rows)
    assert all(path.is_file() for job in laid.cells for path in job.sources.values())
    painted = [making.key(job) for job in laid.cells if job.verb != "show"]
    assert len(set(painted)) == len(painted), "two cells show the same"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_made(name: str, pictures: list[Path], tmp_path: Path) -> None:
    figure = FIGURES[name]
    chosen = {"contents": pictures[:1] if figure.contents else [], "styles": pictures[1:2] if figure.styles else []}
    laid = plan(name, **chosen, **{**TINY, "steps": 1, "first_steps": 1})
    made, painted = made_of(laid, tmp_path / "cells")
    sheet = making.sheet(laid, made)
    assert painted == len({making.key(job) for job in laid.cells if job.verb not in ("show", "stylize")})
    for row in sheet.cells:
        for cell in row:
            assert cell.image is None or cell.settings["verb"] == "show" or cell.caption.endswith(" s")


def test_a_finished_cell_is_never_made_again(pictures: list[Path], tmp_path: Path) -> None:
    laid = plan("gallery", pictures[:1], pictures[1:], **TINY)
    first, painted = made_of(laid, tmp_path / "cells")
    assert painted == 2
    again, painted = made_of(laid, tmp_path / "cells")
    assert painted == 0
    assert [one.image.tolist() for one in again] == [one.image.tolist() for one in first]
    assert [one.history for one in again] == [one.history for one in first]


def test_a_figure_is_a_sheet(pictures: list[Path], tmp_path: Path) -> None:
    sheet = figure("blend", pictures[:1], pictures[1:2], folder=tmp_path / "cells", values=[0, 1], **TINY)
    page = sheets.save(sheet, tmp_path / "blend.html").read_text()
    assert 'type="range"' in page
    assert "α = 1" in page


def test_a_figure_that_was_stopped_continues(pictures: list[Path], tmp_path: Path) -> None:
    laid = plan("blend", pictures[:1], pictures[1:2], values=[0, 0.1, 0.2, 0.3], **TINY)
    interrupted = making.cells(laid, tmp_path / "cells")
    next(interrupted), next(interrupted)
    interrupted.close()
    _, painted = made_of(laid, tmp_path / "cells")
    assert painted == 2


def test_a_picture_without_its_losses_counts_as_finished_never(pictures: list[Path], tmp_path: Path) -> None:
    """The losses are written first: wherever a run is killed, a picture that is there has them."""
    laid = plan("blend", pictures[:1], pictures[1:2], values=[0], **TINY)
    saving.write(b"[]", tmp_path / f"{making.key(laid.cells[0])}.json")
    made, painted = made_of(laid, tmp_path)
    assert painted == 1
    assert len(made[0].history) == 2


def test_a_changed_row_paints_one_row(pictures: list[Path], tmp_path: Path) -> None:
    contents, styles = pictures[:2], pictures[1:]
    made_of(plan("gallery", contents, styles, **TINY), tmp_path / "cells")
    with Image.open(contents[0]) as opened:
        opened.rotate(180).save(contents[0])
    _, painted = made_of(plan("gallery", contents, styles, **TINY), tmp_path / "cells")
    assert painted == 2


def test_a_cell_is_known_by_what_makes_it_and_not_by_names(pictures: list[Path], tmp_path: Path) -> None:
    def keys(contents: Sequence[Path], **options: object) -> list[str]:
        return [making.key(job) for job in plan("blend", contents, pictures[1:2], **{**TINY, **options}).cells]

    renamed = tmp_path / "renamed.png"
    renamed.write_bytes(pictures[0].read_bytes())
    assert keys(pictures[:1]) == keys([renamed])
    assert not set(keys(pictures[:1])) & set(keys(pictures[2:]))
    assert not set(keys(pictures[:1])) & set(keys(pictures[:1], seed=1))


@pytest.mark.parametrize("role", ["start", "weights"])
def test_another_file_of_that_name_makes_another_cell(role: str, pictures: list[Path]) -> None:
    (job,) = plan("gallery", pictures[:1], pictures[1:2], **{**TINY, role: str(pictures[2])}).jobs[-1][-1:]
    assert job is not None
    before = making.key(job)
    pictures[2].write_bytes(pictures[0].read_bytes())
    assert making.key(job) != before


def test_another_network_makes_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = plan("basic-fast", **TINY).cells
    before = [making.key(one) for one in job if one.verb in ("paint", "stylize")]
    for name in ("petit", "presto"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"another")
    monkeypatch.setattr(making, "ASSETS", tmp_path)
    assert not set(before) & {making.key(one) for one in job}


def test_every_cell_carries_its_recipe(pictures: list[Path], tmp_path: Path) -> None:
    laid = plan("blend", pictures[:1], pictures[1:2], values=[0, 0.5], **TINY)
    made, _ = made_of(laid, tmp_path / "cells")
    found = [saving.read_recipe(path) for path in sorted((tmp_path / "cells").glob("*.png"))]
    assert sorted(one["options"]["start_noise"] for one in found if one) == [0, 0.5]
    assert [cell.settings["options"]["start_noise"] for cell in making.sheet(laid, made).cells[0]] == [0, 0.5]


def test_the_deeper_the_layer_the_less_it_keeps(tmp_path: Path) -> None:
    laid = plan("ryanchankh-fig1", preset="default", size=48, steps=60, first_steps=60)
    content_row = Plan(laid.title, "", laid.rows[:1], laid.columns, laid.jobs[:1])
    made, _ = made_of(content_row, tmp_path)
    decibels = [fidelity(one) for one in made if one.job.verb != "show"]
    values = [float(text.removesuffix(" dB")) for text in decibels]
    assert values == sorted(values, reverse=True)
    assert values[0] > 25


def test_layers_and_textures_cover_every_convolution() -> None:
    names = plan("layers", **TINY).names
    assert names[0] == "original"
    assert (names[1], names[-1]) == ("conv1_1", "conv5_1")
    windows = [job.options.style_layers for job in plan("textures", **TINY).cells if job.verb == "texture"]
    assert {len(window) for window in windows} == {5}
    assert len(windows) == len(names) - 1 - 5 + 1
    assert windows[0][0] == "conv1_1"
    assert windows[-1][-1] == "conv5_1"
    assert len(plan("layers", backbone="vgg19", **TINY).names) == 1 + 16
    assert len(plan("assignment4-part2", backbone="vgg19", **TINY).columns) == 1 + 12


def test_a_long_row_is_folded_and_every_picture_keeps_its_name(pictures: list[Path], tmp_path: Path) -> None:
    laid = plan("layers", pictures[:1], **{**TINY, "steps": 1})
    assert {len(row) for row in laid.jobs} == {6}
    sheet = making.sheet(laid, made_of(laid, tmp_path)[0])
    captions = [cell.caption for row in sheet.cells for cell in row]
    assert captions[0] == "original"
    assert captions[1].startswith("conv1_1 · ")
    assert len(plan("layers", pictures[:2], **TINY).rows) == 2
    assert len(plan("blend", **TINY).rows) == 1


def test_documents_keep_their_settings() -> None:
    part3 = plan("assignment4-part3", **TINY)
    assert (len(part3.rows), len(part3.columns)) == (4, 6)
    assert [job.options.content_weight for job in part3.jobs[0] if job] == [1, 10, 100, 1000, 10_000, 100_000]
    assert {job.options.style_weight for job in part3.cells} == {1e6}
    assert plan("ryanchankh-fig3").cells[-1].options.content_weight == 1e-6
    assert len(plan("gatys2015-styles").columns) == 1 + 5
    assert plan("blog-example").cells[-1].options.optimizer == "adam"


def test_a_preset_replaces_the_figures_own_and_options_replace_both() -> None:
    laid = plan("gallery", preset="blog", steps=7)
    assert {(job.options.optimizer, job.options.steps) for job in laid.cells if job.verb == "paint"} == {("adam", 7)}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e6, "10⁶"), (1e-4, "10⁻⁴"), (10, "10"), (0.5, "0.5"), (0, "0"), (1500, "1500"), (0.015, "0.015")],
)
def test_numbers_read_well(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nothing"}, "There is no figure 'nothing'. Choose among layers,"),
        ({"name": "layers", "styles": ["a.png"]}, "takes no style picture"),
        ({"name": "textures", "contents": ["a.png"]}, "takes no content picture"),
        ({"name": "gallery", "values": [1]}, "varies no number"),
        ({"name": "gallery", "stepz": 3}, "Did you mean 'steps'"),
        ({"name": "blend", "values": [2]}, "--start-noise"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        plan(**arguments)  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_read_is_found_before_painting(pictures: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for path in (broken, tmp_path / "none.png"):
        with pytest.raises(InputError, match=path.name):
            plan("gallery", pictures[:1], [pictures[1], path], **TINY)
