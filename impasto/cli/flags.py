"""Flags: the options of a verb as one types them, each with what the verb takes where it is not given."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import Field, fields
from typing import Annotated, Any, Optional, TypeAlias

from cyclopts import Group, Parameter

from impasto.bundle import help_of
from impasto.options import PaintOptions, StylizeOptions, TrainOptions, VideoOptions
from impasto.presets import (
    DIAL_SHEET,
    FIGURE_SHEET,
    NO_CONTENT,
    NO_PHOTO,
    RECONSTRUCT,
    TEXTURE,
    options_for,
    training_options,
)


def mirror(of: str, *bundles: type, known: Mapping[str, Any], hidden: Collection[str] = ()) -> type:
    """A dataclass with the options of all bundles, none given: so that a preset's value is overridden only by a flag.

    known: the verb's defaults, as far as they hang on nothing that help cannot see; hidden: options that say nothing to the
    verb. These are read all the same, so that what refuses them can say why.
    """
    group = Group(f"Options of {of}", sort_key=2)
    made = dataclasses.make_dataclass(
        "".join(bundle.__name__ for bundle in bundles) + "Flags",
        [
            (
                declared.name,
                Annotated[
                    Optional[declared.type],  # noqa: UP045  (the type is known at run time only)
                    Parameter(
                        **explained(declared, known),
                        show=declared.name not in hidden,
                        group=group,
                        negative=(),
                        consume_multiple=True,
                    ),
                ],
                None,
            )
            for declared in {each.name: each for bundle in reversed(bundles) for each in fields(bundle)}.values()
        ],
        frozen=True,
    )
    made.__module__ = __name__  # cyclopts takes a class of the module `types`, make_dataclass's own, for a builtin
    return made


def explained(declared: Field[Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """An option's help and, where that is known, its default."""
    if declared.name not in known:
        return {"help": declared.metadata["help"], "show_default": False}
    default = known[declared.name]
    return {"help": help_of(declared, default), "show_default": words(default)}


def words(default: Any) -> str:
    """A default as one would type it, or what is said in its place."""
    if isinstance(default, tuple):
        return " ".join(map(str, default)) or "none"
    if default is None or isinstance(default, bool):
        return {None: "none", False: "no", True: "yes"}[default]
    return str(default)


def given(flags: Any) -> dict[str, Any]:
    """The options that were typed."""
    return {declared.name: value for declared in fields(flags) if (value := getattr(flags, declared.name)) is not None}


PAINT = vars(options_for())
Flags: TypeAlias = mirror("painting", PaintOptions, known=PAINT)  # type: ignore[valid-type]
Options: TypeAlias = Annotated[Flags, Parameter(name="*")]
StylizeFlags: TypeAlias = mirror("stylizing", StylizeOptions, known=vars(StylizeOptions()))  # type: ignore[valid-type]
TrainFlags: TypeAlias = mirror("training", TrainOptions, known=vars(training_options()))  # type: ignore[valid-type]
TextureFlags: TypeAlias = mirror(  # type: ignore[valid-type]
    "painting", PaintOptions, known=vars(options_for(**TEXTURE)), hidden=NO_CONTENT
)

# Which of its two losses a reconstruction has hangs on what it is made from
LOSSES = {"content_weight": "1.0 if a layer is matched, else 0.0", "style_weight": "1.0 with --style-layers, else 0.0"}
ReconstructFlags: TypeAlias = mirror(  # type: ignore[valid-type]
    "painting", PaintOptions, known={**vars(options_for(**RECONSTRUCT)), **LOSSES}, hidden=NO_PHOTO
)

# The dial's sheet has several of two options, one of which finds the content weight
SEVERAL = dict.fromkeys(["strength", "style_scale"], "several")
DialFlags: TypeAlias = mirror(  # type: ignore[valid-type]
    "painting", PaintOptions, known={**vars(options_for(**DIAL_SHEET)), **SEVERAL}, hidden=["content_weight"]
)

# Figures have presets of their own; a picture and a run, options of their own, and a branch begins where it branches off
FigureFlags: TypeAlias = mirror("painting", PaintOptions, known=FIGURE_SHEET)  # type: ignore[valid-type]
RerunFlags: TypeAlias = mirror("painting and stylizing", PaintOptions, StylizeOptions, known={})  # type: ignore[valid-type]
BranchFlags: TypeAlias = mirror("painting", PaintOptions, known={}, hidden=["start", "budget"])  # type: ignore[valid-type]

VIDEO = {"size": "the video's", "strength": f"method fast: {StylizeOptions.strength}, else none"}
VideoFlags: TypeAlias = mirror(  # type: ignore[valid-type]
    "video, and of what paints its frames", VideoOptions, PaintOptions, StylizeOptions,
    known={**vars(StylizeOptions()), **PAINT, **vars(VideoOptions()), **VIDEO}, hidden=["budget"],
)  # fmt: skip
