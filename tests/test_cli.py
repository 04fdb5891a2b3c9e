"""The command line: every flag arrives, results go where they should, and what is wrong is said in one sentence."""

import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import impasto
from impasto import backbones, cli, images, painting, saving, terminal
from impasto.bundle import alternatives
from impasto.cli import program
from impasto.figures import making
from impasto.figures.table import FIGURES
from impasto.options import PaintOptions
from impasto.presets import PRESETS, options_for

ROOT = Path(impasto.__file__).parent.parent
FAST = ["--size", "32", "--min-scale", "32", "--first-steps", "4"]
PAINT = ["paint", "content.png", "style.png", *FAST]


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def bomb() -> bytes:
    """A PNG whose header speaks of 10^10 pixels."""
    chunks = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with content.png and style.png in it; nothing of this machine's cache is seen."""
    picture().save(tmp_path / "content.png")
    picture(36, 36, seed=1).save(tmp_path / "style.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IMPASTO_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "1000")  # help on one line an option
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def recipe_of(source: str | Path | bytes) -> dict[str, Any]:
    found = saving.read_recipe(source)
    assert found is not None
    return found


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


# ----------------------------------------------------------------------------------------------------------- help


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    listed = {line.strip("│| ").split(" ")[0] for line in capsys.readouterr().out.splitlines() if line}
    assert {"paint", "demo", "presets", "recipe", "weights"} <= listed


def test_without_arguments_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "Usage: impasto" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == impasto.__version__


@pytest.mark.parametrize("verb", ["paint", "demo"])
def test_help_shows_every_option_with_its_text_and_default(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([verb, "--help"]) == 0
    lines = [" ".join(line.strip("│| ").split()) for line in capsys.readouterr().out.splitlines()]
    for declared in fields(PaintOptions):
        flag = "--" + declared.name.replace("_", "-")
        (line,) = (line for line in lines if line.split(" ")[0] == flag)
        assert declared.metadata["help"] in line
        assert f"[{program.words(declared.default)}]" in line


# -------------------------------------------------------------------------------------------------------- options


@pytest.fixture
def painted_with(monkeypatch: pytest.MonkeyPatch) -> list[PaintOptions]:
    """What the command line hands to the library, which paints nothing."""
    seen: list[PaintOptions] = []
    monkeypatch.setattr(
        painting, "paint_steps", lambda content, style, options, **rest: iter(seen.append(options) or ())
    )
    return seen


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


# --------------------------------------------------------------------------------------------------------- output


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


# ---------------------------------------------------------------------------------------------------- other verbs


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


# ------------------------------------------------------------------------------------------- stopped and diverged


def test_ctrl_c_keeps_the_picture_reached(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def show(self: terminal.PaintProgress, step: painting.PaintStep) -> None:
        if step.index == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal.PaintProgress, "show", show)
    assert cli.run([*PAINT, "-o", "out.png", "--json", "out.json"]) == 130
    assert recipe_of("out.png")["steps"] == 3
    assert len(json.loads(Path("out.json").read_text(encoding="utf-8"))["history"]) == 3
    assert "stopped at step 3 of 4" in capsys.readouterr().err


def test_ctrl_c_before_the_first_step_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = contents(folder)
    monkeypatch.setattr(images, "load", interrupt)
    assert cli.run([*PAINT, "-o", "out.png"]) == 130
    assert contents(folder) == before


def test_ctrl_c_elsewhere_ends_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "read_recipe", interrupt)
    assert cli.run(["recipe", "content.png"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(images, "load", fail)
    with pytest.raises(ZeroDivisionError):
        cli.run([*PAINT, "-o", "out.png"])


# ------------------------------------------------------------------------------------------------------ bad input

BAD_SOURCES = {
    "missing.png": "does not exist",
    "nowhere/missing.png": "does not exist",
    "content.png/missing.png": "does not exist",
    "empty.png": "is empty",
    "text.txt": "no picture",
    "truncated.png": "is damaged or incomplete",
    "animated.gif": "is an animation of 3 frames",
    "bomb.png": "pixels",
    "thin.png": "1 x 40 pixels",
    "narrow.png": "a larger --size",
    "folder": "is a folder",
    ".": "is a folder",
    "a" * 300 + ".png": "cannot be opened",
    "two\nlines.png": "does not exist",
}

BAD_ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "unknown flag": (["--nonsense", "3"], "--nonsense"),
    "unknown flag, nearly known": (["--stylelayers", "relu1_1"], "--style-layers"),
    "flag without value": (["--seed"], "requires an argument"),
    "third picture that is none": (["text.txt"], "no picture"),
    "style weight of nothing": (["style.png:0"], "above 0"),
    "missing picture with a weight": (["missing.png:0.5"], "missing.png does not exist"),
    "more masks than styles": (["--mask", "left", "right"], "2 masks were given for 1 styles"),
    "mask that is nothing": (["--mask", "lef"], "neither a file nor a shape"),
    "mask of another shape": (["--mask", "narrow.png"], "another shape"),
    "mask that is no picture": (["--protect", "text.txt"], "no picture"),
    "shape in pixels": (["--mask", "box:10,10,30,20"], "covers nothing"),
    "shape gone wrong": (["--protect", "ellipse:1,2"], "such as ellipse"),
    "nothing left to paint": (["--protect", "all"], "leave nothing to paint"),
    "size in words": (["--size", "large"], "--size"),
    "size too small": (["--size", "15"], "from 16 to 16384"),
    "size too large": (["--size", "16385"], "from 16 to 16384"),
    "size that makes the shorter side too small": (["--size", "16"], "a larger --size"),
    "flag given twice": (["--seed", "1", "--seed", "2"], "specified multiple times"),
    "negative steps": (["--steps", "-5"], "--steps is -5"),
    "no steps": (["--steps", "0"], "--steps is 0"),
    "weight that is no number": (["--style-weight", "nan"], "--style-weight is nan"),
    "negative weight": (["--content-weight", "-1"], "of at least 0"),
    "nothing to paint": (["--content-weight", "0", "--style-weight", "0"], "nothing to paint"),
    "weights that do not match the layers": (["--content-layer-weights", "1", "2"], "2 weights were given for 1"),
    "unknown choice": (["--style-loss", "nonsense"], "wasserstein"),
    "unknown layer": (["--content-layers", "relu9_9"], "relu4_2"),
    "layer that petit has not": (["--style-layers", "relu5_4"], "relu5_1"),
    "unknown preset": (["--preset", "nonsense"], "crowson"),
    "unknown device": (["--device", "nonsense"], "--device nonsense"),
    "device without numbers": (["--device", "meta"], "--device meta"),
    "start that is nothing": (["--start", "nonsense"], "style-noise"),
    "start with a long name": (["--start", "a" * 300], "style-noise"),
    "start that is no picture": (["--start", "text.txt"], "text.txt"),
    "missing weights": (["--weights", "missing.pth"], "missing.pth"),
    "weights that are none": (["--weights", "text.txt"], "not a weights file"),
    "empty weights": (["--weights", "empty.png"], "is empty"),
    "damaged weights": (["--weights", "garbage.pth"], "garbage.pth"),
    "weights offline": (["--backbone", "vgg19"], "--weights FILE"),
    "weights offline by flag": (["--backbone", "vgg16", "--offline"], "--weights FILE"),
    "never save": (["--save-every", "0"], "--save-every is 0"),
    "save less than never": (["--save-every", "-2"], "--save-every is -2"),
    "no number": (["--style-weight", "1e300"], "Lower --learning-rate"),
}

BAD_OUTPUTS: dict[str, tuple[list[str], str]] = {
    "unknown suffix": (["-o", "out.xyz"], ".tiff"),
    "no suffix": (["-o", "out"], ".tiff"),
    "missing folder": (["-o", "nowhere/out.png"], "create its folder"),
    "below a file": (["-o", "text.txt/out.png"], "cannot be written"),
    "folder": (["-o", "folder"], "name a file inside it"),
    "name too long": (["-o", "a" * 300 + ".png"], "choose another folder or name"),
    "the content": (["-o", "content.png"], "is also the input"),
    "the style": (["-o", "folder/../style.png"], "is also the input"),
    "the content by a link": (["-o", "link.png"], "is also the input"),
    "a mask": (["-o", "start.png", "--protect", "start.png"], "is also the input"),
    "the start": (["-o", "start.png", "--start", "start.png"], "is also the input"),
    "JSON to a folder": (["-o", "out.png", "--json", "folder"], "name a file inside it"),
    "JSON to this folder": (["-o", "out.png", "--json", "."], "name a file inside it"),
    "JSON to a missing folder": (["-o", "out.png", "--json", "nowhere/out.json"], "create its folder"),
    "JSON over the content": (["-o", "out.png", "--json", "content.png"], "would replace content.png"),
    "JSON over the content by a link": (["-o", "out.png", "--json", "link.png"], "would replace content.png"),
    "JSON over the result": (["-o", "out.png", "--json", "out.png"], "would replace out.png"),
    "JSON and picture to standard output": (["-o", "-", "--json", "-"], "standard output"),
}


@pytest.fixture
def bad_folder(folder: Path) -> Path:
    """The working folder with all that can be wrong in it."""
    (folder / "empty.png").touch()
    (folder / "text.txt").write_text("This is no picture.")
    (folder / "truncated.png").write_bytes((folder / "content.png").read_bytes()[:-200])
    frames = [picture(seed=seed) for seed in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    (folder / "bomb.png").write_bytes(bomb())
    picture(1, 40).save(folder / "thin.png")
    picture(300, 8).save(folder / "narrow.png")
    picture(seed=2).save(folder / "start.png")
    (folder / "garbage.pth").write_bytes(b"PK\x03\x04" + b"\x07" * 500)
    (folder / "folder").mkdir()
    (folder / "link.png").symlink_to("content.png")
    return folder


def refused(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said to arguments that must be refused, whole and with nothing left behind."""
    before = contents(folder)
    assert cli.run(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("impasto: ")
    assert output.err.endswith(".\n")
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    assert contents(folder) == before
    return output.err


def test_a_curve_may_have_a_linear_scale(folder: Path) -> None:
    """Of two drawings of the same losses only the linear one has a tick at nothing."""
    for flags, name in ((["--linear-curve"], "linear"), ([], "logarithmic")):
        assert cli.run([*PAINT, "-o", "out.png", "-q", "--curve", f"{name}.svg", *flags]) == 0
        assert bool(re.search(r">0\.0+<", Path(f"{name}.svg").read_text())) == (name == "linear")


FIGURE = ["--contents", "content.png", "--styles", "style.png", *FAST]


def test_figures_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["figure"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FIGURES)


def test_a_figure_is_written_in_every_form_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["figure", "starts", *FIGURE, "-o", "out.png", "-o", "out.pdf", "-o", "out.html"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    assert Path("out.pdf").read_bytes().startswith(b"%PDF")
    assert "<!doctype html>" in Path("out.html").read_text()
    assert len(list(Path("out.cells").glob("*.png"))) == 4


def test_optimisers_come_with_their_curves(folder: Path) -> None:
    assert cli.run(["figure", "optimisers", *FIGURE, "-q"]) == 0
    assert Path("impasto-optimisers-curve.png").read_bytes().startswith(b"\x89PNG")
    assert cli.run(["figure", "optimisers", *FIGURE, "-q", "--curve", "both.csv"]) == 0
    assert {line.split(",")[0] for line in Path("both.csv").read_text().splitlines()[1:]} == {"Adam", "L-BFGS"}


def test_a_figure_that_ctrl_c_stops_keeps_what_is_finished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, calls = making.make, []

    def stop_at_the_second(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make(*arguments)

    monkeypatch.setattr(making, "make", stop_at_the_second)
    assert cli.run(["figure", "starts", *FIGURE]) == 130
    assert not Path("impasto-starts.png").exists()
    assert cli.run(["figure", "starts", *FIGURE]) == 0
    assert len(calls) == 5  # of four cells, the third tried twice


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nothing"], "There is no figure 'nothing'"),
        (["starts", "-o", "out.gif"], "suffix '.gif'"),
        (["starts", "-o", "content.png", *FIGURE], "would replace"),
        (["starts", "--contents", "none.png"], "none.png"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_said_before_painting(
    folder: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert cli.run(["figure", *flags]) == 2
    assert message in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("source", BAD_SOURCES, ids=lambda name: name[:20])
@pytest.mark.parametrize("role", ["content", "style"])
def test_a_bad_picture_is_refused(source: str, role: str, bad_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [source, "style.png"] if role == "content" else ["content.png", source]
    assert BAD_SOURCES[source] in refused(["paint", *pictures, *FAST, "-o", "out.png"], bad_folder, capsys)


@pytest.mark.parametrize("source", ["missing.png", "nowhere/missing.png", "folder", ".", "a" * 300 + ".png"])
def test_a_bad_content_is_the_trouble_where_the_result_would_be_beside_it(
    source: str, bad_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert BAD_SOURCES[source] in refused(["paint", source, "style.png", *FAST], bad_folder, capsys)


@pytest.mark.parametrize("source", ["missing.png", "empty.png", "text.txt", "folder", "."])
def test_a_recipe_of_no_picture_is_refused(source: str, bad_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert BAD_SOURCES[source] in refused(["recipe", source], bad_folder, capsys)


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_a_bad_argument_is_refused(case: str, bad_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, said = BAD_ARGUMENTS[case]
    fast = [] if arguments[0] == "--size" else FAST
    assert said in refused(
        ["paint", "content.png", "style.png", "-o", "out.png", *fast, *arguments], bad_folder, capsys
    )


@pytest.mark.parametrize("case", BAD_OUTPUTS)
def test_a_bad_output_is_refused_before_painting(
    case: str, bad_folder: Path, painted_with: list[PaintOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, said = BAD_OUTPUTS[case]
    assert said in refused([*PAINT, *arguments], bad_folder, capsys)
    assert painted_with == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "impasto --help"),
        (["--nonsense"], "impasto --help"),
        (["paint"], "impasto paint --help"),
        (["paint", "content.png"], "STYLE"),
        (["demo", "--style", "nonsense"], "swirl"),
        (["demo", "-o", "content.xyz"], ".tiff"),
        (["presets", "nonsense"], "crowson"),
        (["recipe", "content.png"], "carries no recipe"),
        (["weights", "nonsense"], "vgg19"),
    ],
    ids=" ".join,
)
def test_a_bad_verb_is_refused(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(arguments, folder, capsys)


def test_fetching_offline_says_how_to_get_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["weights", "vgg19", "--quiet"]) == 2
    assert capsys.readouterr().err.startswith("impasto: The weights 'vgg19' are not in ")


# ------------------------------------------------------------------------------------------------------- progress


def test_a_thumbnail_holds_two_pixels_in_a_character() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]], [[1, 1, 1], [2, 2, 2]]], dtype=np.uint8)
    text = terminal.thumbnail(Image.fromarray(pixels))
    assert text.plain == "▀▀\n"
    assert [str(span.style) for span in text.spans] == ["rgb(255,0,0) on rgb(0,0,255)", "rgb(0,255,0) on rgb(9,8,7)"]


def test_a_thumbnail_fits_and_keeps_the_aspect() -> None:
    lines = terminal.thumbnail(picture(400, 200)).plain.splitlines()
    assert len(lines) == 14
    assert {len(line) for line in lines} == {56}


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_shows_the_bar_and_the_picture_unless_quiet(quiet: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with terminal.PaintProgress(console, quiet) as progress:
        progress.download(10, 100)
        for step in painting.paint_steps("content.png", "style.png", size=32, min_scale=32, first_steps=2):
            progress.show(step)
    shown = stream.getvalue()
    assert shown == "" if quiet else "▀" in shown and "32 px" in shown and "fetching weights" in shown


# ------------------------------------------------------------------------------------------------ as one runs it


def impasto_process(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "impasto", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **options,
    )


def test_the_program_paints_to_a_pipe() -> None:
    with impasto_process(*PAINT, "-o", "-", "-q") as process:
        output, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    assert output.startswith(b"\x89PNG")


@pytest.mark.parametrize(("arguments", "status"), [(["presets"], 0), (["paint", "missing.png", "style.png"], 2)])
def test_main_ends_the_process_with_the_status(
    arguments: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["impasto", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == status


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_stops_the_program_with_status_130_and_the_picture_kept() -> None:
    arguments = ["paint", "content.png", "style.png", "--size", "32", "-o", "out.png", "--save-every", "1"]
    heard = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # what a script runs in the background would ignore it
    with impasto_process(*arguments, "--first-steps", "100000", preexec_fn=heard) as process:
        deadline = time.monotonic() + 60
        while not Path("out-0002.png").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == b""
    assert b"stopped at step" in said
    assert b"Traceback" not in said
    assert recipe_of("out.png")["steps"] >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")
def test_a_reader_that_goes_away_is_no_fault() -> None:
    with impasto_process("presets") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, said) == (141, b"")


def test_a_pipe_without_greek_letters_gets_question_marks() -> None:
    with impasto_process("presets", env={"PYTHONIOENCODING": "ascii"}) as process:
        output, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    assert b"?/? = 10??" in output


# -------------------------------------------------------------------------------------------- measuring and mending


EVALUATE = ["evaluate", "content.png", "--content", "content.png", "--style", "style.png"]


def test_evaluate_prints_the_card_or_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(EVALUATE) == 0
    assert "judged by petit" in capsys.readouterr().out
    assert cli.run([*EVALUATE, "--json", "-"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["measures"]["ssim"] == pytest.approx(1)
    assert card["measures"]["content"] == dict.fromkeys(card["measures"]["content"], 0.0)


def test_evaluate_draws_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*EVALUATE, "-o", "card.png", "--json", "card.json"]) == 0
    assert Path("card.png").stat().st_size > 1000
    assert json.loads(Path("card.json").read_text(encoding="utf-8"))["judge"]["backbone"] == "petit"
    assert "structural similarity" in capsys.readouterr().out


def test_evaluate_judges_a_folder_as_a_set(capsys: pytest.CaptureFixture[str]) -> None:
    Path("painted").mkdir()
    for name in ("one", "two"):
        assert cli.run(["stylize", "content.png", "style.png", "--size", "48", "-o", f"painted/{name}.png", "-q"]) == 0
    assert cli.run(["evaluate", "painted", "--content", "content.png", "--style", "style.png", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*EVALUATE, "-o", "card.jpg"], "use one of .png"),
        ([*EVALUATE, "-o", "content.png"], "would replace content.png"),
        ([*EVALUATE, "--json", "style.png"], "would replace style.png"),
        (["evaluate", "none.png", *EVALUATE[2:]], "does not exist"),
        (["evaluate", ".", *EVALUATE[2:], "-o", "card.png"], "a folder was given"),
        ([*PAINT, "-o", "-", "--doctor", "fix"], "second picture"),
        (["compare", "content.png", "none.png"], "does not exist"),
    ],
)
def test_what_cannot_be_measured_is_said(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert cli.run(arguments) == 2
    output = capsys.readouterr()
    assert words in output.err
    assert output.out == ""
    assert contents(folder) == before


def test_what_the_doctor_finds_is_said_and_stands_in_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    picture(160, 120).save("content.png")
    assert cli.run(["stylize", "content.png", "style.png", "--size", "128", "--strength", "0", "-o", "out.png"]) == 0
    assert "doctor: the picture is still the photo" in capsys.readouterr().err
    assert [found["name"] for found in recipe_of("out.png")["doctor"]["findings"]] == ["under-stylized"]


def test_the_doctor_s_remedy_is_tried_in_a_second_picture(capsys: pytest.CaptureFixture[str]) -> None:
    picture(160, 120).save("content.png")
    arguments = ["stylize", "content.png", "style.png", "--size", "128", "--strength", "0", "-o", "out.png"]
    assert cli.run([*arguments, "--doctor", "fix"]) == 0
    assert "out-mended.png: under-stylized; now " in capsys.readouterr().err
    assert recipe_of("out.png")["options"]["strength"] == 0
    assert recipe_of("out-mended.png")["options"]["strength"] == 100


def test_paint_is_mended_with_the_options_that_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    picture(160, 120).save("content.png")
    arguments = ["paint", "content.png", "style.png", "--size", "96", "--min-scale", "96", "--first-steps", "1"]
    assert cli.run([*arguments, "--start", "content", "--content-weight", "4", "-o", "out.png", "--doctor", "fix"]) == 0
    assert "under-stylized" in capsys.readouterr().err
    changed = {name: value for name, value in recipe_of("out-mended.png")["options"].items()
               if value != recipe_of("out.png")["options"][name]}  # fmt: skip
    assert changed == {"content_weight": 1.0}


def test_compare_draws_a_sheet(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--losses", "gram", "--engines", "torch", "--size", "48", "--min-scale", "48", "--first-steps", "1"]
    assert cli.run(["compare", "content.png", "style.png", *flags, "-o", "sheet.png", "-o", "sheet.html"]) == 0
    assert "presto by torch" in Path("sheet.html").read_text(encoding="utf-8")
    assert "4 pictures" in capsys.readouterr().err
