"""The tabs that optimise a picture: inputs and options at one side, the picture being painted at the other.

What they share is here: the order of events from a press of the button to the finished file.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from impasto import images
from impasto.bundle import Bundle
from impasto.errors import ImpastoError
from impasto.presets import PRESETS, Preset
from impasto.studio import stage
from impasto.studio.fields import AT_ONCE, PRIVATE, Fields
from impasto.studio.limits import check_size, sentence
from impasto.studio.messages import Order
from impasto.studio.worker import jpeg
from impasto.studio.workshop import Job, Workshop

# On a phone the stage is below the form
SCROLL = "() => { if (innerWidth < 861) document.querySelectorAll('.stage').forEach(one => one.scrollIntoView()) }"
LOOK_AGAIN = 0.1  # seconds between two looks at a job
SHELF = 60  # tickets that a browser remembers


@dataclass(frozen=True)
class Verb:
    """A tab's row: what it makes, its button, its options by preset, which come first, and what its empty stage says.

    without: options that mean nothing here. also: other orders that this tab gives. presets: to start from.
    """

    name: str
    button: str
    options: Callable[[str], Bundle]
    front: tuple[str, ...]
    invitation: tuple[str, str]
    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    presets: Mapping[str, Preset] = field(default_factory=lambda: PRESETS)


class Area:
    """What these tabs share: the form, the buttons, the stage; and what happens when the button is pressed.

    Made in three calls inside a `gr.Blocks`: `form` in the column at the side, `stage` in the wide one, `connect` at last.
    """

    def __init__(self, workshop: Workshop, verb: Verb, tickets: gr.BrowserState) -> None:
        self.workshop, self.verb, self.tickets = workshop, verb, tickets
        self.fields = Fields(verb.options("default"), verb.front, verb.without)

    def form(self, whole: bool = True, presets: bool = True) -> None:
        """The button, and options; whole: all of them; presets: whether there are any."""
        self.begin = gr.Button(self.verb.button, variant="primary", elem_classes="begin")
        self.stop = gr.Button("Stop and keep", visible=False, elem_classes="begin stop")
        self.forecast = gr.HTML(elem_classes="forecast")
        self.fields.show(self.verb.front)
        with gr.Accordion("All options", open=False, elem_classes="all-options", visible=whole):
            self.preset = gr.Dropdown(
                list(self.verb.presets), value="default", label="Preset", filterable=False,
                info="A published recipe to start from. It sets every option below, and those above.", visible=presets,
            )  # fmt: skip
            self.story = gr.HTML(self.told("default"), elem_classes="story", visible=presets)
            if whole:
                self.fields.show_the_rest()

    def show(self, js: str | None = None) -> None:
        """The stage and what belongs to it. js: what the stage does in the browser."""
        self.stage = gr.HTML(stage.empty(*self.verb.invitation), elem_classes="stage-place", js_on_load=js)
        with gr.Row(elem_classes="after"):
            self.download = gr.DownloadButton("Download", visible=False, elem_classes="download", size="md")
            self.keep = gr.Checkbox(
                False, label="Go on when this page is closed", container=False, elem_classes="keep", min_width=240
            )
        self.ticket = gr.State(None)

    def connect(self, inputs: Sequence[Component], order: Callable[..., Order], page: gr.Blocks) -> None:
        """Have the button make `order(options, preset, *inputs)`, and the page rejoin what goes on from before."""
        form = [self.preset, *self.fields.components]

        def made(preset: str, *values: Any) -> Order:
            entered, rest = values[: len(form) - 1], values[len(form) - 1 :]
            options = self.verb.options(preset).replace(**self.fields.answers(entered))
            check_size(getattr(options, "size", 0))
            return order(options, preset, *rest)

        async def rejoin(tickets: Any) -> AsyncIterator[list[Any]]:
            jobs = [self.workshop.find(ticket) for ticket in known(tickets)]
            going = [
                job for job in jobs if job and not job.ended and job.order.verb in (self.verb.name, *self.verb.also)
            ]
            if not going:
                yield [gr.skip()] * 6
                return
            async for shown in self.watch(going[-1], known(tickets)):
                yield shown

        self.on(self.begin.click, made, [*form, *inputs])
        page.load(rejoin, [self.tickets], self.seen, concurrency_limit=None, **PRIVATE)
        self.stop.click(self.stopped, [self.ticket], None, **AT_ONCE)
        self.keep.change(self.kept, [self.ticket, self.keep], None, **AT_ONCE)
        self.preset.input(self.preset_chosen, [self.preset], [self.story, *self.fields.components], **AT_ONCE)

    @property
    def seen(self) -> list[Component]:
        """What changes while a job is on its way."""
        return [self.stage, self.begin, self.stop, self.download, self.ticket, self.tickets]

    def on(self, event: Callable[..., Any], order: Callable[..., Order], inputs: Sequence[Component]) -> None:
        """Have an event, such as `button.click`, give an order made from the inputs, and the page show how it goes."""

        async def begin(tickets: Any, keep: bool, *values: Any) -> AsyncIterator[list[Any]]:
            try:
                job = self.workshop.submit(order(*values))
            except ImpastoError as error:
                paths = [value for value in values if isinstance(value, str)]
                yield [stage.trouble(sentence(error, [*paths, self.workshop.folder])), *[gr.skip()] * 5]
                return
            job.keep = keep
            self.workshop.leave(self.workshop.find(job.order.follows), job)
            async for shown in self.watch(job, [*known(tickets), job.ticket][-SHELF:]):
                yield shown

        event(begin, [self.tickets, self.keep, *inputs], self.seen, concurrency_limit=None, **PRIVATE)
        event(None, js=SCROLL)

    async def watch(self, job: Job, tickets: list[str]) -> AsyncIterator[list[Any]]:
        """What the page shows of a job, again whenever it has changed. Closed by the browser, it stops the job or not.

        Everything is told every time: of two updates that arrive together the browser forgets the first.
        """
        told = None
        try:
            while not job.ended:
                now = job.changes, self.workshop.place(job)
                if now != told and (told is None or job.changes < 2 or job.visible):
                    yield [stage.show(job, now[1]), *buttons(working=True), job.ticket, tickets]
                told = now
                await asyncio.sleep(LOOK_AGAIN)
                if job.left_for is not None:
                    if not job.left_for.ended:
                        return  # somebody else watches that
                    job = job.left_for
            before = await asyncio.to_thread(photo_of, job)
            file = str(job.files[0]) if job.files else None
            yield [stage.show(job, before=before), *buttons(working=False, file=file), job.ticket, tickets]
        finally:
            if not job.ended and not job.keep:
                self.workshop.stop(job)

    def stopped(self, ticket: Any) -> None:
        """The button was pressed."""
        if job := self.workshop.find(ticket):
            self.workshop.stop(job)

    def kept(self, ticket: Any, keep: bool) -> None:
        """Somebody made up their mind."""
        if job := self.workshop.find(ticket):
            job.keep = keep

    def preset_chosen(self, preset: str) -> list[Any]:
        """The preset's story, and every field as it sets it."""
        return [self.told(preset), *self.fields.showing(self.verb.options(preset))]

    def told(self, preset: str) -> str:
        """What a preset reproduces, as a paragraph."""
        return f"<p>{self.verb.presets[preset].reproduces}</p>"


def known(tickets: Any) -> list[str]:
    """What a browser remembers, if that is a list of texts."""
    return [ticket for ticket in tickets if isinstance(ticket, str)] if isinstance(tickets, list) else []


def buttons(working: bool, file: str | None = None) -> list[Any]:
    """The three buttons while a job is on its way, and after."""
    return [
        gr.update(visible=not working),
        gr.update(visible=working),
        gr.update(visible=file is not None, value=file),
    ]


def photo_of(job: Job) -> bytes | None:
    """The photo that a result is compared with, as a JPEG; None where there is none."""
    if job.order.photo is None or not job.files:
        return None
    try:
        return jpeg(images.load_picture(job.order.photo))
    except ImpastoError:
        return None


def name_of(*paths: str | Path | None) -> str:
    """A result's name from its pictures': photo-style."""
    return "-".join(Path(path).stem[:40] for path in paths if path) or "impasto"
