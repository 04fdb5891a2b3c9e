"""The loss that a transform network is trained by.

It is that of painting, except that the content is the batch itself, or paintings of it by the optimiser, and that every
style layer may be measured against the photos' own distance from the style: one weight of the content then means the same
for every style.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto import losses, variations
from impasto.backbones import Backbone
from impasto.conventions import layer_weights
from impasto.losses import FeatureLoss
from impasto.options import TrainOptions
from impasto.photos import Photos

PHOTO_WEIGHT = 20.0  # of the mean squared difference to a photo that has to come back
MEASURED = 8  # crops that say how far photos are from a style
NEAREST = 0.1  # of a style's extent: photos that are nearer count as being so far


@dataclass(frozen=True)
class Criterion:
    """The loss of a batch: content, style, total variation, and for some crops the difference to the photo itself.

    targets, shares: for each style; shares are what the distance at each layer is divided by.
    """

    backbone: Backbone
    content: FeatureLoss
    style: FeatureLoss
    targets: Sequence[Mapping[str, Any]]
    shares: Sequence[Mapping[str, float]]
    options: TrainOptions

    @property
    def layers(self) -> tuple[str, ...]:
        """All that are read."""
        return tuple(dict.fromkeys((*self.content.layers, *self.style.layers)))

    def __call__(self, picture: Tensor, photos: Tensor, held: Tensor, chosen: Tensor) -> dict[str, Tensor]:
        """Weighted terms (N,) of pictures painted from photos; chosen: (N,), the row of each, the last one the photo's.

        held: whose content counts, the photos' own or that of paintings of them.
        """
        options = self.options
        with torch.no_grad():
            target = self.content.target(self.backbone(held, tuple(self.content.layers)))
        features = self.backbone(picture, self.layers)
        itself = (chosen == len(self.targets)).float()
        return {
            "content": options.content_weight * self.content(features, target),
            "style": options.style_weight * (1 - itself) * self.style_distance(features, chosen),
            "variation": options.tv_weight * variations.TOTAL_VARIATIONS[options.tv](picture),
            "photo": PHOTO_WEIGHT * itself * (picture - photos).square().mean((1, 2, 3)),
        }

    def style_distance(self, features: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
        """(N,): of each picture to its own style."""
        total = torch.zeros(len(chosen), device=chosen.device)
        for number, (target, shares) in enumerate(zip(self.targets, self.shares, strict=True)):
            own = (chosen == number).nonzero().flatten()
            if len(own):
                by_layer = self.style.by_layer({layer: features[layer][own] for layer in self.style.layers}, target)
                distance = torch.stack([loss / shares[layer] for layer, loss in by_layer.items()]).sum(0)
                total = total.index_add(0, own, distance)
        return total


def make_criterion(backbone: Backbone, styles: Sequence[Tensor], photos: Photos, options: TrainOptions) -> Criterion:
    """The loss, its targets, and how far the photos are from them before anything is learnt."""
    content = losses.content_loss(layer_weights(options.content_layers, ()), options.content_reduction)
    style = losses.style_loss(
        layer_weights(options.style_layers, ()), options.style_loss, options.style_reduction, options.gram_normalization
    )
    layers = tuple(style.layers)
    shares = [dict.fromkeys(layers, 1.0) for _ in styles]
    with torch.no_grad():
        targets = [style.target(backbone(image, layers)) for image in styles]
        if options.style_shares:
            features = backbone(photos.crops(range(MEASURED)).to(backbone.device), layers)
            for scale, target in zip(shares, targets, strict=True):
                for layer, loss in style.by_layer(features, target).items():
                    scale[layer] = max(float(loss.mean()) / style.layers[layer], NEAREST)
    return Criterion(backbone, content, style, targets, shares, options)
