"""The Dial tab: small paintings over strength and size of the strokes, to choose from. A click looks closer around one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from impasto import choosing
from impasto.errors import InputError
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.shipped import DEMO
from impasto.studio import stage
from impasto.studio.easel import Area, Verb, buttons, name_of
from impasto.studio.fields import AT_ONCE
from impasto.studio.limits import check_picture
from impasto.studio.messages import Order
from impasto.studio.painting import EVERYWHERE, PaintForm
from impasto.studio.pictures import chosen_style, shipped_styles, upload
from impasto.studio.workshop import Workshop

DIAL = Verb(
    "dial", "Paint the sheet", lambda preset: options_for(preset, size=choosing.SMALL["size"]), ("size", "colors"),
    ("A sheet to choose from appears here", "One photo at several strengths and sizes of the strokes."),
)  # fmt: skip
LARGE = "Paint it large"
# A sheet that is being painted is written anew now and then: a press may begin on one button and end on the next in its
# place, and the keyboard's focus would be lost.
PRESSES = """
const cell = (event) => event.target.closest?.("[data-cell]")?.dataset.cell;
let held, focused;
element.addEventListener("pointerdown", (event) => { held = cell(event); });
element.addEventListener("pointerup", (event) => {
  if (held !== undefined && cell(event) === held) trigger("select", { index: Number(held) });
  held = undefined;
});
element.addEventListener("pointercancel", () => { held = undefined; });
element.addEventListener("click", (event) => {  // by the keyboard, or by what reads the page aloud
  if (event.detail === 0 && cell(event) !== undefined) trigger("select", { index: Number(cell(event)) });
});
element.addEventListener("focusin", (event) => { focused = cell(event); });
element.addEventListener("focusout", (event) => { if (event.relatedTarget) focused = undefined; });
watch("value", () => {
  if (focused !== undefined && document.activeElement === document.body)
    element.querySelector(`[data-cell="${focused}"]`)?.focus({ preventScroll: true });
});
"""


def dial_tab(
    workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab
) -> Callable[[PaintForm, gr.Tabs], None]:
    """Build the tab; what is returned connects it with the form that paints large."""
    area = Area(workshop, DIAL, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            with gr.Row(elem_classes="pictures"):
                photo = upload("Photo", DEMO / "valley.jpg")
                style = upload("Style", DEMO / "swirl.jpg")
            thumbnails = shipped_styles()
            area.form(whole=False)
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show(PRESSES)
            with gr.Row(elem_classes="chosen"):
                said = gr.HTML(elem_classes="story")
                large = gr.Button(LARGE, interactive=False, variant="primary", size="md")
                back = gr.Button("Back", interactive=False, size="md")
    chosen = gr.State(None)  # the sheet, by its ticket, and the picture on it that was pressed

    def whole(options: PaintOptions, preset: str, content: str | None, painting: str | None) -> Order:
        return dial_order(options, content, painting)

    def closer(pressed: tuple[str, int], content: str | None, painting: str | None, *values: Any) -> Order:
        ticket, index = pressed
        job = workshop.find(ticket)
        if job is None or job.laid is None or not 0 <= index < len(job.cells):
            raise InputError("There is no such picture on the sheet any more. Paint it anew.")
        order = dial_order(options_for(**area.fields.answers(values)), content, painting, job.laid.values[index])
        return replace(order, follows=ticket)

    def pressed(event: gr.EventData, ticket: Any) -> tuple[Any, int]:
        return ticket, int(event.index)

    def went_back(ticket: Any) -> list[Any]:
        """The sheet before, as far as it was painted."""
        job = workshop.find(ticket)
        earlier = workshop.find(job.order.follows) if job else None
        if earlier is None:
            return [gr.skip()] * 5
        workshop.leave(job, earlier)
        file = str(earlier.files[0]) if earlier.files else None
        return [stage.show(earlier), *buttons(False, file), earlier.ticket]

    def offered(ticket: Any) -> list[Any]:
        """What can be done with the sheet on the stage: its middle painted large, or the one before."""
        job = workshop.find(ticket)
        around = job.order.around if job else None
        words = "" if around is None else f"<p>In the middle: strength {around[0]:g}, strokes ×{around[1]:g}</p>"
        earlier = workshop.find(job.order.follows) if job else None
        return [words, gr.update(interactive=around is not None), gr.update(interactive=earlier is not None)]

    area.connect([photo, style], whole, page)
    press = area.stage.select(pressed, area.ticket, chosen, **AT_ONCE)
    area.on(press.success, closer, [chosen, photo, style, *area.fields.components])
    back.click(went_back, area.ticket, [area.stage, area.begin, area.stop, area.download, area.ticket], **AT_ONCE)
    area.ticket.change(offered, area.ticket, [said, large, back], **AT_ONCE)
    thumbnails.select(chosen_style, None, style, **AT_ONCE)

    def carry_over(form: PaintForm, tabs: gr.Tabs) -> None:
        """Connect the button that paints large."""
        names = ("strength", "style_scale", "colors")

        def carried(ticket: Any, colors: str, *pictures: str | None) -> list[Any]:
            job = workshop.find(ticket)
            if job is None or job.order.around is None:
                return [gr.skip()] * (4 + len(form.area.fields.of(names)))
            workshop.stop(job)
            options = options_for(strength=job.order.around[0], style_scale=job.order.around[1], colors=colors)
            return [gr.Tabs(selected="Paint"), *pictures, EVERYWHERE, *form.area.fields.showing(options, names)]

        large.click(
            carried,
            [area.ticket, area.fields.made["colors"], photo, style],
            [tabs, form.photo, form.style, form.where, *form.area.fields.of(names)],
            **AT_ONCE,
        )

    return carry_over


def dial_order(
    options: PaintOptions, photo: str | None, style: str | None, around: tuple[float, float] | None = None
) -> Order:
    """What the worker is to do. around: strength and style size to look closer around. Raises InputError."""
    content, painting = check_picture(photo, "photo"), check_picture(style, "style")
    keywords: dict[str, Any] = {"size": options.size, "colors": options.colors}
    if around is not None:
        keywords |= {"strength": around[0], "style_scale": around[1]}
    return Order("dial", Path(), name_of(content, painting, "dial"), (content, painting), keywords, around=around)
