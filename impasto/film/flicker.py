"""How steady a video is: how far its pictures change beyond what moved.

The warping error of a frame is the mean squared difference, over the pixels whose motion in the input can be trusted, of
the frame before, moved along the input's flow, to the frame itself. Source: Lai et al. 2018, "Learning blind video temporal
consistency", equation 10. A video that is not painted has one too, of its grain and of what the flow misses.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from impasto import curves, images
from impasto.equipment import load_backbone
from impasto.errors import InputError
from impasto.film import flow as flows
from impasto.film import reading
from impasto.film.reading import Clip
from impasto.film.stage import photo_of
from impasto.images import ImageSource
from impasto.opening import FilePath
from impasto.options import PaintOptions
from impasto.shelf import Shelf

PREDICTED_AT = 160  # pixels
# up to this trace -> what the style is, and what to do; docs/video.md has the flicker of five styles, which says little
KINDS = (
    (4.0, "a calm style", "any method holds it"),
    (10.0, "a style like most", "--method fast or steady holds it, frame flickers"),
    (math.inf, "a restless style", "--method steady, or fast with --steadiness 0.9"),
)
SAME = Fraction(1, 100)  # seconds: frames whose times are nearer belong together


@dataclass(frozen=True)
class Flicker:
    """The warping errors of a video's frames, from the second on; None after a cut.

    times: of these frames, in seconds.
    """

    times: tuple[float, ...]
    errors: tuple[float | None, ...]

    @property
    def mean(self) -> float:
        """Over all frames that follow on another."""
        known = [error for error in self.errors if error is not None]
        return sum(known) / len(known) if known else 0.0

    @property
    def worst(self) -> tuple[float, float]:
        """(time, error) of the frame that jumps the most."""
        known = [(error, time) for time, error in zip(self.times, self.errors, strict=True) if error is not None]
        error, time = max(known, default=(0.0, 0.0))
        return time, error


def measure(
    source: FilePath | Clip, painted: Mapping[str, FilePath], flow: flows.Flow = flows.dis
) -> dict[str, Flicker]:
    """The flicker of videos that were painted from `source`, by their names; that of the source itself is "input".

    Frames are matched by their times, so a video of every n-th frame is compared as well, against the motion between the
    frames that it has. Raises InputError where a video cannot be read or has no two frames of the source.
    """
    clip = source if isinstance(source, Clip) else reading.read(source)
    made = {name: reading.read(path) for name, path in painted.items()}
    return {"input": along(pairs(clip, clip), flow, str(clip.path))} | {
        name: along(pairs(clip, other), flow, str(other.path)) for name, other in made.items()
    }


def pairs(clip: Clip, painted: Clip) -> Iterator[tuple[float, Tensor, Tensor]]:
    """(time, frame of the input, painted frame) of all frames that both have, at the painted size."""
    originals = clip.shots()
    original = next(originals)
    start = original.time
    shift: Fraction | None = None
    for shot in painted.shots():
        if shift is None:
            shift = shot.time  # a container may move the beginning
        now = shot.time - shift
        while original.time - start < now - SAME:
            following = next(originals, None)
            if following is None:
                return
            original = following
        if abs(original.time - start - now) <= SAME:
            image = photo_of(shot.picture, torch.device("cpu")).image
            content = photo_of(original.picture, torch.device("cpu")).image
            yield float(now), images.resize_to(content, (image.shape[2], image.shape[3])), image


def along(frames: Iterator[tuple[float, Tensor, Tensor]], flow: flows.Flow, name: str) -> Flicker:
    """The flicker of painted frames along the motion of the input's. Raises InputError where there are no two frames."""
    times, errors = [], []
    before: tuple[Tensor, Tensor] | None = None
    for time, content, image in frames:
        if before is not None:
            moved, trusted = flows.between(content, before[0], flow)
            times.append(time)
            errors.append(None if flows.is_cut(trusted) else warping_error(image, before[1], moved, trusted))
        before = content, image
    if not times:
        raise InputError(
            f"{name} has no two frames at the times of the input's: name the video that it was painted from."
        )
    return Flicker(tuple(times), tuple(errors))


def warping_error(image: Tensor, earlier: Tensor, flow: Tensor, trusted: Tensor) -> float:
    """Mean squared difference where the flow is trusted, of pixels from 0 to 1; 0 where it is nowhere.

    image, earlier: (1, 3, H, W); flow: from the image to the earlier one, (1, 2, H, W); trusted: (1, 1, H, W).
    """
    difference = (image - flows.warp(earlier, flow)).square().mean(1, keepdim=True)
    return float((difference * trusted).sum() / trusted.sum().clamp_min(1))


def restlessness(style: ImageSource) -> float:
    """How much a style flickers where every frame is painted on its own: the trace of petit's Gram matrix at relu3_1.

    It is divided by the numbers of channels and positions, at a longer side of `PREDICTED_AT` pixels. Source: Gupta et
    al. 2017, "Characterizing and improving stability in neural style transfer": the larger the trace, the more the
    solutions for two nearly equal frames may differ. Raises InputError.
    """
    image = images.resize(images.load(style, PREDICTED_AT), PREDICTED_AT)
    backbone = load_backbone(PaintOptions(device="cpu", precision="float32"), image.device, Shelf())
    with torch.no_grad():
        return float(backbone(image, ("relu3_1",))["relu3_1"].square().mean())


def advice(style: ImageSource) -> str:
    """What `restlessness` means, in words, with what to do. Raises InputError."""
    trace = restlessness(style)
    kind, remedy = next((kind, remedy) for most, kind, remedy in KINDS if trace < most)
    return f"trace {trace:.1f}: {kind}; {remedy}"


def save_plot(found: Mapping[str, Flicker], path: FilePath) -> None:
    """Draw the root of the errors over time, in 255ths: .png, .pdf or .svg, or .csv for a table. Raises OutputError."""
    histories = {
        name: [
            {"step": time, "loss": 255 * error**0.5}
            for time, error in zip(one.times, one.errors, strict=True)
            if error is not None
        ]
        for name, one in found.items()
    }
    curves.save_curves(histories, path, logarithmic=False, labels=("seconds", "flicker, in 255ths"))
