"""What the options of a painting call for: its backbone, its optimiser, the files they name."""

import math
from collections.abc import Callable
from typing import Any

import torch

from impasto import backbones, machine
from impasto.backbones import Backbone
from impasto.fused import fuse, is_filtered
from impasto.opening import is_file
from impasto.optimize import LBFGS, Adam, Optimizer
from impasto.options import STARTS, Options, PaintOptions
from impasto.pyramid import GENTLER, Pyramid
from impasto.shelf import Shelf


def precision(options: PaintOptions, device: torch.device) -> torch.dtype:
    """The network's dtype."""
    return machine.choose_precision(options.precision, device, backbones.pooling_of(options.backbone, options.pooling))


def load_backbone(
    options: PaintOptions,
    device: torch.device,
    shelf: Shelf,
    on_download: Callable[[int, int], None] | None = None,
) -> Backbone:
    """The backbone that the options name, in the precision that suits it, with the layers they need."""
    settings: dict[str, Any] = {
        "weights": options.weights,
        "pooling": backbones.pooling_of(options.backbone, options.pooling),
        "pooling_rescale": options.pooling_rescale,
        "padding": options.padding,
        "dtype": precision(options, device),
        "device": device,
    }
    filtered = is_filtered(options)

    def make() -> Backbone:
        found = backbones.load(options.backbone, offline=options.offline, on_progress=on_download, **settings)
        return fuse(found, filtered)

    backbone: Backbone = shelf.take((options.backbone, filtered, *settings.values()), make)
    backbone.check((*options.content_layers, *options.style_layers))
    return backbone


def make_optimizer(options: PaintOptions) -> Optimizer:
    """The optimiser that the options name, with nothing remembered yet."""
    pixels = options.parametrization == "pixels"
    limits = (0.0, 1.0) if pixels else (-math.inf, math.inf)
    optimizer: Optimizer = (
        Adam(
            options.learning_rate,
            options.averaging,
            betas=(0.9, options.beta2),
            damping=options.damping if pixels else 0.0,  # bands differ in size by nature
            limits=limits,
        )
        if options.optimizer == "adam"
        else LBFGS(options.history, options.learning_rate / (1 if pixels else GENTLER), limits=limits)
    )
    return optimizer if pixels else Pyramid(optimizer)


def option_files(options: Options) -> dict[str, str]:
    """The files that options name: "start" and "weights", where they are files."""
    named = {role: getattr(options, role, None) for role in ("start", "weights")}
    return {role: path for role, path in named.items() if path and path not in STARTS and is_file(path)}
