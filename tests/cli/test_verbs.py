"""Every flag arrives, and results go where they should."""

import io
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from PIL import Image
from typed import FAST, PAINT, contents, picture, recipe_of

from impasto import backbones, cli
from impasto.bundle import alternatives
from impasto.options import PaintOptions
from impasto.presets import PRESETS, options_for

OWN = {"tile": 96, "memory": "2G", "budget": "60s"}  # options whose values have a form of their own


def another(declared: Any) -> Any:
    """A value that an option may have and no preset gives it."""
    kind = alternatives(declared.type)[0]
    if declared.name in OWN:
        return OWN[declared.name]
    if get_origin(kind) is Literal:
        used = {getattr(options_for(preset), declared.name) for preset in PRESETS}
        return next((choice for choice in get_args(kind) if choice not in used), get_args(kind)[-1])
    if get_origin(kind) is tuple:
        return ("relu1_2",)
    if kind is bool:
        return True
    if kind in (int, float):
        least, most = declared.metadata["least"], declared.metadata["most"]
        return kind(least + 2) if most is None or most > 1 else most / 2
    return "words"


@pytest.mark.parametrize("preset", ["default", "blog"])
@pytest.mark.parametrize("declared", fields(PaintOptions), ids=lambda declared: declared.name)
def test_every_flag_overrides_the_preset_and_nothing_else(
    declared: Any, preset: str, painted_with: list[PaintOptions]
) -> None:
    value = another(declared)
    wanted = {declared.name: value}
    if declared.name.endswith("_layers"):  # a preset's weights are for its own layers
        wanted[declared.name.replace("layers", "layer_weights")] = (1.0,)
    elif declared.name.endswith("_layer_weights"):
        count = len(getattr(options_for(preset), declared.name.replace("layer_weights", "layers")))
        wanted[declared.name] = (0.125,) * count
    arguments: list[str] = []
    for name, setting in wanted.items():
        values = () if setting is True else setting if isinstance(setting, tuple) else (setting,)
        arguments += ["--" + name.replace("_", "-"), *map(str, values)]
    assert cli.run(["paint", "content.png", "style.png", "-o", "out.png", "--preset", preset, *arguments]) == 0
    assert painted_with == [options_for(preset, **wanted)]


@pytest.mark.parametrize(
    "layers", [["--style-layers", "relu1_1", "relu2_1"], ["--style-layers=relu1_1", "--style-layers=relu2_1"]]
)
def test_several_layers_follow_one_flag_or_each_its_own(layers: list[str], painted_with: list[PaintOptions]) -> None:
    assert cli.run(["paint", "content.png", "style.png", *layers]) == 0
    assert painted_with[0].style_layers == ("relu1_1", "relu2_1")


def test_the_recipe_in_the_picture_shows_what_was_typed() -> None:
    typed = ["--preset", "crowson", "--backbone", "petit", "--seed", "7", "--canvas-padding", "3"]
    assert cli.run([*PAINT, *typed, "-o", "out.png", "-q"]) == 0
    recipe = recipe_of("out.png")
    assert recipe["preset"] == "crowson"
    assert (
        recipe["options"]
        == options_for(
            "crowson", backbone="petit", seed=7, canvas_padding=3, size=32, min_scale=32, first_steps=4
        ).as_dict()
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif", ".PNG"])
def test_every_format_is_written_with_its_recipe(suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*PAINT, "-o", f"out{suffix}"]) == 0
    with Image.open(f"out{suffix}") as written:
        assert written.size == (32, 24)
    assert recipe_of(f"out{suffix}")["steps"] == 4
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"out{suffix}: 32 x 24, 4 steps, ")
    assert output.err.count("\n") == 1


def test_a_dash_writes_a_png_to_standard_output(folder: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    before = contents(folder)
    assert cli.run([*PAINT, "-o", "-"]) == 0
    data = capsysbinary.readouterr().out
    with Image.open(io.BytesIO(data)) as written:
        assert (written.format, written.size) == ("PNG", (32, 24))
    assert recipe_of(data)["steps"] == 4
    assert contents(folder) == before


def test_without_a_name_the_result_is_beside_the_content_and_numbered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = contents(folder)
    for _ in range(3):
        assert cli.run(["paint", "../content.png", "../style.png", *FAST, "-q"]) == 0
    new = {"content-style.png", "content-style-2.png", "content-style-3.png"}
    assert contents(folder).keys() - before.keys() == new
    assert before.items() <= contents(folder).items()


def test_several_styles_are_blended_and_masked(folder: Path) -> None:
    picture(seed=3).save("other.png")
    picture(seed=4).save("mask.png")
    masks = ["--mask", "gradient:left", "--protect", "mask.png"]
    assert cli.run(["paint", "content.png", "style.png:0.7", "other.png:.3", *masks, *FAST, "-q"]) == 0
    inputs = recipe_of("content-style-other.png")["inputs"]
    assert (inputs["style"]["weight"], inputs["style-2"]["weight"]) == (0.7, 0.3)
    assert inputs["mask"] == {"shape": "gradient:left"}
    assert inputs["protect"]["name"] == "mask.png"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jpg", ("a.jpg", 1.0)),
        ("a.jpg:0.7", ("a.jpg", 0.7)),
        ("a.jpg:.5", ("a.jpg", 0.5)),
        ("a.jpg:2", ("a.jpg", 2.0)),
        ("C:\\a.jpg", ("C:\\a.jpg", 1.0)),
        ("12:30.jpg", ("12:30.jpg", 1.0)),
        ("here:0.5", ("here:0.5", 1.0)),
        ("here:0.5:0.3", ("here:0.5", 0.3)),
        (":5", (":5", 1.0)),
    ],
)
def test_a_weight_follows_the_last_colon_unless_a_file_has_that_name(text: str, expected: tuple[str, float]) -> None:
    Path("here:0.5").touch()
    path, weight = cli.painting.weighed_style(text)
    assert (str(path), weight) == expected


def test_an_earlier_result_is_replaced_where_it_is_named() -> None:
    Path("out.png").write_bytes(b"old")
    assert cli.run([*PAINT, "-o", "out.png", "-q"]) == 0
    assert recipe_of("out.png")["steps"] == 4


def test_numbered_pictures_are_saved_on_the_way(folder: Path) -> None:
    assert cli.run([*PAINT, "-o", "out.png", "--save-every", "2", "-q"]) == 0
    assert {path.name for path in folder.glob("out*")} == {"out.png", "out-0002.png", "out-0004.png"}
    assert recipe_of("out-0002.png")["steps"] == 2
    assert Path("out-0004.png").read_bytes() == Path("out.png").read_bytes()


def test_minus_one_saves_nothing_on_the_way(folder: Path) -> None:
    assert cli.run([*PAINT, "-o", "out.png", "--save-every", "-1", "-q"]) == 0
    assert [path.name for path in folder.glob("out*")] == ["out.png"]


def test_the_losses_of_every_step_go_to_a_file() -> None:
    assert cli.run([*PAINT, "-o", "out.png", "--json", "content.json", "-q"]) == 0
    report = json.loads(Path("content.json").read_text(encoding="utf-8"))
    history = report.pop("history")
    assert report == recipe_of("out.png")
    assert [entry["step"] for entry in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] == report["loss"]


def test_the_losses_of_every_step_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*PAINT, "-o", "out.png", "--json", "-"]) == 0
    output = capsys.readouterr()
    assert len(json.loads(output.out)["history"]) == 4
    assert output.err.startswith("out.png: ")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*PAINT, "-o", "out.png", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file_name_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    name = "[bold]:cat: 100%.png"
    assert cli.run([*PAINT, "-o", name]) == 0
    assert capsys.readouterr().err.startswith(f"{name}: 32 x 24")


@pytest.mark.parametrize("style", ["swirl", "woodcut", "mosaic", "points", "fauve"])
def test_the_demo_paints_every_shipped_style(style: str) -> None:
    assert cli.run(["demo", "--style", style, *FAST, "-q"]) == 0
    assert recipe_of("impasto-demo.png")["inputs"]["style"]["name"] == f"{style}.jpg"


def test_recipe_shows_what_is_in_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run([*PAINT, "-o", "out.webp", "-q"])
    assert cli.run(["recipe", "out.webp"]) == 0
    assert json.loads(capsys.readouterr().out) == recipe_of("out.webp")


def test_presets_are_listed_with_what_they_reproduce(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
    assert all(preset.reproduces in line for preset, line in zip(PRESETS.values(), lines, strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_shown_whole(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["presets", preset]) == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first == PRESETS[preset].reproduces
    assert json.loads(rest) == options_for(preset).as_dict()


def test_weights_lists_what_is_here_and_what_is_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cache").mkdir()
    (folder / "cache" / "vgg16.safetensors").touch()
    assert cli.run(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(backbones.BACKBONES)
    assert {line.split()[0] for line in lines if " not here " not in line} == {"petit", "vgg16"}


def test_a_curve_may_have_a_linear_scale(folder: Path) -> None:
    """Of two drawings of the same losses only the linear one has a tick at nothing."""
    for flags, name in ((["--linear-curve"], "linear"), ([], "logarithmic")):
        arguments = ["--content-weight", "0.03", "-o", "out.png", "-q", "--curve", f"{name}.svg"]
        assert cli.run([*PAINT, *arguments, *flags]) == 0
        assert bool(re.search(r">0\.0+<", Path(f"{name}.svg").read_text())) == (name == "linear")
