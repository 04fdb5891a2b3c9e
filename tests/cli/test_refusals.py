"""What is wrong is said in one sentence, and costs nothing that was there."""

from pathlib import Path

import pytest
from typed import FAST, PAINT, refused

from impasto import cli
from impasto.options import PaintOptions

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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stylize", "a" * 300, "style.png"], "cannot be opened"),
        (["stylize", "content.png", "a" * 300], "cannot be opened"),
        (["stylize", "content.png", "a" * 300 + "*"], "No file matches"),
        (["evaluate", "a" * 300, "--content", "content.png", "--style", "style.png"], "cannot be opened"),
    ],
    ids=["photo", "style", "pattern", "evaluate"],
)
def test_a_name_that_is_too_long_is_refused(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(arguments, folder, capsys)


@pytest.mark.parametrize("source", ["missing.png", "empty.png", "text.txt", "folder", "."])
def test_a_recipe_of_no_picture_is_refused(source: str, bad_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert BAD_SOURCES[source] in refused(["recipe", source], bad_folder, capsys)


@pytest.mark.parametrize("verb", ["paint", "stylize", "texture"])
def test_a_file_that_begins_with_a_dash_is_told_how_to_be_named(
    verb: str, bad_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("-v.png").write_bytes(Path("content.png").read_bytes())
    if verb == "stylize":  # whose pictures may begin so
        assert cli.run(["stylize", "-v.png", "style.png", "--size", "64", "-o", "out.png"]) == 0
    else:
        assert "The file -v.png is written ./-v.png here." in refused([verb, "-v.png", "style.png"], bad_folder, capsys)


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
