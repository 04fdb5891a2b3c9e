"""The Train tab: paintings and photographs become a network that paints in that style at once, in the Stylize tab."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.errors import InputError
from impasto.options import TrainOptions
from impasto.presets import TRAINING, training_options
from impasto.shipped import DEMO
from impasto.studio.area import Area, Verb, name_of
from impasto.studio.fields import AT_ONCE
from impasto.studio.limits import check_photos, check_picture, plain_name
from impasto.studio.messages import Order
from impasto.studio.pictures import chosen_style, shipped_styles, upload
from impasto.studio.workshop import Job, Workshop

TRAIN = Verb(
    "train", "Train", training_options, ("steps", "size"),
    ("Photos in your style appear here", "Drop photographs, a few hundred if you can, and press Train."),
    presets=TRAINING,
)  # fmt: skip


def train_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> Callable[..., None]:
    """Build the tab; what is returned connects it with the place for a trained network, in another tab."""
    area = Area(workshop, TRAIN, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            style = upload("Painting", DEMO / "swirl.jpg")
            thumbnails = shipped_styles()
            photos = gr.File(label="Photographs", file_count="multiple", height=150, elem_classes="photographs")
            folder = gr.UploadButton("Choose a folder of photographs", file_count="directory", size="sm")
            with gr.Accordion("More paintings in the same network", open=False, elem_classes="section"):
                further = gr.File(label="Paintings", file_count="multiple", height=130)
            name = gr.Textbox("", label="Name", info="Of the network; none: the painting's.", max_lines=1)
            area.form()
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
            with gr.Row(elem_classes="chosen"):
                use = gr.Button("Use it in Stylize", interactive=False, variant="primary", size="md")
                more = gr.Button("Train on", interactive=False, size="md")
                checkpoint = gr.DownloadButton("Checkpoint", interactive=False, size="md")

    def onwards(ticket: Any, steps: float | None) -> Order:
        return train_on(workshop.find(ticket), steps)

    def offered(ticket: Any) -> list[Any]:
        """What can be done with the training that has just ended."""
        job = workshop.find(ticket)
        files = job.files if job is not None and job.ended else ()
        return [
            gr.update(interactive=bool(files)),
            gr.update(interactive=len(files) > 1),
            gr.update(interactive=len(files) > 1, value=str(files[-1]) if len(files) > 1 else None),
        ]

    area.connect([style, further, photos, name], train_order, page)
    area.on(more.click, onwards, [area.ticket, area.fields.made["steps"]])
    area.download.change(offered, area.ticket, [use, more, checkpoint], **AT_ONCE)
    folder.upload(lambda paths: paths, folder, photos, **AT_ONCE)
    thumbnails.select(chosen_style, None, style, **AT_ONCE)

    def carry_over(place: tuple[gr.Accordion, gr.File], tabs: gr.Tabs) -> None:
        """Connect the button that uses the network."""

        def carried(ticket: Any) -> list[Any]:
            job = workshop.find(ticket)
            if job is None or not job.files:
                return [gr.skip()] * 3
            return [gr.Tabs(selected="Stylize"), gr.update(open=True), str(job.files[0])]

        use.click(carried, area.ticket, [tabs, *place], **AT_ONCE)

    return carry_over


def train_order(
    options: TrainOptions, preset: str, style: str | None, further: Sequence[str] | None, photos: Any, name: str
) -> Order:
    """What the worker is to do. Raises InputError."""
    paintings = [check_picture(path, "painting") for path in (style, *(further or ()))]
    return Order(
        "train", Path(), plain_name(name or "") or name_of(*paintings), (paintings, check_photos(photos), options)
    )


def train_on(job: Job | None, steps: float | None) -> Order:
    """The training of a job from where it ended to so many steps in all, None: none are given. Raises InputError."""
    if job is None or not job.ended or len(job.files) < 2:
        raise InputError("There is no training to go on with. Begin one first.")
    reached = job.report.index if job.report else 0
    if steps is None or steps <= reached:
        raise InputError(f"It has had {reached} steps already. Ask for more than that.")
    paintings, photos, options = job.order.arguments
    arguments = (paintings, photos, options.replace(steps=int(steps)))
    return replace(job.order, arguments=arguments, earlier=job.files[-1])
