"""What the documents say is what the programs print."""

import ast
import json
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_table_of_conventions_is_what_its_program_prints() -> None:
    table = runpy.run_path(str(ROOT / "docs" / "conventions_table.py"))["table"]()
    assert table in (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")


def test_the_page_on_control_shows_the_commands_that_painted_it() -> None:
    program = runpy.run_path(str(ROOT / "docs" / "control.py"))
    page = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(impasto paint [^`]+)`", page)) == set(program["COMMANDS"].values())
    assert set(re.findall(r"images/control/(\w+)\.jpg", page)) == set(program["COMMANDS"])
    assert " ".join(program["SIZE"][:4]) in page


def test_the_page_on_training_shows_the_command_that_trained_and_counts_parameters() -> None:
    from impasto.transform import PLANS, TransformNet

    page = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    assert f"`{runpy.run_path(str(ROOT / 'docs' / 'training.py'))['COMMAND']}`" in page
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
STANDS_FOR = {"VERB": "paint", "NAME": "weights", "X": "0.5", "L": "relu1_1", "STEP": "1"}


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
