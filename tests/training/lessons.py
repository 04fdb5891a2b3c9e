"""What tests of training share: quick options, and a training's last step."""

from typing import Any

from impasto.training import TrainStep, train

QUICK: dict[str, Any] = {
    "steps": 4, "batch": 2, "crop": 64, "size": 64, "precision": "float32", "photo_share": 0.3, "style_loss": "moments",
    "style_layers": ("relu1_1", "relu2_1"), "content_layers": ("relu2_2",),
}  # fmt: skip
FLAGS = ["--batch", "1", "--crop", "64", "--size", "64", "--style-layers", "relu1_1", "--content-layers", "relu2_1"]


def last(*arguments: Any, **given: Any) -> TrainStep:
    return list(train(*arguments, **{**QUICK, **given}))[-1]
