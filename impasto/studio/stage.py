"""What is seen of a painting, as HTML: the preview with its losses and the time left, then before and after.

One element for all states, so that nothing jumps. Pictures are inside it, so that a preview leaves no file anywhere.
"""

import html
import math
from base64 import b64encode
from collections.abc import Sequence

from impasto.doctor import Finding
from impasto.studio.forms import label_of
from impasto.studio.messages import Laid, Report
from impasto.studio.workshop import Job

CURVE = 240, 44  # width and height of the loss curve in its own units
POINTS = 120  # that the curve is drawn with, at most


def show(job: Job, ahead: int = 0, before: bytes | None = None) -> str:
    """A job as it stands. ahead: how many go before it; before: a JPEG to compare the result with."""
    if job.state == "waiting":
        place = "You are next in line." if ahead == 0 else f"{ahead} before you in the line."
        return frame("waiting", note("Waiting for its turn", place))
    if job.laid is not None:
        return sheet(job, job.laid)
    if job.ended:
        return result(job, before)
    if job.preview is None or job.report is None:
        if job.fetching is not None:
            share = job.fetching.done / max(1, job.fetching.total)
            told = f"{job.fetching.done / 1e6:.0f} of {job.fetching.total / 1e6:.0f} MB, once"
            return frame("waiting", note("Fetching the network", told) + bar(share))
        return frame("waiting", note("Looking at the pictures", "The first preview comes in a moment.") + bar(None))
    report = job.report
    caption = line([pixels(report), f"{report.unit} {report.index} of {report.total}", left(job)], curve(job.history))
    picture = image(job.preview, f"The painting at {report.unit} {report.index} of {report.total}")
    return frame("working", picture + bar(report.index / report.total) + caption)


def result(job: Job, before: bytes | None) -> str:
    """What an ended job leaves: the picture, compared with `before` if there is one, and how it went."""
    words = "" if job.error is None else f'<p class="said" role="alert">{html.escape(job.error)}</p>'
    if job.preview is None:
        return frame("ended", words or note("Stopped", "Before there was anything to see."))
    picture = compare(before, job.preview) if before else image(job.preview, "The finished picture")
    report = job.report
    facts = []
    if report is not None:
        reached = (
            f"stopped at step {report.index} of {report.total}" if job.state != "done" else f"{report.index} steps"
        )
        facts = [pixels(report), reached, duration(report.seconds)]
    return frame("ended", words + picture + line(facts, curve(job.history)) + advice(job.findings))


def sheet(job: Job, laid: Laid) -> str:
    """A sheet to choose from, as far as it is painted: every cell that is there can be pressed."""
    total = len(laid.values)
    columns = "".join(f'<span class="axis">{strength:g}</span>' for strength in laid.strengths)
    rows = []
    for row, scale in enumerate(laid.scales):
        cells = [cell(job, laid, row * len(laid.strengths) + column) for column in range(len(laid.strengths))]
        rows.append(f'<span class="axis row">strokes ×{scale:g}</span>{"".join(cells)}')
    grid = (
        f'<div class="dial" role="group" aria-label="Strength across, size of the strokes down" '
        f'style="--columns:{len(laid.strengths)};--aspect:{laid.aspect:.3f}">'
        f'<span class="axis row">strength</span>{columns}{"".join(rows)}</div>'
    )
    if not job.ended:
        told = [f"picture {min(len(job.cells) + 1, total)} of {total}", left(job)]
        return frame("working", grid + bar(len(job.cells) / total) + line(told, ""))
    words = "" if job.error is None else f'<p class="said" role="alert">{html.escape(job.error)}</p>'
    reached = "" if len(job.cells) == total else f"stopped after {len(job.cells)} of {total} pictures"
    return frame("ended", words + grid + line(["Choose one to look closer around it.", reached], ""))


def cell(job: Job, laid: Laid, index: int) -> str:
    """One place of the sheet: a button with its picture, the picture being painted, or nothing yet."""
    strength, scale = laid.values[index]
    name = f"strength {strength:g}, strokes ×{scale:g}"
    if index < len(job.cells):
        center = " center" if (strength, scale) == job.order.around else ""
        return (
            f'<button type="button" class="cell{center}" data-cell="{index}" aria-label="{name}" title="{name}">'
            f'<img src="{source(job.cells[index])}" alt=""></button>'
        )
    if index == len(job.cells) and job.preview is not None and not job.ended:
        return f'<div class="cell now"><img src="{source(job.preview)}" alt="Being painted: {name}"></div>'
    return '<div class="cell"></div>'


def answered(before: bytes | None, after: bytes, facts: Sequence[str]) -> str:
    """A picture that was there at once."""
    return frame("ended", (compare(before, after) if before else image(after, "The picture")) + line(facts, ""))


def empty(title: str, text: str) -> str:
    """A stage on which nothing has been shown yet."""
    return frame("empty", note(title, text))


def trouble(text: str) -> str:
    """A stage that says what was wrong."""
    return frame("ended", f'<p class="said" role="alert">{html.escape(text)}</p>')


# ---------------------------------------------------------------------------------------------------------- parts


def frame(state: str, inside: str) -> str:
    """The stage in a state: empty, waiting, working or ended."""
    return f'<section class="stage {state}" data-state="{state}" aria-label="The painting">{inside}</section>'


def note(title: str, text: str) -> str:
    """Two lines in the middle of an empty stage."""
    return f'<div class="note"><p class="title">{html.escape(title)}</p><p>{html.escape(text)}</p></div>'


def image(data: bytes, alternative: str) -> str:
    """A JPEG."""
    return f'<div class="canvas"><img src="{source(data)}" alt="{html.escape(alternative)}"></div>'


def source(data: bytes) -> str:
    """A JPEG as the address of a picture."""
    return f"data:image/jpeg;base64,{b64encode(data).decode()}"


def compare(before: bytes, after: bytes) -> str:
    """Two pictures of one shape with a handle between them, which the arrow keys move too."""
    return (
        '<div class="canvas compare" style="--at:0%">'
        f'<img src="{source(after)}" alt="The finished picture">'
        f'<img class="before" src="{source(before)}" alt="The photo before">'
        '<input type="range" min="0" max="100" value="0" step="1" aria-label="Photo against painting" '
        "oninput=\"this.parentElement.style.setProperty('--at', this.value + '%')\">"
        '<span class="handle" aria-hidden="true"></span></div>'
    )


def advice(findings: Sequence[Finding]) -> str:
    """What the artefact doctor found, and what mends it, a sentence each; nothing where all is well."""
    told = []
    for finding in findings:
        tries = " and ".join(
            f"{label_of(name)} {value:g}" if isinstance(value, float) else f"{label_of(name)} {value}"
            for name, value in finding.remedy.items()
        )
        told.append(f"{finding.sentence[:1].upper()}{finding.sentence[1:]}{f': try {tries}' if tries else ''}.")
    return f'<p class="advice">{" ".join(html.escape(one) for one in told)}</p>' if told else ""


def left(job: Job) -> str:
    """How long it will still take, as far as anybody knows."""
    return "" if job.left is None else f"{duration(job.left)} left"


def pixels(report: Report) -> str:
    """The size, where there is one to tell."""
    return f"{report.size} px" if report.size else ""


def bar(share: float | None) -> str:
    """How far it is, from 0 to 1; None where nobody knows."""
    if share is None:
        return '<div class="bar unknown" role="progressbar" aria-label="Progress"><span></span></div>'
    percent = round(100 * min(1.0, share), 1)
    return (
        f'<div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent:g}"><span style="width:{percent:g}%"></span></div>'
    )


def line(facts: Sequence[str], drawing: str) -> str:
    """Facts in a row, and a drawing at its end."""
    words = "".join(f"<span>{html.escape(fact)}</span>" for fact in facts if fact)
    return f'<footer><div class="facts">{words}</div>{drawing}</footer>' if words or drawing else ""


def curve(history: Sequence[tuple[int, float]]) -> str:
    """The losses as a line, logarithmic; each scale by itself, for their losses cannot be compared."""
    if len(history) < 3:
        return ""
    width, height = CURVE
    lines, marks, start = [], [], 0
    for index in range(1, len(history) + 1):
        if index == len(history) or history[index][0] != history[start][0]:
            lines.append(polyline([loss for _, loss in history[start:index]], start, len(history)))
            if index < len(history):
                x = width * index / (len(history) - 1)
                marks.append(f'<line class="scale" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
            start = index
    return (
        f'<svg class="curve" viewBox="0 -2 {width} {height + 4}" preserveAspectRatio="none" role="img" '
        f'aria-label="Loss, now {history[-1][1]:.3g}">{"".join(marks)}{"".join(lines)}</svg>'
    )


def polyline(losses: Sequence[float], first: int, total: int) -> str:
    """One scale's losses between their own least and most."""
    width, height = CURVE
    logs = [math.log(max(loss, 1e-12)) for loss in losses]
    low, high = min(logs), max(logs)
    span = (high - low) or 1.0
    every = max(1, len(logs) // POINTS)
    points = [
        f"{width * (first + index) / max(1, total - 1):.1f},{height * (1 - (value - low) / span):.1f}"
        for index, value in enumerate(logs)
        if index % every == 0 or index == len(logs) - 1
    ]
    return f'<polyline points="{" ".join(points)}"/>'


def duration(seconds: float) -> str:
    """8 s, 1 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
