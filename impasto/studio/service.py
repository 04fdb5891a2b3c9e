"""The studio's verbs for programs: the same line, the same limits, the same options by name.

from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")
picture = client.predict(handle_file("photo.jpg"), [handle_file("wave.jpg")], {"size": 512}, api_name="/paint")
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.errors import ImpastoError, OptionError
from impasto.options import Options, StylizeOptions
from impasto.presets import options_for
from impasto.studio.area import LOOK_AGAIN, name_of
from impasto.studio.forms import bundle
from impasto.studio.limits import check_picture, check_size, sentence
from impasto.studio.messages import Order
from impasto.studio.workshop import Workshop
from impasto.synthesis import reconstruct_options, texture_options


def paint_order(options: dict[str, Any], preset: str, content: str, styles: list[str]) -> Order:
    """An order to paint."""
    photo, pictures = check_picture(content, "photo"), several(styles)
    chosen = checked(options, options_for(preset))
    chosen = options_for(preset, **{name: getattr(chosen, name) for name in options})  # what suits the size, too
    return Order("paint", Path(), name_of(photo, *pictures), (photo, pictures, chosen), {"preset": preset}, photo)


def stylize_order(options: dict[str, Any], preset: str, content: str, styles: list[str]) -> Order:
    """An order to stylize; there are no presets for that."""
    photo, pictures = check_picture(content, "photo"), several(styles)
    return Order("stylize", Path(), name_of(photo, *pictures), (photo, pictures, checked(options, StylizeOptions())))


def texture_order(options: dict[str, Any], preset: str, style: str) -> Order:
    """An order for a texture; width, height and seamless stand among the options."""
    path = check_picture(style, "style")
    own: dict[str, Any] = {name: options.pop(name) for name in ("width", "height", "seamless") if name in options}
    chosen = checked(options, texture_options(preset))
    chosen = texture_options(preset, own.get("width"), own.get("height"), **chosen.as_dict())
    check_size(chosen.size)
    return Order("texture", Path(), name_of(path, "texture"), (path, chosen), {"preset": preset, **own})


def reconstruct_order(options: dict[str, Any], preset: str, picture: str) -> Order:
    """An order for a reconstruction; layer stands among the options."""
    path = check_picture(picture, "picture")
    base = reconstruct_options(preset, options.pop("layer", None), **layers_of(options))
    return Order(
        "reconstruct", Path(), name_of(path, "reconstruction"), (path, checked(options, base)), {"preset": preset}
    )


ENDPOINTS: Mapping[str, tuple[Callable[..., Order], tuple[str, ...]]] = {
    "paint": (paint_order, ("content", "styles")),
    "stylize": (stylize_order, ("content", "styles")),
    "texture": (texture_order, ("style",)),
    "reconstruct": (reconstruct_order, ("picture",)),
}


def serve(workshop: Workshop) -> None:
    """Add the endpoints to the page: /paint, /stylize, /texture, /reconstruct. Nothing of them is seen."""
    with gr.Column(visible=False):
        for name, (order, inputs) in ENDPOINTS.items():
            pictures = [gr.File(label=role, file_count="multiple" if role == "styles" else "single") for role in inputs]
            options = gr.JSON(label="options", value={})
            result = gr.File(label="picture")
            button = gr.Button(name)
            carry_out = endpoint(workshop, order)
            names = [inspect.Parameter(one, inspect.Parameter.POSITIONAL_OR_KEYWORD) for one in (*inputs, "options")]
            carry_out.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
            button.click(
                carry_out, [*pictures, options], result, api_name=name, concurrency_limit=None, show_progress="hidden",
                api_description=f"{name}: pictures, and options by name, `preset` among them; gives a PNG with its recipe.",
            )  # fmt: skip


def endpoint(workshop: Workshop, order: Callable[..., Order]) -> Callable[..., AsyncIterator[str]]:
    """What carries out one request: its order waits in line like everybody's. Leaving stops it."""

    async def carry_out(*values: Any) -> AsyncIterator[str]:
        pictures, options = values[:-1], values[-1]
        try:
            given = as_mapping(options)
            preset = given.pop("preset", "default")
            job = workshop.submit(order(given, preset, *pictures))
        except ImpastoError as error:
            raise gr.Error(sentence(error, paths_in(pictures)), print_exception=False) from None
        try:
            while not job.ended:
                await asyncio.sleep(LOOK_AGAIN)
        finally:
            workshop.stop(job)
        if job.error or not job.files:
            raise gr.Error(job.error or "It was stopped before there was anything to see.", print_exception=False)
        yield str(job.files[0])

    return carry_out


def as_mapping(options: Any) -> dict[str, Any]:
    """The options that were sent, as JSON or as its text. Raises OptionError."""
    try:
        found = json.loads(options) if isinstance(options, str) else options
    except ValueError:
        found = options
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise OptionError('The options must be names with values, such as {"size": 512}.')
    return dict(found)


def checked(options: Mapping[str, Any], base: Options) -> Any:
    """The base with what was sent in its place. Raises OptionError."""
    made = bundle(type(base), options, base)
    assert isinstance(made, Options)
    check_size(made.size)
    return made


def layers_of(options: dict[str, Any]) -> dict[str, Any]:
    """The style layers, if any were sent: with them a reconstruction is one of statistics."""
    return {"style_layers": tuple(options["style_layers"])} if isinstance(options.get("style_layers"), list) else {}


def several(styles: Any) -> list[Path]:
    """The styles that were sent. Raises InputError."""
    return [check_picture(path, "style") for path in styles or [None]]


def paths_in(values: Any) -> list[str]:
    """Every path that was sent."""
    return [
        path for value in values for path in (value if isinstance(value, list) else [value]) if isinstance(path, str)
    ]
