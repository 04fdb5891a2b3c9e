"""Why a published α/β cannot be copied between programs, as arithmetic.

Every Gram-based program minimises α·a·Σ(F - P)² + Σ over layers β·b·Σ(FFᵀ - AAᵀ)², but each with its own constants:
a depends on how it reduces the content difference, b on what it divides Grams by and how it reduces their difference,
and both on how large its network's activations are: a grows with their square, b with their fourth power. This module
knows the constants, so that weights can be carried from one convention into another with the gradient unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from impasto.errors import OptionError
from impasto.options import GramNormalization, PaintOptions, Reduction
from impasto.statistics import GRAM_NORMALIZATIONS

# a sum of squares over n numbers, reduced: factor(n)
REDUCTION_FACTORS = {
    "sum": lambda count: 1.0,
    "half": lambda count: 0.5,
    "quarter": lambda count: 0.25,
    "mean": lambda count: 1.0 / count,
}


@dataclass(frozen=True)
class Convention:
    """How one program turns differences into losses.

    activation_scale: how large its activations are, against those of the network that both programs use. A program that
    feeds 0 to 255 where another feeds 0 to 1, or divides features by their mean, differs here.
    """

    content_reduction: Reduction
    gram_normalization: GramNormalization
    style_reduction: Reduction
    activation_scale: float = 1.0

    @classmethod
    def of(cls, options: PaintOptions) -> "Convention":
        """The convention that painting options are written in. Raises OptionError where it has no fixed constants."""
        relative = "relative" in (options.content_reduction, options.style_reduction)
        if options.style_loss != "gram" or relative or options.content_power != 1:
            raise OptionError(
                f"Weights of --style-loss {options.style_loss} with --content-reduction {options.content_reduction}, "
                f"--content-power {options.content_power:g} and --style-reduction {options.style_reduction} depend on the "
                "pictures, so there is no factor to convert with. Choose gram, power 1, and sum, half, quarter or mean."
            )
        return cls(options.content_reduction, options.gram_normalization, options.style_reduction)

    def content_factor(self, channels: int, positions: int) -> float:
        """a, for a layer of C channels and M positions: its content loss is a·Σ(F - P)²."""
        return REDUCTION_FACTORS[self.content_reduction](channels * positions) * self.activation_scale**2

    def style_factor(self, channels: int, positions: int) -> float:
        """b, likewise: its style loss is b·Σ(FFᵀ - AAᵀ)²."""
        gram = GRAM_NORMALIZATIONS[self.gram_normalization](channels, positions)
        return REDUCTION_FACTORS[self.style_reduction](channels**2) * gram**2 * self.activation_scale**4


def convert(options: PaintOptions, to: Convention, shapes: Mapping[str, tuple[int, int]]) -> PaintOptions:
    """The same objective written in another convention: other weights, the same gradient.

    shapes: layer -> (channels C, positions M) of every content and style layer at the size that is painted. One number
    α/β is not enough: the factors differ from layer to layer, so every style layer gets a weight of its own.
    The result is scaled so that β stays what it was; only the direction of the gradient is kept, which is all that
    L-BFGS and Adam see. Raises OptionError for losses without fixed constants.
    """
    source = Convention.of(options)
    content = {
        layer: weight * source.content_factor(*shapes[layer]) / to.content_factor(*shapes[layer])
        for layer, weight in layer_weights(options.content_layers, options.content_layer_weights).items()
    }
    style = {
        layer: weight * source.style_factor(*shapes[layer]) / to.style_factor(*shapes[layer])
        for layer, weight in layer_weights(options.style_layers, options.style_layer_weights).items()
    }
    total = sum(style.values())
    return options.replace(
        content_reduction=to.content_reduction,
        gram_normalization=to.gram_normalization,
        style_reduction=to.style_reduction,
        content_weight=options.content_weight * sum(content.values()) / total,
        content_layer_weights=tuple(weight / sum(content.values()) for weight in content.values()),
        style_layer_weights=tuple(weight / total for weight in style.values()),
    )


def layer_weights(layers: tuple[str, ...], weights: tuple[float, ...]) -> dict[str, float]:
    """Layer -> weight; equal weights that add up to 1 where none are given."""
    return dict(zip(layers, weights or (1 / len(layers),) * len(layers), strict=True))
