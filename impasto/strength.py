"""The strength dial: from the photo, 0, to the style, 100, whatever paints.

A content weight alone cannot be such a dial: what it does depends on the loss, the layers, the network, the size, the
optimiser and the start. Two things follow from a strength instead.

- What is aimed at: the mixture of the photo's own statistics with the styles', as if the photo were a style among them.
  At strength 30 three tenths are the styles'. So 30 looks like 30: the aim is the same whatever the way to it.
- How firmly the photo is held on the way: the weights of its features and, so that the noise of a start goes where the
  photo stays, of its pixels. Each is solved for from two measured scales: the style loss of the photo itself, and how
  steeply the content loss rises where features have lost half of what they show. Every layer of the style is measured
  against the photo's own loss there. So units, reductions, layers and networks cancel.
"""

from collections.abc import Mapping
from dataclasses import replace
from statistics import median
from typing import Any, TypeAlias

from impasto.losses import FeatureLoss, Features, Term
from impasto.options import PaintOptions

FIRMNESS = 0.2  # of the features at strength 0, in units of the style loss; it falls with the square of the way left
LEAST = 0.008  # of that is left at strength 100, for less would let go of the photo
ANCHOR = 0.06  # of the pixels at strength 0; it falls likewise, to nothing

Matched: TypeAlias = tuple[FeatureLoss, Mapping[str, Any]]


def reach(options: PaintOptions) -> float:
    """How far the aim goes from the photo's own statistics, 0, to the styles', 1."""
    return 1.0 if options.strength is None else options.strength / 100


def hold(
    terms: Mapping[str, Term], apart: Mapping[str, float], pixels: Matched, photo: Features, options: PaintOptions
) -> dict[str, Term]:
    """The terms with the weights that a strength gives them, and with one more, "photo", for the pixels.

    terms: as they would be without a strength. apart: by layer, the weighted style loss of the photo itself, with the
    styles alone as target. pixels: a squared error of the photo's pixels. photo: its features at every content layer, and
    its pixels.
    """
    way, away = reach(options), sum(apart.values())
    held = {"style": terms["style"]._replace(loss=balanced(terms["style"].loss, apart))}
    if "content" in terms:
        content = terms["content"]
        steepness = slope((content.loss, content.target), photo, options.content_power)
        held["content"] = content._replace(weight=FIRMNESS * ((1 - way) ** 2 + LEAST) * away / steepness)
    if way < 1:
        held["photo"] = Term(ANCHOR * (1 - way) ** 2 * away / slope(pixels, photo, 1.0), *pixels)
    if "variation" in terms:
        held["variation"] = terms["variation"]._replace(weight=way * terms["variation"].weight)
    return held


def balanced(style: FeatureLoss, apart: Mapping[str, float]) -> FeatureLoss:
    """The style loss with every layer measured against the photo's own: its weight times what it is short of the mean.

    So the photo's loss stays what it was, and the shares of its layers become their weights.
    """
    total, weights = sum(apart.values()), sum(style.layers.values())
    # where photo and style agree there is nothing to measure against; one layer that is far beyond the others is no measure
    least = 0.1 * median(apart.values())
    factors = {
        layer: weight / weights * total / max(apart[layer], least, 1e-12) for layer, weight in style.layers.items()
    }
    return replace(style, layers={layer: weight * factors[layer] for layer, weight in style.layers.items()})


def slope(content: Matched, photo: Features, power: float) -> float:
    """How steeply a content loss of that power rises with the square of what features lose, where half is lost."""
    loss, target = content
    faded = {layer: photo[layer].lerp(photo[layer].mean((2, 3), keepdim=True), 0.5) for layer in loss.layers}
    return max(power * float(loss(faded, target).sum()), 1e-12)
