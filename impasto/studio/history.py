"""Going back: a kept step of the painting on the stage, and painting on from there with the options as they stand now."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from impasto import scales
from impasto.errors import InputError
from impasto.options import PaintOptions
from impasto.studio import stage
from impasto.studio.area import Area
from impasto.studio.fields import AT_ONCE
from impasto.studio.limits import check_size
from impasto.studio.messages import Order
from impasto.studio.worker import RUN
from impasto.studio.workshop import Job


def going_back(area: Area) -> Callable[[], None]:
    """Build the part under the stage; what is returned connects it, once the area is."""
    with gr.Accordion("Go back, or go on from here", open=False, visible=False, elem_classes="section back") as part:
        with gr.Row(elem_classes="pictures"):
            at = gr.Slider(0, 1, value=0, step=1, label="Step", info="Every 25th is kept, and the last.", buttons=[])
            more = gr.Number(
                0, label="More steps", info="At the last size.", precision=0, minimum=0, min_width=110, scale=0
            )
        on = gr.Button("Paint on from this step with the options as they are now")

    def shown(ticket: Any, step: float) -> Any:
        """The painting as it stood then."""
        job = area.workshop.find(ticket)
        if job is None or not job.ended or not job.kept:
            return gr.skip()
        kept = nearest(job, step)
        return stage.answered(None, job.kept[kept], [f"step {kept} of {job.report.total if job.report else kept}"])

    def order(ticket: Any, step: float, further: int | None, *values: Any) -> Order:
        """What the worker is to do. Raises InputError or OptionError."""
        job = area.workshop.find(ticket)
        if job is None or job.options is None or not job.kept:
            raise InputError("There is no painting to go on from. Paint one first.")
        wanted = lengthened(job.options.replace(**area.fields.answers(values)), further or 0)
        check_size(wanted.size)
        run, changes = job.order.folder / RUN, changed(job.options, wanted)
        arguments = (run, nearest(job, step), changes)
        return Order("branch", Path(), job.order.name, arguments, photo=job.order.photo, planned=wanted)

    def connect() -> None:
        gr.on([area.begin.click, on.click], lambda: gr.update(visible=False), None, part, **AT_ONCE)
        area.download.change(lambda ticket: offered(area.workshop.find(ticket)), area.ticket, [part, at], **AT_ONCE)
        at.input(shown, [area.ticket, at], area.stage, **AT_ONCE)
        area.on(on.click, order, [area.ticket, at, more, *area.fields.components])

    return connect


def offered(job: Job | None) -> list[Any]:
    """The part under the stage for the job that has just ended, and the slider among its kept steps: one needs none."""
    if job is None or not job.ended or not job.kept:
        return [gr.update(visible=False), gr.skip()]
    first, last = min(job.kept), max(job.kept)
    return [
        gr.update(visible=True),
        gr.update(minimum=first if first < last else 0, maximum=last, value=last, visible=first < last),
    ]


def nearest(job: Job, step: float) -> int:
    """The kept step that is nearest."""
    return min(job.kept, key=lambda kept: abs(kept - step))


def lengthened(options: PaintOptions, further: int) -> PaintOptions:
    """The options with so many steps more at the last size."""
    alone = len(scales.plan(options)) == 1 and options.first_steps
    name = "first_steps" if alone else "steps"
    return options.replace(**{name: getattr(options, name) + further})


def changed(was: PaintOptions, wanted: PaintOptions) -> dict[str, Any]:
    """The options that differ."""
    before = was.as_dict()
    return {name: value for name, value in wanted.as_dict().items() if value != before[name]}
