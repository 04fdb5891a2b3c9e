"""Sheets to choose from: one photo at several strengths and style sizes, and the paintings that suit a photo.

Under every picture of the dial stand the flags that paint it. Given a strength or a style size, it looks closer around it.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from impasto import coverage, images
from impasto.bundle import limits_of
from impasto.coverage import Found
from impasto.figures.layout import Job, Plan
from impasto.opening import FilePath
from impasto.options import PaintOptions
from impasto.presets import DIAL_SHEET, options_for, over
from impasto.sheets import Cell, Sheet

STRENGTHS, SCALES = (20.0, 40.0, 60.0, 80.0, 100.0), (0.5, 1.0, 2.0)
WAYS, RATIOS = (-10.0, -5.0, 0.0, 5.0, 10.0), (0.8, 1.0, 1.25)  # around a strength and a style size
WIDE = 5  # thumbnails in a row


def dial(
    content: FilePath,
    style: FilePath,
    *,
    strength: float | None = None,
    style_scale: float | str | None = None,
    preset: str = "default",
    **given: Any,
) -> Plan:
    """A row for each style size, a column for each strength.

    strength, style_scale: to look closer around; "auto" is the size that `coverage` finds. given: single options, such as
    size=240. Raises InputError or OptionError.
    """
    pictures = [images.load(path) for path in (content, style)]  # what cannot be read is found before it is painted
    if style_scale == "auto":
        style_scale = coverage.best_scale(*pictures)
    strengths, scales = list(STRENGTHS), list(SCALES)
    if strength is not None or style_scale is not None:
        center, size = 60.0 if strength is None else strength, 1.0 if style_scale is None else float(style_scale)
        PaintOptions(strength=center, style_scale=size)  # which refuses what is out of range
        strengths = within("strength", [center + way for way in WAYS])
        scales = within("style_scale", [round(size * ratio, 2) for ratio in RATIOS])
    sources = {"content": Path(content), "style": Path(style)}
    jobs = [
        [
            Job(
                "paint",
                sources,
                options_for(preset, **over(DIAL_SHEET, given) | {"strength": strong, "style_scale": scale}),
                label=flags(strong, scale),
            )
            for strong in strengths
        ]
        for scale in scales
    ]
    large, closer = command("paint", content, style), command("dial", content, style)
    caption = f"{large} with the flags under a picture paints it large; {closer} with them looks closer."
    rows, columns = [f"style size {scale:g}" for scale in scales], [f"strength {strong:g}" for strong in strengths]
    return Plan(f"{Path(content).stem} in {Path(style).stem}", caption, rows, columns, jobs)


def within(name: str, values: Sequence[float]) -> list[float]:
    """The values, each once, brought inside the limits of the option."""
    least, most = limits_of(PaintOptions, name)
    return list(dict.fromkeys(min(max(value, least), most) for value in values))


def flags(strength: float, style_scale: float) -> str:
    """What to add to the command for a picture of the sheet."""
    return f"--strength {strength:g} --style-scale {style_scale:g}"


def command(verb: str, content: FilePath, style: FilePath) -> str:
    """As one types it."""
    return shlex.join(["impasto", verb, str(content), str(style)])


def thumbnails(content: FilePath, found: Sequence[Found]) -> Sheet:
    """The paintings as `coverage.scout` ranked them, behind the photo."""
    cells = [Cell(images.resize(images.load(content), coverage.SIZE), "the photo")]
    cells += [
        Cell(one.image, f"{number}. {Path(one.path).name} · {one.distance:.3f}") for number, one in enumerate(found, 1)
    ]
    cells += [Cell(None)] * (-len(cells) % WIDE)
    rows = [cells[start : start + WIDE] for start in range(0, len(cells), WIDE)]
    caption = "Distance of the photo's features to the nearest of the painting's: the less, the better it covers them."
    return Sheet(f"Paintings for {Path(content).stem}", caption, [""] * len(rows), [""] * WIDE, rows)
