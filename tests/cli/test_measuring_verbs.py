"""`impasto evaluate`, `impasto compare`, and what the doctor says."""

import json
from pathlib import Path

import pytest
from typed import PAINT, contents, picture, recipe_of

from impasto import cli

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
    assert cli.run(["stylize", "content.png", "style.png", "--size", "128", "--strength", "5", "-o", "out.png"]) == 0
    assert "doctor: the picture is still the photo" in capsys.readouterr().err
    assert [found["name"] for found in recipe_of("out.png")["doctor"]["findings"]] == ["under-stylized"]


def test_the_doctor_s_remedy_is_tried_in_a_second_picture(capsys: pytest.CaptureFixture[str]) -> None:
    picture(160, 120).save("content.png")
    arguments = ["stylize", "content.png", "style.png", "--size", "128", "--strength", "5", "-o", "out.png"]
    assert cli.run([*arguments, "--doctor", "fix"]) == 0
    assert "out-mended.png: under-stylized; now " in capsys.readouterr().err
    assert recipe_of("out.png")["options"]["strength"] == 5
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
