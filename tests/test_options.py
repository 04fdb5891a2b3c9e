"""Options say what is allowed; presets and vocabularies agree with the tables they name."""

import dataclasses
import json
import math
import typing
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal

import pytest

from impasto import distances, losses, options, statistics, variations
from impasto.backbones import BACKBONES, POOLINGS
from impasto.bundle import alternatives, flag, from_text
from impasto.errors import OptionError
from impasto.options import STARTS, PaintOptions
from impasto.presets import PRESETS, options_for

FIELDS = {declared.name: declared for declared in fields(PaintOptions)}


def of_kind(*wanted: Any) -> list[str]:
    """The names of the options of one of these types."""
    return [name for name, declared in FIELDS.items() if set(wanted) & {*alternatives(declared.type)}]


def origins(name: str) -> list[Any]:
    return [typing.get_origin(kind) for kind in alternatives(FIELDS[name].type)]


NUMBERS = of_kind(int, float)
LITERALS = [name for name, declared in FIELDS.items() if typing.get_origin(declared.type) is Literal]
TUPLES = [name for name in FIELDS if tuple in origins(name)]
NAMES = ["content_layers", "style_layers"]


def beyond(declared: Field[Any], bound: float, direction: int) -> float:
    """The nearest value on the far side of a bound."""
    return bound + direction if declared.type is int else math.nextafter(bound, direction * math.inf)


# ---------------------------------------------------------------------------------------------------- one by one


def test_the_defaults_are_allowed() -> None:
    for name, declared in FIELDS.items():
        assert getattr(PaintOptions(), name) == declared.default


@pytest.mark.parametrize("name", FIELDS)
def test_every_option_has_help(name: str) -> None:
    help = FIELDS[name].metadata["help"]
    assert help[0].isupper() or help.startswith("auto")
    assert help.endswith((".", "..."))


def test_every_option_is_of_a_kind_that_is_tested_here() -> None:
    assert {*NUMBERS, *LITERALS, *TUPLES, *of_kind(bool, str)} == set(FIELDS)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("end", "direction"), [("least", -1), ("most", 1)])
def test_limits_are_included_and_enforced(name: str, end: str, direction: int) -> None:
    declared = FIELDS[name]
    bound = declared.metadata[end]
    if bound is None:
        assert end == "most"
        assert getattr(PaintOptions(**{name: 1e30}), name) == 1e30
        return
    assert getattr(PaintOptions(**{name: bound}), name) == bound
    with pytest.raises(OptionError, match=rf"^{flag(name)} is .*; it must be .*\.$"):
        PaintOptions(**{name: beyond(declared, bound, direction)})


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_least(name: str) -> None:
    assert FIELDS[name].metadata["least"] is not None


@pytest.mark.parametrize("name", of_kind(float))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=flag(name)):
        PaintOptions(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, False, "1", None, [1]])
def test_nothing_else_is_a_number(name: str, value: object) -> None:
    if value is None and type(None) in alternatives(FIELDS[name].type):
        pytest.skip("may be left out")
    with pytest.raises(OptionError, match=flag(name)):
        PaintOptions(**{name: value})


@pytest.mark.parametrize("name", of_kind(int))
def test_a_fraction_is_no_whole_number(name: str) -> None:
    with pytest.raises(OptionError, match="a whole number"):
        PaintOptions(**{name: 17.5})


@pytest.mark.parametrize("name", of_kind(float))
def test_a_whole_number_becomes_a_float(name: str) -> None:
    value = math.ceil(FIELDS[name].metadata["least"])
    value += value < FIELDS[name].metadata["least"]
    assert type(getattr(PaintOptions(**{name: value}), name)) is float


@pytest.mark.parametrize("name", of_kind(bool))
@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_a_switch_is_true_or_false(name: str, value: object) -> None:
    assert getattr(PaintOptions(**{name: True}), name) is True
    with pytest.raises(OptionError, match="true or false"):
        PaintOptions(**{name: value})


@pytest.mark.parametrize("name", LITERALS)
@pytest.mark.parametrize("value", ["nonsense", "", None, 1, ["gram"]])
def test_a_choice_is_answered_with_those_there_are(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=flag(name)) as error:
        PaintOptions(**{name: value})
    choices = typing.get_args(FIELDS[name].type)
    assert "one of " + ", ".join(choices) in str(error.value)
    assert FIELDS[name].default in choices


@pytest.mark.parametrize("name", LITERALS)
def test_every_choice_is_allowed(name: str) -> None:
    for choice in typing.get_args(FIELDS[name].type):
        assert getattr(PaintOptions(**{name: choice}), name) == choice


def test_a_style_scale_is_a_number_or_auto() -> None:
    assert PaintOptions(style_scale="auto").style_scale == "auto"
    for value in ("nonsense", "", None, [1]):
        with pytest.raises(OptionError, match=r"--style-scale.*auto"):
            PaintOptions(style_scale=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_lists_become_tuples(name: str) -> None:
    given = PaintOptions(**{name: ["relu1_1", "relu2_1"], name.replace("layers", "layer_weights"): [1, 2.5]})
    assert getattr(given, name) == ("relu1_1", "relu2_1")
    assert getattr(given, name.replace("layers", "layer_weights")) == (1.0, 2.5)
    assert hash(given) == hash(given.replace())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["relu1_1", [1], [None], None, {"relu1_1": 1.0}])
def test_layers_are_several_names(name: str, value: object) -> None:
    with pytest.raises(OptionError, match="names of layers"):
        PaintOptions(**{name: value})


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_has_a_layer(name: str) -> None:
    with pytest.raises(OptionError, match=f"{flag(name)} names no layer"):
        PaintOptions(**{name: ()})


@pytest.mark.parametrize("value", [(-1.0,), (math.nan,), (math.inf,), (True,), ("1",), 1.0])
def test_layer_weights_are_numbers_of_at_least_0(value: object) -> None:
    with pytest.raises(OptionError, match=r"--content-layer-weights .* numbers of at least 0"):
        PaintOptions(content_layer_weights=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["style", "content"])
def test_layer_weights_are_as_many_as_layers(name: str) -> None:
    with pytest.raises(OptionError, match=f"3 weights were given for . {name} layers"):
        PaintOptions(**{f"{name}_layer_weights": (1.0, 2.0, 3.0)})


def test_there_must_be_something_to_paint() -> None:
    with pytest.raises(OptionError, match="nothing to paint"):
        PaintOptions(content_weight=0, style_weight=0)


def test_paths_become_texts() -> None:
    given = PaintOptions(weights=Path("own.pth"), start=Path("start.png"))  # type: ignore[arg-type]
    assert (given.weights, given.start) == ("own.pth", "start.png")


# ---------------------------------------------------------------------------------------------------- all together


def test_options_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PaintOptions().size = 100  # type: ignore[misc]


def test_replace_checks_anew_and_leaves_the_rest() -> None:
    given = PaintOptions(size=300, seed=5)
    assert given.replace(size=400) == PaintOptions(size=400, seed=5)
    assert given == PaintOptions(size=300, seed=5)
    with pytest.raises(OptionError, match="--size"):
        given.replace(size=1)


@pytest.mark.parametrize(
    ("wrong", "near"), [("sise", "size"), ("style_wieght", "style_weight"), ("optimiser", "optimizer")]
)
@pytest.mark.parametrize("verb", [PaintOptions().replace, options_for])
def test_an_unknown_option_is_answered_with_the_nearest(verb: Any, wrong: str, near: str) -> None:
    with pytest.raises(OptionError, match=f"no option '{wrong}'. Did you mean '{near}'"):
        verb(**{wrong: 1})


def test_an_option_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(OptionError) as error:
        options_for(xyzzy=1)
    assert all(name in str(error.value) for name in FIELDS)


@pytest.mark.parametrize("preset", PRESETS)
def test_options_survive_a_recipe(preset: str) -> None:
    given = options_for(preset)
    plain = json.loads(json.dumps(given.as_dict()))
    assert plain == given.as_dict()
    assert PaintOptions(**plain) == given


# ------------------------------------------------------------------------------------------------------- presets


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_what_it_says(preset: str) -> None:
    assert set(PRESETS[preset].options) <= set(FIELDS)
    given = options_for(preset)
    for name, value in PRESETS[preset].options.items():
        assert getattr(given, name) == value
    for name in set(FIELDS) - set(PRESETS[preset].options):
        assert getattr(given, name) == FIELDS[name].default
    assert PRESETS[preset].reproduces.endswith(".")


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_given_wins_over_a_preset(preset: str) -> None:
    given = options_for(preset, size=333, content_weight=0.125, optimizer="adam")
    assert (given.size, given.content_weight, given.optimizer) == (333, 0.125, "adam")
    assert given == options_for(preset).replace(size=333, content_weight=0.125, optimizer="adam")


@pytest.mark.parametrize("size", [64, 256, 384, 512, 1024, 3000])
def test_the_default_recipe_holds_on_to_a_small_scene(size: int) -> None:
    pixels = (min(max(size, 256), 1024) / 1024) ** 2
    assert options_for(size=size).content_weight * pixels == pytest.approx(0.03, rel=0.2)  # one digit of it
    assert options_for(size=size, content_weight=0.7).content_weight == 0.7
    assert options_for("crowson", size=size) == options_for("crowson").replace(size=size)
    assert options_for() == PaintOptions()


def test_the_default_recipe_takes_more_steps_from_noise() -> None:
    assert options_for(start="noise").steps == options_for(start="gray").steps > options_for().steps
    assert options_for(start="noise", steps=5).steps == 5
    for near in ({"start": "content"}, {"start": "a.png"}, {"start": "noise", "optimizer": "lbfgs"}):
        assert options_for(**near).steps == options_for().steps


@pytest.mark.parametrize("preset", PRESETS)
def test_the_layers_of_a_preset_are_in_its_backbone(preset: str) -> None:
    given = options_for(preset)
    assert {*given.content_layers, *given.style_layers} <= {*BACKBONES[given.backbone].layers}


def test_an_unknown_preset_is_answered_with_those_there_are() -> None:
    with pytest.raises(OptionError, match="no preset 'gatys'") as error:
        options_for("gatys")
    assert all(name in str(error.value) for name in PRESETS)


# -------------------------------------------------------------------------------------------------- vocabularies

VOCABULARIES = [
    (options.BackboneName, BACKBONES),
    (options.Pooling, ["auto", *POOLINGS]),
    (options.GramNormalization, statistics.GRAM_NORMALIZATIONS),
    (options.Reduction, distances.REDUCTIONS),
    (options.Variation, variations.TOTAL_VARIATIONS),
]


@pytest.mark.parametrize(("vocabulary", "table"), VOCABULARIES)
def test_a_vocabulary_is_the_keys_of_its_table(vocabulary: Any, table: Any) -> None:
    assert set(typing.get_args(vocabulary)) == set(table)


@pytest.mark.parametrize("kind", typing.get_args(options.StyleLoss))
def test_every_style_loss_is_there(kind: str) -> None:
    assert losses.style_loss({"relu1_1": 1.0}, kind, "mean", "none").layers == {"relu1_1": 1.0}


def test_the_starts_are_named_in_the_help() -> None:
    assert all(start in FIELDS["start"].metadata["help"] for start in STARTS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "512", 512),
        ("tv_weight", "1e-3", 0.001),
        ("start", "noise", "noise"),
        ("weights", "none", None),
        ("offline", "Yes", True),
        ("offline", "false", False),
        ("style_layers", "relu1_1 relu2_1", ("relu1_1", "relu2_1")),
        ("style_layer_weights", "1 0.5", (1.0, 0.5)),
        ("size", "large", "large"),
        ("style_layer_weights", "one", "one"),
    ],
)
def test_a_text_becomes_the_value_that_it_stands_for(name: str, text: str, value: object) -> None:
    assert from_text(PaintOptions, name, text) == value
    assert type(from_text(PaintOptions, name, text)) is type(value)


def test_a_text_for_no_option_is_refused() -> None:
    with pytest.raises(OptionError, match="Did you mean 'size'"):
        from_text(PaintOptions, "sizes", "3")
