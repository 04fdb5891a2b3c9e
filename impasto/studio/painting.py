"""The Paint tab: a photo, up to three styles, a mask drawn on the photo, and the options of painting."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from impasto import images
from impasto.errors import ImpastoError, InputError
from impasto.figures import DEMO
from impasto.forecast import fit_budget
from impasto.options import PaintOptions
from impasto.presets import PRESETS, options_for
from impasto.studio import stage
from impasto.studio.easel import Area, Verb, name_of
from impasto.studio.fields import AT_ONCE
from impasto.studio.forms import bundle, controls
from impasto.studio.history import going_back
from impasto.studio.limits import check_picture, sentence
from impasto.studio.messages import Order
from impasto.studio.pictures import chosen_style, found_again, shipped_styles, upload
from impasto.studio.workshop import Workshop, evaluated_pixels

PAINT = Verb(
    "paint", "Paint", options_for,
    ("size", "strength", "style_scale", "colors", "budget"),
    ("Your painting appears here", "Press Paint, or first drop a photo and a picture whose manner you like."),
    also=("branch",),
)  # fmt: skip
SLOTS = 3  # styles
EVERYWHERE, ONLY, NOT = "Everywhere", "Only where I draw", "Not where I draw"
EDITOR = 640  # pixels of the photo that one draws on
MATTERS = ("size", "steps", "first_steps", "min_scale", "scale_factor", "backbone", "budget")  # for the time it takes


@dataclass(frozen=True)
class PaintForm:
    """What another tab can fill in here."""

    area: Area
    photo: gr.Image
    style: gr.Image


def paint_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> PaintForm:
    """Build the tab."""
    area = Area(workshop, PAINT, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            with gr.Row(elem_classes="pictures"):
                photo = upload("Photo", DEMO / "valley.jpg")
                style = upload("Style", DEMO / "swirl.jpg")
            thumbnails = shipped_styles()
            with gr.Accordion("More styles, and where they go", open=False, elem_classes="section"):
                further, weights = further_styles()
                where = gr.Radio([EVERYWHERE, ONLY, NOT], value=EVERYWHERE, label="Where to paint")
                drawn = gr.ImageEditor(
                    label="Draw on the photo", type="pil", visible=False, sources=(), transforms=(), layers=False,
                    brush=gr.Brush(default_size=36, colors=["#cf5a35"], color_mode="fixed"), buttons=[],
                    canvas_size=(EDITOR, EDITOR), elem_classes="editor",
                )  # fmt: skip
            area.form()
            opened = gr.UploadButton(
                "Open a painting: its settings return", file_types=["image"], size="sm", elem_classes="quiet"
            )
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
            back = going_back(area)

    area.connect([photo, style, *further, *weights, where, drawn], order, page)
    back()
    thumbnails.select(chosen_style, None, style, **AT_ONCE)
    gr.on([where.change, photo.change], canvas, [where, photo], drawn, **AT_ONCE)
    opened.upload(
        lambda path: reopened(area, path),
        opened,
        [photo, style, area.preset, area.story, area.stage, *area.fields.components],
        **AT_ONCE,
    )
    telling = area.fields.of(MATTERS)
    gr.on(
        [page.load, photo.change, *(field.change for field in telling)],  # type: ignore[attr-defined]
        lambda path, preset, *values: forecast(area, path, preset, values),
        [photo, area.preset, *telling],
        area.forecast,
        **AT_ONCE,
    )
    return PaintForm(area, photo, style)


def further_styles() -> tuple[list[gr.Image], list[gr.Number]]:
    """Fields for the second and third style, and weights for all."""
    with gr.Row(elem_classes="pictures"):
        further = [upload(f"Style {number}", height=140) for number in range(2, SLOTS + 1)]
    with gr.Row(elem_classes="weights"):
        weights = [
            gr.Number(1.0, label=f"Weight {number}", minimum=0.01, step=0.1, min_width=90)
            for number in range(1, SLOTS + 1)
        ]
    return further, weights


def canvas(where: str, photo: str | None) -> Any:
    """What one draws on: the photo, in small."""
    if where == EVERYWHERE or not photo:
        return gr.update(visible=False, value=None)
    try:
        picture = images.load_picture(check_picture(photo, "photo"))
    except ImpastoError:
        return gr.update(visible=False, value=None)
    picture.thumbnail((EDITOR, EDITOR))
    return gr.update(visible=True, value=picture)


def order(options: PaintOptions, preset: str, photo: str | None, *rest: Any) -> Order:
    """What the worker is to do. Raises InputError."""
    pictures, weights, (where, drawn) = rest[:SLOTS], rest[SLOTS : 2 * SLOTS], rest[2 * SLOTS :]
    content = check_picture(photo, "photo")
    check_picture(pictures[0], "style")
    mask = None if where == EVERYWHERE else mask_of(drawn)
    place = mask if where == ONLY else None
    styles = [
        (check_picture(path, "style"), float(weight), place)
        for path, weight in zip(pictures, weights, strict=True)
        if path
    ]
    keywords: dict[str, Any] = {"preset": preset, "protect": mask if where == NOT else None}
    name = name_of(content, *(path for path, _, _ in styles))
    return Order("paint", Path(), name, (content, styles, options), keywords, photo=content)


def mask_of(drawn: Any) -> bytes:
    """What was drawn, white on black, as a PNG. Raises InputError where that is nothing."""
    layers = [layer for layer in (drawn or {}).get("layers", []) if isinstance(layer, Image.Image)]
    mask = layers[0].convert("RGBA").getchannel("A") if layers else None
    if mask is None or mask.getextrema()[1] == 0:
        raise InputError(f"Nothing is drawn on the photo yet. Draw there, or paint {EVERYWHERE.lower()}.")
    data = BytesIO()
    mask.save(data, "PNG")
    return data.getvalue()


def forecast(area: Area, photo: str | None, preset: str, values: Sequence[Any]) -> str:
    """How long it will take, and what is left out for that, in words; nothing where nobody knows."""
    try:
        options = options_for(preset).replace(**area.fields.answers(values, MATTERS))
        width, height = Image.open(photo).size if photo else (4, 3)
        seconds = area.workshop.forecast(options, min(width, height) / max(width, height))
    except (ImpastoError, OSError, TypeError, ValueError):
        return ""
    if seconds is None:
        return ""
    fitted = fit_budget(options, seconds)
    share = evaluated_pixels(fitted) / evaluated_pixels(options)
    words = f"About {stage.duration(max(1, seconds * share))} on this machine"
    return f"<p>{words}{'' if fitted == options else f', with {100 * share:.0f} % of the steps'}</p>"


def reopened(area: Area, path: str) -> list[Any]:
    """Photo, style, preset and fields as the recipe inside a picture has them; what is not here stays as it is."""
    nothing: list[Any] = [gr.skip()] * (5 + len(area.fields.components))
    try:
        found = images.read_recipe(check_picture(path, "picture"))
        if found is None or not isinstance(found.get("options"), dict):
            raise InputError(
                f"{Path(path).name} carries no settings: impasto did not paint it, or an editor removed them."
            )
        names = controls(PaintOptions())
        given = {name: value for name, value in found["options"].items() if name in names}
        options = bundle(PaintOptions, given)
    except ImpastoError as error:
        nothing[4] = stage.trouble(sentence(error, [path]))
        return nothing
    preset = found.get("preset") if found.get("preset") in list(PRESETS) else "default"
    inputs = found.get("inputs")
    inputs = inputs if isinstance(inputs, dict) else {}
    pictures = [found_again(inputs.get(role)) or gr.skip() for role in ("content", "style")]
    said = f"{Path(path).name} was painted {described(inputs)}. Its settings are back."
    return [*pictures, preset, area.told(str(preset)), stage.empty("Settings returned", said),
            *area.fields.showing(options)]  # fmt: skip


def described(inputs: Any) -> str:
    """From which pictures."""
    names = [json.dumps(entry.get("name"))[1:-1][:60] for entry in inputs.values() if isinstance(entry, dict)]
    return f"from {' and '.join(names)}" if names else "by impasto"
