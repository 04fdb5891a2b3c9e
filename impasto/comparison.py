"""The same pair by several presets, backbones, losses or engines: a sheet with pictures, figures and times.

Each is the picture that `impasto paint` or `impasto stylize` would make, as a `Job` of `figures`; under it stand its
distances, by the report card's measures, and its seconds.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from impasto import backbones, images
from impasto.backbones import Backbone
from impasto.bundle import those_of
from impasto.errors import OptionError
from impasto.evaluation import evaluate
from impasto.figures.layout import Job, Made, Plan, folded
from impasto.options import BackboneName, EngineName, PaintOptions, StyleLoss, StylizeOptions
from impasto.presets import options_for

JUDGE = "petit"
CAPTION = (
    "Under each picture: how much of the way to the style is left (1: all of it, as in the photo) and the feature distance "
    f"to the photo, both judged by {JUDGE}; what the doctor found; and the seconds that it took on this machine."
)


def plan(
    content: Path,
    style: Path,
    *,
    presets: Sequence[str] = (),
    backbones: Sequence[BackboneName] = (),
    losses: Sequence[StyleLoss] = (),
    engines: Sequence[EngineName] = (),
    **given: Any,
) -> Plan:
    """One column for everything that is named; with nothing named, the losses wasserstein, moments and gram, and presto.

    given: single options for all, such as size=256. Raises OptionError for options that do not fit, InputError for a
    picture that cannot be read.
    """
    for path in (content, style):
        images.load_picture(path)
    if not (presets or backbones or losses or engines):
        losses, engines = ("wasserstein", "moments", "gram"), ("auto",)
    columns: dict[str, PaintOptions | StylizeOptions] = {}
    columns |= {name: options_for(name, **given) for name in presets}
    columns |= {name: options_for(**{**given, "backbone": name}) for name in backbones}
    columns |= {name: options_for(**{**given, "style_loss": name}) for name in losses}
    shared = those_of(StylizeOptions, given)
    columns |= {f"presto by {name}" if name != "auto" else "presto": StylizeOptions(engine=name, **shared)
                for name in engines}  # fmt: skip
    if len({options.size for options in columns.values()}) > 1:
        raise OptionError("The presets paint at different sizes, which cannot be compared. Give one --size for all.")
    sources = {"content": content, "style": style}
    (size,) = {options.size for options in columns.values()}
    originals = [Job("show", {"content": path}, PaintOptions(size=size)) for path in (content, style)]
    jobs = [
        Job("stylize" if isinstance(options, StylizeOptions) else "paint", sources, options, measured)
        for options in columns.values()
    ]
    title = f"{content.stem} in the manner of {style.stem}"
    return folded(Plan(title, CAPTION, [""], ["photo", "painting", *columns], [[*originals, *jobs]]))


@cache
def judge() -> Backbone:
    """The network that judges, loaded once."""
    return backbones.load(JUDGE)


def measured(made: Made) -> str:
    """What stands under a picture: its distances, and the doctor's findings."""
    report = evaluate(made.image, made.job.sources["content"], made.job.sources["style"], backbone=judge())
    found = [finding.name for finding in report.findings]
    return " · ".join([f"style {report['style']:.2f}", f"content {report['content']:.2f}", *found])
