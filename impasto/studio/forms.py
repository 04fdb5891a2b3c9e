"""What a form asks, made from an option dataclass: names, help, limits and defaults stand in `options` alone.

What is added here is taste: which options come first, how far a slider goes, and words for people who never open a
terminal. An option that no table names is asked all the same, among the further ones.
"""

import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, Literal, TypeAlias

from impasto.backbones import BACKBONES
from impasto.bundle import Bundle, alternatives, help_of
from impasto.errors import OptionError
from impasto.options import STARTS, TrainOptions
from impasto.studio.limits import undashed

Kind: TypeAlias = Literal["choice", "flag", "whole", "number", "names", "numbers", "text"]

# What only the one who started the studio decides: paths of this machine, and the machine itself
WITHHELD = ("weights", "offline", "device", "engine")

# Words on the page where the option's name says too little
LABELS = {
    "size": "Size",
    "style_scale": "Size of the strokes",
    "content_weight": "Hold on to the photo",
    "color_strength": "How far",
    "steps": "Steps at each size",
    "first_steps": "Steps at the first size",
    "min_scale": "First size",
    "scale_factor": "From size to size",
    "tv": "Total variation",
    "tv_weight": "Smoothing",
    "range_weight": "Keep colors in range",
    "canvas_padding": "Margin painted and cut off",
    "beta2": "Adam's second decay",
    "damping": "Adam's damping",
    "budget": "Time to paint in",
    "memory": "Memory to paint in",
}
IN_TRAINING = {"steps": "Steps", "batch": "Photos a step", "crop": "Size of a crop"}

# How far a slider goes where the limits are wider than anybody wants: least, most, step
SLIDERS: Mapping[str, tuple[float, float, float]] = {
    "size": (128, 2048, 32),
    "style_scale": (0.25, 3, 0.05),
    "content_weight": (0, 0.5, 0.005),
    "color_strength": (0, 1, 0.05),
    "mask_softness": (0, 1, 0.01),
    "start_noise": (0, 1, 0.05),
    "strength": (0, 100, 1),
    "passes": (1, 4, 1),
    "steadiness": (0, 1, 0.02),
    "touches": (0, 20, 1),
}

# Of a slider that may be off: what is said beside its box, and where it stands at first
OTHERWISE: Mapping[str, tuple[str, float]] = {
    "strength": ("Leave it to the preset", 80),
    "style_scale": ("Find what suits the photo", 1),
    "steadiness": ("Leave it to the method", 0.8),
    "passes": ("As many as suit the network", 2),
}

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Sizes and steps": (
        "min_scale", "scale_factor", "first_steps", "steps", "start", "start_noise", "seed", "mask_softness"
    ),
    "Network": ("backbone", "pooling", "pooling_rescale", "padding", "precision"),
    "Content": ("content_layers", "content_layer_weights", "content_reduction", "content_power", "content_weight"),
    "Style": (
        "style_layers", "style_layer_weights", "style_loss", "gram_normalization", "style_reduction", "style_weight"
    ),
    "Finish": ("tv_weight", "tv", "range_weight", "canvas_padding"),
    "Optimizer": ("optimizer", "learning_rate", "beta2", "damping", "history", "averaging"),
}  # fmt: skip
FURTHER = "Further"


@dataclass(frozen=True)
class Control:
    """One question of a form. least and most: of a number, None where there is no limit; slider: its range and step.

    optional: no answer is one, too. whole: the numbers of a list have no fractions. otherwise: of a slider that may be off,
    what the option then is, and what to say of that; `default` is then what is set, a number or that.
    """

    name: str
    label: str
    help: str
    kind: Kind
    default: Any
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    slider: tuple[float, float, float] | None = None
    optional: bool = False
    whole: bool = False
    otherwise: tuple[Any, str] | None = None

    @property
    def off(self) -> bool:
        """Whether the slider is off."""
        return self.otherwise is not None and self.default == self.otherwise[0]


def control(declared: Field[Any], default: Any, labels: Mapping[str, str] = LABELS) -> Control:
    """The question for a field of an option dataclass, with `default` as its answer."""
    name, (least, most) = declared.name, (declared.metadata["least"], declared.metadata["most"])
    kinds = [kind for kind in alternatives(declared.type) if kind is not types.NoneType]
    kind, choices = kind_of(kinds[0])
    if name == "start":  # the path of a picture is for those who sit at the machine
        kind, choices = "choice", STARTS
    if kind == "names":
        choices = layer_names()
    return Control(
        name,
        label_of(name, labels),
        for_the_page(help_of(declared, default)),
        kind,
        default,
        choices,
        least,
        most,
        SLIDERS.get(name),
        optional=len(kinds) < len(alternatives(declared.type)),
        whole=typing.get_args(kinds[0])[:1] == (int,),
        otherwise=otherwise(declared),
    )


def label_of(name: str, labels: Mapping[str, str] = LABELS) -> str:
    """An option as the page calls it."""
    return labels.get(name, name.replace("_", " ").capitalize())


def otherwise(declared: Field[Any]) -> tuple[Any, str] | None:
    """What an option of which `OTHERWISE` tells may be beside a number, and what to say of that; None: nothing."""
    if declared.name not in OTHERWISE:
        return None
    for kind in alternatives(declared.type):
        if kind is types.NoneType or typing.get_origin(kind) is Literal:
            return next(iter(typing.get_args(kind)), None), OTHERWISE[declared.name][0]
    return None


def kind_of(kind: Any) -> tuple[Kind, tuple[str, ...]]:
    """The kind of question for a type, and the answers to choose from."""
    if typing.get_origin(kind) is Literal:
        return "choice", typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return ("names", ()) if typing.get_args(kind)[0] is str else ("numbers", ())
    plain: dict[Any, Kind] = {bool: "flag", int: "whole", float: "number", str: "text"}
    return plain[kind], ()


def layer_names() -> tuple[str, ...]:
    """Layers of any backbone, in the order of their depth."""
    return max((backbone.layers for backbone in BACKBONES.values()), key=len)


def for_the_page(help: str) -> str:
    """Help without what nobody can give here: a path, or words in place of a number; and without dashes."""
    return undashed(re.sub(r"(, or the path of a picture|; auto: at [^.]*|\. None: as [^.]*)\.$", ".", help))


def controls(options: Bundle) -> dict[str, Control]:
    """Every question about such options, with these as the answers, in the order of their declaration."""
    labels = {**LABELS, **(IN_TRAINING if isinstance(options, TrainOptions) else {})}
    return {
        declared.name: control(declared, getattr(options, declared.name), labels)
        for declared in fields(options)
        if declared.name not in WITHHELD
    }


def sections(names: Iterable[str], front: Iterable[str]) -> dict[str, list[str]]:
    """Which questions stand in which section, without those that stand in front; what no table names goes last."""
    left = [name for name in names if name not in front]
    found = {title: [name for name in section if name in left] for title, section in SECTIONS.items()}
    told = {name for section in found.values() for name in section}
    found[FURTHER] = [name for name in left if name not in told]
    return {title: section for title, section in found.items() if section}


def answer(asked: Control, value: Any) -> Any:
    """What was entered, as the option wants it. Raises OptionError where a text is no number."""
    if value in (None, "") and asked.optional:
        return None
    if asked.kind == "whole" and isinstance(value, float) and value.is_integer():
        return int(value)
    if asked.kind in ("names", "numbers"):
        parts = value.replace(",", " ").split() if isinstance(value, str) else list(value or ())
        return tuple(parts) if asked.kind == "names" else tuple(number(part, asked) for part in parts)
    return value


def number(text: Any, asked: Control) -> float:
    """A number of a list. Raises OptionError."""
    try:
        return int(text) if asked.whole else float(text)
    except (TypeError, ValueError):
        raise OptionError(
            f"{asked.label}: {str(text)[:40]!r} is no number. Write numbers with spaces between."
        ) from None


def entered(asked: Control) -> Any:
    """A control's answer as its field shows it: the reverse of `answer`. A slider that is off stands where it begins."""
    if asked.off:
        return OTHERWISE[asked.name][1]
    if asked.kind == "numbers":
        return " ".join(short if float(short := f"{part:g}") == part else str(part) for part in asked.default)
    return list(asked.default) if asked.kind == "names" else asked.default


def bundle(kind: type[Bundle], given: Mapping[str, Any], base: Bundle | None = None) -> Bundle:
    """Options of the kind from what was entered or sent, over `base`. Raises OptionError.

    What a browser may not decide is refused, a path for `start` too.
    """
    for name in given:
        if name in WITHHELD:
            raise OptionError(f"{name} is for the one who started the studio. Leave it out.")
    asked = controls(base or kind())
    made = {name: answer(asked[name], value) if name in asked else value for name, value in given.items()}
    if made.get("start", STARTS[0]) not in STARTS:
        raise OptionError(f"The start {str(made['start'])[:40]!r} is none of {', '.join(STARTS)}. Choose one of these.")
    return (base or kind()).replace(**made)
