"""The artefact doctor: looks at a finished picture for the faults that style transfer is known for.

It needs no network and takes a fraction of the time of any painting, so it looks at every one. A fault is a row of
`FAULTS`: a score of `symptoms`, the score from which it counts, what to say, and which options mend it.

The thresholds were chosen on pictures with planted faults, and checked on others: docs/report.md has the figures, and
`benchmarks/doctor.py` measures them.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto import symptoms
from impasto.backbones import pooling_of
from impasto.bundle import flag, limits_of
from impasto.options import PaintOptions, StylizeOptions


@dataclass(frozen=True)
class Finding:
    """A fault: its name, its score against the threshold (1 just counts), a sentence, and the options that may mend it.

    remedy: option -> value; empty where no option does.
    """

    name: str
    severity: float
    sentence: str
    remedy: Mapping[str, Any]

    @property
    def grade(self) -> str:
        """The severity in a word."""
        return "slight" if self.severity < 1.5 else "plain" if self.severity < 3 else "severe"

    @property
    def flags(self) -> str:
        """The remedy as it is typed: "--tv-weight 0.2", or nothing."""
        return " ".join(f"{flag(name)} {value:g}" if isinstance(value, float) else f"{flag(name)} {value}"
                        for name, value in self.remedy.items())  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a recipe."""
        return {
            "name": self.name,
            "severity": round(self.severity, 2),
            "sentence": self.sentence,
            "remedy": dict(self.remedy),
        }

    def __str__(self) -> str:
        """One line: what was found, how grave it is, and what to try."""
        return f"{self.sentence} ({self.grade})" + (f": try {self.flags}" if self.remedy else "")


class Examination(NamedTuple):
    """Every fault's score against its threshold, and the findings, the gravest first."""

    scores: dict[str, float]
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        """The entry "doctor" of a recipe."""
        return {
            "scores": {name: round(score, 3) for name, score in self.scores.items()},
            "findings": [finding.as_dict() for finding in self.findings],
        }


def findings_of(recipe: Mapping[str, Any]) -> list[Finding]:
    """The findings that a recipe holds under "doctor"."""
    return [Finding(**found) for found in recipe.get("doctor", {}).get("findings", ())]


@torch.no_grad()
def examine(
    image: Tensor,
    photo: Tensor | None = None,
    styles: Sequence[Tensor] = (),
    *,
    made: Mapping[str, Any] | None = None,
    skip: Collection[str] = (),
) -> Examination:
    """Look for every fault. image: (1, 3, H, W) in [0, 1]; photo of the same shape; styles of about the same longer side.

    made: the picture's recipe, so that a remedy starts from there. skip: faults that are meant.
    What cannot be told without photo or style scores 0, and so does everything in a picture of less than 64 pixels.
    """
    if min(image.shape[2:]) < symptoms.TILE:
        return Examination(dict.fromkeys(FAULTS, 0.0), [])
    case, (verb, options) = symptoms.case_of(image, photo, styles), as_made(made or {})
    scores = {
        name: 0.0 if name in skip else max(0.0, fault.score(case)) / fault.threshold for name, fault in FAULTS.items()
    }
    findings = [
        Finding(name, score, FAULTS[name].sentence, FAULTS[name].remedy(verb, options))
        for name, score in scores.items()
        if score >= 1
    ]
    return Examination(scores, sorted(findings, key=lambda finding: -finding.severity))


def as_made(recipe: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The verb and the options that made a picture, with the passes that presto really took."""
    options = recipe.get("options", {})
    passes = {"passes": math.ceil(recipe["passes"])} if "passes" in recipe else {}
    return recipe.get("verb", "paint"), {**options, **passes}


# ------------------------------------------------------------------------------------------------- the remedies

Remedy = Callable[[str, Mapping[str, Any]], dict[str, Any]]


def scaled(name: str, factor: float, least: float = 0.0) -> Callable[[Mapping[str, Any]], Any]:
    """An option's value times a factor, at least `least` and at most what the option takes; whole where it was whole."""
    _, most = limits_of(PaintOptions, name)

    def change(options: Mapping[str, Any]) -> Any:
        value = options.get(name, 0.0)
        changed = min(max(value * factor, least), most)
        return round(changed) if isinstance(value, int) else float(f"{changed:.3g}")

    return change


def remedy(**verbs: tuple[str, Callable[[Mapping[str, Any]], Any]] | None) -> Remedy:
    """A remedy by verb: (option, options -> its new value). A verb that is not named has none."""

    def changes(verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
        chosen = verbs.get(verb)
        if chosen is None:
            return {}
        name, change = chosen
        value = change(options)
        return {} if options.get(name) == value else {name: value}

    return changes


def smoothed(verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Against patterns: average pooling where there is none, else more total variation."""
    if verb == "paint" and pooling_of(options.get("backbone", "petit"), options.get("pooling", "auto")) == "max":
        return {"pooling": "average"}
    return remedy(paint=("tv_weight", scaled("tv_weight", 4, 0.2)), stylize=("strength", scaled("strength", 0.7)))(
        verb, options
    )


def one_more(options: Mapping[str, Any]) -> int:
    """A pass more than there were, as far as there may be more."""
    return min((options.get("passes") or 1) + 1, round(limits_of(StylizeOptions, "passes")[1]))


def balanced(factor: float, way: float, least: float = 0.0) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    """`content_weight` times a factor; where a strength finds that weight, the strength goes `way` instead."""

    def changes(verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if options.get("strength") is None:
            return remedy(paint=("content_weight", scaled("content_weight", factor, least)))(verb, options)
        return remedy(paint=("strength", lambda found: min(max(found["strength"] + way, 0.0), 100.0)))(verb, options)

    return changes


def bolder(verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Against a picture that is hardly painted: less content, all the strength, one pass more."""
    if verb == "stylize":
        weak = options.get("strength", 100.0) < 100
        return {"strength": 100.0} if weak else remedy(stylize=("passes", one_more))(verb, options)
    return balanced(0.25, 20.0)(verb, options or PaintOptions().as_dict())


def tamer(verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Against a scene that is lost: more content, less strength."""
    return remedy(stylize=WEAKER)(verb, options) if verb == "stylize" else balanced(4, -20.0, 0.06)(verb, options)


WEAKER = ("strength", scaled("strength", 0.7))
SOFTER = ("mask_softness", scaled("mask_softness", 2, 0.1))


@dataclass(frozen=True)
class Fault:
    """A row: the score of a case, from which score on it counts, what is said, and (verb, options) -> what to change."""

    score: Callable[[symptoms.Case], float]
    threshold: float
    sentence: str
    remedy: Remedy


FAULTS: dict[str, Fault] = {
    "checkerboard": Fault(symptoms.checkerboard, 3.0, "a fine regular pattern lies over the picture", smoothed),
    "weave": Fault(symptoms.weave, 0.15, "a fine woven grid lies over the picture", smoothed),
    "border": Fault(
        symptoms.border,
        0.036,
        "a band runs along the edges",
        remedy(paint=("canvas_padding", scaled("canvas_padding", 2, 32))),
    ),
    "haze": Fault(
        symptoms.haze,
        0.168,
        "a gray veil lies over the picture",
        remedy(
            paint=("steps", scaled("steps", 2, 128)),
            stylize=("passes", one_more),
        ),
    ),
    "speckle": Fault(
        symptoms.speckle,
        0.0021,
        "dots stand out all over",
        remedy(paint=("tv_weight", scaled("tv_weight", 4, 0.2)), stylize=WEAKER),
    ),
    "seams": Fault(
        symptoms.seams, symptoms.SEAM, "a straight seam runs through the picture", remedy(paint=SOFTER, stylize=SOFTER)
    ),
    "clipping": Fault(
        symptoms.clipping,
        0.34,
        "much of the picture is burnt out or drowned in black",
        remedy(paint=("range_weight", scaled("range_weight", 10, 100)), stylize=WEAKER),
    ),
    "dead content": Fault(
        symptoms.dead_content,
        7.0,
        "of the photo's contours hardly anything is left",
        tamer,
    ),
    "under-stylized": Fault(symptoms.under_stylized, 4.0, "the picture is still the photo", bolder),
}  # fmt: skip
