"""The studio's forms: every option is asked once, and a form that is left alone gives the preset."""

import dataclasses
from typing import Any

import pytest
from orders import within_a_loop

from impasto.bundle import option
from impasto.errors import OptionError
from impasto.options import PaintOptions, StylizeOptions, TrainOptions
from impasto.presets import PRESETS, options_for
from impasto.studio import (
    forms,
    painting,
    server,
    single,
    videos,
)
from impasto.studio.fields import Fields

VERBS = [painting.PAINT, single.TEXTURE, single.RECONSTRUCT]


def form_of(options: PaintOptions) -> Fields:
    """All fields for such options."""

    def build() -> Fields:
        fields = Fields(options, ())
        with server.gr.Blocks():
            fields.show_the_rest()
        return fields

    return within_a_loop(build)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_option_is_asked_once_or_withheld_for_a_reason(verb: Any) -> None:
    asked = [name for name in forms.controls(verb.options("default")) if name not in verb.without]
    shown = [*verb.front, *(name for names in forms.sections(asked, verb.front).values() for name in names)]
    assert sorted(shown) == sorted(asked)
    everything = {declared.name for declared in dataclasses.fields(PaintOptions)}
    assert everything == set(asked) | set(verb.without) | (everything & set(forms.WITHHELD))


def test_the_tables_name_no_option_that_is_gone() -> None:
    known = {
        declared.name
        for kind in (PaintOptions, StylizeOptions, TrainOptions, videos.VideoOptions)
        for declared in dataclasses.fields(kind)
    }
    named = {
        *forms.LABELS,
        *forms.IN_TRAINING,
        *forms.OTHERWISE,
        *forms.SLIDERS,
        *forms.WITHHELD,
        *(name for names in forms.SECTIONS.values() for name in names),
    }
    assert named <= known


def test_an_option_that_is_new_is_asked_among_the_further_ones() -> None:
    @dataclasses.dataclass(frozen=True)
    class More(PaintOptions):
        gloss: float = option(0.25, "How shiny; see --size.", least=0, most=1)

    asked = forms.controls(More())
    assert forms.sections(asked, ())[forms.FURTHER][-1] == "gloss"
    assert (asked["gloss"].default, asked["gloss"].least, asked["gloss"].most) == (0.25, 0, 1)
    assert asked["gloss"].help == "How shiny; see size."


@pytest.mark.parametrize("preset", PRESETS)
def test_a_form_that_is_left_alone_gives_the_preset(preset: str) -> None:
    options = options_for(preset)
    fields = form_of(options)
    answers = fields.answers([part.value for part in fields.components])  # type: ignore[attr-defined]
    assert options_for("default").replace(**answers) == options
    assert forms.bundle(PaintOptions, answers) == options


@pytest.mark.parametrize("chosen", [{"strength": 35.0}, {"style_scale": "auto"}, {"strength": 0.0, "style_scale": 2.0}])
def test_a_slider_that_may_be_off_has_a_box_for_that(chosen: dict[str, Any]) -> None:
    options = PaintOptions().replace(**chosen)
    fields = form_of(options)
    assert fields.of(["strength"]) == [fields.made["strength"], fields.boxes["strength"]]
    answers = fields.answers([part.value for part in fields.components])  # type: ignore[attr-defined]
    assert answers["strength"] == options.strength
    assert answers["style_scale"] == options.style_scale
    slider, box = form_of(PaintOptions()).showing(options, ["style_scale"])
    assert box["value"] == (options.style_scale == "auto")
    assert slider["value"] == (1 if options.style_scale == "auto" else options.style_scale)
    assert forms.controls(StylizeOptions())["strength"].otherwise is None  # there it is always a number
    assert forms.SLIDERS["strength"][:2] == (0, 100)


def test_a_list_of_whole_numbers_stays_one() -> None:
    asked = forms.controls(videos.VideoOptions())["references"]
    assert forms.answer(asked, forms.entered(asked)) == videos.VideoOptions().references
    with pytest.raises(OptionError, match=r"'1\.5' is no number"):
        forms.answer(asked, "1 1.5")


def test_help_says_nothing_that_a_box_says() -> None:
    asked = forms.controls(PaintOptions())
    assert asked["style_scale"].help == "Size of the style's features against the picture's."
    assert asked["strength"].help.endswith("it finds the content weight.")
    assert asked["backbone"].help == "Network whose features are compared."


def test_help_says_of_a_default_only_what_is_true_of_it() -> None:
    assert "default is 160" in forms.controls(options_for())["steps"].help
    assert "default is 160" not in forms.controls(single.RECONSTRUCT.options("default"))["steps"].help


def test_what_gradio_makes_of_numbers_is_taken() -> None:
    asked = forms.controls(PaintOptions())
    assert forms.answer(asked["size"], 640.0) == 640
    assert forms.answer(asked["style_layer_weights"], "1, 0.5 .25") == (1.0, 0.5, 0.25)
    with pytest.raises(OptionError, match="'x' is no number"):
        forms.answer(asked["style_layer_weights"], "1 x")


@pytest.mark.parametrize("name", forms.WITHHELD)
def test_a_browser_does_not_decide_about_the_machine(name: str) -> None:
    with pytest.raises(OptionError, match=name):
        forms.bundle(PaintOptions, {name: "/etc/passwd"})


@pytest.mark.parametrize("given", [{"start": "/etc/passwd"}, {"start": "../photo.png"}, {"size": 1}, {"sise": 64}])
def test_what_is_no_option_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        forms.bundle(PaintOptions, given)
