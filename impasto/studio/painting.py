"""The Paint tab: a photo, up to three styles, a mask drawn on the photo, and the options of painting."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from impasto import images, recipe
from impasto.errors import ImpastoError, InputError
from impasto.forecast import fit_budget
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.shipped import DEMO
from impasto.studio import stage
from impasto.studio.area import Area, Verb, name_of
from impasto.studio.fields import AT_ONCE
from impasto.studio.history import going_back
from impasto.studio.limits import check_picture, sentence
from impasto.studio.messages import Order
from impasto.studio.pictures import chosen_style, shipped_styles, upload
from impasto.studio.returning import is_painting, returned
from impasto.studio.workshop import PACE, Workshop, aspect_of, evaluated_pixels

PAINT = Verb(
    "paint", "Paint", options_for,
    ("size", "strength", "style_scale", "colors", "budget"),
    ("Your painting appears here", "Press Paint, or first drop a photo and a picture whose manner you like."),
    also=("branch",),
)  # fmt: skip
SLOTS = 3  # styles
EVERYWHERE, ONLY, NOT = "Everywhere", "Only where I draw", "Not where I draw"
BRUSH = "#cf5a35"
EDITOR = 640  # pixels of the photo that one draws on
MATTERS = ("size", "steps", "first_steps", "min_scale", "scale_factor", "budget", *PACE)  # for the time it takes


@dataclass(frozen=True)
class PaintForm:
    """What another tab can fill in here."""

    area: Area
    photo: gr.Image
    style: gr.Image
    where: gr.Radio


def paint_tab(workshop: Workshop, tickets: gr.BrowserState, page: gr.Blocks, tab: gr.Tab) -> PaintForm:
    """Build the tab."""
    area = Area(workshop, PAINT, tickets)
    with gr.Row(elem_classes="tab"):
        with gr.Column(elem_classes="side", min_width=320, scale=4):
            with gr.Row(elem_classes="pictures"):
                photo = upload("Photo", DEMO / "valley.jpg")
                style = upload("Style", DEMO / "swirl.jpg")
            again = gr.Button("impasto painted this photo: use its settings", visible=False, size="sm")
            thumbnails = shipped_styles()
            with gr.Accordion("More styles, and where they go", open=False, elem_classes="section") as more:
                further, weights = further_styles()
                where = gr.Radio([EVERYWHERE, ONLY, NOT], value=EVERYWHERE, label="Where to paint")
                drawn = gr.ImageEditor(
                    label="Draw on the photo", type="pil", visible=False, sources=(), transforms=(), layers=False,
                    brush=gr.Brush(default_size=36, colors=[BRUSH], color_mode="fixed"), buttons=[],
                    canvas_size=(EDITOR, EDITOR), elem_classes="editor",
                )  # fmt: skip
            area.form()
            opened = gr.UploadButton(
                "Open a painting: its settings return", file_types=["image"], size="sm", elem_classes="quiet"
            )
        with gr.Column(elem_classes="main", min_width=320, scale=7):
            area.show()
            back = going_back(area)

    laid = gr.State(None)  # a mask that came back with the settings

    area.connect([photo, style, *further, *weights, where, drawn], order, page)
    back()
    thumbnails.select(chosen_style, None, style, **AT_ONCE)
    gr.on([where.change, photo.change], canvas, [where, photo, laid], drawn, **AT_ONCE)
    photo.change(lambda path: gr.update(visible=is_painting(path)), photo, again, **AT_ONCE)
    pictures = [photo, style, *further]
    form = [area.stage, *pictures, *weights, more, where, laid, drawn, area.preset, area.story, *area.fields.components]
    for event, place in ((opened.upload, opened), (again.click, photo)):
        event(lambda path, *here: reopened(area, path, here), [place, *pictures], form, **AT_ONCE)
    foretell(area, photo, page)
    return PaintForm(area, photo, style, where)


def foretell(area: Area, photo: gr.Image, page: gr.Blocks) -> None:
    """Say how long painting will take, anew with everything that matters for it."""
    telling = area.fields.of(MATTERS)
    gr.on(
        [page.load, photo.change, *(field.change for field in telling)],  # type: ignore[attr-defined]
        lambda path, preset, *values: forecast(area, path, preset, values),
        [photo, area.preset, *telling],
        area.forecast,
        **AT_ONCE,
    )


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


def canvas(where: str, photo: str | None, laid: tuple[str, bytes] | None = None) -> Any:
    """What one draws on: the photo, in small. laid: the SHA-256 of a photo, and a mask that was drawn there before."""
    if where == EVERYWHERE or not photo:
        return gr.update(visible=False, value=None)
    try:
        picture = images.load_picture(check_picture(photo, "photo"))
        picture.thumbnail((EDITOR, EDITOR))
        known = laid is not None and recipe.fingerprint(photo)["sha256"] == laid[0]
        drawn = images.load_picture(laid[1]).convert("L").resize(picture.size) if laid and known else None
    except ImpastoError:
        return gr.update(visible=False, value=None)
    if drawn is None:
        return gr.update(visible=True, value=picture)
    layer = Image.new("RGBA", picture.size, BRUSH)
    layer.putalpha(drawn)
    shown = Image.alpha_composite(picture.convert("RGBA"), layer)
    return gr.update(visible=True, value={"background": picture, "layers": [layer], "composite": shown})


def order(options: PaintOptions, preset: str, photo: str | None, *rest: Any) -> Order:
    """What the worker is to do. Raises InputError."""
    pictures, weights, (where, drawn) = rest[:SLOTS], rest[SLOTS : 2 * SLOTS], rest[2 * SLOTS :]
    content = check_picture(photo, "photo")
    check_picture(pictures[0], "style")
    mask = None if where == EVERYWHERE else mask_of(drawn)
    place = mask if where == ONLY else None
    styles = [
        (check_picture(path, "style"), 1.0 if weight is None else float(weight), place)  # None: the field was cleared
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
    """How long it will take, and what is left out for that, in words; nothing where an option is wrong."""
    try:
        options = options_for(preset).replace(**area.fields.answers(values, MATTERS))
        seconds = area.workshop.forecast(options, aspect_of(photo) if photo else 3 / 4)
    except (ImpastoError, OSError, TypeError, ValueError):
        return ""
    if seconds is None:
        return "<p>How long this takes is not known yet: the first painting with these options tells.</p>"
    whole = evaluated_pixels(options)
    share = evaluated_pixels(fit_budget(options, lambda fewer: seconds * evaluated_pixels(fewer) / whole)) / whole
    words = f"About {stage.duration(max(1, seconds * share))} on this machine"
    return f"<p>{words}{'' if share == 1 else f', with {100 * share:.0f} % of the steps'}</p>"


def reopened(area: Area, path: str, here: Sequence[str | None]) -> list[Any]:
    """The form as the recipe inside a picture has it; on the stage, what is missing. here: the pictures on the page."""
    try:
        back = returned(path, SLOTS, here, area.workshop.folder)
    except ImpastoError as error:
        rest = 2 * SLOTS + 7 + len(area.fields.components)
        return [stage.trouble(sentence(error, [path])), *[gr.skip()] * rest]
    empty: list[tuple[str | None, float]] = [(None, 1.0)] * SLOTS
    styles, weights = zip(*[*back.styles, *empty][:SLOTS], strict=True)
    where = EVERYWHERE if back.mask is None else NOT if back.protects else ONLY
    laid = (recipe.fingerprint(back.photo)["sha256"], back.mask) if back.photo and back.mask else None
    section = gr.update(open=len(back.styles) > 1 or where != EVERYWHERE)
    return [
        stage.empty("Settings returned", back.said),
        *(back.photo, *styles, *weights, section, where, laid, canvas(where, back.photo, laid)),
        *(back.preset, area.told(back.preset), *area.fields.showing(back.options)),
    ]
