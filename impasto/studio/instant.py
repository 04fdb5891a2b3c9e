"""The Stylize tab: any style by presto, painted anew whenever something moves."""

import threading
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import gradio as gr

from impasto import images
from impasto.errors import ImpastoError
from impasto.options import StylizeOptions
from impasto.painting import Painting
from impasto.shipped import DEMO
from impasto.studio import stage
from impasto.studio.area import name_of
from impasto.studio.fields import PRIVATE, Fields
from impasto.studio.forms import bundle
from impasto.studio.limits import check_network, check_picture, check_size, sentence
from impasto.studio.pictures import chosen_style, shipped_styles, upload
from impasto.studio.worker import jpeg
from impasto.studio.workshop import Workshop
from impasto.stylizer import Stylizer, make_trained
from impasto.trained import TrainedStylizer
from impasto.transform import is_network

FRONT = ("strength", "style_scale", "colors", "color_strength", "passes", "size")
WITHOUT = ("mask_softness", "precision")
CLICK = "() => document.querySelector('#stylize-file button, button#stylize-file, a#stylize-file').click()"


class Studio:
    """presto for all who ask, and the trained network that was asked for last; one picture at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stylizer: Stylizer | None = None
        self.trained: TrainedStylizer | None = None

    def paint(self, photo: Path, styles: Sequence[tuple[Path, float]], options: StylizeOptions) -> Painting:
        """As `Stylizer.paint`; where the first style is a trained network, that one paints."""
        with self.lock:
            network = styles[0][0]
            if is_network(network):
                if self.trained is None or self.trained.path != network:
                    self.trained = make_trained(network, options)
                self.trained.take(options)
                return self.trained.paint(photo)
            self.stylizer = self.stylizer or Stylizer(options)
            self.stylizer.take(options)
            return self.stylizer.paint(photo, list(styles))


def stylize_tab(
    workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab
) -> tuple[gr.Accordion, gr.File]:
    """Build the tab; returns the place for a trained network, and what that is in."""
    studio = Studio()
    fields = Fields(StylizeOptions(passes=1), FRONT, WITHOUT)  # the picture is to follow the sliders
    with gr.Row(elem_classes="tab live"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            with gr.Row(elem_classes="pictures"):
                photo = upload("Photo", DEMO / "valley.jpg")
                style = upload("Style", DEMO / "woodcut.jpg")
            thumbnails = shipped_styles()
            with gr.Accordion("Mix in a second style", open=False, elem_classes="section"):
                second = upload("Second style", height=140)
                share = gr.Slider(0, 1, value=0.5, step=0.05, label="How much of it")
            with gr.Accordion("A network of your own", open=False, elem_classes="section") as own_network:
                network = gr.File(label="From the Train tab; it paints in place of the style", height=110)
            fields.show(FRONT)
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            shown = gr.HTML(
                stage.empty("Your picture appears here", "It follows the sliders."), elem_classes="stage-place"
            )
            with gr.Row(elem_classes="after"):
                save = gr.Button("Download", elem_classes="download", size="md")
                file = gr.DownloadButton("File", elem_id="stylize-file", elem_classes="out-of-sight")

    inputs = [photo, style, second, share, network, *fields.components]
    moved = [part.change for part in (photo, style, second, network)]
    moved += [part.input for part in (share, *fields.made.values())]  # type: ignore[attr-defined]
    moved += [box.change for box in fields.boxes.values()]  # a slider that is moved unticks its box
    answer = partial(answered, studio, fields)
    gr.on([page.load, *moved], answer, inputs, shown, trigger_mode="always_last", concurrency_limit=1, **PRIVATE)
    written = partial(download, studio, fields, workshop.folder)
    save.click(written, inputs, file, **PRIVATE).success(None, js=CLICK)
    thumbnails.select(chosen_style, None, style, **PRIVATE, queue=False)
    return own_network, network


class Wanted(NamedTuple):
    """What the form asks for: a photo, in styles with their weights, or by a trained network in their place."""

    photo: Path
    styles: list[tuple[Path, float]]
    options: StylizeOptions

    @property
    def name(self) -> str:
        """Of the picture: photo-style."""
        return name_of(self.photo, *(path for path, _ in self.styles))


def wanted(fields: Fields, values: Sequence[Any]) -> Wanted:
    """The form's values, checked. Raises InputError or OptionError."""
    photo, style, second, share, network = values[:5]
    options = bundle(StylizeOptions, fields.answers(values[5:]))
    assert isinstance(options, StylizeOptions)
    check_size(options.size)
    content = check_picture(photo, "photo")
    if network:
        return Wanted(content, [(check_network(network), 1.0)], options)
    styles = [(check_picture(style, "style"), 1.0 - share if second else 1.0)]
    if second:
        styles.append((check_picture(second, "second style"), share))
    return Wanted(content, [(path, weight) for path, weight in styles if weight > 0], options)


def answered(studio: Studio, fields: Fields, *values: Any) -> str:
    """The stage: the picture beside the photo, or what is wrong."""
    try:
        asked = wanted(fields, values)
        painting = studio.paint(*asked)
    except ImpastoError as error:
        return stage.trouble(said(error, values))
    facts = [f"{painting.picture.width} × {painting.picture.height}", f"{painting.recipe['seconds']:.2f} s",
             painting.recipe["engine"], *(path.stem for path, _ in asked.styles if is_network(path))]  # fmt: skip
    return stage.answered(photo_before(str(asked.photo), asked.options.size), jpeg(painting.picture, quality=90), facts)


def download(studio: Studio, fields: Fields, folder: Path, *values: Any) -> Any:
    """The picture as a file of its own, with its recipe. Raises gr.Error, which the page shows."""
    try:
        asked = wanted(fields, values)
        place = folder / uuid4().hex
        place.mkdir()
        return gr.update(value=str(studio.paint(*asked).save(place / f"{asked.name}.png")))
    except ImpastoError as error:
        raise gr.Error(said(error, values)) from None


def said(error: ImpastoError, values: Sequence[Any]) -> str:
    """An error without the paths of this machine."""
    return sentence(error, [value for value in values if isinstance(value, str)])


@lru_cache(maxsize=32)
def photo_before(path: str, size: int) -> bytes:
    """The photo as a JPEG of about that size."""
    picture = images.load_picture(path)
    picture.thumbnail((size, size))
    return jpeg(picture)
