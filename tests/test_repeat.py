"""Painted again: bit for bit from the recipe alone, from inputs found by their hash and nothing else."""

import errno
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto import cli, forecast, images, ingredients, recipe, saving, scene, transform
from impasto.errors import InputError, OptionError, WeightsError
from impasto.threads import threads

QUICK: dict[str, Any] = {"size": 48, "min_scale": 24, "first_steps": 2, "steps": 2, "device": "cpu"}
PETIT = Path(impasto.__file__).parent / "assets" / "petit.safetensors"


def picture(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with content.png, style.jpg and start.png in it."""
    picture(40, 30, 0).save(tmp_path / "content.png")
    picture(36, 36, 1).save(tmp_path / "style.jpg")
    picture(20, 20, 2).save(tmp_path / "start.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def painted(path: str = "out.png", **options: Any) -> Path:
    return impasto.paint("content.png", "style.jpg", **{**QUICK, **options}).save(path)


def rewritten(path: Path, change: dict[str, Any]) -> Path:
    """The picture with another recipe in it, as anybody might write one."""
    found = saving.read_recipe(path)
    assert found is not None
    saving.save(images.load(path), path, recipe={**found, **change})
    return path


# ------------------------------------------------------------------------------------------------------------ verify

MIXED: dict[str, dict[str, Any]] = {
    "plain.png": {},
    "small.jpg": {"size": 24},
    "tall.webp": {"size": 64, "first_steps": 1},
    "full.tif": {"precision": "float32"},
    "new.avif": {"seed": 3, "start": "noise"},
    "averaged.png": {"averaging": 0.9, "start": "style-noise"},
    "lbfgs.png": {"optimizer": "lbfgs"},
    "gram.png": {"style_loss": "gram", "content_weight": 0.1, "start_noise": 0.25},
    "blog.jpg": {"preset": "blog", "backbone": "petit"},
    "started.png": {"start": "start.png"},
    "max.png": {"pooling": "max", "padding": "circular"},
    "dialed.png": {"strength": 60},
}


@pytest.mark.parametrize("name", MIXED)
def test_a_picture_of_any_settings_and_format_is_painted_again_pixel_for_pixel(name: str) -> None:
    verdict = impasto.verify(painted(name, **MIXED[name]))
    assert verdict.identical, verdict
    assert verdict.passed
    assert verdict.notes == ()
    assert impasto.prepare(name).notes == ()  # nothing in it that this version does not know


def test_a_budget_that_was_spent_is_not_spent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe has the steps that it left; a recipe that names it has these steps, too."""
    monkeypatch.setattr(forecast, "probe", lambda *_: forecast.Cost(1, 0))
    painted(budget="5s")
    monkeypatch.setattr(forecast, "probe", lambda *_: pytest.fail("nothing is left to plan"))
    assert impasto.verify("out.png").notes == ()
    found = saving.read_recipe("out.png")
    assert found is not None
    assert (found["options"]["steps"], found["options"]["first_steps"], found["options"]["budget"]) == (1, 1, None)
    rewritten(Path("out.png"), {"options": {**found["options"], "budget": "5s"}})
    assert impasto.verify("out.png").identical
    assert impasto.prepare("out.png", budget="9s").options.as_dict()["budget"] == "9s"


def test_textures_and_reconstructions_are_verified() -> None:
    quick = {**QUICK, "min_scale": 48}
    impasto.texture("style.jpg", width=48, height=32, **quick).save("texture.png")
    impasto.texture("style.jpg", seamless=True, **quick).save("tile.png")
    impasto.reconstruct("content.png", layer="relu2_1", **quick).save("inside.png")
    for path in ("texture.png", "tile.png", "inside.png"):
        assert impasto.verify(path).identical


def test_an_opacity_is_painted_again_too() -> None:
    photo = picture(40, 30, 0)
    photo.putalpha(picture(40, 30, 5).convert("L"))
    photo.save("content.png")
    assert impasto.verify(painted()).identical


def test_inputs_are_looked_for_in_several_folders_and_a_painting_says_what_it_is(folder: Path) -> None:
    assert repr(impasto.rerun(painted())) == "<Painting by impasto paint, 48 x 36, 4 steps>"
    for name in ("content.png", "style.jpg"):
        (folder / f"of-{name}").mkdir()
        (folder / name).rename(folder / f"of-{name}" / name)
    assert cli.run(["verify", "out.png", "--inputs", "of-content.png"]) != 0
    assert cli.run(["verify", "out.png", "--inputs", "of-content.png", "of-style.jpg"]) == 0


def test_a_weight_beside_a_strength_is_refused() -> None:
    painted(strength=60)
    with pytest.raises(OptionError, match="--strength 60 finds the content weight"):
        impasto.rerun("out.png", content_weight=0.1)
    assert impasto.rerun("out.png", content_weight=0.1, strength=None).recipe["options"]["content_weight"] == 0.1
    with pytest.raises(OptionError, match="--strength 50 finds the content weight"):
        impasto.rerun(painted(), content_weight=0.1, strength=50)


@pytest.mark.parametrize("weight", ["x", 0, -1, None])
def test_a_style_s_weight_that_is_none_is_refused_in_a_sentence(weight: object) -> None:
    found = saving.read_recipe(painted())
    assert found is not None
    inputs = {**found["inputs"], "style": {**found["inputs"]["style"], "weight": weight}}
    with pytest.raises(OptionError, match=r"The weight of a style is .*; it must be a number above 0"):
        impasto.rerun(rewritten(Path("out.png"), {"inputs": inputs}))


def test_a_picture_on_the_way_is_verified_as_far_as_it_came() -> None:
    for step in impasto.paint_steps("content.png", "style.jpg", **QUICK):
        if step.index == 3:
            break
    step.painting.save("early.png")
    assert impasto.verify("early.png").painting.recipe["steps"] == 3
    assert impasto.rerun("early.png").recipe["steps"] == 4


def test_a_picture_that_was_changed_fails_and_one_a_little_off_passes() -> None:
    image = images.load(painted())
    found = saving.read_recipe("out.png")
    saving.save((image + 1 / 255).clamp(0, 1), "near.png", recipe=found)
    saving.save(1 - image, "far.png", recipe=found)
    saving.save(image[:, :, :30], "cut.png", recipe=found)
    near, far = impasto.verify("near.png"), impasto.verify("far.png")
    assert (near.identical, near.passed) == (False, True)
    assert near.psnr == pytest.approx(20 * math.log10(255), abs=0.5)
    assert (far.identical, far.passed) == (False, False)
    with pytest.raises(InputError, match="48 x 30 pixels, but its recipe makes 48 x 36"):
        impasto.verify("cut.png")


def test_verify_computes_with_as_many_threads_as_there_were() -> None:
    here = torch.get_num_threads()
    with threads(3 - min(here, 2)):  # 1 where there are more, 2 where there is one
        painted(first_steps=20)
    verdict = impasto.verify("out.png")
    assert verdict.identical
    assert verdict.notes == ()
    assert torch.get_num_threads() == here


@pytest.mark.parametrize("threads", [10**9, 0, -1])
def test_threads_that_are_not_to_be_had_are_named(threads: int) -> None:
    verdict = impasto.verify(rewritten(painted(), {"threads": threads}))
    assert verdict.identical
    assert verdict.notes == (f"threads: {threads} -> {torch.get_num_threads()}",)


def test_several_styles_with_masks_are_verified_and_taken_up_again() -> None:
    Image.fromarray(np.eye(40, dtype=np.uint8)[:30] * 255).save("mask.png")
    styles = [("style.jpg", 0.7, "mask.png"), ("start.png", 0.3, "left"), "content.png"]
    impasto.paint("content.png", styles, protect="ellipse:0.5,0.5,0.2,0.2", colors="keep", **QUICK).save("out.png")
    assert impasto.verify("out.png").identical
    again = impasto.prepare("out.png", size=40)
    assert again.style_weights == {"style": 0.7, "style-2": 0.3, "style-3": 1.0}
    assert (again.sources["mask-2"], again.sources["protect"]) == ("left", "ellipse:0.5,0.5,0.2,0.2")
    other = impasto.rerun("out.png", sources={"mask": "right"})
    assert other.recipe["inputs"]["mask"] == {"shape": "right"}
    assert not torch.equal(images.load("out.png"), images.load(saving.encode(other.image, ".png")))


def test_a_stylized_picture_is_verified_and_stylized_again() -> None:
    quick: dict[str, Any] = {"size": 48, "device": "cpu", "engine": "torch"}
    impasto.stylize("content.png", [("style.jpg", 2.0), "start.png"], protect="left", **quick).save("out.jpg")
    assert impasto.verify("out.jpg").identical
    assert impasto.prepare("out.jpg").notes == ()
    weaker = impasto.rerun("out.jpg", strength=50, size=32)
    assert (weaker.recipe["options"]["strength"], weaker.image.shape) == (50, (1, 3, 24, 32))
    with pytest.raises(OptionError, match="steps"):
        impasto.rerun("out.jpg", steps=3)
    with pytest.raises(WeightsError, match="stylize the photo anew"):
        impasto.rerun(rewritten(Path("out.jpg"), {"weights_sha256": "0" * 64}))


# ------------------------------------------------------------------------------------------------------------- rerun


def test_a_rerun_is_the_same_picture_and_any_option_may_change() -> None:
    before = images.load(painted())
    assert torch.equal(images.load(impasto.rerun("out.png").save("again.png")), before)
    larger = impasto.rerun("out.png", size=64, seed=1, content_weight=0.2)
    assert larger.image.shape == (1, 3, 48, 64)
    assert larger.recipe["options"]["content_weight"] == 0.2
    assert impasto.rerun("out.png", sources={"style": "start.png"}).recipe["inputs"]["style"]["name"] == "start.png"
    with pytest.raises(OptionError, match="Did you mean 'size'"):
        impasto.rerun("out.png", sizes=3)


def test_a_texture_of_another_size_keeps_its_aspect() -> None:
    impasto.texture("style.jpg", width=48, height=36, **QUICK).save("texture.png")
    again = impasto.rerun("texture.png", size=64)
    assert again.image.shape == (1, 3, 48, 64)
    assert again.recipe["arguments"] == {"height": 48, "width": 64}
    with pytest.raises(OptionError, match="has no content"):
        impasto.rerun("texture.png", content_weight=1.0)
    with pytest.raises(OptionError, match="A texture has no content"):
        impasto.rerun("texture.png", sources={"content": "content.png"})


def test_inputs_are_found_by_their_hash_wherever_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painted()
    places = {"beside": folder / "beside", "here": folder / "here", "given": folder / "given"}
    for place in places.values():
        place.mkdir()
    (folder / "out.png").rename(places["beside"] / "out.png")
    monkeypatch.chdir(places["here"])
    (folder / "content.png").rename(places["here"] / "renamed.dat")
    (folder / "style.jpg").rename(places["given"] / "renamed.jpg")
    (places["given"] / "style.jpg").write_bytes(b"not the style")
    with pytest.raises(InputError, match=r"The style 'style.jpg' is not beside the picture.*--style FILE"):
        impasto.verify("../beside/out.png")
    assert impasto.verify("../beside/out.png", folders=["../given"]).identical
    assert impasto.verify("../beside/out.png", sources={"style": places["given"] / "renamed.jpg"}).identical


def test_the_shipped_pictures_need_no_looking_for() -> None:
    impasto.paint(ingredients.DEMO / "valley.jpg", ingredients.DEMO / "swirl.jpg", **QUICK).save("demo.png")
    assert impasto.verify("demo.png").identical


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_small_copies_do_where_the_inputs_are_gone(suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save("content.png")
    painting = impasto.paint("content.png", "style.jpg", **QUICK)
    copied = impasto.embed(painting, {"content": "content.png", "style": "style.jpg", "start": "start.png"})
    copied.save(f"out{suffix}")
    Path("content.png").unlink()
    Path("style.jpg").unlink()
    repeat = impasto.prepare(f"out{suffix}")
    assert [note.split(" was not found")[0] for note in repeat.notes] == [
        "The content 'content.png'",
        "The style 'style.jpg'",
    ]
    assert impasto.rerun(f"out{suffix}", size=40).image.shape == (1, 3, 40, 40)


def test_a_trained_network_is_no_picture_to_be_copied(folder: Path) -> None:
    plan = transform.PLANS["light"]
    transform.Trained("light", transform.TransformNet(plan, 1), ("plain",)).save("net.safetensors")
    flags = ["--engine", "torch", "--size", "32", "--embed-inputs", "-q"]
    assert cli.run(["stylize", "content.png", "net.safetensors", "-o", "out.png", "--engine", "torch", "-q"]) == 0
    assert cli.run(["rerun", "out.png", "-o", "again.png", *flags]) == 0
    inputs = (saving.read_recipe("again.png") or {})["inputs"]
    assert [role for role in inputs if "copy" in inputs[role]] == ["content"]


def test_a_file_that_cannot_be_read_does_not_end_the_search(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recipe.fingerprint("content.png")
    data = Path("content.png").read_bytes()
    Path("a.png").write_bytes(data[::-1])  # of the same size, and looked at before
    real = recipe.sha256

    def read(path: Path) -> str:
        if path.name == "a.png":
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    monkeypatch.setattr(recipe, "sha256", read)
    assert ingredients.by_hash(found, [folder / "none", folder]) == folder / "content.png"


def test_copies_of_many_pictures_share_the_room(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    names = [f"style{number}.png" for number in range(6)]
    for name in names:
        Image.fromarray(noise).save(name)
    styles = [(name, 1.0, "content.png") for name in names]
    painting = impasto.paint("content.png", styles, protect="left", **{**QUICK, "first_steps": 1, "steps": 1})
    sources = scene.sources("content.png", scene.list_styles(styles), "left")
    impasto.embed(painting, sources).save("out.jpg")
    for name in names:
        Path(name).unlink()
    assert len(impasto.prepare("out.jpg").notes) == 6


# ----------------------------------------------------------------------------------------------------------- weights


def test_weights_of_one_s_own_are_found_by_their_hash_or_refused(folder: Path) -> None:
    weights = folder / "mine.safetensors"
    weights.write_bytes(PETIT.read_bytes())
    painted(weights=str(weights))
    weights.rename("renamed.safetensors")
    assert impasto.verify("out.png").identical
    Path("renamed.safetensors").unlink()
    with pytest.raises(InputError, match=r"The weights 'mine.safetensors' is not beside.*--weights FILE"):
        impasto.rerun("out.png")
    assert impasto.rerun("out.png", backbone="petit").recipe["options"]["weights"] is None


def test_a_known_network_with_other_weights_is_said() -> None:
    rewritten(painted(), {"weights_sha256": "0" * 64})
    with pytest.raises(WeightsError, match="fingerprint begins with '000000000000'"):
        impasto.rerun("out.png")


# ------------------------------------------------------------------------------------------------------------ hostile


def test_a_recipe_opens_no_file_that_it_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = saving.read_recipe(painted())
    assert found is not None
    opened: list[str] = []
    real = images.load
    monkeypatch.setattr(images, "load", lambda source: opened.append(str(source)) or real(source))
    for role in ("start", "weights"):
        rewritten(folder / "out.png", {"options": {**found["options"], role: str(folder / "start.png")}})
        opened.clear()
        with pytest.raises(InputError, match=f"names {role} of its own"):
            impasto.rerun("out.png")
        assert opened == []


@pytest.mark.parametrize("shape", ["start.png", "box:a,b", 7, None, ["left"]])
def test_a_mask_in_words_is_nothing_but_words(shape: Any) -> None:
    found = saving.read_recipe(painted())
    assert found is not None
    for role in ("mask", "protect", "style"):
        rewritten(Path("out.png"), {"inputs": {**found["inputs"], role: {"shape": shape}}})
        with pytest.raises(InputError, match=f"the {role} has the shape"):
            impasto.rerun("out.png")


def test_a_recipe_without_inputs_is_refused_in_a_sentence() -> None:
    rewritten(painted(), {"inputs": {}})
    with pytest.raises(InputError, match="does not say which content"):
        impasto.rerun("out.png")


def test_a_copy_that_is_no_picture_is_refused() -> None:
    rewritten(painted(), {"inputs": {role: {"copy": "cGljdHVyZQ=="} for role in ("content", "style")}})
    with pytest.raises(InputError, match="no picture"):
        impasto.rerun("out.png")


# ------------------------------------------------------------------------------------------------------------- diff


def test_diff_says_what_differs_and_shows_it() -> None:
    one, other = painted("one.png"), painted("other.png", seed=4, start="noise")
    found = impasto.diff(one, other)
    assert found.lines == ('options.start: "presto" -> "noise"', "options.seed: 0 -> 4")
    assert found.psnr is not None
    assert found.difference is not None
    expected = (images.load(one) - images.load(other)).abs()
    torch.testing.assert_close(found.difference / found.gain, expected)
    assert float(found.difference.max()) == pytest.approx(1)
    assert impasto.diff(one, one).psnr == math.inf
    assert impasto.diff(one, "content.png").difference is None
    assert impasto.diff(one, "content.png").lines == ("content.png carries no recipe.",)


# ------------------------------------------------------------------------------------------------------ command line

FLAGS = ["--size", "32", "--min-scale", "32", "--first-steps", "2"]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.MKV", "net.safetensors"])
def test_what_is_no_picture_is_not_called_damaged(name: str) -> None:
    Path(name).write_bytes(b"something")
    with pytest.raises(InputError, match="is no picture, and only pictures"):
        impasto.verify(name)


def test_the_verbs_of_repeating(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["paint", "content.png", "style.jpg", "-o", "out.jpg", *FLAGS, "--embed-inputs"]) == 0
    assert "copy" in json.dumps(saving.read_recipe("out.jpg"))
    assert cli.run(["verify", "out.jpg"]) == 0
    assert capsys.readouterr().out == "out.jpg: painted again, every pixel is the same.\n"
    assert cli.run(["rerun", "out.jpg", "--seed", "1", "--start", "noise", "-q"]) == 0
    assert cli.run(["diff", "out.jpg", "out-again.png", "-o", "difference.png"]) == 0
    said = capsys.readouterr().out
    assert "options.seed: 0 -> 1\n" in said
    assert " dB apart, at most " in said
    assert images.load("difference.png").shape == (1, 3, 24, 32)
    assert cli.run(["verify", "out-again.png", "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_a_stylized_picture_is_repeated_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--engine", "torch", "--size", "32"]
    assert cli.run(["stylize", "content.png", "style.jpg", "-o", "out.png", "-q", *flags]) == 0
    assert cli.run(["rerun", "out.png", "--strength", "50", "-o", "weaker.png"]) == 0
    assert "presto by torch" in capsys.readouterr().err
    assert cli.run(["verify", "weaker.png", "-q"]) == 0


def test_a_picture_that_does_not_verify_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(painted(), {"options": {**(saving.read_recipe("out.png") or {})["options"], "start": "noise"}})
    assert cli.run(["verify", "out.png"]) == 1
    assert "another picture: 40 dB would pass" in capsys.readouterr().out


def test_no_recipe_is_none_and_stands_against_copies(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["paint", "content.png", "style.jpg", "-o", "out.png", *FLAGS, "--no-recipe", "-q"]) == 0
    assert saving.read_recipe("out.png") is None
    for arguments in (["verify", "out.png"], ["rerun", "out.png"]):
        assert cli.run(arguments) == 2
        assert "carries no recipe" in capsys.readouterr().err
    assert cli.run(["paint", "content.png", "style.jpg", *FLAGS, "--no-recipe", "--embed-inputs"]) == 2


def test_a_rerun_replaces_neither_its_picture_nor_its_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    painted()
    for path in ("out.png", "content.png", "style.jpg"):
        before = Path(path).read_bytes()
        assert cli.run(["rerun", "out.png", "-o", path]) == 2
        assert "would be lost" in capsys.readouterr().err
        assert Path(path).read_bytes() == before
