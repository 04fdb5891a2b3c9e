"""stylize: one pass in any style, by whichever engine; strength, mixtures, sizes and files."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from impasto import cli, colors, images, presto, saving, transform
from impasto.errors import InputError, OptionError
from impasto.options import StylizeOptions
from impasto.shipped import DEMO
from impasto.stylizer import Stylizer

VALLEY, SWIRL, WOODCUT = (DEMO / f"{name}.jpg" for name in ("valley", "swirl", "woodcut"))
PLAIN = {"engine": "torch", "precision": "float32", "size": 96, "passes": 1}


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer(StylizeOptions(**PLAIN))


def distance(first: Tensor, second: Tensor) -> float:
    return float((first - second).square().mean().sqrt())


@pytest.mark.parametrize("size", [64, 97, 130])
def test_the_longer_side_is_the_size_asked_for(size: int) -> None:
    picture = impasto.stylize(VALLEY, SWIRL, **{**PLAIN, "size": size}).image
    assert max(picture.shape[2:]) == size
    assert 0 <= picture.min() <= picture.max() <= 1


def test_the_stronger_the_further_from_the_photo() -> None:
    photo = images.resize(images.load(VALLEY), 96)
    away = [
        distance(impasto.stylize(VALLEY, SWIRL, **PLAIN, strength=share).image, photo) for share in (0, 30, 60, 100)
    ]
    assert away == sorted(away)
    assert away[0] == 0
    assert away[-1] > 0.1


@pytest.mark.parametrize(("passes", "strength"), [(None, 100 / 3), (3, 100 / 9), (3, 200 / 9)])
def test_where_a_pass_is_added_the_dial_has_no_jump(passes: int | None, strength: float) -> None:
    before, after = (
        impasto.stylize(VALLEY, SWIRL, **{**PLAIN, "passes": passes}, strength=strength + step).image
        for step in (-0.01, 0.01)
    )
    assert distance(before, after) < 2e-3


def test_a_mixture_of_one_style_is_that_style(stylizer: Stylizer) -> None:
    alone, other = stylizer.paint(VALLEY, SWIRL).image, stylizer.paint(VALLEY, WOODCUT).image
    torch.testing.assert_close(stylizer.paint(VALLEY, [SWIRL, SWIRL]).image, alone, atol=1e-2, rtol=0)
    both = stylizer.paint(VALLEY, [SWIRL, WOODCUT]).image
    assert max(distance(both, alone), distance(both, other)) < distance(alone, other)


def test_a_mixture_leans_to_the_weightier_style(stylizer: Stylizer) -> None:
    alone = stylizer.paint(VALLEY, SWIRL).image
    away = [
        distance(stylizer.paint(VALLEY, [(SWIRL, share), (WOODCUT, 1)]).image, alone) for share in (9.0, 1.0, 1 / 9)
    ]
    assert away == sorted(away)
    assert list(stylizer.paint(VALLEY, [(SWIRL, 2.0), WOODCUT]).recipe["inputs"]) == ["content", "style", "style-2"]


def test_a_mask_sends_each_style_to_its_side(stylizer: Stylizer) -> None:
    left, right = stylizer.paint(VALLEY, SWIRL).image, stylizer.paint(VALLEY, WOODCUT).image
    both = stylizer.paint(VALLEY, [(SWIRL, 1, "left"), (WOODCUT, 1, "right")]).image
    torch.testing.assert_close(both[..., :30], left[..., :30], atol=2e-2, rtol=0)  # masks are a little soft
    torch.testing.assert_close(both[..., -30:], right[..., -30:], atol=2e-2, rtol=0)


def test_what_is_protected_stays_the_photo(stylizer: Stylizer) -> None:
    photo = images.resize(images.load(VALLEY), 96)
    painted = stylizer.paint(VALLEY, SWIRL, protect="left").image
    torch.testing.assert_close(painted[..., :30], photo[..., :30], atol=1e-5, rtol=0)
    assert distance(painted[..., -30:], photo[..., -30:]) > 0.05


def test_shares_of_a_trained_network_are_refused_where_there_is_none(stylizer: Stylizer) -> None:
    with pytest.raises(OptionError, match="with weights, such as STYLE"):
        impasto.stylize(VALLEY, [SWIRL, WOODCUT], **PLAIN, style_weights=(0.5, 0.5))
    with pytest.raises(OptionError, match="--style-weights"):
        stylizer.take(StylizeOptions(**PLAIN, style_weights=(1.0,)))


def test_kept_colors_are_the_photos() -> None:
    photo = images.resize(images.load(VALLEY), 96)
    kept = impasto.stylize(VALLEY, SWIRL, **PLAIN, colors="keep").image
    free = impasto.stylize(VALLEY, SWIRL, **PLAIN).image
    chroma = [colors.to_oklab(image)[:, 1:] for image in (kept, free, photo)]
    assert distance(chroma[0], chroma[2]) < 0.3 * distance(chroma[1], chroma[2])


def test_a_style_is_encoded_once(stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    encode = stylizer.encode
    monkeypatch.setattr(stylizer, "known", {})
    monkeypatch.setattr(stylizer, "encode", lambda image: (calls.append(1), encode(image))[1])
    for photo in (VALLEY, WOODCUT, VALLEY):
        stylizer.paint(photo, SWIRL)
    assert len(calls) == 3 + 1


def test_a_second_pass_paints_over_the_first(stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presto, "REACH", (1.2, 1.2, 1.2))
    twice = impasto.stylize(VALLEY, SWIRL, **{**PLAIN, "passes": 2}).image
    once = stylizer.paint(VALLEY, SWIRL).image
    torch.testing.assert_close(stylizer.paint(once, SWIRL).image, twice, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("asked", "strength", "passes"),
    [(None, 0, 0), (None, 50, 1.25), (None, 100, 2), (1, 50, 1), (1, 20, 0.6), (5, 60, 5)],
)
def test_the_stronger_the_oftener_presto_paints_unless_told_otherwise(
    asked: int | None, strength: float, passes: float
) -> None:
    painting = impasto.stylize(VALLEY, SWIRL, **{**PLAIN, "passes": asked, "size": 48}, strength=strength)
    assert painting.recipe["passes"] == passes


def test_unless_told_otherwise_a_painting_is_that_of_two_passes() -> None:
    painting = impasto.stylize(VALLEY, SWIRL, **{**PLAIN, "passes": None})
    twice = impasto.stylize(VALLEY, SWIRL, **{**PLAIN, "passes": 2})
    torch.testing.assert_close(painting.image, twice.image)


@pytest.mark.parametrize("strength", [0, 50])
def test_strength_counts_from_the_photo_however_often_the_network_runs(strength: int) -> None:
    """Passes that each went half of the way would end nearly at the style."""
    known = {}
    for passes in (1, 3):
        stylizer = Stylizer(StylizeOptions(**{**PLAIN, "passes": passes, "strength": strength}))
        photo, painted = (
            stylizer.style(image)
            for image in (images.resize(images.load(VALLEY), 96), stylizer.paint(VALLEY, SWIRL).image)
        )
        whole = Stylizer(StylizeOptions(**{**PLAIN, "passes": passes})).paint(VALLEY, SWIRL).image
        end = stylizer.style(whole)
        layer = "relu3_1"
        known[passes] = distance(painted[layer].mean, photo[layer].mean) / distance(end[layer].mean, photo[layer].mean)
    assert abs(known[3] - strength / 100) < 0.25
    assert abs(known[3] - known[1]) < 0.2


def test_a_weight_that_does_not_fit_is_said() -> None:
    with pytest.raises(OptionError, match="above 0"):
        impasto.stylize(VALLEY, [(SWIRL, 0)], **PLAIN)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (90, 120, 200)])
def test_a_plain_picture_is_painted_and_is_a_style(color: tuple[int, int, int]) -> None:
    plain = Image.new("RGB", (40, 30), color)
    for content, style in ((plain, SWIRL), (VALLEY, plain), (plain, plain)):
        assert impasto.stylize(content, style, **{**PLAIN, "size": 48}).image.isfinite().all()


def test_a_uniform_shift_of_edges_leaves_no_border(stylizer: Stylizer) -> None:
    """A plain photo stays plain up to its edges: padding mirrors, so a border is like anywhere else."""
    plain = stylizer.paint(torch.full((1, 3, 72, 96), 0.5), SWIRL).image
    assert (plain - plain[:, :, 36:37, 48:49]).abs().max() < 0.02


def test_the_recipe_says_what_made_the_picture() -> None:
    painting = impasto.stylize(VALLEY, SWIRL, **PLAIN, strength=50)
    recipe = json.loads(json.dumps(painting.recipe))
    assert (recipe["verb"], recipe["options"]["strength"], recipe["inputs"]["style"]["name"]) == (
        "stylize",
        50,
        "swirl.jpg",
    )
    assert recipe["engine"].startswith("torch ")
    assert recipe["engine"].removesuffix(", fused convolutions").endswith(" in float32 on cpu")


def test_unknown_options_are_said() -> None:
    with pytest.raises(OptionError, match="Did you mean 'strength'"):
        impasto.stylize(VALLEY, SWIRL, strenght=1)
    with pytest.raises(OptionError, match="--strength is 200"):
        impasto.stylize(VALLEY, SWIRL, strength=200)


# ------------------------------------------------------------------------------------------------------ command line

QUICK = ["--engine", "torch", "--size", "48"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos in `photos` and two styles, beside a text file."""
    random = np.random.default_rng(0)
    for name in ("photos/a.png", "photos/b.png", "wave.png", "scream.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        coarse = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_photo_goes_beside_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["stylize", "photos/a.png", "wave.png", *QUICK]) == 0
    assert Path("photos/a-wave.png").is_file()
    assert "presto by torch" in capsys.readouterr().err


def test_a_folder_in_two_styles_gives_every_pair(folder: Path) -> None:
    assert cli.run(["stylize", "photos", "--style", "wave.png", "scream.png", "-o", "out", *QUICK]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "a-scream.png", "a-wave.png", "b-scream.png", "b-wave.png",
    ]  # fmt: skip


def test_a_mixture_paints_every_photo_once(folder: Path) -> None:
    flags = ["--style", "wave.png", "scream.png:3", "--mix"]
    assert cli.run(["stylize", "photos/*.png", *flags, "-o", "out", *QUICK]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a-wave-scream.png", "b-wave-scream.png"]


def test_masks_put_two_styles_into_one_picture(folder: Path) -> None:
    flags = ["--style", "wave.png", "scream.png", "--mask", "left", "--protect", "ellipse:0.5,0.5,0.1,0.1"]
    assert cli.run(["stylize", "photos/a.png", *flags, "-o", "out.png", *QUICK]) == 0
    recipe = saving.read_recipe("out.png")
    assert recipe is not None
    assert recipe["inputs"]["mask"] == {"shape": "left"}


def test_photos_of_one_name_do_not_replace_each_other(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "a.png").write_bytes((folder / "wave.png").read_bytes())
    assert cli.run(["stylize", "photos/a.png", "more/a.png", "wave.png", "-o", "out", *QUICK]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a-wave-2.png", "a-wave.png"]


def test_a_broken_photo_costs_no_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos" / "aa.png").write_bytes(b"broken")
    assert cli.run(["stylize", "photos", "wave.png", "-o", "out", *QUICK]) == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["a-wave.png", "b-wave.png"]
    assert "aa.png" in capsys.readouterr().err


def test_a_picture_streams_to_standard_output(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.run(["stylize", "photos/a.png", "wave.png", "-o", "-", "-q", *QUICK]) == 0
    assert saving.read_recipe(capfdbinary.readouterr().out) is not None


def test_a_photo_comes_from_standard_input_and_goes_to_standard_output(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Path("photos/a.png").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(photo)))
    assert cli.run(["stylize", "-", "wave.png", "-q", *QUICK]) == 0
    streamed = images.load(capfdbinary.readouterr().out)
    assert cli.run(["stylize", "photos/a.png", "wave.png", "-o", "out.png", "-q", *QUICK]) == 0
    torch.testing.assert_close(streamed, images.load("out.png"))


def test_a_model_paints_in_place_of_a_style(folder: Path) -> None:
    network = transform.TransformNet(transform.PLANS["light"])
    transform.Trained("light", network, ("a",)).save("n.safetensors")
    assert cli.run(["stylize", "photos", "--model", "n.safetensors", "-o", "out", *QUICK]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a-n.png", "b-n.png"]


def test_the_camera_s_page_is_the_model_s(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("impasto.weights.cache_folder", lambda: folder / "cache")
    transform.Trained("light", transform.TransformNet(transform.PLANS["light"]), ("a",)).save("n.safetensors")
    assert cli.run(["stylize", "--camera", "--model", "n.safetensors"]) == 0
    assert opened == [(folder / "cache" / "pages" / "n.html").as_uri()]
    assert "getUserMedia" in (folder / "cache" / "pages" / "n.html").read_text()
    for flags in (["--colors", "keep"], ["--size", "64"], ["--mix"], ["--style", "wave.png"], ["-o", "out.png"]):
        assert cli.run(["stylize", "--camera", "--model", "n.safetensors", *flags]) == 2
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--camera", "photos/a.png"], "takes no pictures"),
        (["photos/a.png"], "There is no photo"),
        (["photos/a.png", "wave.png", "scream.png", "--mix"], "--mix mixes several styles, and one is named"),
        (["photos", "wave.png", "-o", "-"], "takes one picture"),
        (["photos", "wave.png", "-o", "out.png"], "out.png is the name of one picture"),
        (["photos/a.png", "wave.png", "--strenght", "3"], "Did you mean 'strength'"),
        (["photos/a.png", "none.png"], "none.png"),
        (["none/*.png", "wave.png"], "No file matches none/*.png"),
        (["photos/a.png", "photos/notes.txt"], "notes.txt"),
        (["photos/a.png", "wave.png", "--strength", "300"], "--strength"),
        (["photos/a.png", "wave.png", "-o", "photos/a.png"], "a.png"),
        (["photos", "wave.png", "-o", "wave.png"], "wave.png"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["stylize", *arguments, *QUICK]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_folder_without_pictures_is_said(folder: Path) -> None:
    (folder / "empty").mkdir()
    from impasto.folders import gather

    with pytest.raises(InputError, match="no picture in the folder"):
        gather([str(folder / "empty")], "photo")
