"""Scores of sets: known ends, the formula, and how an output finds its photo and its style."""

from pathlib import Path

import pytest
import torch

from impasto import images, saving, sets
from impasto.backbones import Backbone, load
from impasto.errors import InputError
from impasto.sets import Trio, judge_set, match
from impasto.shipped import DEMO


@pytest.fixture(scope="module")
def judge() -> Backbone:
    return load("petit")


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for name in ("valley", "swirl", "mosaic", "fauve"):
        paths[name] = tmp_path / f"{name}.png"
        saving.save(images.resize(images.load(DEMO / f"{name}.jpg"), 64), paths[name])
    return paths


def test_outputs_that_are_their_photos_have_no_distance_to_them(pictures: dict[str, Path], judge: Backbone) -> None:
    paths = list(pictures.values())
    scores = judge_set([Trio(path, path, path) for path in paths], judge)
    assert scores.perceptual == scores.frechet == 0
    assert scores.artfid == 1


def test_the_score_is_the_product_and_grows_from_styles_to_photos(pictures: dict[str, Path], judge: Backbone) -> None:
    valley, swirl, mosaic, fauve = pictures.values()
    unpainted = judge_set([Trio(valley, valley, swirl), Trio(fauve, fauve, mosaic)], judge)
    style = judge_set([Trio(swirl, valley, swirl), Trio(mosaic, fauve, mosaic)], judge)
    assert unpainted.perceptual == 0 < style.perceptual
    assert style.frechet == 0 < unpainted.frechet
    assert style.artfid == pytest.approx(1 + style.perceptual)
    assert "petit" in str(style)
    assert style.as_dict()["protocol"] == sets.PROTOCOL


def test_the_distance_of_means_alone_is_the_shift() -> None:
    """Two sets of equal spread, one moved: frechet is |shift|² over the total variance and the mean's hundredth."""
    cloud = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    value, target = (sets.moments(one.T[None, :, :, None]) for one in (cloud + 2, cloud))
    expected = 12 / float(cloud.var(0, correction=0).sum() + 0.01 * cloud.mean(0).square().sum())
    assert float(sets.wasserstein(value, sets.normal(target))) == pytest.approx(expected, rel=1e-3)


def test_an_output_is_known_by_its_recipe_or_by_its_name(pictures: dict[str, Path], tmp_path: Path) -> None:
    image = images.load(pictures["valley"])
    prints = {role: sets.fingerprint(pictures[name]) for role, name in (("content", "valley"), ("style", "swirl"))}
    saving.save(image, tmp_path / "anything.png", recipe={"inputs": prints})
    saving.save(image, tmp_path / "fauve-mosaic.png")
    paths = list(pictures.values())
    found = match([tmp_path / "anything.png", tmp_path / "fauve-mosaic.png"], paths, paths)
    assert [(trio.content.stem, trio.style.stem) for trio in found] == [("valley", "swirl"), ("fauve", "mosaic")]


@pytest.mark.parametrize("inputs", [[1], {"content": 3}, {"content": {"sha256": []}}, {"content": {"sha256": None}}])
def test_a_recipe_that_is_not_ours_leaves_the_name(inputs: object, pictures: dict[str, Path], tmp_path: Path) -> None:
    saving.save(images.load(pictures["valley"]), tmp_path / "fauve-mosaic.png", recipe={"inputs": inputs})
    paths = list(pictures.values())
    (found,) = match([tmp_path / "fauve-mosaic.png"], paths, paths)
    assert (found.content.stem, found.style.stem) == ("fauve", "mosaic")


def test_what_is_missing_or_too_small_is_named(pictures: dict[str, Path], tmp_path: Path, judge: Backbone) -> None:
    paths = list(pictures.values())
    with pytest.raises(InputError, match=r"missing\.png does not exist: check the spelling"):
        match(paths[:1], paths, [tmp_path / "missing.png"])
    saving.save(torch.rand(1, 3, 10, 100), tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin\.png is 100 x 10 pixels, but each side needs 16"):
        judge_set([Trio(tmp_path / "thin.png", *paths[:2])] * 2, judge)


def test_an_unknown_output_and_a_set_of_one_are_refused(pictures: dict[str, Path], judge: Backbone) -> None:
    paths = list(pictures.values())
    with pytest.raises(InputError, match="PHOTO-STYLE"):
        match(paths[:1], paths, paths)
    with pytest.raises(InputError, match="two pictures"):
        judge_set([Trio(*paths[:3])], judge)
