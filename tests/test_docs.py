"""What the documents say is what the programs print."""

import re
import runpy
from pathlib import Path

import pytest

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
