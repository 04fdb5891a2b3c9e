"""What a painting is made from: the photo, its styles with their weights and masks, and what is protected.

A `Scene` holds the pictures at full resolution; `view` brings it to one scale of the plan. Three things say where paint
goes. A style's mask: where it goes rather than the others; where no mask reaches, the photo stays. `protect`: where the
photo stays whatever the masks say. The photo's own opacity: what is transparent stays so and is not painted for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from impasto import colors, frames, images, masks, recipe
from impasto.canvas import pad
from impasto.errors import InputError, OptionError
from impasto.frames import Frame
from impasto.images import ImageSource
from impasto.masks import Mask
from impasto.options import SMALLEST, Options
from impasto.regions import Region, divide


class Style(NamedTuple):
    """A style of several: the picture, its weight against the others', and where it goes; see `masks` for the shapes.

    Without a mask it goes where the masks of the others leave room: everywhere if none has one.
    """

    source: ImageSource
    weight: float = 1.0
    mask: ImageSource | None = None


# one picture, or a list of pictures, of (picture, weight), of (picture, weight, mask)
Styles: TypeAlias = ImageSource | Sequence[Any]


class Picture(NamedTuple):
    """A picture (1, 3, H, W) and its opacity (1, 1, H, W), None where all of it is opaque."""

    image: Tensor
    opacity: Tensor | None = None


PLACES = ("mask", "protect")  # how the roles of masks begin
EVERYWHERE = (Region((1.0,)),)


@dataclass(frozen=True)
class View:
    """A scene at one scale: `content`, `kept` and `opacity` have the canvas's shape, its margin included.

    margin: pixels on each side that are cut off in the end. The regions have the shape that is left: what is cut off is no
    part of the picture's statistics.
    """

    content: Tensor
    styles: tuple[Picture, ...]
    regions: Sequence[Region] = EVERYWHERE
    kept: Tensor | None = None  # (1, 1, H, W): how far the photo stays
    opacity: Tensor | None = None  # (1, 1, H, W) of the photo
    margin: int = 0

    @property
    def coverage(self) -> Tensor | None:
        """(1, 1, H, W): how far each pixel is painted, None where all are."""
        return painted(self.kept, self.opacity)

    def protect(self, canvas: Tensor) -> Tensor:
        """The canvas with the photo where it stays."""
        return canvas if self.kept is None else torch.lerp(canvas, self.content, self.kept)

    def finish(self, canvas: Tensor, options: Options) -> Tensor:
        """The canvas as it is shown: in the colors that were asked for, with the photo where it stays."""
        return self.protect(colors.finish(canvas, self.content, options.colors, options.color_strength))


@dataclass(frozen=True)
class Scene:
    """The pictures at full resolution, and masks that can be drawn at any. Without photo, `content` is a gray template."""

    content: Picture
    styles: tuple[Picture, ...]
    weights: tuple[float, ...] = (1.0,)
    masks: tuple[Mask | None, ...] = (None,)
    protection: Mask | None = None
    inputs: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # their fingerprints, for the recipe

    def extremes(self) -> tuple[Tensor, Tensor]:
        """The content, and the style that takes the most memory: at equal longer sides, the one nearest to a square."""
        largest = max((style.image for style in self.styles), key=lambda image: min(image.shape[2:]) / max(image.shape))
        return self.content.image, largest

    def view(self, size: int, margin: int, options: Options) -> View:
        """The scene with the longer side at `size` pixels and a margin around it."""
        photo = images.resize(self.content.image, size)
        shape = (photo.shape[2], photo.shape[3])
        opacity = None if self.content.opacity is None else images.resize_to(self.content.opacity, shape)
        shares, kept = self.places(shape, options.mask_softness)
        styles = tuple(style_at(size, style, Picture(photo, opacity), options) for style in self.styles)
        divided = regions(self.weights, shares, kept, opacity)
        kept, opacity = (None if mask is None else pad(mask, margin) for mask in (kept, opacity))
        return View(pad(photo, margin), styles, divided, kept, opacity, margin)

    def places(self, shape: tuple[int, int], softness: float) -> tuple[Tensor | None, Tensor | None]:
        """(where each style goes, where the photo stays): (1, K, H, W) adding up to 1, and (1, 1, H, W); None: no mask."""
        kept = None if self.protection is None else self.protection(shape, softness)
        if all(mask is None for mask in self.masks):
            return None, kept
        reach = [None if mask is None else mask(shape, softness) for mask in self.masks]
        covered = torch.stack([mask for mask in reach if mask is not None]).sum(0)
        left = (1 - covered).clamp_min(0)
        weighed = torch.cat(
            [weight * (left if mask is None else mask) for mask, weight in zip(reach, self.weights, strict=True)], 1
        )
        total = weighed.sum(1, keepdim=True)
        even = torch.full_like(weighed, 1 / len(self.weights))  # where nothing is painted, any shares will do
        shares = torch.where(total > 1e-6, weighed / total.clamp_min(1e-6), even)
        if any(mask is None for mask in self.masks):
            return shares, kept
        bare = (1 - covered).clamp(0, 1)
        return shares, bare if kept is None else torch.maximum(bare, kept)


def style_at(size: int, style: Picture, photo: Picture, options: Options) -> Picture:
    """A style at the size that suits the scale, its colors prepared; colors count where there is something to see."""
    assert options.style_scale != "auto"  # the verbs settle it: see `coverage`
    image = images.resize(style.image, max(SMALLEST, round(size * options.style_scale)))
    opacity = None if style.opacity is None else images.resize_to(style.opacity, (image.shape[2], image.shape[3]))
    if options.colors == "style":
        return Picture(image, opacity)
    seen, palette = visible(Picture(image, opacity)), photo.image[:, :, visible(photo)].unsqueeze(2)
    prepared = image.clone()
    prepared[:, :, seen] = colors.prepare(
        image[:, :, seen].unsqueeze(2), palette, options.colors, options.color_strength
    ).squeeze(2)
    return Picture(prepared, opacity)


def visible(picture: Picture) -> Tensor:
    """Which pixels (H, W) are at least half as opaque as the most opaque one."""
    opacity = torch.ones_like(picture.image[:, :1]) if picture.opacity is None else picture.opacity
    return (opacity >= opacity.max() / 2)[0, 0]


def painted(kept: Tensor | None, opacity: Tensor | None) -> Tensor | None:
    """How far each pixel is painted, given how far the photo stays there and how opaque it is; None where all are."""
    parts = [part for part in (None if kept is None else 1 - kept, opacity) if part is not None]
    return torch.stack(parts).prod(0) if parts else None


def regions(
    weights: Sequence[float], shares: Tensor | None, kept: Tensor | None, opacity: Tensor | None
) -> Sequence[Region]:
    """Which mixture of the styles is matched where. Raises OptionError where nothing is left to paint."""
    even = tuple(weight / sum(weights) for weight in weights)
    coverage = painted(kept, opacity)
    if coverage is not None and float(coverage.max()) < 0.01:
        raise OptionError(
            "The masks leave nothing to paint. Let --mask cover more, or --protect less (alpha: where it is opaque)."
        )
    if shares is not None:
        return divide(shares[0], torch.ones_like(shares[:, :1]) if coverage is None else coverage)
    return (Region(even, coverage),)


# ------------------------------------------------------------------------------------------------------- reading


def list_styles(style: Styles) -> tuple[Style, ...]:
    """The styles in whatever form they were given. Raises OptionError for a bad weight or an empty list."""
    if isinstance(style, Style) or not isinstance(style, list | tuple):
        style = [style]
    styles = tuple(Style(*item) if isinstance(item, tuple) else Style(item) for item in style)
    if not styles:
        raise OptionError("The list of styles is empty. Give one or more pictures.")
    for each in styles:
        if isinstance(each.weight, bool) or not isinstance(each.weight, int | float) or not 0 < each.weight < math.inf:
            raise OptionError(f"The weight of a style is {each.weight!r}; it must be a number above 0.")
    return styles


def load(
    content: ImageSource, styles: Sequence[Style], protect: ImageSource | None, device: torch.device, options: Options
) -> Scene:
    """Read every picture and mask, as they will be seen with these options. Raises InputError or OptionError."""
    photo = load_picture(content, device, largest_seen(options))
    pictures, found = load_styles([style.source for style in styles], device, options)
    places = tuple(None if style.mask is None else load_mask(style.mask, photo) for style in styles)
    protection = None if protect is None else load_mask(protect, photo)
    weights = tuple(float(style.weight) for style in styles)
    inputs = fingerprints(sources(content, styles, protect), styles, found)
    return Scene(photo, pictures, weights, places, protection, inputs)


def load_mask(source: ImageSource, photo: Picture) -> Mask:
    """A mask of the photo. Raises OptionError where it covers nothing, as a shape does that is given in pixels."""
    mask = masks.load(source, photo.image, photo.opacity)
    height, width = photo.image.shape[2:]
    if float(mask((height, width), 0.0).max()) < 0.01:
        name = f"The mask {source!r}" if isinstance(source, str) else "A mask"
        raise OptionError(
            f"{name} covers nothing. In a picture what is white is covered; a shape's numbers are shares of the width and "
            "height, from 0 to 1."
        )
    return mask


def largest_seen(options: Options) -> int:
    """The longer side, in pixels, at which a picture of a scene is seen at most; a style scale of auto is a usual one."""
    return round(options.size * (1 if options.style_scale == "auto" else max(1, options.style_scale)))


def load_texture(style: ImageSource, shape: tuple[int, int] | None, device: torch.device, options: Options) -> Scene:
    """A scene without a photo: a gray template of (height, width), or of the style's, that no loss will read."""
    (picture,), found = load_styles([style], device, options)
    height, width = shape or picture.image.shape[2:]
    template = picture.image.new_full((1, 3, height, width), 0.5)
    return Scene(Picture(template), (picture,), inputs=fingerprints({"style": style}, frames_cut=found))


def load_styles(
    sources: Sequence[ImageSource], device: torch.device, options: Options
) -> tuple[tuple[Picture, ...], tuple[Frame | None, ...]]:
    """(styles, the frames that were cut off them). Raises InputError."""
    read = [load_picture(source, device, largest_seen(options)) for source in sources]
    found = tuple(frames.find(style.image) if options.style_frame == "cut" else None for style in read)
    return tuple(style if frame is None else cut(style, frame) for style, frame in zip(read, found, strict=True)), found


def cut(picture: Picture, frame: Frame) -> Picture:
    """What of a picture is inside its frame."""
    return Picture(frame.cut(picture.image), None if picture.opacity is None else frame.cut(picture.opacity))


def load_picture(source: ImageSource, device: torch.device, size: int) -> Picture:
    """A picture with its opacity; see `images.load` for the size. Raises InputError where there is nothing to see."""
    opacity = images.load_opacity(source, size)
    if opacity is not None and float(opacity.max()) < 0.01:
        raise InputError("The picture is transparent everywhere: there is nothing to see in it. Give another.")
    return Picture(images.load(source, size).to(device), None if opacity is None else opacity.to(device))


def sources(content: ImageSource, styles: Sequence[Style], protect: ImageSource | None) -> dict[str, ImageSource]:
    """What a scene is read from, by role: "content", "style" and its "mask", "style-2", "mask-2", ..., "protect"."""
    named = {"content": content}
    for number, style in enumerate(styles, 1):
        suffix = "" if number == 1 else f"-{number}"
        named[f"style{suffix}"] = style.source
        if style.mask is not None:
            named[f"mask{suffix}"] = style.mask
    return named if protect is None else {**named, "protect": protect}


def styles_among(sources: Mapping[str, ImageSource], weights: Mapping[str, float]) -> list[Style]:
    """The styles among sources by role; `sources` taken back. weights: by the styles' roles, 1 where there is none."""
    roles = [role for role in sources if role.split("-")[0] == "style"]
    return [Style(sources[role], weights.get(role, 1.0), sources.get(role.replace("style", "mask"))) for role in roles]


def fingerprint(role: str, source: ImageSource) -> dict[str, Any]:
    """One source as a recipe holds it: {"shape": words} for a mask in words."""
    words = role.startswith(PLACES) and isinstance(source, str) and masks.is_shape(source)
    return {"shape": source} if words else recipe.fingerprint(source)


def fingerprints(
    sources: Mapping[str, ImageSource], styles: Sequence[Style] = (), frames_cut: Sequence[Frame | None] = ()
) -> dict[str, dict[str, Any]]:
    """The sources as a recipe holds them: the weights of several styles among them, and the frames that were cut off."""
    found = {role: fingerprint(role, source) for role, source in sources.items()}
    painted_in = [role for role in found if role.split("-")[0] == "style"]
    for role, style in zip(painted_in if len(styles) > 1 else [], styles, strict=False):
        found[role]["weight"] = float(style.weight)
    for role, frame in zip(painted_in, frames_cut, strict=False):
        if frame is not None:
            found[role]["frame"] = [round(share, 4) for share in frame]
    return found
