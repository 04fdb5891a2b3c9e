"""What the documents say is what the programs print."""

import ast
import json
import os
import re
import runpy
import shlex
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import HTTPServer
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from clips import pan, write
from PIL import Image
from safetensors.torch import save_file

from impasto import choosing, engines, forecast, transform
from impasto.backbones import BACKBONES
from impasto.cli import program
from impasto.presets import FIGURE_SHEET, PRESETS, RECONSTRUCT, TRAINING, Preset

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_table_of_conventions_is_what_its_program_prints() -> None:
    table = runpy.run_path(str(ROOT / "docs" / "conventions_table.py"))["table"]()
    assert table in (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")


def test_the_table_of_presets_is_what_its_program_prints() -> None:
    table = runpy.run_path(str(ROOT / "docs" / "presets_table.py"))["table"]()
    assert table in (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")


def test_the_page_on_control_shows_the_commands_that_painted_it() -> None:
    program = runpy.run_path(str(ROOT / "docs" / "control.py"))
    page = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(impasto paint [^`]+)`", page)) == set(program["COMMANDS"].values())
    assert set(re.findall(r"images/control/(\w+)\.jpg", page)) == set(program["COMMANDS"])
    assert " ".join(program["SIZE"][:2]) in page


def test_the_page_on_textures_shows_the_commands_that_painted_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")  # where a program of the docs finds the others
    program = runpy.run_path(str(ROOT / "docs" / "texture.py"))
    shown = [command for command in commands(ROOT / "docs" / "texture.md") if command.count(" ") > 2]
    assert shown == [command for *_, painted in program["COMMANDS"].values() for command in painted.values()]


def test_the_comparison_beside_other_programs_shows_its_command() -> None:
    program = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
    laid, (command,) = (
        program["compared"](),
        [one for one in commands(ROOT / "docs" / "peers.md") if "--presets" in one],
    )
    assert " ".join(program["COMPARED"]) in command
    assert command.endswith(f"--size {laid.cells[0].options.size}")


def test_the_page_on_training_shows_the_command_that_trained_and_counts_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from impasto.transform import PLANS, TransformNet

    monkeypatch.syspath_prepend(ROOT / "docs")
    page = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    for command in runpy.run_path(str(ROOT / "docs" / "training.py"))["COMMANDS"].values():
        assert command in " ".join(page.split())
    for plan in PLANS.values():
        assert f"{sum(parameter.numel() for parameter in TransformNet(plan).parameters()):,}" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_flag_that_is_mentioned_exists(page: Path) -> None:
    from impasto.cli.program import app

    verbs = [name for name in app if not name.startswith("-")]
    known = {"--help"}
    for verb in verbs:
        for argument in app[verb].assemble_argument_collection():
            known.update(argument.names)
    for line in re.findall(rf"impasto (?:{'|'.join(verbs)})[^\n`|]*", page.read_text(encoding="utf-8")):
        for flag in re.findall(r"(?<!\S)--?[a-z][a-z-]*", line):
            assert flag in known, f"{page.name} mentions {flag}: {line}"


def commands(page: Path) -> Iterator[str]:
    """Every impasto command of a page: in indented and fenced blocks, alone or after &&, and whole between backticks."""
    text = page.read_text(encoding="utf-8")
    fenced = "\n".join(re.findall(r"^```(?:\w*)\n(.*?)^```", text, re.M | re.S))
    indented = "\n".join(re.findall(r"^    (.+)$", text, re.M))
    yield from re.findall(r"(?:^|&& )(impasto .+)$", f"{fenced}\n{indented}", re.M)
    yield from (" ".join(one.split()) for one in re.findall(r"(?<!`)`(impasto [^`]+)`(?!`)", text))


# words that stand for something, and what they might stand for
STANDS_FOR = {
    "VERB": "paint", "NAME": "weights", "X": "0.5", "L": "relu1_1", "STEP": "2", "DIR": "kept", "FOLDER": "photos",
    "PHOTO": "photo.jpg", "CONTENT": "photo.jpg", "CONTENTS": "photos", "STYLE": "painting.jpg", "STYLES": "paintings",
    "PICTURE": "out.png", "A": "out.png", "B": "other.png", "CLIP": "clip.mp4", "PAINTED": "one.mp4",
    "JOBS.csv": "jobs.csv", "NAME.safetensors": "painting.safetensors",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_can_be_given(page: Path) -> None:
    """Verb, arguments and options are parsed, types and choices included; nothing is run.

    A mention such as `impasto stylize`, without arguments, names the verb only, and ... stands for what is left out.
    """
    from impasto.cli.program import app

    for command in commands(page):
        tokens = [STANDS_FOR.get(token, token) for token in shlex.split(command, comments=True)[1:]]
        if "--help" in tokens or "--version" in tokens or "..." in command:
            continue
        assert tokens[0] in app, f"{page.name}: {command}"
        if len(tokens) > 1:
            app.parse_args(tokens, exit_on_error=False, print_error=False)


def test_the_tests_that_prove_something_exist() -> None:
    there = "\n".join(test.read_text(encoding="utf-8") for test in Path(__file__).parent.rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "peers.md").read_text(encoding="utf-8"))
    assert len(named) >= 6
    for name in named:
        assert f"def {name}(" in there


# ------------------------------------------------------------------------------------------- what is run, at small size

TINY = {"size": 48, "min_scale": 48, "steps": 2, "first_steps": 2}
BRIEF = {"size": 64, "crop": 64, "steps": 2, "batch": 1}
SMALL = {
    "--size": "48", "--min-scale": "48", "--width": "64", "--height": "64", "--crop": "64", "--workers": "1",
    "--steps": "2", "--first-steps": "2", "--at": "2",
}  # fmt: skip
LARGE = ("stylize", "compare")  # whose pictures are not sized by a preset
PICTURES = (
    "photo", "painting", "other", "wave", "scream", "a", "b", "one", "two", "cat", "dog", "big",
    "valley", "swirl", "woodcut", "mosaic", "fauve",
)  # fmt: skip
WAITS = ("serve_forever", "gradio_client")  # for somebody else: such a block is compiled, not run


@pytest.fixture(scope="module")
def supplies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pages speak of, tiny: pictures, clips, a table, a run, VGG-19 with random weights."""
    import impasto

    place = tmp_path_factory.mktemp("supplies")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(place)
        for folder in ("photos", "paintings", "painted", "cache"):
            Path(folder).mkdir()
        for number, name in enumerate(PICTURES):
            for path in (f"{name}.jpg", f"{name}.png"):
                Image.fromarray(pan(1, 80, 96, seed=number)[0]).save(path)
        for folder, name in (("photos", "photo"), ("paintings", "painting")):
            shutil.copy(f"{name}.jpg", folder)
        painting = impasto.paint("photo.jpg", "painting.jpg", **TINY)
        for name in ("out.png", "out.jpg", "other.png", "painted/one.png", "painted/two.png"):
            painting.save(name)
        quick = [word for name in ("--size", "--min-scale", "--steps", "--first-steps") for word in (name, SMALL[name])]
        program.run(["paint", "photo.jpg", "painting.jpg", "--run", "kept", "-q", *quick])
        Path("jobs.csv").write_text("content,style\nphoto.jpg,wave.jpg\n", encoding="utf-8")
        transform.Trained("light", transform.TransformNet(transform.PLANS["light"], 2), ("wave",)).save(
            "wave.safetensors"
        )
        for name in ("clip", "one", "other"):
            write(place / f"{name}.mp4", pan(4), rate=1)
        shapes = {key: shape for key, shape in BACKBONES["vgg19"].shapes.items() if key < "conv5_2"}
        weights = {key: torch.randn(shape) * 0.05 for key, shape in shapes.items()}
        torch.save(weights, "vgg19-dcbb9e9d.pth")
        for name in ("vgg19", "vgg19-caffe"):
            save_file(weights, f"cache/{name}.safetensors")
    return place


@pytest.fixture
def workplace(tmp_path: Path, supplies: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The supplies in the working folder, and defaults that make quick work of them."""
    shutil.copytree(
        supplies, tmp_path, copy_function=os.link, dirs_exist_ok=True
    )  # what impasto writes, it writes aside
    monkeypatch.chdir(tmp_path)
    for name, preset in PRESETS.items():
        monkeypatch.setitem(PRESETS, name, Preset("", {**preset.options, **TINY}))
    monkeypatch.setitem(RECONSTRUCT, "steps", 2)
    for name, preset in TRAINING.items():
        monkeypatch.setitem(TRAINING, name, Preset("", {**preset.options, **BRIEF}))
    monkeypatch.setitem(FIGURE_SHEET, "size", 48)
    monkeypatch.setattr(choosing, "DIAL_SHEET", TINY)
    monkeypatch.setattr(forecast, "PROBES", (48, 64))
    monkeypatch.setattr(engines, "choose", lambda *_: "torch")  # which needs no compiling
    return tmp_path


def blocks(page: Path) -> list[str]:
    """The Python of a page, at sizes and for steps that are quick."""
    found = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [re.sub(r"\b(size|steps)=\d+", lambda match: f"{match[1]}={TINY[match[1]]}", block) for block in found]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, workplace: Path) -> None:
    namespace: dict[str, Any] = {"__name__": page.name}
    for block in blocks(page):
        if any(word in block for word in WAITS):
            compile(block, page.name, "exec")
        else:
            run(block, namespace)


def test_the_web_service_of_the_cookbook_paints_and_says_no(workplace: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "cookbook"}
    (block,) = (block for block in blocks(ROOT / "docs" / "cookbook.md") if "class Service" in block)
    run(block, namespace)
    namespace["Service"].log_message = lambda *_: None
    with HTTPServer(("127.0.0.1", 0), namespace["Service"]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address, photo = f"http://127.0.0.1:{server.server_port}", Path("photo.jpg").read_bytes()
            with urllib.request.urlopen(f"{address}/painting", photo) as answer:
                assert answer.headers["Content-Type"] == "image/png"
                assert answer.read(8) == b"\x89PNG\r\n\x1a\n"
            for path, body, status in (("/painting", b"no picture", 422), ("/elsewhere", photo, 404)):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"{address}{path}", body)
                with refused.value:
                    assert refused.value.code == status
        finally:
            server.shutdown()
            thread.join()


# what is not run here -> why, and where it is tested
LEFT_OUT = {
    r"studio": "serves until it is stopped: tests/studio",
    r"benchmark": "takes a minute: test_benchmark.py",
    r"export": "compiles for ten seconds: test_exporting.py",
    r"stylize - ": "reads standard input: test_stylizer.py",
    r"stylize --camera": "opens a browser: test_stylizer.py",
    r".* s3://": "needs a store elsewhere: test_storage.py",
    r".* --engine ray": "needs a cluster: test_cluster.py",
}


ALONE = ("demo", "figure", "presets", "weights")  # verbs that need no arguments; another one alone is a mention


def runnable(page: Path) -> Iterator[list[str]]:
    """The words of every command of a page that can be run, with quick numbers and names of files that are there."""
    for command in commands(page):
        verb, *tokens = (STANDS_FOR.get(token, token) for token in shlex.split(command, comments=True)[1:])
        words = " ".join([verb, *tokens])
        if "..." in words or any(re.match(one, words) for one in LEFT_OUT) or not (tokens or verb in ALONE):
            continue
        given = [verb, *(SMALL.get(before, token) for before, token in pairwise([verb, *tokens]))]
        yield given if "--size" in given or verb not in LARGE else [*given, "--size", SMALL["--size"]]


def test_what_is_left_out_is_there() -> None:
    """A row of the table that no page needs any more is taken out of it."""
    every = [command.removeprefix("impasto ") for page in PAGES for command in commands(page)]
    for one in LEFT_OUT:
        assert any(re.match(one, command) for command in every), one


def run_commands(page: Path, most: int | None = None) -> None:
    """In the order of the page, for one hands on to the next; with random weights where VGG-19 is asked for."""
    for given in islice(runnable(page), most):
        try:
            status = program.run(given)
        except SystemExit as end:  # --help
            status = end.code
        assert status == 0, given
        for before, target in pairwise(given):
            if before == "-o":
                assert Path(target).exists(), given


SOME = 2  # commands of a page that every run of the tests gives


@pytest.mark.parametrize("page", [page for page in PAGES if any(runnable(page))], ids=lambda page: page.name)
def test_the_first_commands_of_a_page_do_what_they_should(page: Path, workplace: Path) -> None:
    run_commands(page, SOME)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if len([*runnable(page)]) > SOME], ids=lambda page: page.name)
def test_every_command_of_a_page_does_what_it_should(page: Path, workplace: Path) -> None:
    run_commands(page)


def test_the_page_on_reports_shows_the_commands_that_drew_it() -> None:
    program = runpy.run_path(str(ROOT / "docs" / "report.py"))
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for name in ("PAINT", "EVALUATE", "COMPARE"):
        assert program[name] in page


def test_the_page_on_reports_names_every_measure_and_every_fault() -> None:
    from impasto.doctor import FAULTS
    from impasto.evaluation import MEASURES

    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for name, measure in MEASURES.items():
        assert f"| {name} | {measure.says} |" in page
    for name in FAULTS:
        assert f"| {name} |" in page


def test_the_notebook_runs_from_top_to_bottom() -> None:
    """Its ten cells in one namespace, at a size at which they are quick; a cell's last expression is what it shows."""
    notebook = json.loads((ROOT / "docs" / "system_a.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == 10
    assert all(cell["outputs"] == [] for cell in notebook["cells"] if cell["cell_type"] == "code")
    cells[0] = re.sub(r"SIZE, STEPS, BACKBONE = \d+, \d+", "SIZE, STEPS, BACKBONE = 48, 2", cells[0])
    namespace: dict[str, Any] = {}
    shown = [run(cell, namespace) for cell in cells]
    assert sum(isinstance(one, Image.Image) for one in shown) >= 8
    assert namespace["ours"].image.shape[3] == 48


def run(source: str, namespace: dict[str, Any]) -> Any:
    """Execute a cell; its last expression's value, if it ends in one."""
    module = ast.parse(source)
    last = module.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(module, "cell", "exec"), namespace)
        return None
    exec(compile(ast.Module(module.body[:-1], []), "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
