"""The Dial tab: small paintings over strength and size of the strokes, to choose from. A click looks closer around one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.errors import InputError
from impasto.options import PaintOptions
from impasto.presets import DIAL_SHEET, options_for
from impasto.shipped import DEMO
from impasto.studio import stage
from impasto.studio.area import Area, Verb, buttons, name_of
from impasto.studio.fields import AT_ONCE
from impasto.studio.limits import check_picture
from impasto.studio.messages import Order
from impasto.studio.painting import EVERYWHERE, PaintForm
from impasto.studio.pictures import chosen_style, shipped_styles, upload
from impasto.studio.workshop import Workshop

DIAL = Verb(
    "dial", "Paint the sheet", lambda preset: options_for(preset, size=DIAL_SHEET["size"]), ("size", "colors"),
    ("A sheet to choose from appears here", "One photo at several strengths and sizes of the strokes."),
)  # fmt: skip
LARGE = "Paint it large"
CARRIED = ("strength", "style_scale", "colors")  # to the Paint tab
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


@dataclass(frozen=True)
class Dial:
    """The tab, for what has to be connected with it from elsewhere."""

    area: Area
    photo: gr.Image
    style: gr.Image
    large: gr.Button

    def carry_over(self, form: PaintForm, tabs: gr.Tabs) -> None:
        """Connect the button that paints large with the form that does it."""
        self.large.click(
            lambda ticket, colors, *pictures: carried(self.area.workshop, form, ticket, colors, pictures),
            [self.area.ticket, self.area.fields.made["colors"], self.photo, self.style],
            [tabs, form.photo, form.style, form.where, *form.area.fields.of(CARRIED)],
            **AT_ONCE,
        )


def dial_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> Dial:
    """Build the tab."""
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

    area.connect([photo, style], lambda options, preset, *pictures: dial_order(options, *pictures), page)
    press = area.stage.select(pressed, area.ticket, chosen, **AT_ONCE)
    area.on(press.success, partial(closer, area), [chosen, photo, style, *area.fields.components])
    shown = [area.stage, area.begin, area.stop, area.download, area.ticket]
    back.click(partial(went_back, workshop), area.ticket, shown, **AT_ONCE)
    area.ticket.change(partial(offered, workshop), area.ticket, [said, large, back], **AT_ONCE)
    thumbnails.select(chosen_style, None, style, **AT_ONCE)
    return Dial(area, photo, style, large)


def pressed(event: gr.EventData, ticket: Any) -> tuple[Any, int]:
    """The sheet, and which picture on it."""
    return ticket, int(event.index)


def closer(area: Area, pressed: tuple[str, int], content: str | None, painting: str | None, *values: Any) -> Order:
    """A sheet around the picture that was pressed. Raises InputError where that is gone."""
    ticket, index = pressed
    job = area.workshop.find(ticket)
    if job is None or job.laid is None or not 0 <= index < len(job.cells):
        raise InputError("There is no such picture on the sheet any more. Paint it anew.")
    order = dial_order(options_for(**area.fields.answers(values)), content, painting, job.laid.values[index])
    return replace(order, follows=ticket)


def went_back(workshop: Workshop, ticket: Any) -> list[Any]:
    """The sheet before, as far as it was painted."""
    job = workshop.find(ticket)
    earlier = workshop.find(job.order.follows) if job else None
    if earlier is None:
        return [gr.skip()] * 5
    workshop.leave(job, earlier)
    file = str(earlier.files[0]) if earlier.files else None
    return [stage.show(earlier), *buttons(False, file), earlier.ticket]


def offered(workshop: Workshop, ticket: Any) -> list[Any]:
    """What can be done with the sheet on the stage: its middle painted large, or the one before."""
    job = workshop.find(ticket)
    around = job.order.around if job else None
    words = "" if around is None else f"<p>In the middle: strength {around[0]:g}, strokes ×{around[1]:g}</p>"
    earlier = workshop.find(job.order.follows) if job else None
    return [words, gr.update(interactive=around is not None), gr.update(interactive=earlier is not None)]


def carried(workshop: Workshop, form: PaintForm, ticket: Any, colors: str, pictures: Sequence[str | None]) -> list[Any]:
    """The Paint tab opened, its form as the middle of the sheet has it."""
    job = workshop.find(ticket)
    if job is None or job.order.around is None:
        return [gr.skip()] * (4 + len(form.area.fields.of(CARRIED)))
    workshop.stop(job)
    options = options_for(strength=job.order.around[0], style_scale=job.order.around[1], colors=colors)
    return [gr.Tabs(selected="Paint"), *pictures, EVERYWHERE, *form.area.fields.showing(options, CARRIED)]


def dial_order(
    options: PaintOptions, photo: str | None, style: str | None, around: tuple[float, float] | None = None
) -> Order:
    """What the worker is to do. around: strength and style size to look closer around. Raises InputError."""
    content, painting = check_picture(photo, "photo"), check_picture(style, "style")
    keywords: dict[str, Any] = {"size": options.size, "colors": options.colors}
    if around is not None:
        keywords |= {"strength": around[0], "style_scale": around[1]}
    return Order("dial", Path(), name_of(content, painting, "dial"), (content, painting), keywords, around=around)
