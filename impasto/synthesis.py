"""texture(style) and reconstruct(picture): painting from one picture alone.

A texture matches a style's statistics and nothing else; a reconstruction matches the features of one layer, or the
statistics of a few, and so shows what they keep. Sources: Gatys, Ecker, Bethge, "Texture Synthesis Using Convolutional
Neural Networks" (2015); Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them" (2015).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from impasto import scene
from impasto.errors import OptionError
from impasto.images import ImageSource
from impasto.options import SMALLEST, PaintOptions
from impasto.painting import Painting, PaintStep, last, run
from impasto.presets import RECONSTRUCT, TEXTURE, options_for, over
from impasto.recipe import LARGEST_SIDE
from impasto.scales import plan
from impasto.scene import Style

SEAMLESS_MULTIPLE = 16  # pixels: four poolings must divide the edge for its two sides to meet in every layer


def texture(
    style: ImageSource,
    options: PaintOptions | None = None,
    *,
    on_step: Callable[[PaintStep], object] | None = None,
    **given: Any,
) -> Painting:
    """A texture with the style's statistics. Arguments as of `texture_steps`; on_step as in `paint`."""
    return last(texture_steps(style, options, **given), on_step)


def texture_steps(
    style: ImageSource,
    options: PaintOptions | None = None,
    *,
    preset: str | None = None,
    width: int | None = None,
    height: int | None = None,
    seamless: bool = False,
    on_download: Callable[[int, int], None] | None = None,
    **given: Any,
) -> Iterator[PaintStep]:
    """Synthesize a texture, yielding every step.

    width, height: of the result in pixels, both or none; without them the longer side is `size` and the aspect the
    style's, or 1 if seamless. seamless: the result tiles; its edges must be multiples of 16 pixels at every scale.
    options: as `texture_options` makes them; if left out, made from `preset`. Single options go before both. Raises as
    `paint` does.
    """
    if options is None:
        preset = preset or "default"
        options = texture_options(preset, width, height, **given)
    else:
        options = options.replace(**{**given, **size_of(width, height)})
        check_texture(options)
    shape = (height, width) if height is not None and width is not None else None
    if seamless:
        shape = shape or (options.size, options.size)
        check_tiling(shape, options)
    load = partial(scene.load_texture, style, shape)
    arguments = texture_arguments(shape, seamless)
    return run("texture", load, options, preset, arguments=arguments, seamless=seamless, on_download=on_download)


def texture_arguments(shape: tuple[int, int] | None, seamless: bool) -> dict[str, Any]:
    """What a recipe says of a texture beside its options."""
    edges = {"height": shape[0], "width": shape[1]} if shape else {}
    return {**edges, "seamless": True} if seamless else edges


def texture_options(
    preset: str = "default", width: int | None = None, height: int | None = None, **given: Any
) -> PaintOptions:
    """A preset's options without content, starting from noise in the style's colors, with those `given` in their place.

    Raises OptionError where content is asked for, or only one of width and height, or an edge that cannot be.
    """
    options = options_for(preset, **{**over(TEXTURE, given), **size_of(width, height)})
    check_texture(options)
    return options


def size_of(width: int | None, height: int | None) -> dict[str, int]:
    """The option `size` of a texture of (width, height), or none where its shape is the style's. Raises OptionError."""
    if width is None and height is None:
        return {}
    if width is None or height is None:
        raise OptionError("A texture needs both --width and --height, or neither and a --size. Give the missing one.")
    for name, edge in (("--width", width), ("--height", height)):
        if not isinstance(edge, int) or not SMALLEST <= edge <= LARGEST_SIDE:
            raise OptionError(f"{name} is {edge!r}; it must be a whole number from {SMALLEST} to {LARGEST_SIDE}.")
    return {"size": max(width, height)}


def check_texture(options: PaintOptions) -> None:
    """Raise OptionError where options ask for content, of which a texture has none."""
    if options.content_weight:
        raise OptionError(f"A texture has no content, but --content-weight is {options.content_weight}. Leave it out.")
    if options.style_scale == "auto":
        raise OptionError("A texture has no photo to choose a style scale for. Give --style-scale a number.")
    if options.colors != "style":
        raise OptionError(f"A texture has no photo for --colors {options.colors} to look at. Leave it out.")
    if options.start in ("presto", "content"):
        raise OptionError(
            "A texture has no content to start from. Choose --start style-noise, noise, style or a picture."
        )


def check_tiling(shape: tuple[int, int], options: PaintOptions) -> None:
    """Raise OptionError unless every scale's edges divide into the network's coarsest positions."""
    for scale in plan(options):
        for edge in shape:
            if edge * scale.size % (max(shape) * SEAMLESS_MULTIPLE):
                raise OptionError(
                    f"A seamless texture of {shape[1]} x {shape[0]} pixels has an edge of "
                    f"{edge * scale.size / max(shape):g} pixels at the scale of {scale.size}; it must be a multiple of "
                    f"{SEAMLESS_MULTIPLE}. Choose multiples of 64, or a single scale with a large --min-scale."
                )


def reconstruct(
    picture: ImageSource,
    options: PaintOptions | None = None,
    *,
    on_step: Callable[[PaintStep], object] | None = None,
    **given: Any,
) -> Painting:
    """A picture from one layer's features alone. Arguments as of `reconstruct_steps`; on_step as in `paint`."""
    return last(reconstruct_steps(picture, options, **given), on_step)


def reconstruct_steps(
    picture: ImageSource,
    options: PaintOptions | None = None,
    *,
    layer: str | None = None,
    preset: str | None = None,
    on_download: Callable[[int, int], None] | None = None,
    **given: Any,
) -> Iterator[PaintStep]:
    """Reconstruct a picture from what a network keeps of it, yielding every step.

    options: as `reconstruct_options` makes them; if left out, made from `preset`. `layer` and single options go before
    both. Raises as `paint` does.
    """
    if options is None:
        preset = preset or "default"
        options = reconstruct_options(preset, layer, **given)
    else:
        options = options.replace(**({"content_layers": (layer,)} if layer else {}), **given)
    load = partial(scene.load, picture, (Style(picture),), None)
    return run("reconstruct", load, options, preset, on_download=on_download)


def reconstruct_options(preset: str = "default", layer: str | None = None, **given: Any) -> PaintOptions:
    """A preset's options for one picture: the features of `layer`, or the statistics of `style_layers` if these are given.

    With neither, relu4_2.
    """
    parts: dict[str, Any] = {**RECONSTRUCT}
    if "style_layers" in given:
        parts |= {"style_weight": 1.0, "style_layer_weights": ()}
    if layer is not None or "style_layers" not in given:
        parts |= {"content_layers": (layer or "relu4_2",), "content_layer_weights": ()}
    else:
        parts["content_weight"] = 0.0
    return options_for(preset, **{**parts, **given})
