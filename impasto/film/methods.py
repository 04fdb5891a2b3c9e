"""Three ways to paint a frame, one interface: a scene and what came before it -> a picture.

    frame     every frame on its own, by the optimiser: no memory, so it flickers
    steady    by the optimiser from the picture before, moved along the flow, which it may leave only where it must
    fast      by presto or a trained network, over or blended with the picture before, moved along the flow

Source of `steady`: Ruder, Dosovitskiy, Brox 2016, "Artistic style transfer for videos". What came before is several earlier
pictures, the nearest first; a farther one counts only where no nearer one can be trusted, as in their equation 8.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from impasto import engines, forecast
from impasto.canvas import crop, pad
from impasto.equipment import load_backbone, precision
from impasto.errors import OptionError
from impasto.film.flow import Motion
from impasto.film.stage import Stage
from impasto.objective import make_objective, make_terms
from impasto.optimize import LBFGS, optimize
from impasto.options import PaintOptions, StylizeOptions, VideoOptions
from impasto.painting import State, last, paint_scales
from impasto.presto import Presto, fitting
from impasto.scene import Scene
from impasto.shelf import Shelf
from impasto.starts import sketch
from impasto.stylizer import make_stylizer

FIRST_CHANGE = 0.005  # of pixels in the optimiser's first step, as the picture is nearly done
HOLES = 0.04  # share of a frame that may have come from nowhere before it is painted


class Past(NamedTuple):
    """An earlier picture, moved to where its things are now, (1, 3, H, W); and how far that holds, (1, 1, H, W)."""

    image: Tensor
    trust: Tensor


class Method(Protocol):
    """Paints frames.

    engine: what does it, in words; reach: which earlier frames it wants, 1 being the last one; threads: with how many torch
    computes, None: as many as it does anyway.
    """

    engine: str
    reach: tuple[int, ...]
    threads: int | None

    def draft(self, scene: Scene, motions: Mapping[int, Motion], index: int) -> Tensor | None:
        """What of the picture does not hang on those before it, made ahead, in a thread; None where there is nothing.

        motions: to the frames that `reach` names, as far as there are; none over a cut. index: of the frame.
        """
        ...

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        """The painted picture (1, 3, H, W) in [0, 1].

        past: what was painted for the frames of the motions, nearest first.
        """
        ...


def merged(past: Sequence[Past]) -> Past:
    """All earlier pictures as one: the nearest, and where it cannot be trusted, the next."""
    image, trust = past[0]
    for other in past[1:]:
        added = (other.trust - trust).clamp_min(0)
        image = torch.where(added > 0, other.image, image)
        trust = trust + added
    return Past(image, trust)


class EachFrame:
    """Every frame on its own, as system C did it."""

    reach: tuple[int, ...] = ()
    threads: int | None = None

    def __init__(self, stage: Stage, options: PaintOptions) -> None:
        self.stage, wanted = stage, options.replace(colors="style")
        itemsize = precision(options, stage.device).itemsize
        self.options = forecast.fit_memory(stage.scene.extremes(), wanted, stage.device, itemsize)
        self.shelf = Shelf()
        self.backbone = load_backbone(options, stage.device, self.shelf)
        self.engine = f"{options.backbone} in {str(self.backbone.dtype).removeprefix('torch.')} on {stage.device}"

    def draft(self, scene: Scene, motions: Mapping[int, Motion], index: int) -> Tensor | None:
        return None

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        return self.whole(scene)

    def whole(self, scene: Scene) -> Tensor:
        """A picture painted from nothing, through all scales."""
        steps = paint_scales(
            scene, self.backbone, self.options, {"verb": "video"}, State(), time.monotonic(), self.shelf, seamless=False
        )
        return last(steps, None).image.to(self.stage.device)


class Steady(EachFrame):
    """The optimiser, held to what it painted before.

    What has newly come in is sketched by presto and painted first, the rest held fast; then all of it together. In one go
    the temporal loss, which is much steeper than the others, would leave what is new half painted.
    """

    def __init__(self, stage: Stage, options: PaintOptions, video: VideoOptions) -> None:
        super().__init__(stage, options)
        self.video, self.reach = video, tuple(sorted(set(video.references)))

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        if not past:
            return self.whole(scene)
        margin, steps = self.options.canvas_padding, self.video.later_steps
        before = merged(past)
        image, trust = pad(before.image, margin), pad(before.trust, margin)
        view = scene.view(self.options.size, margin, self.options)
        objective = make_objective(view, self.backbone, make_terms(view, self.backbone, self.options, self.shelf))
        canvas = image
        if float(trust.min()) < 1:
            canvas = torch.lerp(sketch(view, self.options, self.shelf, passes=1), image, trust)
            canvas = self.lowered(canvas, lambda new: objective(torch.lerp(new, image, trust)), -(-steps // 2))
            canvas = torch.lerp(canvas, image, trust)
        canvas = self.lowered(canvas, held(objective, image, trust, self.video.temporal_weight), max(1, steps // 2))
        return crop(canvas, margin)

    def lowered(self, canvas: Tensor, objective: Callable[[Tensor], dict[str, Tensor]], steps: int) -> Tensor:
        """The canvas after so many evaluations of the objective."""
        optimizer = LBFGS(self.options.history, first_change=FIRST_CHANGE)
        for step in optimize(canvas, objective, steps=steps, optimizer=optimizer):
            canvas = step.image
        return canvas


def held(
    objective: Callable[[Tensor], dict[str, Tensor]], image: Tensor, trust: Tensor, weight: float
) -> Callable[[Tensor], dict[str, Tensor]]:
    """The objective with the temporal loss: the mean squared difference to what was painted before, where it holds."""

    def together(canvas: Tensor) -> dict[str, Tensor]:
        difference = ((canvas - image).square() * trust).mean((1, 2, 3))
        return {**objective(canvas), "temporal": weight * difference}

    return together


class Fast:
    """A feed-forward network, and what it painted before: as much of it as `steadiness` says where the flow holds.

    It runs for every `repaint`-th frame, oftener where the flow leaves holes; in between what was painted moves along. A
    trained network's picture is blended with what was painted before. presto paints that blend once more: so it grows as
    bold as by many passes, and where two pictures disagree it makes strokes of what would be flat.
    """

    reach: tuple[int, ...]

    def __init__(self, stage: Stage, options: StylizeOptions, video: VideoOptions) -> None:
        self.stage, self.steadiness = stage, video.steadiness
        self.options = options.replace(colors="style", passes=options.passes or 1)
        self.stylizer = make_stylizer(stage.network, self.options)
        self.presto = self.stylizer if isinstance(self.stylizer, Presto) and self.steadiness else None
        self.opening = fitting(options.passes, options.strength)
        self.repaint = video.repaint or (2 if self.presto is None else 4)
        self.engine = f"{self.stylizer.name} by {self.stylizer.engine}"
        self.reach = (1,) if self.steadiness or self.repaint > 1 else ()
        self.turn = Lock()  # the draft's thread and the painter's use the same network
        # beside OpenVINO, which has threads of its own, torch does so little that its threads would wait for each other
        self.threads = 1 if engines.choose(options.engine, stage.device) == "openvino" else None

    def draft(self, scene: Scene, motions: Mapping[int, Motion], index: int) -> Tensor | None:
        if 1 in motions and index % self.interval(motions[1]):
            return None
        view = scene.view(self.options.size, 0, self.options)
        with self.turn:
            if self.presto is None or 1 in motions:
                return self.stylizer.image(view)
            return self.presto.image(view, passes=self.opening)  # a shot begins as bold as it goes on

    def interval(self, motion: Motion) -> int:
        """How many frames from one that the network paints to the next, where things move as here."""
        holes = 1 - float(motion.trust.mean())
        return max(1, min(self.repaint, int(HOLES / max(holes, 1e-6))))

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        if not past:
            assert draft is not None
            return draft
        (before,) = past
        if draft is None:
            return before.image
        share = before.trust * self.steadiness
        if self.presto is not None:
            view = scene.view(self.options.size, 0, self.options)
            with self.turn:
                draft = self.presto.image(view, over=torch.lerp(draft, before.image, share))
        return torch.lerp(draft, before.image, share)


def make(stage: Stage, video: VideoOptions) -> Method:
    """The method that the options name, ready to paint. Raises OptionError or WeightsError."""
    options = stage.options
    if isinstance(options, StylizeOptions):
        return Fast(stage, options, video)
    if stage.network is not None:
        raise OptionError(
            f"{stage.network} is a trained network, and --method {video.method} paints by the optimiser. Choose --method "
            "fast, or give a picture as style."
        )
    assert isinstance(options, PaintOptions)
    return Steady(stage, options, video) if video.method == "steady" else EachFrame(stage, options)
