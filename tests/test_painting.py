"""paint(): the shape, the start, the course and the recipe of a painting, with the shipped backbone."""

import getpass
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from impasto import canvas as canvas_module
from impasto import images, machine, painting, saving, starts
from impasto.errors import DivergenceError, InputError, OptionError, WeightsError
from impasto.options import STARTS, PaintOptions
from impasto.painting import Painting, PaintStep, paint, paint_steps
from impasto.presets import PRESETS, options_for
from impasto.saving import read_recipe
from impasto.scene import Picture, Scene, View
from impasto.shelf import Shelf
from impasto.stylizer import stylize

FAST: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 3, "device": "cpu", "precision": "float32"}


def random_image(height: int, width: int, seed: int = 0) -> Tensor:
    """Soft random colors, (1, 3, H, W) in [0, 1]."""
    coarse = torch.rand((1, 3, 5, 5), generator=torch.Generator().manual_seed(seed))
    return images.resize_to(coarse, (height, width))


CONTENT, STYLE = random_image(30, 40), random_image(36, 36, seed=1)


def squares(image: Tensor, other: Tensor) -> float:
    return float((image - other).square().mean())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """content.png and style.jpg in a folder with a telling name."""
    folder = tmp_path / "private folder"
    folder.mkdir()
    paths = {"content": folder / "content.png", "style": folder / "style.jpg", "start": folder / "start.png"}
    for path, image in zip(paths.values(), (CONTENT, STYLE, random_image(20, 60, seed=2)), strict=True):
        saving.save(image, path)
    return paths


# ---------------------------------------------------------------------------------------------------------- shape


@pytest.mark.parametrize(
    ("height", "width", "size", "expected"),
    [
        (30, 40, 32, (24, 32)),
        (40, 30, 32, (32, 24)),
        (33, 33, 47, (47, 47)),
        (51, 77, 37, (25, 37)),
        (24, 20, 64, (64, 53)),
    ],
)
def test_the_result_has_the_content_s_aspect_at_the_asked_size(
    height: int, width: int, size: int, expected: tuple[int, int]
) -> None:
    result = paint(random_image(height, width), STYLE, **{**FAST, "size": size, "first_steps": 1})
    assert result.image.shape == (1, 3, *expected)
    assert result.picture.size == expected[::-1]
    assert result.image.dtype == torch.float32
    assert 0 <= result.image.min() <= result.image.max() <= 1


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_the_style_keeps_its_own_aspect_at_every_scale(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    real = painting.make_objective

    def spy(view: View, *rest: Any) -> Any:
        seen.append(tuple(view.styles[0].image.shape[2:]))
        return real(view, *rest)

    monkeypatch.setattr(painting, "make_objective", spy)
    options = {**FAST, "size": 64, "first_steps": 1, "steps": 1, "style_scale": scale}
    paint(random_image(40, 30), random_image(40, 80, seed=1), **options)
    assert seen == [(round(size * scale / 2), round(size * scale)) for size in (32, 64)]


def test_scales_follow_one_another_and_steps_are_counted_through() -> None:
    steps = list(paint_steps(CONTENT, STYLE, **{**FAST, "size": 64, "first_steps": 2, "steps": 3}))
    assert [step.size for step in steps] == [32, 32, 64, 64, 64]
    assert [step.index for step in steps] == [1, 2, 3, 4, 5]
    assert {step.total for step in steps} == {5}
    assert [tuple(step.painting.image.shape[2:]) for step in steps] == [(24, 32)] * 2 + [(48, 64)] * 3
    history = steps[-1].painting.history
    assert [(entry["step"], entry["size"], entry["loss"]) for entry in history] == [
        (step.index, step.size, step.loss) for step in steps
    ]
    assert all(step.loss == pytest.approx(sum(step.parts.values())) for step in steps)


def test_on_step_sees_every_step() -> None:
    seen: list[int] = []
    paint(CONTENT, STYLE, **FAST, on_step=lambda step: seen.append(step.index))
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("margin", [0, 5])
def test_enlarge_fits_the_next_scale_and_tells_the_optimizer(margin: int) -> None:
    told: list[tuple[int, int]] = []

    class Listener:
        def enlarge(self, size: tuple[int, int]) -> None:
            told.append(size)

    canvas, content = canvas_module.pad(CONTENT, margin), canvas_module.pad(random_image(61, 80), margin)
    larger = painting.enlarge(canvas, content, margin, Listener())  # type: ignore[arg-type]
    assert larger.shape == content.shape
    assert told == [tuple(content.shape[2:])]
    assert torch.equal(canvas_module.crop(larger, margin), images.resize_to(CONTENT, (61, 80)))


# ---------------------------------------------------------------------------------------------------------- start


def begun(options: PaintOptions, content: Tensor = CONTENT, style: Tensor = STYLE) -> Tensor:
    """What the canvas shows first."""
    return starts.start(View(content, (Picture(style),)), options, Shelf())


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_noise_is_blended_into_every_start_by_its_share(start: str, alpha: float) -> None:
    pure = begun(PaintOptions(start=start))
    noise = begun(PaintOptions(start="noise"))
    blended = begun(PaintOptions(start=start, start_noise=alpha))
    torch.testing.assert_close(blended, noise * alpha + pure * (1 - alpha))
    assert blended.shape == CONTENT.shape
    assert 0 <= blended.min() <= blended.max() <= 1


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("content", lambda: CONTENT),
        ("style", lambda: canvas_module.cover(STYLE, CONTENT.shape[2:])),
        ("white", lambda: torch.ones_like(CONTENT)),
        ("gray", lambda: torch.full_like(CONTENT, 0.5)),
    ],
)
def test_a_start_shows_what_its_name_says(start: str, expected: Callable[[], Tensor]) -> None:
    torch.testing.assert_close(begun(PaintOptions(start=start)), expected())


def test_style_noise_has_the_style_s_colors() -> None:
    content, style = torch.zeros(1, 3, 200, 200), 0.4 + 0.2 * random_image(40, 40)
    noise = begun(PaintOptions(start="style-noise"), content, style)
    torch.testing.assert_close(noise.mean((2, 3)), style.mean((2, 3)), atol=0.005, rtol=0)
    torch.testing.assert_close(noise.std((2, 3)), style.std((2, 3)), atol=0.005, rtol=0)


@pytest.mark.parametrize("start", STARTS)
def test_every_start_paints(start: str) -> None:
    result = paint(CONTENT, STYLE, **{**FAST, "first_steps": 2}, start=start, start_noise=0.1)
    assert result.image.isfinite().all()


def test_painting_begins_with_what_stylize_paints() -> None:
    """To the same strength, whatever margin the canvas has."""
    given = {"size": 32, "strength": 40, "engine": "torch", "precision": "float32"}
    stylized = stylize(CONTENT, STYLE, **given).image
    options = PaintOptions(size=32, strength=40, precision="float32")
    scene = Scene(Picture(CONTENT), (Picture(STYLE),))
    for margin in (0, 8):
        canvas = starts.start(scene.view(32, margin, options), options, Shelf())
        torch.testing.assert_close(canvas_module.crop(canvas, margin), stylized)


def test_a_picture_of_another_shape_is_a_start(files: dict[str, Path]) -> None:
    options = PaintOptions(start=str(files["start"]))
    expected = canvas_module.cover(images.load(files["start"]), CONTENT.shape[2:])
    assert torch.equal(begun(options), expected)
    assert paint(CONTENT, STYLE, **FAST, start=files["start"]).image.shape == (1, 3, 24, 32)


# --------------------------------------------------------------------------------------------------------- course


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_same_seed_paints_the_same_picture(optimizer: str) -> None:
    one, same, other = (
        paint(CONTENT, STYLE, **FAST, start="noise", seed=seed, optimizer=optimizer).image for seed in (3, 3, 4)
    )
    assert torch.equal(one, same)
    assert squares(one, other) > 1e-3


def test_painting_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    paint(CONTENT, STYLE, **{**FAST, "first_steps": 1}, start="noise")
    assert torch.equal(torch.rand(3), expected)


def test_content_alone_stays_at_the_content() -> None:
    result = paint(CONTENT, STYLE, **FAST, start="content", style_weight=0, tv_weight=0)
    torch.testing.assert_close(result.image, images.resize(CONTENT, 32), atol=1e-3, rtol=0)
    assert {entry["content"] for entry in result.history} == {0.0}
    assert "style" not in result.history[0]


def test_content_alone_comes_back_from_noise() -> None:
    options = {**FAST, "first_steps": 40, "start": "noise", "style_weight": 0, "content_layers": ("relu1_1",)}
    steps = list(paint_steps(CONTENT, STYLE, **options))
    content = images.resize(CONTENT, 32)
    assert squares(steps[-1].painting.image, content) < 0.3 * squares(steps[0].painting.image, content)


@pytest.mark.parametrize("loss", ["wasserstein", "moments", "gram"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_style_alone_lowers_the_style_loss(loss: str, optimizer: str) -> None:
    options = {**FAST, "first_steps": 15, "content_weight": 0, "tv_weight": 0}
    history = paint(CONTENT, STYLE, **options, style_loss=loss, optimizer=optimizer).history
    first, last = (
        sum(value for name, value in row.items() if name.startswith("style")) for row in (history[0], history[-1])
    )
    assert last < 0.9 * first


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_paints_from_end_to_end(preset: str) -> None:
    result = paint(
        CONTENT, STYLE, preset=preset, backbone="petit", size=48, min_scale=24, first_steps=2, steps=2, device="cpu"
    )
    assert result.image.shape == (1, 3, 36, 48)
    assert result.recipe["preset"] == preset
    losses = [entry["loss"] for entry in result.history]
    assert np.isfinite(losses).all()


def test_single_options_go_before_all_at_once() -> None:
    result = paint(CONTENT, STYLE, PaintOptions(**{**FAST, "seed": 1}), seed=2, first_steps=1)
    assert (result.recipe["options"]["seed"], result.recipe["steps"]) == (2, 1)


def test_an_abandoned_iteration_leaves_a_usable_painting(tmp_path: Path) -> None:
    for step in paint_steps(CONTENT, STYLE, **{**FAST, "first_steps": 100_000}):
        if step.index == 2:
            break
    assert step.total == 100_000
    assert step.painting.recipe["steps"] == 2
    assert read_recipe(step.painting.save(tmp_path / "out.png")) == step.painting.recipe


def test_nothing_is_done_before_the_first_step_is_asked_for(tmp_path: Path) -> None:
    paint_steps(tmp_path / "missing.png", STYLE, **FAST)


def test_steps_do_not_share_their_image() -> None:
    steps = list(paint_steps(CONTENT, STYLE, **FAST, start="noise"))
    assert squares(steps[0].painting.image, steps[-1].painting.image) > 0


# ---------------------------------------------------------------------------------------------------------- input


def test_every_kind_of_source_gives_the_same_picture(files: dict[str, Path]) -> None:
    path = files["content"]
    with Image.open(path) as picture:
        array = np.asarray(picture.convert("RGB"))
        sources = [str(path), path.read_bytes(), picture, array, images.load(path), images.load(path)[0]]
        expected = paint(path, files["style"], **FAST).image
        for source in sources:
            torch.testing.assert_close(paint(source, files["style"], **FAST).image, expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(paint(path, files["style"].read_bytes(), **FAST).image, expected, atol=1e-4, rtol=0)


def test_the_source_tensors_are_not_changed() -> None:
    content, style = CONTENT.clone(), STYLE.clone()
    paint(content, style, **FAST)
    assert torch.equal(content, CONTENT)
    assert torch.equal(style, STYLE)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"content_layers": ("relu9_9",)}, OptionError, "relu9_9"),
        ({"style_layers": ("relu1_1", "conv4_4")}, OptionError, "conv4_4"),
        ({"start": "nonsense"}, OptionError, "--start nonsense"),
        ({"start": "n" * 300}, OptionError, "neither a file"),
        ({"device": "nonsense"}, OptionError, "--device nonsense"),
        ({"preset": "nonsense"}, OptionError, "no preset 'nonsense'"),
        ({"styleweight": 1}, OptionError, "Did you mean 'style_weight'"),
        ({"weights": "missing.pth"}, WeightsError, "missing.pth"),
    ],
)
def test_bad_options_are_refused_before_any_step(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        next(paint_steps(CONTENT, STYLE, **{**FAST, **given}))


@pytest.mark.parametrize("role", [0, 1])
@pytest.mark.parametrize("source", ["missing.png", b"no picture", np.zeros((3, 3, 3), np.uint8), 7])
def test_bad_pictures_are_refused_in_either_role(role: int, source: Any) -> None:
    pictures = [CONTENT, STYLE]
    pictures[role] = source
    with pytest.raises(InputError):
        paint(*pictures, **FAST)


# ----------------------------------------------------------------------------------------- divergence and memory


def test_a_loss_that_is_no_number_is_an_error_after_good_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    real = painting.make_objective

    def breaking(*arguments: Any) -> Callable[[Tensor], dict[str, Tensor]]:
        objective, calls = real(*arguments), iter([1.0, 1.0, float("nan")])
        return lambda image: {
            name: value * factor for factor in [next(calls)] for name, value in objective(image).items()
        }

    monkeypatch.setattr(painting, "make_objective", breaking)
    kept: list[PaintStep] = []
    with pytest.raises(DivergenceError, match="at step 3"):
        paint(CONTENT, STYLE, **{**FAST, "first_steps": 5}, on_step=kept.append)
    assert len(kept) == 2
    assert all(step.painting.image.isfinite().all() for step in kept)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_absurd_weights_are_an_error_with_a_remedy(optimizer: str) -> None:
    with pytest.raises(DivergenceError, match="Lower --learning-rate or --style-weight"):
        paint(CONTENT, STYLE, **FAST, style_weight=1e300, optimizer=optimizer)


def test_too_little_memory_is_found_before_the_backbone_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda device: 2**20)
    monkeypatch.setattr(painting, "load_backbone", None)
    with pytest.raises(InputError, match="are there for it"):
        next(paint_steps(CONTENT, STYLE, size=1024, device="cpu"))


# --------------------------------------------------------------------------------------------------------- recipe


@pytest.fixture(scope="module")
def result() -> Painting:
    return paint(CONTENT, STYLE, **FAST)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_the_recipe_is_in_the_file(result: Painting, suffix: str, tmp_path: Path) -> None:
    path = result.save(tmp_path / f"out{suffix}")
    assert path == tmp_path / f"out{suffix}"
    quality = {"quality": 95} if saving.is_lossy(suffix) else {}
    assert read_recipe(path) == {**result.recipe, **quality}
    with Image.open(path) as written:
        assert written.size == (32, 24)


def test_the_recipe_says_what_made_the_picture(result: Painting) -> None:
    recipe = result.recipe
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["options"] == options_for(**FAST).as_dict()
    assert PaintOptions(**recipe["options"]) == options_for(**FAST)
    assert (recipe["schema"], recipe["verb"], recipe["preset"], recipe["steps"]) == (1, "paint", "default", 3)
    assert (recipe["device"], recipe["precision"]) == ("cpu", "float32")
    styles = {f"style relu{block}_1" for block in range(1, 6)}
    assert recipe["losses"].keys() == {"content", *styles, "variation", "range"}
    assert recipe["loss"] == pytest.approx(sum(recipe["losses"].values()))
    assert len(recipe["weights_sha256"]) == 64


def test_both_precisions_paint_nearly_the_same_and_say_which() -> None:
    results = [paint(CONTENT, STYLE, **{**FAST, "precision": name}) for name in ("float32", "bfloat16")]
    assert [result.recipe["precision"] for result in results] == ["float32", "bfloat16"]
    assert squares(results[0].image, results[1].image) < 1e-3


def test_the_recipe_s_hashes_are_those_of_the_files(files: dict[str, Path]) -> None:
    inputs = paint(files["content"], str(files["style"]), **{**FAST, "first_steps": 1}).recipe["inputs"]
    for role in ("content", "style"):
        data = files[role].read_bytes()
        expected = {"name": files[role].name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        assert inputs[role] == expected


def test_the_recipe_names_sources_without_a_file_by_their_kind_and_content(files: dict[str, Path]) -> None:
    data = files["content"].read_bytes()
    inputs = paint(data, np.zeros((20, 20, 3), np.uint8), **{**FAST, "first_steps": 1}).recipe["inputs"]
    assert inputs["content"] == {"name": "bytes", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert inputs["style"] == {"name": "ndarray", "sha256": hashlib.sha256(bytes(1200)).hexdigest(), "bytes": 1200}


def test_the_recipe_says_nothing_of_the_user(files: dict[str, Path], tmp_path: Path) -> None:
    weights = files["content"].with_name("own.safetensors")
    weights.write_bytes((Path(painting.__file__).parent / "assets" / "petit.safetensors").read_bytes())
    options = {**FAST, "first_steps": 1, "start": str(files["start"]), "weights": str(weights)}
    result = paint(files["content"].resolve(), str(files["style"].resolve()), **options)
    assert (result.recipe["options"]["start"], result.recipe["options"]["weights"]) == ("start.png", "own.safetensors")
    written = result.save(tmp_path / "out.png").read_bytes()
    words = [str(tmp_path), "private folder", str(Path.home())]
    if len(user := getpass.getuser()) > 3:
        words.append(user)
    for word in words:
        assert word not in json.dumps(result.recipe)
        assert word.encode() not in written


def test_notebooks_show_a_painting_as_png(result: Painting) -> None:
    with Image.open(io.BytesIO(result._repr_png_())) as shown:
        assert (shown.format, shown.size) == ("PNG", (32, 24))
        assert list(shown.convert("RGB").tobytes()) == list(result.picture.tobytes())
