"""The report card: how near a picture is to its photo and to its style, and how well it is made, in figures.

A figure is a row of `MEASURES`, so that cards, JSON and documents say the same of it. Those of features depend on the
network that judges: its name stands in every report. Nothing is learnt from people's judgement, so figures of two reports
are comparable, and a figure is no grade.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import backbones, doctor, frames, images, measures, recipe, saving, scene
from impasto.backbones import Backbone
from impasto.distances import extent, moment_error, normal, squared_error, wasserstein
from impasto.doctor import Finding
from impasto.errors import ImpastoError
from impasto.images import ImageSource
from impasto.opening import FilePath, check_size
from impasto.options import SMALLEST, BackboneName
from impasto.scene import Styles
from impasto.statistics import Moments, blend, moments

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_2", "relu5_1")
LAYERS = tuple(dict.fromkeys((*STYLE_LAYERS, *CONTENT_LAYERS)))

Value: TypeAlias = float | dict[str, float]  # one number, or one for each layer


class Seen(NamedTuple):
    """A picture as it is judged: features by layer, their moments, the colors (P, 3), and what pixels alone say."""

    image: Tensor
    lab: Tensor
    features: Mapping[str, Tensor]
    moments: Mapping[str, Moments]
    palette: Tensor


class Pair(NamedTuple):
    """What a report compares: the picture, the photo and the style, or the mixture of styles, at the picture's size.

    squared: by layer, the squared Wasserstein-2 distances of picture and photo to the style.
    """

    picture: Seen
    photo: Seen
    style: Seen
    squared: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, picture: Seen, photo: Seen, style: Seen) -> "Pair":
        """The pair with its distances, of which several figures are made."""
        squared = {}
        for layer in STYLE_LAYERS:
            target = normal(style.moments[layer])
            near, far = (float(wasserstein(one.moments[layer], target, "sum")) for one in (picture, photo))
            squared[layer] = (max(near, 0.0), max(far, 0.0))
        return cls(picture, photo, style, squared)


@dataclass(frozen=True)
class Measure:
    """A row of the card: what it says, and where it comes from."""

    says: str
    value: Callable[[Pair], Value]


@dataclass(frozen=True)
class Report:
    """Figures by name (see `MEASURES`), what the doctor found, and the network that judged.

    values: a number, or a number for each layer. findings: of the doctor, the gravest first.
    """

    backbone: str
    weights_sha256: str
    width: int
    height: int
    values: Mapping[str, Value]
    findings: Sequence[Finding] = ()
    pictures: Mapping[str, Tensor] = field(default_factory=dict, repr=False)  # as judged: "picture", "photo", "style"

    def __getitem__(self, name: str) -> float:
        """A figure as one number: the mean over its layers if it has several."""
        value = self.values[name]
        return sum(value.values()) / len(value) if isinstance(value, dict) else value

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "judge": {"backbone": self.backbone, "weights_sha256": self.weights_sha256},
            "width": self.width,
            "height": self.height,
            "measures": dict(self.values),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def evaluate(
    picture: ImageSource,
    content: ImageSource,
    style: Styles,
    *,
    backbone: BackboneName | Backbone = "petit",
    offline: bool = False,
) -> Report:
    """The report card of a picture that was painted from a photo in a style, or in several by weight (masks are not read).

    The photo is brought to the picture's shape, a style to its longer side, without its frame unless the picture's recipe
    says that it was painted with it. backbone: the network that judges, by name or loaded. Raises InputError or
    WeightsError.
    """
    judge = backbones.load(backbone, offline=offline) if isinstance(backbone, str) else backbone
    image = images.load(picture)
    shape = (image.shape[2], image.shape[3])
    check_size(shape[1], shape[0], "The picture", SMALLEST)
    photo = images.resize_to(images.load(content), shape)
    listed = scene.list_styles(style)
    made = known_recipe(picture) if isinstance(picture, str | os.PathLike | bytes) else {}
    frame = made.get("options", {}).get("style_frame", "cut")
    inside = [frames.without(images.load(one.source), frame) for one in listed]
    paintings = [images.resize(one, max(shape)) for one in inside]
    return judged(image, photo, paintings, [one.weight for one in listed], judge, made)


def known_recipe(picture: FilePath | bytes) -> dict[str, Any]:
    """Verb, options and passes of a picture's recipe; empty where there is none that can be followed."""
    found = saving.read_recipe(picture) or {}
    try:
        followed = recipe.understand(found)
    except ImpastoError:
        return {}
    passes = {"passes": found["passes"]} if isinstance(found.get("passes"), int | float) else {}
    return {"verb": followed.verb, "options": followed.options.as_dict(), **passes}


@torch.no_grad()
def judged(
    image: Tensor,
    photo: Tensor,
    paintings: Sequence[Tensor],
    weights: Sequence[float],
    judge: Backbone,
    made: Mapping[str, Any] | None = None,
) -> Report:
    """The report card of pictures that are at their sizes already: `image` and `photo` of one shape. made: its recipe."""
    shares = [weight / sum(weights) for weight in weights]
    seen = [look(one, judge) for one in (image, photo, *paintings)]
    pair = Pair.of(seen[0], seen[1], mixed(seen[2:], shares))
    values = {name: measure.value(pair) for name, measure in MEASURES.items()}
    found = doctor.examine(image, photo, paintings, made=made)
    pictures = {"photo": photo, "style": paintings[0], "picture": image}
    return Report(judge.name, judge.fingerprint, image.shape[3], image.shape[2], values, found.findings, pictures)


def look(image: Tensor, judge: Backbone) -> Seen:
    """Everything that is measured of one picture (1, 3, H, W) by itself."""
    lab = measures.oklab(image)
    features = {layer: value.float() for layer, value in judge(image.to(judge.device), LAYERS).items()}
    return Seen(
        image, lab, features, {layer: moments(features[layer]) for layer in STYLE_LAYERS}, measures.palette(lab)
    )


def mixed(styles: Sequence[Seen], shares: Sequence[float]) -> Seen:
    """Several styles as one: their moments and colors mixed by shares. Its image and features are the first one's."""
    first, *others = styles
    if not others:
        return first
    blended = {layer: blend([style.moments[layer] for style in styles], shares) for layer in STYLE_LAYERS}
    most = min(len(style.palette) / share for style, share in zip(styles, shares, strict=True))
    parts = [
        style.palette[torch.linspace(0, len(style.palette) - 1, max(1, int(most * share))).long()]
        for style, share in zip(styles, shares, strict=True)
    ]
    return first._replace(moments=blended, palette=torch.cat(parts))


# ------------------------------------------------------------------------------------------- distances by layer


def content_distance(pair: Pair) -> Value:
    """|F - F*| / |F*|."""
    found = {}
    for layer in CONTENT_LAYERS:
        error = squared_error(pair.picture.features[layer], pair.photo.features[layer], "relative")
        found[layer] = float(error.sqrt())
    return found


def perceptual_distance(pair: Pair) -> Value:
    """Squared difference of the features, each position's scaled to unit length, mean over positions, sum over layers."""
    return perceptual(pair.picture.features, pair.photo.features)


def perceptual(features: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """LPIPS-like distance of two pictures' features at `CONTENT_LAYERS`, without learnt weights.

    Source: Zhang, Isola, Efros, Shechtman, Wang 2018, equation 1 with all w = 1, which they call the uncalibrated network.
    """
    return sum(
        float((F.normalize(features[layer]) - F.normalize(others[layer])).square().sum(1).mean())
        for layer in CONTENT_LAYERS
    )


def by_layer(distance: Callable[[Moments, Moments], Tensor]) -> Callable[[Pair], Value]:
    """A distance between the moments of picture and style, for each layer."""

    def value(pair: Pair) -> Value:
        found = {}
        for layer in STYLE_LAYERS:
            found[layer] = float(distance(pair.picture.moments[layer], pair.style.moments[layer]).clamp_min(0))
        return found

    return value


def gram_distance(value: Moments, target: Moments) -> Tensor:
    """|G - G*| / |G*|; E[xxᵀ] is the covariance and the mean's outer product."""
    given, wanted = (one.covariance + one.mean.unsqueeze(2) * one.mean.unsqueeze(1) for one in (value, target))
    return squared_error(given, wanted, "relative").sqrt()


def moment_distance(value: Moments, target: Moments) -> Tensor:
    """The root of the relative squared differences of means and covariances."""
    return moment_error(value, target).sqrt()


def wasserstein_distance(pair: Pair) -> Value:
    """W₂ against the style's own extent: 1 is about as far as the style's features are from their mean."""
    return {
        layer: (near / float(extent(pair.style.moments[layer]))) ** 0.5 for layer, (near, _) in pair.squared.items()
    }


def frechet_distance(pair: Pair) -> Value:
    """W₂² in the features' own units: what FID is, over the positions of one picture."""
    return {layer: near for layer, (near, _) in pair.squared.items()}


def style_left(pair: Pair) -> Value:
    """W₂ to the style, as a share of the photo's own: how much of the way from the photo to the style is left."""
    return {layer: (near / max(far, 1e-9)) ** 0.5 for layer, (near, far) in pair.squared.items()}


def dial(pair: Pair) -> float:
    """Where the picture stands on the dial of `strength`: the mean, over the layers, of the way that it has come."""
    left = [(near / max(far, 1e-9)) ** 0.5 for near, far in pair.squared.values()]
    return 100 * min(1.0, max(0.0, 1 - sum(left) / len(left)))


def of_each(measure: Callable[[Tensor], float], plane: str) -> Callable[[Pair], Value]:
    """A figure of picture, photo and style; plane: "image" or "lab", what it is measured on."""
    return lambda pair: {name: measure(getattr(getattr(pair, name), plane)) for name in ("picture", "photo", "style")}


MEASURES: dict[str, Measure] = {
    "content": Measure("feature distance to the photo: 0 the photo itself", content_distance),
    "perceptual": Measure("LPIPS-like distance to the photo, without learnt weights", perceptual_distance),
    "ssim": Measure(
        "structural similarity to the photo: 1 the photo itself",
        lambda pair: measures.ssim(pair.picture.image, pair.photo.image),
    ),
    "contours": Measure(
        "the photo's contours that are kept: 1 all, 0 none",
        lambda pair: measures.contours_kept(measures.contours(pair.picture.lab), measures.contours(pair.photo.lab)),
    ),
    "style": Measure("of the way from photo to style, by Wasserstein-2, what is left: 1 all, 0 none", style_left),
    "strength": Measure("where that is on the dial: 0 the photo, 100 the style", dial),
    "gram": Measure("relative distance of Gram matrices to the style's", by_layer(gram_distance)),
    "moments": Measure("relative distance of means and covariances", by_layer(moment_distance)),
    "wasserstein": Measure("Wasserstein-2 distance against the style's extent", wasserstein_distance),
    "fid": Measure("single-image FID, in the features' units (Shaham et al. 2019, on this network)", frechet_distance),
    "color": Measure(
        "distance of the colors to the style's, in OKLab: 0.02 is just visible",
        lambda pair: measures.color_distance(pair.picture.palette, pair.style.palette),
    ),
    "color_to_photo": Measure(
        "distance of the colors to the photo's",
        lambda pair: measures.color_distance(pair.picture.palette, pair.photo.palette),
    ),
    "sharpness": Measure("mean difference of lightness to the neighbours'", of_each(measures.sharpness, "lab")),
    "saturation": Measure("mean chroma: 0 gray, 0.31 the most that sRGB has", of_each(measures.saturation, "lab")),
    "clipping": Measure("share of pixels with a channel at its end", of_each(measures.clipping, "image")),
}
