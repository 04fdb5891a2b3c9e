"""Recipes read again: every verb's is whole, later versions' are understood as far as possible, hostile ones refused."""

import hashlib
import json
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

import impasto
from impasto import images, recipe, saving
from impasto.errors import ImpastoError, InputError
from impasto.recipe import differences, understand

QUICK: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 1, "device": "cpu", "precision": "float32"}


def noise(seed: int = 0) -> torch.Tensor:
    return torch.rand((1, 3, 24, 32), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The recipe of a painting, as it comes out of its file."""
    painting = impasto.paint(noise(), noise(1), **QUICK)
    found = saving.read_recipe(saving.encode(painting.image, ".png", recipe=painting.recipe))
    assert found is not None
    return found


# -------------------------------------------------------------------------------------------------- what is written


def test_a_recipe_is_understood_whole(found: dict[str, Any]) -> None:
    read = understand(found)
    assert read.options == impasto.options_for(**QUICK)
    assert (read.verb, read.preset, read.steps, read.notes) == ("paint", "default", 1, ())
    assert set(read.inputs) == {"content", "style"}


def test_a_texture_s_arguments_are_in_its_recipe() -> None:
    tile = impasto.texture(noise(), width=32, height=16, seamless=True, **{**QUICK, "size": 32}).recipe
    assert tile["arguments"] == {"height": 16, "width": 32, "seamless": True}
    assert (understand(tile).shape, understand(tile).seamless) == ((16, 32), True)
    plain = impasto.texture(noise(), **QUICK).recipe
    assert plain["arguments"] == {}
    assert (understand(plain).shape, understand(plain).seamless) == (None, False)


def test_the_fingerprint_of_weights_is_the_same_in_every_precision() -> None:
    hashes = {
        impasto.paint(noise(), noise(1), **{**QUICK, "precision": name}).recipe["weights_sha256"]
        for name in ("float32", "bfloat16")
    }
    assert len(hashes) == 1


def test_a_file_is_hashed_without_being_held(tmp_path: Path) -> None:
    path, content = tmp_path / "clip.mp4", bytes(range(256)) * 65_000
    path.write_bytes(content)
    tracemalloc.start()
    try:
        found = recipe.fingerprint(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == {"name": "clip.mp4", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert peak < len(content) / 4


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_a_recipe_survives_being_saved_without_one(suffix: str, tmp_path: Any) -> None:
    painting = impasto.paint(noise(), noise(1), **QUICK)
    kept, bare = tmp_path / f"kept{suffix}", tmp_path / f"bare{suffix}"
    painting.save(kept, quality=80)
    painting.save(bare, quality=80, with_recipe=False)
    lossy = {} if suffix in (".png", ".tif") else {"quality": 80}
    assert recipe.read(kept) == {**painting.recipe, **lossy}
    assert torch.equal(images.load(kept), images.load(bare))
    with pytest.raises(InputError, match="carries no recipe"):
        recipe.read(bare)
    assert b"weights_sha256" not in bare.read_bytes()


# ----------------------------------------------------------------------------------------------- other versions' forms


def test_what_a_later_version_added_is_left_out_and_said(found: dict[str, Any]) -> None:
    later = {
        **found,
        "schema": 2,
        "mood": "blue",
        "options": {**found["options"], "brush": 3},
        "inputs": {**found["inputs"], "frame": {"name": "frame.png", "sha256": "0", "bytes": 1}},
    }
    read = understand(later)
    assert read.options == understand(found).options
    assert set(read.inputs) == {"content", "style"}
    assert "schema 2" in read.notes[0]
    assert all(word in read.notes[1] for word in ("'brush'", "'frame'", "'mood'"))


def test_an_option_that_an_earlier_version_had_not_is_at_its_default(found: dict[str, Any]) -> None:
    settings = {key: value for key, value in found["options"].items() if key != "tv_weight"}
    assert understand({**found, "options": settings}).options == understand(found).options


# ------------------------------------------------------------------------------------------------------ hostile ones


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verb": "format"}, "its verb is 'format'"),
        ({"verb": ["paint"]}, "its verb is"),
        ({"verb": None}, "its verb is None"),
        ({"options": [1]}, "'options' holds no names and values"),
        ({"inputs": "all"}, "'inputs' holds no names"),
        ({"inputs": {"content": "cat.jpg"}}, "'content' holds no names"),
        ({"arguments": 7}, "'arguments' holds no names"),
        ({"arguments": {"width": 64}}, "height and width are None and 64"),
        ({"arguments": {"width": 10**9, "height": 1}}, "its height and width"),
        ({"arguments": {"width": True, "height": -3}}, "its height and width"),
        ({"options": {"size": "large"}}, "--size is 'large'"),
        ({"options": {"size": 10**400}}, "--size is"),
        ({"options": {"style_weight": 10**400}}, "--style-weight is inf"),
        ({"options": {"style_weight": float("nan")}}, "--style-weight is nan"),
        ({"options": {"style_layer_weights": [10**400]}}, "--style-layer-weights is inf"),
        ({"options": {"style_layers": []}}, "names no layer"),
        ({"options": {"backbone": "mine"}}, "--backbone is 'mine'"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_in_a_sentence(
    change: dict[str, Any], said: str, found: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="cannot be followed") as error:
        understand({**found, **change})
    assert said in str(error.value)


@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, "", "\ud800", [], {}, [[]], {"a": []}, 10**30])
def test_any_value_anywhere_is_followed_or_refused(value: Any, found: dict[str, Any]) -> None:
    places = [{key: value} for key in found]
    places += [{"options": {**found["options"], key: value}} for key in found["options"]]
    places += [{"inputs": {"content": {"name": value, "sha256": value, "bytes": value, "copy": value}}}]
    for change in places:
        with suppress(ImpastoError):
            understand(json.loads(json.dumps({**found, **change})))


# -------------------------------------------------------------------------------------------------------- comparison


def test_differences_are_a_line_each(found: dict[str, Any]) -> None:
    other = {
        **found,
        "options": {**found["options"], "seed": 3},
        "inputs": {**found["inputs"], "content": {"name": "dog.jpg", "sha256": "ab" * 32}},
        "loss": 1.0,
        "seconds": 9.0,
        "extra": [1],
    }
    assert differences(found, found) == []
    assert differences(found, other) == [
        "options.seed: 0 -> 3",
        f'inputs.content: "Tensor ({found["inputs"]["content"]["sha256"][:8]})" -> "dog.jpg (abababab)"',
        "extra: not given -> [1]",
    ]
