"""What a picture is optimised for: the terms of its loss, each with its weight and its target."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from impasto import losses, regions, tiling, variations
from impasto.backbones import Backbone
from impasto.canvas import crop
from impasto.conventions import layer_weights
from impasto.losses import Term
from impasto.options import PaintOptions
from impasto.regions import Region
from impasto.scene import Picture, View
from impasto.shelf import Shelf
from impasto.strength import hold, reach

Objective: TypeAlias = Callable[[Tensor], dict[str, Tensor]]  # an image -> the terms of its loss


def tile_for(view: View, options: PaintOptions) -> int | None:
    """Pixels on a side of what is computed at a time; None where a view is no larger, and computed in one piece."""
    return options.tile if tiling.is_cut(view.content.shape[2:], options.tile) else None


def make_objective(
    view: View, backbone: Backbone, terms: Mapping[str, Term], seamless: bool = False, tile: int | None = None
) -> Objective:
    """The terms' sum, of the canvas with the photo kept where it stays.

    seamless: the picture is seen as if it went on at its opposite edges; the style is not. tile: pixels on a side of what
    is computed at a time; None: all at once.
    """
    objective = tiling.objective(backbone.padded("circular") if seamless else backbone, terms, tile)
    return objective if view.kept is None else lambda canvas: objective(view.protect(canvas))


@torch.no_grad()
def make_terms(
    view: View,
    backbone: Backbone,
    options: PaintOptions,
    shelf: Shelf,
    seamless: bool = False,
    tile: int | None = None,
) -> dict[str, Term]:
    """Content, style, total variation and range: every term whose weight is not 0; with a strength, the photo's pixels."""
    variation = variations.TOTAL_VARIATIONS[options.tv]
    terms = {}
    if options.content_weight:
        terms["content"] = Term(options.content_weight, *content_target(view, backbone, options, tile))
    if options.style_weight:
        terms["style"] = Term(options.style_weight, *style_target(view, backbone, options, shelf, tile, reach(options)))
    for name, weight, function in (
        ("variation", options.tv_weight, variations.wrapped(variation) if seamless else variation),
        ("range", options.range_weight, variations.out_of_range),
    ):
        if weight:
            loss = losses.pixel_loss(function)
            terms[name] = Term(weight, loss, loss.target({"pixels": view.content}))
    if options.strength is None:
        return terms
    style = Term(options.style_weight, *style_target(view, backbone, options, shelf, tile))
    found = tiling.objective(backbone, {"style": style}, tile)(view.content)
    away = {layer: float(found[style.label("style", layer)]) for layer in style.loss.layers}
    pixels = regions.covered(losses.content_loss({"pixels": 1.0}, "relative"), {"pixels": view.content}, view.coverage)
    photo = {**tiling.features(backbone, view.content, options.content_layers, tile), "pixels": view.content}
    return {**terms, **hold(terms, away, pixels, photo, options)}


def content_target(
    view: View, backbone: Backbone, options: PaintOptions, tile: int | None
) -> tuple[losses.FeatureLoss, dict[str, Any]]:
    """The content loss and what it is matched to: the photo's features, where something is painted."""
    loss = losses.content_loss(
        layer_weights(options.content_layers, options.content_layer_weights),
        options.content_reduction,
        options.content_power,
    )
    return regions.covered(loss, tiling.features(backbone, view.content, tuple(loss.layers), tile), view.coverage)


def style_target(
    view: View, backbone: Backbone, options: PaintOptions, shelf: Shelf, tile: int | None = None, reach: float = 1.0
) -> tuple[losses.FeatureLoss, dict[str, Any]]:
    """The style loss and what it is matched to: the mixture of the styles' statistics, in every region.

    reach: how far it goes from the photo's own statistics there, 0, to the styles', 1.
    """
    loss = losses.style_loss(
        layer_weights(options.style_layers, options.style_layer_weights),
        options.style_loss,
        options.style_reduction,
        options.gram_normalization,
    )

    def statistics(style: Picture) -> dict[str, Any]:
        return tiling.statistics(loss, backbone, style.image, style.opacity, tile)

    known_by = options, backbone.fingerprint, str(backbone.device)
    styles = [shelf.take((digest(style), *known_by), partial(statistics, style)) for style in view.styles]
    places = {layer: tiling.picture(view.content.shape[2:], layer, view.margin) for layer in loss.layers}

    def own(region: Region) -> dict[str, Any]:
        return tiling.statistics(loss, backbone, crop(view.content, view.margin), region.weights, tile)

    return regions.matched(loss, view.regions, styles, places, reach, own)


def digest(picture: Picture) -> str:
    """By which a picture is known again."""
    hashed = hashlib.sha256()
    for tensor in picture:
        if tensor is not None:
            hashed.update(repr(tensor.shape).encode())
            hashed.update(tensor.cpu().numpy().tobytes())
    return hashed.hexdigest()
