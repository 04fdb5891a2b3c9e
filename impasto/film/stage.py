"""What every frame is painted from: the styles and masks read once, the styles' colors settled once.

The palette that `--colors` prepares is matched to the first frame of the part, not to every frame anew: a palette that
followed every frame would flicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto import coverage, images, scene
from impasto.film import times
from impasto.film.reading import Picture, Shot
from impasto.images import ImageSource
from impasto.options import Options
from impasto.scene import Scene, Style
from impasto.stylizer import trained_among


@dataclass(frozen=True)
class Stage:
    """Scenes, frame by frame. scene: the first frame's, styles prepared; loaded: what styles and masks were read from.

    Where the style is a trained network, the scene has no styles.
    """

    scene: Scene
    network: Path | None  # that paints in place of styles
    options: Options
    moments: tuple[Fraction, ...] | None  # of the styles
    loaded: tuple[Sequence[Style], ImageSource | None]
    device: torch.device

    @property
    def plain(self) -> Options:
        """The options of painting itself: colors are settled before and finished after."""
        return self.options.replace(colors="style", style_scale=1.0)

    def at(self, shot: Shot, now: Fraction) -> Scene:
        """The scene of one frame; now: seconds since the part began, by which styles change."""
        photo = photo_of(shot.picture, self.device)
        weights = self.scene.weights if self.moments is None else times.shares(self.moments, now)
        styles, protect = self.loaded
        found, protection = self.scene.masks, self.scene.protection
        if "alpha" in [*(style.mask for style in styles if isinstance(style.mask, str)), protect]:
            found = tuple(None if style.mask is None else scene.load_mask(style.mask, photo) for style in styles)
            protection = None if protect is None else scene.load_mask(protect, photo)
        return replace(self.scene, content=photo, weights=weights, masks=found, protection=protection)


def prepare(
    first: Shot,
    styles: Sequence[Style],
    moments: tuple[Fraction, ...] | None,
    protect: ImageSource | None,
    options: Options,
    device: torch.device,
) -> Stage:
    """Read the styles and masks, and settle what the options leave open. Raises InputError or OptionError."""
    photo = photo_of(first.picture, device)
    network = trained_among(styles)
    if network is not None:
        styles = ()
    pictures, _ = scene.load_styles([style.source for style in styles], device, options)
    places = tuple(None if style.mask is None else scene.load_mask(style.mask, photo) for style in styles)
    protection = None if protect is None else scene.load_mask(protect, photo)
    weights = tuple(float(style.weight) for style in styles)
    read = Scene(photo, pictures, weights, places, protection)
    options = coverage.settled(options, read)
    prepared = tuple(scene.style_at(options.size, style, photo, options) for style in pictures)
    return Stage(replace(read, styles=prepared), network, options, moments, (styles, protect), device)


def photo_of(picture: Picture, device: torch.device) -> scene.Picture:
    """A frame as a scene holds it: over white, with its opacity where it is transparent."""
    pixels = torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255)).to(device)
    if pixels.shape[1] == 3 or float(pixels[:, 3:].min()) == 1:
        return scene.Picture(pixels[:, :3].contiguous())
    opacity = pixels[:, 3:].contiguous()
    return scene.Picture(pixels[:, :3] * opacity + (1 - opacity), opacity)


def picture_of(image: Tensor, opacity: Tensor | None, channels: int) -> Picture:
    """A painted frame (1, 3, H, W) as bytes (H, W, channels), as `images.to_picture` rounds it."""
    found = np.asarray(images.to_picture(image, opacity))
    if found.shape[2] < channels:  # a frame of a video with opacity that is opaque throughout
        found = np.concatenate([found, np.full_like(found[:, :, :1], 255)], 2)
    return found
