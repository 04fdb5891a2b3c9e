"""Help says what a verb does where nothing is given, and lists what says something to it."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from typed import FAST, PAINT, refused

from impasto import choosing, cli, comparison
from impasto.cli.flags import words
from impasto.figures import table
from impasto.options import PaintOptions, StylizeOptions, TrainOptions
from impasto.presets import FIGURE_SHEET, NO_CONTENT, NO_PHOTO, options_for
from impasto.synthesis import reconstruct_options, texture_options

PAINTING = {"paint", "demo", "plan", "batch", "compare"}
HIDDEN = {"texture": NO_CONTENT, "reconstruct": NO_PHOTO, "dial": ("content_weight",), "branch": ("start", "budget")}


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def dialed() -> PaintOptions:
    options = choosing.dial("content.png", "style.png").cells[0].options
    assert isinstance(options, PaintOptions)
    return options


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, str]]:
    """Of a verb: flag -> what its help says of it."""

    def lines(verb: str) -> dict[str, str]:
        assert cli.run([verb, "--help"]) == 0
        said = [" ".join(line.strip("│| ").split()) for line in capsys.readouterr().out.splitlines()]
        return {line.removeprefix("* ").split(" ")[0]: line for line in said if line.startswith(("--", "* --"))}

    return lines


@pytest.mark.parametrize("verb", sorted(PAINTING))
def test_every_option_has_its_text_and_its_default(verb: str, listed: Callable[[str], dict[str, str]]) -> None:
    lines = listed(verb)
    for declared in fields(PaintOptions):
        line = lines[flag(declared.name)]
        assert declared.metadata["help"] in line
        assert f"[default: {words(declared.default)}]" in line
        assert declared.metadata["note"] in line


@pytest.mark.parametrize(
    ("verb", "does", "but"),
    [
        ("texture", texture_options, {}),
        (
            "reconstruct",
            reconstruct_options,
            {
                "content_weight": "1.0 if a layer is matched, else 0.0",
                "style_weight": "1.0 with --style-layers, else 0.0",
            },
        ),
        ("dial", dialed, {"strength": "several", "style_scale": "several"}),
        ("stylize", StylizeOptions, {}),
        ("train", TrainOptions, {}),
    ],
)
def test_the_brackets_hold_what_the_verb_does(
    verb: str, does: Callable[[], object], but: dict[str, str], listed: Callable[[str], dict[str, str]]
) -> None:
    lines, options = listed(verb), vars(does())
    for name in options.keys() - set(HIDDEN.get(verb, ())):
        assert f" [default: {but.get(name) or words(options[name])}]" in lines[flag(name)]


def test_the_weights_of_a_reconstruction_are_as_help_says() -> None:
    layers = {"style_layers": ("relu1_1",)}
    made = [reconstruct_options(), reconstruct_options(**layers), reconstruct_options(layer="relu4_2", **layers)]
    assert [(one.content_weight, one.style_weight) for one in made] == [(1, 0), (0, 1), (1, 1)]


def test_a_figure_says_only_what_all_figures_have(listed: Callable[[str], dict[str, str]]) -> None:
    lines = listed("figure")
    for name in (declared.name for declared in fields(PaintOptions)):
        said = lines[flag(name)]
        assert said.endswith(f" [default: {FIGURE_SHEET[name]}]") if name in FIGURE_SHEET else "[default" not in said
    for figure in ("gallery", "blog-example"):
        options = vars(table.plan(figure).cells[-1].options)
        assert FIGURE_SHEET.items() <= options.items()


@pytest.mark.parametrize("verb", ["rerun", "branch"])
def test_what_the_picture_or_the_run_has_is_not_guessed(verb: str, listed: Callable[[str], dict[str, str]]) -> None:
    lines = listed(verb)
    for name in {declared.name for declared in fields(PaintOptions)} - set(HIDDEN.get(verb, ())):
        assert "[default" not in lines[flag(name)]


def test_a_video_has_its_own_size_and_the_strength_of_its_method(listed: Callable[[str], dict[str, str]]) -> None:
    lines = listed("video")
    assert lines["--size"].endswith("[default: the video's]")
    assert lines["--strength"].endswith(f"[default: method fast: {StylizeOptions().strength}, else none]")
    assert "[default: fast]" in lines["--method"]


def test_what_a_default_goes_with_is_said_where_it_does(listed: Callable[[str], dict[str, str]]) -> None:
    steps = f"default is {options_for(start='noise').steps}."
    assert all(steps in listed(verb)["--steps"] for verb in ("paint", "texture"))
    assert steps not in listed("reconstruct")["--steps"]
    assert texture_options(optimizer="adam").steps == options_for(start="noise").steps != reconstruct_options().steps
    assert options_for(size=256).content_weight > options_for().content_weight > options_for(size=1024).content_weight


@pytest.mark.parametrize("verb", HIDDEN)
def test_what_says_nothing_to_a_verb_is_not_listed(verb: str, listed: Callable[[str], dict[str, str]]) -> None:
    assert {flag(name) for name in HIDDEN[verb]}.isdisjoint(listed(verb))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["texture", "style.png", "--content-weight", "1"], "has no content"),
        (["texture", "style.png", "--colors", "match"], "has no photo"),
        (["reconstruct", "content.png", "--strength", "50"], "--strength"),
        (["dial", "content.png", "style.png", "--content-weight", "1"], "--content-weight"),
    ],
    ids=" ".join,
)
def test_what_is_not_listed_is_refused_in_a_sentence(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(arguments, folder, capsys)


@pytest.mark.parametrize(
    ("verb", "place"),
    [
        ("paint", "beside the picture"),
        ("texture", "beside the picture"),
        ("rerun", "beside the picture"),
        ("demo", "impasto-demo.png in this folder"),
        ("resume", "where -o said at first, else picture.png in FOLDER"),
        ("branch", "beside FOLDER"),
    ],
)
def test_help_says_where_the_result_goes(verb: str, place: str, listed: Callable[[str], dict[str, str]]) -> None:
    assert listed(verb)["--output"].endswith(f"If left out, {place}.")


def test_results_go_where_help_says() -> None:
    assert cli.run(["demo", *FAST, "-q"]) == 0
    assert Path("impasto-demo.png").exists()
    assert cli.run([*PAINT, "-q", "--run", "kept", "-o", "first.png"]) == 0
    Path("first.png").unlink()
    assert cli.run(["resume", "kept", "-q"]) == 0
    assert cli.run(["branch", "kept", "--at", "4", "-q"]) == 0
    assert Path("first.png").exists()
    assert Path("kept-4.png").exists()
    assert cli.run([*PAINT, "-q", "--run", "piped", "-o", "-"]) == 0
    assert cli.run(["resume", "piped", "-q"]) == 0
    assert Path("piped/picture.png").exists()


def test_compare_names_the_losses_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    columns = comparison.plan(Path("content.png"), Path("style.png"), size=32).columns
    *losses, network = [column for column in columns if column not in ("photo", "painting")]
    assert cli.run(["compare", "--help"]) == 0
    assert f"the losses {', '.join(losses[:-1])} and {losses[-1]}, and {network}." in capsys.readouterr().out
