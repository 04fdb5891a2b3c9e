"""The tabs that paint from one picture alone: Texture and Reconstruct."""

from pathlib import Path

import gradio as gr

from impasto.options import PaintOptions
from impasto.presets import NO_CONTENT, NO_PHOTO
from impasto.shipped import DEMO
from impasto.studio.area import Area, Verb, name_of
from impasto.studio.limits import check_picture, check_size
from impasto.studio.messages import Order
from impasto.studio.pictures import upload
from impasto.studio.workshop import Workshop
from impasto.synthesis import reconstruct_options, texture_options

TEXTURE = Verb(
    "texture", "Make a texture", texture_options, ("size", "style_scale", "seed"),
    ("A texture appears here", "What is left of a picture when only its statistics are kept."),
    without=NO_CONTENT,
)  # fmt: skip
RECONSTRUCT = Verb(
    "reconstruct", "Reconstruct", reconstruct_options, ("content_layers", "style_layers", "size", "steps"),
    ("What the network sees", "A picture painted again from what some of a network's layers keep of it."),
    without=("content_weight", "style_weight", *NO_PHOTO),
)  # fmt: skip
FEATURES, STATISTICS = "Features, which hold the content", "Statistics, which hold the style"


def texture_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> None:
    """Build the tab."""
    area = Area(workshop, TEXTURE, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            style = upload("Style", DEMO / "mosaic.jpg")
            with gr.Row(elem_classes="pictures"):
                width = gr.Number(0, label="Width", info="0: the style's own.", precision=0)
                height = gr.Number(0, label="Height", info="Both or none.", precision=0)
            seamless = gr.Checkbox(False, label="Seamless", info="A picture that tiles.")
            area.form()
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
    area.connect([style, width, height, seamless], texture_order, page)


def texture_order(
    options: PaintOptions, preset: str, style: str | None, width: int | None, height: int | None, seamless: bool
) -> Order:
    """What the worker is to do. Raises InputError or OptionError."""
    path = check_picture(style, "style")
    options = texture_options(preset, width or None, height or None, **options.as_dict())
    check_size(options.size)
    shape = {"width": width or None, "height": height or None, "seamless": seamless}
    return Order("texture", Path(), name_of(path, "texture"), (path, options), {"preset": preset, **shape})


def reconstruct_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> None:
    """Build the tab."""
    area = Area(workshop, RECONSTRUCT, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            picture = upload("Picture", DEMO / "valley.jpg")
            kept = gr.Radio([FEATURES, STATISTICS], value=FEATURES, label="From what")
            area.form()
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
    area.connect([picture, kept], reconstruct_order, page)


def reconstruct_order(options: PaintOptions, preset: str, picture: str | None, kept: str) -> Order:
    """What the worker is to do. Raises InputError."""
    path = check_picture(picture, "picture")
    weights = {"content_weight": float(kept == FEATURES), "style_weight": float(kept != FEATURES)}
    name, photo = name_of(path, "reconstruction"), path if kept == FEATURES else None
    return Order("reconstruct", Path(), name, (path, options.replace(**weights)), {"preset": preset}, photo=photo)
