"""Three ways to paint a frame, one interface: a scene and what came before it -> a picture.

    frame     every frame on its own, by the optimiser: no memory, so it flickers
    steady    by the optimiser from the picture before, moved along the flow, which it may leave only where it must
    fast      by a trained network, blended with the picture before, moved along the flow; or by presto, which fills what is
              new in it, and a few touches by the optimiser

Source of `steady`: Ruder, Dosovitskiy, Brox 2016, "Artistic style transfer for videos". What came before is several earlier
pictures, the nearest first; a farther one counts only where no nearer one can be trusted, as in their equation 8.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from impasto import forecast
from impasto.bundle import those_of
from impasto.canvas import crop, pad
from impasto.equipment import load_backbone, make_optimizer, precision
from impasto.errors import OptionError
from impasto.film import flow as flows
from impasto.film.flow import Motion
from impasto.film.stage import Stage
from impasto.forecast import shape_at
from impasto.objective import Objective, make_objective, make_terms, tile_for
from impasto.optimize import LBFGS, optimize
from impasto.options import Options, PaintOptions, StylizeOptions, VideoOptions
from impasto.painting import State, last, paint_scales
from impasto.presets import options_for
from impasto.presto import Presto, fitting
from impasto.scene import Scene, View
from impasto.shelf import Shelf
from impasto.starts import sketch
from impasto.stylizer import make_stylizer

FIRST_CHANGE = 0.005  # of pixels in the optimiser's first step, as the picture is nearly done
MOST_CHANGE = 0.1  # of a pixel in one step that may be the last, which nothing looks at
TOUCHED = 640 * 360  # pixels of a frame that is gone over but once whenever presto has painted, which costs as much
OFTENER = 4 / 3  # it goes over smaller ones as many times as they are smaller, to this power: they need it most
MOST_TOUCHES = 8  # for the smallest, from 256 x 192 on; beyond these there is little to win
OPENING = 12  # times as many touches for the first picture of a shot, but no more than a painting gets
HOLES = 0.04  # share of a frame that may have come from nowhere before it is painted


class Past(NamedTuple):
    """An earlier picture, moved to where its things are now, (1, 3, H, W); how far that holds, (1, 1, H, W); the flow."""

    image: Tensor
    trust: Tensor
    flow: Tensor


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
    """All earlier pictures as one: the nearest, and where it cannot be trusted, the next; the nearest one's flow."""
    image, trust, flow = past[0]
    for other in past[1:]:
        added = (other.trust - trust).clamp_min(0)
        image = torch.where(added > 0, other.image, image)
        trust = trust + added
    return Past(image, trust, flow)


class Brush:
    """The optimiser for frames, with what all of them share.

    name: what paints, in words.
    """

    def __init__(self, stage: Stage, options: PaintOptions) -> None:
        wanted, device = options.replace(colors="style"), stage.device
        itemsize = precision(options, device).itemsize
        self.options = forecast.fit_memory(stage.scene.extremes(), wanted, device, itemsize)
        self.shelf = Shelf()
        self.backbone = load_backbone(options, device, self.shelf)
        self.name = f"{options.backbone} in {str(self.backbone.dtype).removeprefix('torch.')} on {device}"

    def whole(self, scene: Scene) -> Tensor:
        """A picture painted from nothing, through all scales."""
        steps = paint_scales(
            scene, self.backbone, self.options, {"verb": "video"}, State(), time.monotonic(), self.shelf, seamless=False
        )
        return last(steps, None).image.to(self.backbone.device)

    def view(self, scene: Scene) -> View:
        """The scene at the size of the video, with the canvas's margin."""
        return scene.view(self.options.size, self.options.canvas_padding, self.options)

    def objective(self, view: View) -> Objective:
        """What is to be lowered."""
        tile = tile_for(view, self.options)
        terms = make_terms(view, self.backbone, self.options, self.shelf, tile=tile)
        return make_objective(view, self.backbone, terms, tile=tile)


class EachFrame:
    """Every frame on its own, as system C did it."""

    reach: tuple[int, ...] = ()
    threads: int | None = None

    def __init__(self, stage: Stage, options: PaintOptions) -> None:
        self.brush = Brush(stage, options)
        self.engine = self.brush.name

    def draft(self, scene: Scene, motions: Mapping[int, Motion], index: int) -> Tensor | None:
        return None

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        return self.brush.whole(scene)


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
            return self.brush.whole(scene)
        options, steps = self.brush.options, self.video.later_steps
        view, before = self.brush.view(scene), merged(past)
        image, trust = pad(before.image, view.margin), pad(before.trust, view.margin)
        objective = self.brush.objective(view)
        canvas = image
        if float(trust.min()) < 1:
            canvas = torch.lerp(sketch(view, options, self.brush.shelf, passes=1), image, trust)
            canvas = self.lowered(canvas, lambda new: objective(torch.lerp(new, image, trust)), -(-steps // 2))
            canvas = torch.lerp(canvas, image, trust)
        canvas = self.lowered(canvas, held(objective, image, trust, self.video.temporal_weight), max(1, steps // 2))
        return crop(canvas, view.margin)

    def lowered(self, canvas: Tensor, objective: Objective, steps: int) -> Tensor:
        """The canvas after so many evaluations of the objective."""
        optimizer = LBFGS(self.brush.options.history, first_change=FIRST_CHANGE)
        for step in optimize(canvas, objective, steps=steps, optimizer=optimizer):
            canvas = step.image
        return canvas


def held(objective: Objective, image: Tensor, trust: Tensor, weight: float) -> Objective:
    """The objective with the temporal loss: the mean squared difference to what was painted before, where it holds."""

    def together(canvas: Tensor) -> dict[str, Tensor]:
        difference = ((canvas - image).square() * trust).mean((1, 2, 3))
        return {**objective(canvas), "temporal": weight * difference}

    return together


class Fast:
    """A feed-forward network, blended with what it painted before, as much as `steadiness` says, where the flow holds.

    It runs for every `repaint`-th frame, oftener where the flow leaves holes; in between what was painted moves along.
    """

    def __init__(self, stage: Stage, options: StylizeOptions, video: VideoOptions) -> None:
        self.stage = stage
        self.options = options.replace(colors="style", passes=options.passes or 1)
        self.stylizer = make_stylizer(stage.network, self.options)
        self.steadiness = 0.8 if video.steadiness is None else video.steadiness
        self.repaint = video.repaint or 2
        self.engine = f"{self.stylizer.name} by {self.stylizer.engine}"
        self.reach: tuple[int, ...] = (1,) if self.steadiness or self.repaint > 1 else ()
        # beside OpenVINO, which has threads of its own, torch does so little that its threads would wait for each other
        self.threads = 1 if self.stylizer.chosen == "openvino" else None

    def draft(self, scene: Scene, motions: Mapping[int, Motion], index: int) -> Tensor | None:
        if 1 in motions and index % self.interval(motions[1].trust):
            return None
        return self.drawn(scene.view(self.options.size, 0, self.options), first=1 not in motions)

    def drawn(self, view: View, first: bool) -> Tensor:
        """What the network makes of a frame; first: of a shot."""
        return self.stylizer.image(view)

    def interval(self, trust: Tensor) -> int:
        """How many frames from one that the network paints to the next, where the flow holds as far as here."""
        holes = 1 - float(trust.mean())
        return max(1, min(self.repaint, int(HOLES / max(holes, 1e-6))))

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        if not past:
            assert draft is not None
            return draft
        (before,) = past
        if draft is None:
            return before.image
        # what has come in since the network last painted, if things moved as they do now, has only been smeared since
        share = before.trust * flows.inside(before.flow * self.interval(before.trust)) * self.steadiness
        return torch.lerp(draft, before.image, share)


def touches_for(height: int, width: int) -> int:
    """How often the optimiser goes over a frame of that shape."""
    return min(MOST_TOUCHES, max(1, round((TOUCHED / (height * width)) ** OFTENER)))


class Touched(Fast):
    """presto, and a few touches by the optimiser over what it paints.

    What a network paints is some way from the style, and a mixture of two of its pictures further still. So presto fills
    what is new, the rest is what was painted before, and the optimiser goes over the whole, whenever presto has painted.
    The first picture of a shot gets `OPENING` times as many touches.
    """

    def __init__(self, stage: Stage, options: StylizeOptions, video: VideoOptions) -> None:
        super().__init__(stage, options, video)
        shared = those_of(Options, asdict(options))
        strength = None if options.strength == 100 else options.strength
        self.brush = Brush(stage, options_for(**shared, strength=strength))
        assert isinstance(self.stylizer, Presto)
        self.presto = self.stylizer
        shown = shape_at(stage.scene.content.image, options.size)
        self.touches = touches_for(*shown) if video.touches is None else video.touches
        self.opening = fitting(options.passes, options.strength)  # passes: a shot begins as bold as it goes on
        self.steadiness = 1.0 if video.steadiness is None else video.steadiness
        self.repaint = video.repaint or 12
        self.engine = f"{self.engine}, {self.brush.name}"
        self.threads = None

    def drawn(self, view: View, first: bool) -> Tensor:
        return self.presto.image(view, self.opening if first else None)

    def __call__(self, scene: Scene, past: Sequence[Past], draft: Tensor | None) -> Tensor:
        canvas = super().__call__(scene, past, draft)
        return canvas if draft is None else self.touched(scene, canvas, first=not past)

    def touched(self, scene: Scene, canvas: Tensor, first: bool) -> Tensor:
        """The canvas after the touches; the last one's step is taken too, since there are so few. first: of a shot.

        The first picture is painted as any painting is; what is nearly done already takes L-BFGS' small steps.
        """
        count = max(self.touches, min(OPENING * self.touches, self.brush.options.steps)) if first else self.touches
        view, history = self.brush.view(scene), self.brush.options.history
        optimizer = (
            make_optimizer(self.brush.options)
            if first
            else LBFGS(history, first_change=FIRST_CHANGE, most_change=MOST_CHANGE)
        )
        canvas = pad(canvas, view.margin)
        for step in optimize(canvas, self.brush.objective(view), steps=count, optimizer=optimizer):
            canvas = step.next
        return crop(canvas, view.margin).clamp(0, 1)


def make(stage: Stage, video: VideoOptions) -> Method:
    """The method that the options name, ready to paint. Raises OptionError or WeightsError."""
    options = stage.options
    if isinstance(options, StylizeOptions):
        touched = video.touches != 0 and options.strength and stage.network is None
        return (Touched if touched else Fast)(stage, options, video)
    if stage.network is not None:
        raise OptionError(
            f"{stage.network} is a trained network, and --method {video.method} paints by the optimiser. Choose --method "
            "fast, or give a picture as style."
        )
    assert isinstance(options, PaintOptions)
    return Steady(stage, options, video) if video.method == "steady" else EachFrame(stage, options)
