"""The Gallery tab: what was painted in this browser, and sheets to draw."""

from pathlib import Path
from typing import Any

import gradio as gr

from impasto.errors import OptionError
from impasto.figures.table import FIGURES
from impasto.options import PaintOptions
from impasto.presets import FIGURE_SHEET, options_for
from impasto.studio.area import Area, Verb, known
from impasto.studio.fields import AT_ONCE
from impasto.studio.limits import check_picture
from impasto.studio.messages import Order
from impasto.studio.workshop import Workshop

FIGURE = Verb(
    "figure", "Draw the sheet", lambda preset: options_for(preset, size=FIGURE_SHEET["size"]), ("size",),
    ("A sheet appears here", "Pictures side by side, which explain what an option does."),
)  # fmt: skip
FIRST = "any-style"


def gallery_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> None:
    """Build the tab."""
    area = Area(workshop, FIGURE, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            name = gr.Dropdown(list(FIGURES), value=FIRST, label="Sheet", filterable=False)
            shows = gr.HTML(told(FIRST), elem_classes="story")
            with gr.Accordion("With pictures of your own", open=False, elem_classes="section"):
                photos = gr.File(label="Photos", file_count="multiple", height=150)
                styles = gr.File(label="Styles", file_count="multiple", height=150)
            area.form(whole=False)
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
            painted = gr.Gallery(
                label="Painted in this browser", columns=5, height="auto", object_fit="cover", buttons=["download"],
                interactive=False, visible=False, elem_classes="painted",
            )  # fmt: skip
    area.connect([name, photos, styles], figure_order, page)

    name.change(told, name, shows, **AT_ONCE)

    def pictures(found: Any) -> Any:
        jobs = [workshop.find(ticket) for ticket in reversed(known(found))]
        ready = [
            (str(job.files[0]), job.order.name) for job in jobs if job and job.files and job.order.verb != "figure"
        ]
        return gr.update(value=ready, visible=bool(ready))

    gr.on([page.load, tab.select], pictures, tickets, painted, **AT_ONCE)


def told(name: str) -> str:
    """What a sheet shows, as a paragraph."""
    figure = FIGURES.get(name)
    return f"<p>{figure.shows[:1].upper()}{figure.shows[1:]}.</p>" if figure else ""


def figure_order(options: PaintOptions, preset: str, name: str, photos: Any, styles: Any) -> Order:
    """What the worker is to do. Raises InputError or OptionError."""
    if name not in FIGURES:
        raise OptionError("There is no such sheet. Choose one from the list.")
    contents = [check_picture(path, "photo") for path in photos or ()]
    paintings = [check_picture(path, "style") for path in styles or ()]
    return Order("figure", Path(), f"impasto-{name}", (name, contents, paintings), {"size": options.size})
