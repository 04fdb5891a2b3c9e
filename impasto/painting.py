"""paint(content, style): the main verb.

One call in six stages: options are checked, pictures read, the backbone loaded, the scales planned; then each scale
builds its objective and is optimised, its result enlarged into the next; at the end stands a `Painting`.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from impasto import backbones, images, losses, machine, recipe, scales
from impasto.backbones import Backbone
from impasto.conventions import layer_weights
from impasto.errors import InputError, OptionError
from impasto.images import ImageSource
from impasto.losses import Objective, Term
from impasto.optimize import LBFGS, Adam, Optimizer, optimize
from impasto.options import SMALLEST, STARTS, PaintOptions
from impasto.presets import options_for


@dataclass(frozen=True)
class Painting:
    """A finished picture: `image` (1, 3, H, W) in [0, 1], its recipe, and the losses of every step."""

    image: Tensor
    recipe: dict[str, Any]
    history: list[dict[str, Any]] = field(repr=False)

    @property
    def picture(self) -> Image.Image:
        """As an 8-bit PIL picture."""
        return images.to_picture(self.image)

    def save(self, path: str | Path, *, quality: int = 95) -> Path:
        """Write a PNG, JPEG, WebP or TIFF file with the recipe inside; returns its path. Raises OutputError."""
        images.save(self.image, path, recipe=self.recipe, quality=quality)
        return Path(path)

    def _repr_png_(self) -> bytes:
        """Notebooks show a painting as what it is."""
        return images.encode(self.image, ".png")


@dataclass(frozen=True)
class PaintStep:
    """One evaluation on the way: `index` of `total`, at `size` pixels, after `seconds` in all."""

    index: int
    total: int
    size: int
    loss: float
    parts: dict[str, float]
    seconds: float
    painting: Painting  # as it stands now


def paint(
    content: ImageSource,
    style: ImageSource,
    options: PaintOptions | None = None,
    *,
    preset: str | None = None,
    on_step: Callable[[PaintStep], object] | None = None,
    **given: Any,
) -> Painting:
    """Paint `content` in the manner of `style`.

    content, style: a path, the bytes of a file, a PIL picture, an array (H, W, 3) or a tensor (1, 3, H, W) in [0, 1].
    options: all of them at once; if left out, those of `preset`. Single options by name, such as `size=800`, go before
    either.
    on_step: called after every evaluation, for progress and previews.

    Raises InputError, OptionError, WeightsError or DivergenceError, all ImpastoError, with a remedy in the message.
    """
    step = None
    for step in paint_steps(content, style, options, preset=preset, **given):
        if on_step is not None:
            on_step(step)
    assert step is not None  # every plan has a step
    return step.painting


def paint_steps(
    content: ImageSource,
    style: ImageSource,
    options: PaintOptions | None = None,
    *,
    preset: str | None = None,
    on_download: Callable[[int, int], None] | None = None,
    **given: Any,
) -> Iterator[PaintStep]:
    """As `paint`, but yields every step: stop iterating to cancel, and keep the last step's painting.

    on_download: (bytes done, bytes in all) while weights are fetched. Raises as `paint` does, the optimiser's
    DivergenceError after steps that were good.
    """
    if options is None:
        preset = preset or "default"
        options = options_for(preset, **given)
    else:
        options = options.replace(**given)
    began = time.monotonic()
    device = machine.choose_device(options.device)
    pictures = images.load(content).to(device), images.load(style).to(device)
    check_memory(pictures, options, device)
    backbone = load_backbone(options, device, on_download)
    notes = recipe.make(
        "paint",
        preset,
        options,
        {"content": recipe.fingerprint(content), "style": recipe.fingerprint(style)},
        backbone.fingerprint,
        device,
        backbone.dtype,
    )
    history: list[dict[str, Any]] = []
    plan = scales.plan(options)
    total = sum(scale.steps for scale in plan)
    optimizer = make_optimizer(options)
    margin = options.canvas_padding
    canvas = None
    for scale in plan:
        content_image = pad(images.resize(pictures[0], scale.size), margin)
        style_image = images.resize(pictures[1], max(16, round(scale.size * options.style_scale)))
        objective = make_objective(content_image, style_image, backbone, options)
        canvas = (
            start(content_image, style_image, options)
            if canvas is None
            else enlarge(canvas, content_image, margin, optimizer)
        )
        for step in optimize(canvas, objective, steps=scale.steps, optimizer=optimizer):
            canvas = step.image
            seconds = time.monotonic() - began
            history.append({"step": len(history) + 1, "size": scale.size, "loss": step.loss, **step.parts})
            facts = {"steps": len(history), "loss": step.loss, "losses": step.parts, "seconds": round(seconds, 2)}
            painting = Painting(crop(canvas, margin).cpu(), {**notes, **facts}, history.copy())
            yield PaintStep(len(history), total, scale.size, step.loss, step.parts, seconds, painting)


# ------------------------------------------------------------------------------------------------------ the stages


def load_backbone(
    options: PaintOptions, device: torch.device, on_download: Callable[[int, int], None] | None = None
) -> Backbone:
    """The backbone that the options name, in the precision that suits it, with the layers they need."""
    own = backbones.BACKBONES[options.backbone].pooling
    pooling = own if options.pooling == "auto" else options.pooling
    backbone = backbones.load(
        options.backbone,
        weights=options.weights,
        offline=options.offline,
        on_progress=on_download,
        pooling=pooling,
        pooling_rescale=options.pooling_rescale,
        padding=options.padding,
        dtype=machine.choose_precision(options.precision, device, pooling),
        device=device,
    )
    backbone.check((*options.content_layers, *options.style_layers))
    return backbone


def make_optimizer(options: PaintOptions) -> Optimizer:
    """The optimiser that the options name, with nothing remembered yet."""
    if options.optimizer == "adam":
        return Adam(options.learning_rate, options.averaging, betas=(0.9, options.beta2))
    return LBFGS(options.history, first_change=options.learning_rate)


def make_objective(content: Tensor, style: Tensor, backbone: Backbone, options: PaintOptions) -> Objective:
    """Content, style, total variation and range: every term whose weight is not 0, with its target."""
    content_loss = losses.content_loss(
        layer_weights(options.content_layers, options.content_layer_weights),
        options.content_reduction,
        options.content_power,
    )
    style_loss = losses.style_loss(
        layer_weights(options.style_layers, options.style_layer_weights),
        options.style_loss,
        options.style_reduction,
        options.gram_normalization,
    )
    terms = {}
    for name, weight, loss, picture in (
        ("content", options.content_weight, content_loss, content),
        ("style", options.style_weight, style_loss, style),
        ("variation", options.tv_weight, losses.pixel_loss(losses.TOTAL_VARIATIONS[options.tv]), content),
        ("range", options.range_weight, losses.pixel_loss(losses.out_of_range), content),
    ):
        if weight:
            with torch.no_grad():
                features = backbone(picture, tuple(loss.layers))
            terms[name] = Term(weight, loss, loss.target(features))
    return Objective(backbone, terms)


def start(content: Tensor, style: Tensor, options: PaintOptions) -> Tensor:
    """The canvas before the first step, of the content's shape: noise·α + start·(1 - α)."""
    generator = torch.Generator().manual_seed(options.seed)
    normal = torch.randn(content.shape, generator=generator).to(content)
    noise = (0.5 + 0.25 * normal).clamp(0, 1)
    if options.start == "content":
        canvas = content
    elif options.start == "style":
        canvas = cover(style, content.shape[2:])
    elif options.start == "noise":
        canvas = noise
    elif options.start == "style-noise":  # noise of the style's mean and deviation, as style-transfer-pytorch has it
        deviation, mean = torch.std_mean(style, (2, 3), keepdim=True)
        canvas = (mean + deviation * normal).clamp(0, 1)
    elif options.start in ("white", "gray"):
        canvas = torch.full_like(content, {"white": 1.0, "gray": 0.5}[options.start])
    elif os.path.lexists(options.start):  # unlike exists(), it never raises
        canvas = cover(images.load(options.start).to(content), content.shape[2:])
    else:
        raise OptionError(
            f"--start {options.start} is neither a file nor one of {', '.join(STARTS)}. Choose one of these or a picture."
        )
    return noise * options.start_noise + canvas * (1 - options.start_noise)


def cover(image: Tensor, shape: torch.Size) -> Tensor:
    """`image` enlarged or reduced until it covers (height, width), its aspect kept, its overhang cut evenly."""
    height, width = image.shape[2:]
    factor = max(shape[0] / height, shape[1] / width)
    larger = images.resize_to(image, (max(shape[0], round(height * factor)), max(shape[1], round(width * factor))))
    top, left = (larger.shape[2] - shape[0]) // 2, (larger.shape[3] - shape[1]) // 2
    return larger[:, :, top : top + shape[0], left : left + shape[1]].contiguous()


def enlarge(canvas: Tensor, content: Tensor, margin: int, optimizer: Optimizer) -> Tensor:
    """The last scale's picture at the shape of the next scale's padded content; the optimiser is told."""
    height, width = (edge - 2 * margin for edge in content.shape[2:])
    optimizer.enlarge((content.shape[2], content.shape[3]))
    return pad(images.resize_to(crop(canvas, margin), (height, width)), margin)


def pad(image: Tensor, margin: int) -> Tensor:
    """Mirror the border outwards, so that what networks do at borders falls on what is cut off."""
    least = min(margin, image.shape[2] - 1, image.shape[3] - 1)  # a mirror is no wider than the picture
    image = F.pad(image, (least,) * 4, mode="reflect") if least else image
    return F.pad(image, (margin - least,) * 4, mode="replicate") if margin > least else image


def crop(image: Tensor, margin: int) -> Tensor:
    """Undo `pad`."""
    return image[:, :, margin : image.shape[2] - margin, margin : image.shape[3] - margin]


def check_memory(pictures: tuple[Tensor, Tensor], options: PaintOptions, device: torch.device) -> None:
    """Raise InputError where the largest scale surely needs more memory than there is, before anything is painted."""
    free = machine.free_memory(device)
    if free is None:
        return
    sizes = options.size, options.size * options.style_scale
    pixels = [
        size**2 * min(picture.shape[2:]) / max(picture.shape[2:]) for picture, size in zip(pictures, sizes, strict=True)
    ]
    per_pixel = backbones.bytes_per_pixel(backbones.BACKBONES[options.backbone])
    needed = pixels[0] * per_pixel + options.history * pixels[0] * 24 * (options.optimizer == "lbfgs")
    needed = max(needed, pixels[1] * per_pixel / 2)
    if needed > free:
        fits = max(SMALLEST, int(options.size * (free / needed) ** 0.5 * 0.9))
        raise InputError(
            f"At --size {options.size} this takes about {needed / 2**30:.0f} GiB of memory and {free / 2**30:.1f} GiB "
            f"are free. Choose a --size of at most {fits}, or --backbone petit."
        )
