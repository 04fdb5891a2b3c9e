"""paint(content, style): the main verb.

One call in six stages: options are checked, pictures read, the backbone loaded, the scales planned; then each scale
builds its objective and is optimised, its result enlarged into the next; at the end stands a `Painting`. The verbs that
paint from one picture alone share these stages: see `synthesis`. A painting's `State` after any step is enough to go on
from there: see `runs`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from impasto import (
    backbones,
    coverage,
    doctor,
    evaluation,
    forecast,
    images,
    machine,
    recipe,
    saving,
    scales,
    scene,
)
from impasto.backbones import Backbone
from impasto.canvas import crop, pad, resized
from impasto.equipment import load_backbone, make_optimizer, option_files, precision
from impasto.errors import InputError
from impasto.evaluation import Report
from impasto.images import ImageSource
from impasto.objective import make_objective, make_terms, tile_for
from impasto.optimize import Optimizer, Step, optimize
from impasto.options import BackboneName, Options, PaintOptions
from impasto.planning import forecaster
from impasto.presets import options_for
from impasto.scene import Scene, Styles, View
from impasto.shelf import Shelf
from impasto.starts import start


class Origins(NamedTuple):
    """What a picture is judged against: photo (1, 3, H, W) and styles at its size, the styles' shares of it.

    protected: the photo stays in some places.
    """

    photo: Tensor
    styles: tuple[Tensor, ...]
    shares: tuple[float, ...]
    protected: bool = False

    @classmethod
    def of(cls, view: View) -> "Origins":
        """Those of a view at the picture's size."""
        extents = [1.0 if region.weights is None else float(region.weights.mean()) for region in view.regions]
        shares = [
            sum(region.shares[index] * extent for region, extent in zip(view.regions, extents, strict=True))
            for index in range(len(view.styles))
        ]
        styles = tuple(style.image.cpu() for style, share in zip(view.styles, shares, strict=True) if share)
        used = tuple(share for share in shares if share)
        return cls(crop(view.content, view.margin).cpu(), styles, used, view.kept is not None)


@dataclass(frozen=True)
class Painting:
    """A finished picture: `image` (1, 3, H, W) in [0, 1], its recipe, and the losses of every step.

    Where the photo was transparent, `image` shows it on white and `opacity`, (1, 1, H, W), says how far.
    """

    image: Tensor
    recipe: dict[str, Any]
    history: list[dict[str, Any]] = field(repr=False)
    opacity: Tensor | None = field(default=None, repr=False)
    origins: Origins | None = field(default=None, repr=False)

    @property
    def picture(self) -> Image.Image:
        """As an 8-bit PIL picture."""
        return images.to_picture(self.image, self.opacity)

    def save(self, path: str | Path, *, quality: int = 95, with_recipe: bool = True) -> Path:
        """Write a PNG, JPEG, WebP, AVIF or TIFF file, the recipe inside; returns its path. Raises OutputError.

        quality: 1 to 100, of the formats that lose something; the recipe then says it.
        """
        path = Path(path)
        saving.write(self.encode(path.suffix, quality=quality, with_recipe=with_recipe), path)
        return path

    def encode(self, suffix: str, *, quality: int = 95, with_recipe: bool = True) -> bytes:
        """The file that `save` writes under a name with this suffix. Raises OutputError."""
        notes = {**self.recipe, "quality": quality} if saving.is_lossy(suffix) else self.recipe
        recipe = notes if with_recipe else None
        return saving.encode(self.image, suffix, recipe=recipe, quality=quality, opacity=self.opacity)

    def report(self, backbone: BackboneName = "petit") -> Report:
        """The report card: see `impasto.evaluate`. backbone: the network that judges. Raises InputError, WeightsError."""
        if self.origins is None or not self.origins.styles:
            raise InputError(
                "A report compares with photo and style, and this picture has not both: use impasto.evaluate."
            )
        judge = backbones.load(backbone)
        photo, styles, shares, _ = self.origins
        return evaluation.judged(self.image, photo, styles, shares, judge, self.recipe)

    def examined(self) -> "Painting":
        """The same painting with what the artefact doctor says of it in its recipe, under "doctor"."""
        if self.origins is None:
            return self
        found = doctor.examine(
            self.image,
            self.origins.photo,
            self.origins.styles,
            made=self.recipe,
            skip=("under-stylized",) if self.origins.protected or self.recipe["options"].get("strength") == 0 else (),
        )
        return replace(self, recipe={**self.recipe, "doctor": found.as_dict()})

    def __repr__(self) -> str:
        height, width = self.image.shape[2:]
        return (
            f"<Painting by impasto {self.recipe.get('verb', 'paint')}, {width} x {height}, {len(self.history)} steps>"
        )

    def _repr_png_(self) -> bytes:
        """Notebooks show a painting as what it is."""
        return saving.encode(self.image, ".png", opacity=self.opacity)


@dataclass(frozen=True)
class State:
    """Where a painting stands after a step.

    scale: index into the plan; step: evaluations done at that scale; canvas: what is evaluated next, (1, 3, H, W) with
    its margin, or None before the first step; memory: the optimiser's; history: the losses of every step; seconds: spent.
    """

    scale: int = 0
    step: int = 0
    canvas: Tensor | None = None
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    history: Sequence[dict[str, Any]] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class PaintStep:
    """One evaluation on the way: `index` of `total`, at `size` pixels, after `seconds` in all.

    canvas: the picture with its margin. state: gives the painting's state, if called before the next step is asked for.
    """

    index: int
    total: int
    size: int
    loss: float
    parts: dict[str, float]
    seconds: float
    painting: Painting  # as it stands now
    canvas: Tensor = field(repr=False)
    state: Callable[[], State] = field(repr=False)


def paint(
    content: ImageSource,
    style: Styles,
    options: PaintOptions | None = None,
    *,
    protect: ImageSource | None = None,
    preset: str | None = None,
    on_step: Callable[[PaintStep], object] | None = None,
    **given: Any,
) -> Painting:
    """Paint `content` in the manner of `style`.

    content, style: a path, the bytes of a file, a PIL picture, an array (H, W, 3) or a tensor (1, 3, H, W) in [0, 1].
    Several styles are a list of pictures, of (picture, weight) or of (picture, weight, mask): see `Style`.
    protect: a mask; where it is white, the photo stays. A mask is a picture of the photo's aspect or a shape in words.
    options: all of them at once; if left out, those of `preset`. Single options by name, such as `size=800`, go before
    either.
    on_step: called after every evaluation, for progress and previews.

    Raises InputError, OptionError, WeightsError or DivergenceError, all ImpastoError, with a remedy in the message.
    """
    return last(paint_steps(content, style, options, protect=protect, preset=preset, **given), on_step)


def last(steps: Iterator[PaintStep], on_step: Callable[[PaintStep], object] | None) -> Painting:
    """The painting that stands at the end of all steps."""
    step = None
    for step in steps:
        if on_step is not None:
            on_step(step)
    assert step is not None  # every plan has a step
    return step.painting


def paint_steps(
    content: ImageSource,
    style: Styles,
    options: PaintOptions | None = None,
    *,
    protect: ImageSource | None = None,
    preset: str | None = None,
    on_download: Callable[[int, int], None] | None = None,
    shelf: Shelf | None = None,
    **given: Any,
) -> Iterator[PaintStep]:
    """As `paint`, but yields every step: stop iterating to cancel, and keep the last step's painting.

    on_download: (bytes done, bytes in all) while weights are fetched. shelf: shared with other paintings, so that what
    they have in common is made once. Raises as `paint` does, the optimiser's DivergenceError after steps that were good.
    """
    if options is None:
        preset = preset or "default"
        options = options_for(preset, **given)
    elif given:
        options = options.replace(**given)
    load = partial(scene.load, content, scene.list_styles(style), protect)
    yield from run("paint", load, options, preset, on_download=on_download, shelf=shelf)


def run(
    verb: str,
    load: Callable[[torch.device, PaintOptions], Scene],
    options: PaintOptions,
    preset: str | None,
    *,
    arguments: Mapping[str, Any] | None = None,
    seamless: bool = False,
    on_download: Callable[[int, int], None] | None = None,
    state: State | None = None,
    shelf: Shelf | None = None,
) -> Iterator[PaintStep]:
    """What every verb that optimises an image does. `load` reads its pictures for a device and options.

    arguments: what the verb was given beside options, for the recipe. state: where to go on; the step that it was taken
    after is yielded once more.
    """
    state, shelf = state or State(), shelf or Shelf()
    began = time.monotonic() - state.seconds
    device = machine.choose_device(options.device)
    pictures = load(device, options)
    options = coverage.settled(options, pictures)
    options = forecast.fit_memory(pictures.extremes(), options, device, precision(options, device).itemsize)
    backbone = load_backbone(options, device, shelf, on_download)
    if options.budget is not None:
        foresee = forecaster(pictures, backbone, options)
        options = forecast.fit_budget(options, lambda fewer: foresee(fewer).seconds, time.monotonic() - began)
    files = {role: recipe.fingerprint(path) for role, path in option_files(options).items()}
    notes = recipe.make(
        verb,
        preset,
        options,
        arguments or {},
        {**pictures.inputs, **files},
        backbone.fingerprint,
        device,
        backbone.dtype,
    )
    notes["engine"] = backbone.engine
    yield from paint_scales(pictures, backbone, options, notes, state, began, shelf, seamless)


def paint_scales(
    pictures: Scene,
    backbone: Backbone,
    options: PaintOptions,
    notes: Mapping[str, Any],
    state: State,
    began: float,
    shelf: Shelf,
    seamless: bool,
) -> Iterator[PaintStep]:
    """Paint scale by scale from a state on. notes: the recipe so far; began: by the monotonic clock."""
    device = backbone.device
    history = list(state.history)
    plan = scales.plan(options)
    margin = 0 if seamless else options.canvas_padding
    total = sum(scale.steps for scale in plan)
    optimizer = make_optimizer(options)
    optimizer.restore({key: value.to(device) if value.ndim == 4 else value for key, value in state.memory.items()})
    canvas, done = None if state.canvas is None else state.canvas.to(device), state.step
    for number, scale in enumerate(plan[state.scale :], start=state.scale):
        view = pictures.view(scale.size, margin, options)
        tile = tile_for(view, options)
        terms = make_terms(view, backbone, options, shelf, seamless, tile)
        objective = make_objective(view, backbone, terms, seamless, tile)
        solved = {} if options.strength is None else {"weights": {name: term.weight for name, term in terms.items()}}
        origins = Origins.of(view) if notes.get("verb") == "paint" else None
        report = partial(paint_step, total, view, options, {**notes, **solved}, origins, history)
        if canvas is None:
            canvas = start(view, options, shelf)
        elif number > state.scale:
            canvas, done = enlarge(optimizer.result(canvas), view.content, margin, optimizer, seamless), 0
        else:
            yield report(optimizer.result(canvas), time.monotonic() - began, lambda: state)
        for step in optimize(canvas, objective, steps=scale.steps, optimizer=optimizer, done=done):
            canvas, seconds = step.next, time.monotonic() - began
            history.append({"step": len(history) + 1, "size": scale.size, "loss": step.loss, **step.parts})
            yield report(step.image, seconds, partial(capture, number, step, optimizer, history, seconds))


def paint_step(
    total: int,
    view: View,
    options: PaintOptions,
    notes: Mapping[str, Any],
    origins: Origins | None,
    history: list[dict[str, Any]],
    canvas: Tensor,
    seconds: float,
    state: Callable[[], State],
) -> PaintStep:
    """The step that the history ends with, and the painting as it stands then."""
    entry = history[-1]
    index, size, loss = entry["step"], entry["size"], entry["loss"]
    parts = {name: value for name, value in entry.items() if name not in ("step", "size", "loss")}
    facts = {"steps": index, "loss": loss, "losses": parts, "seconds": round(seconds, 2)}
    painting = pictured(view, canvas, options, {**notes, **facts}, history, origins)
    if index == total:
        machine.hand_back_freed_memory()  # the network's, which the doctor has no use for
        painting = painting.examined()
    return PaintStep(index, total, size, loss, parts, seconds, painting, canvas, state)


def pictured(
    view: View,
    canvas: Tensor,
    options: Options,
    notes: Mapping[str, Any],
    history: Sequence[dict[str, Any]] = (),
    origins: Origins | None = None,
) -> Painting:
    """What a view's canvas shows, without its margin, as a painting with that recipe."""
    shown = crop(view.finish(canvas, options), view.margin).cpu()
    opacity = None if view.opacity is None else crop(view.opacity, view.margin).cpu()
    return Painting(shown, dict(notes), list(history), opacity, origins)


def capture(scale: int, step: Step, optimizer: Optimizer, history: Sequence[dict[str, Any]], seconds: float) -> State:
    """The state after a step."""
    return State(scale, step.index, step.next, optimizer.memory(), list(history), seconds)


def enlarge(canvas: Tensor, content: Tensor, margin: int, optimizer: Optimizer, seamless: bool = False) -> Tensor:
    """The last scale's picture at the shape of the next scale's padded content; the optimiser is told."""
    height, width = (edge - 2 * margin for edge in content.shape[2:])
    optimizer.enlarge((content.shape[2], content.shape[3]))
    return pad(resized(crop(canvas, margin), (height, width), seamless), margin)
