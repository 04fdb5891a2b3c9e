"""The coarse-to-fine plan: which sizes are painted, for how many steps.

Coarse scales change the look (larger strokes) more than the speed. From a noise start they also speed things up.
"""

from dataclasses import dataclass

from impasto.options import PaintOptions


@dataclass(frozen=True)
class Scale:
    """One pass: its longer side in pixels, and its evaluations."""

    size: int
    steps: int


def plan(options: PaintOptions) -> tuple[Scale, ...]:
    """From the coarsest scale to `options.size`; sizes fall by `scale_factor` as long as they reach `min_scale`.

    The sizes are counted down from the result, as style-transfer-pytorch does, so that the last ratio is exact.
    """
    sizes = [float(options.size)]
    while sizes[-1] / options.scale_factor >= options.min_scale * 0.999:  # 512 / √2 / √2 is a hair under 256
        sizes.append(sizes[-1] / options.scale_factor)
    first = options.first_steps or options.steps
    return tuple(
        Scale(round(size), first if index == 0 else options.steps) for index, size in enumerate(reversed(sizes))
    )
