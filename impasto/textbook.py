"""The loop as it is mostly written: float32, one layer after the other, autograd through everything.

After the descriptions of Gatys et al. 2015 and of the programs that follow it, in plain torch; `benchmark` sets impasto
against it. It does the work of impasto's objective, a style loss, a content loss and total variation, not its weighing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.backbones import Architecture


@dataclass(frozen=True)
class Loop:
    """An objective: `loop(image)` -> losses (1,) by name, differentiable.

    kind: a key of `STATISTICS`. style_weights: by layer, 1 where there is none. content, style: targets by layer, as
    `matched` fills them in. Pooling is average.
    """

    architecture: Architecture
    weights: Mapping[str, Tensor]
    kind: str
    content_layers: Sequence[str]
    style_layers: Sequence[str]
    style_weights: Mapping[str, float] = field(default_factory=dict)
    variation_weight: float = 1.0
    content: Mapping[str, Tensor] = field(default_factory=dict)
    style: Mapping[str, Any] = field(default_factory=dict)

    @torch.no_grad()
    def matched(self, photo: Tensor, style: Tensor) -> "Loop":
        """The same with the targets of a photo and a style, (1, 3, H, W) in [0, 1]."""
        statistic, _ = STATISTICS[self.kind]
        seen, painted = self.features(photo), self.features(style)
        return replace(
            self,
            content={layer: seen[layer] for layer in self.content_layers},
            style={layer: statistic(painted[layer]) for layer in self.style_layers},
        )

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """Every layer's, to the deepest that is read."""
        chain = self.architecture.layers
        mean, deviation = (image.new_tensor(part).view(1, 3, 1, 1) for part in self.architecture.normalization)
        x, found = (image - mean) / deviation, {}
        for layer in chain[: max(map(chain.index, (*self.style_layers, *self.content_layers))) + 1]:
            if layer.startswith("conv"):
                weight, bias = self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]
                reflects = self.architecture.padding == "reflect"
                x = F.pad(x, (1, 1, 1, 1), mode="reflect") if reflects else x
                x = F.conv2d(x, weight, bias, padding=0 if reflects else 1)
            else:
                x = F.relu(x) if layer.startswith("relu") else F.avg_pool2d(x, 2)
            found[layer] = x
        return found

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(1, 3, H, W) in [0, 1] -> the losses of content, style and variation."""
        found, (statistic, distance) = self.features(image), STATISTICS[self.kind]
        content = [F.mse_loss(found[layer], target) for layer, target in self.content.items()]
        style = [
            self.style_weights.get(layer, 1.0) * distance(statistic(found[layer]), target)
            for layer, target in self.style.items()
        ]
        variation = image.diff(dim=2).square().mean() + image.diff(dim=3).square().mean()
        return {
            "content": torch.stack(content).sum(0, keepdim=True),
            "style": torch.stack(style).sum(0, keepdim=True),
            "variation": self.variation_weight * variation.view(1),
        }


def gram(features: Tensor) -> Tensor:
    """Gram matrix (C, C) of (1, C, H, W), divided by the number of elements."""
    x = features.flatten(2)[0]
    return x @ x.T / x.numel()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) of (1, C, H, W), 10⁻⁴ on its diagonal."""
    x = features.flatten(2)[0]
    mean = x.mean(1)
    apart = x - mean.unsqueeze(1)
    return mean, apart @ apart.T / x.shape[1] + 1e-4 * torch.eye(len(x)).to(x)


def wasserstein(value: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """Squared Wasserstein-2 distance between two normal distributions, divided by C, as style-transfer-pytorch has it."""
    (mean, covariance), (style_mean, style) = value, target
    root = Root.apply(style)
    cross = Root.apply(root @ covariance @ root)
    return (mean - style_mean).square().mean() + (covariance + style - 2 * cross).diagonal().mean()


class Root(torch.autograd.Function):
    """The root of a symmetric positive matrix (C, C) by Newton-Schulz iterations; backward, as many of Lyapunov's.

    Source: Lin and Maji, "Improved Bilinear Pooling with CNNs" (2017). Twelve iterations, as style-transfer-pytorch has.
    """

    ITERATIONS = 12

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        one, norm = torch.eye(len(matrix)).to(matrix), matrix.norm()
        y, z = matrix / norm, one
        for _ in range(Root.ITERATIONS):
            t = (3 * one - z @ y) / 2
            y, z = y @ t, t @ z
        root = y * norm.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        one, norm = torch.eye(len(root)).to(root), root.norm()
        a, q = root / norm, gradient / norm
        for _ in range(Root.ITERATIONS):
            square = a @ a
            q = (q @ (3 * one - square) - a.T @ (a.T @ q - q @ a)) / 2
            a = a @ (3 * one - square) / 2
        return q / 2


STATISTICS: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any, Any], Tensor]]] = {
    "gram": (gram, F.mse_loss),
    "wasserstein": (moments, wasserstein),
}
