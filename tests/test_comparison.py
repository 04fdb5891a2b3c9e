"""Comparisons: what each column paints, and what stands under it."""

import re
from pathlib import Path

import pytest

from impasto import comparison
from impasto.errors import OptionError
from impasto.figures import making
from impasto.options import PaintOptions, StylizeOptions
from impasto.presets import options_for
from impasto.shipped import DEMO

PAIR = DEMO / "valley.jpg", DEMO / "swirl.jpg"
TINY = {"size": 48, "min_scale": 48, "steps": 1, "first_steps": 1, "canvas_padding": 0}


def test_with_nothing_named_losses_and_presto_are_compared() -> None:
    laid = comparison.plan(*PAIR)
    assert [*laid.columns] == ["photo", "painting", "wasserstein", "moments", "gram", "presto"]
    painted = [job.options for job in laid.cells[2:5]]
    assert painted == [options_for(style_loss=loss) for loss in ("wasserstein", "moments", "gram")]


def test_each_column_is_what_the_verb_would_paint() -> None:
    laid = comparison.plan(*PAIR, presets=["gatys2015"], backbones=["vgg19"], engines=["torch"], size=256, seed=3)
    _, _, preset, backbone, engine = [job.options for job in laid.cells]
    assert preset == options_for("gatys2015", size=256, seed=3)
    assert backbone == options_for(size=256, seed=3, backbone="vgg19")
    assert engine == StylizeOptions(size=256, engine="torch")


def test_a_long_row_is_folded_with_every_name() -> None:
    laid = comparison.plan(*PAIR, presets=["default", "gatys2015", "crowson", "ryanchankh", "assignment4"], size=64)
    assert len(laid.rows) == 2
    assert [job.label for job in laid.cells][2:] == ["default", "gatys2015", "crowson", "ryanchankh", "assignment4"]


def test_presets_of_different_sizes_are_refused() -> None:
    with pytest.raises(OptionError, match="--size"):
        comparison.plan(*PAIR, presets=["default", "blog"])


def test_under_each_picture_stand_its_figures_and_its_time(tmp_path: Path) -> None:
    laid = comparison.plan(*PAIR, losses=["gram"], engines=["torch"], **TINY)
    sheet = making.sheet(laid, list(making.cells(laid, tmp_path)))
    captions = [cell.caption for cell in sheet.cells[0]]
    assert captions[:2] == ["", ""]
    for caption in captions[2:]:
        assert re.fullmatch(r"style \d\.\d\d · content \d\.\d\d.* · [\d.e-]+ s", caption), caption
    assert "petit" in sheet.caption


def test_options_of_the_other_kind_are_left_out() -> None:
    (fast,) = (job.options for job in comparison.plan(*PAIR, engines=["torch"], steps=3).cells[2:])
    assert isinstance(fast, StylizeOptions)
    assert isinstance(comparison.plan(*PAIR, losses=["gram"], steps=3).cells[2].options, PaintOptions)
