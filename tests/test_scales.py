"""Which sizes are painted, and for how many steps."""

from itertools import pairwise

import pytest

from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.scales import Scale, plan

STEPS = PaintOptions(steps=80, first_steps=120, min_scale=256)
PLANS = [
    (PaintOptions(size=800, steps=80, first_steps=120), [(400, 120), (800, 80)]),
    (PaintOptions(size=512, steps=80), [(512, 80)]),
    (STEPS.replace(first_steps=0), [(256, 80), (512, 80)]),
    (options_for("crowson"), [(128, 1000), (181, 500), (256, 500), (362, 500), (512, 500)]),
    (STEPS.replace(size=511), [(511, 120)]),
    (STEPS.replace(size=512, min_scale=512), [(512, 120)]),
    (STEPS.replace(size=100, min_scale=400), [(100, 120)]),
    (STEPS.replace(size=100, min_scale=400, first_steps=0), [(100, 80)]),
    (STEPS.replace(size=1500, scale_factor=3, min_scale=100), [(167, 120), (500, 80), (1500, 80)]),
    (options_for("blog"), [(400, 3000)]),
]


@pytest.mark.parametrize(("options", "expected"), PLANS)
def test_plan(options: PaintOptions, expected: list[tuple[int, int]]) -> None:
    assert plan(options) == tuple(Scale(*scale) for scale in expected)


def test_total_of_steps() -> None:
    assert sum(scale.steps for scale in plan(options_for("crowson"))) == 3000
    assert sum(scale.steps for scale in plan(STEPS)) == 200


@pytest.mark.parametrize("size", [16, 300, 512, 777, 2048, 16384])
@pytest.mark.parametrize("factor", [1.1, 2**0.5, 1.7, 8])
@pytest.mark.parametrize("least", [16, 128, 256])
def test_sizes_grow_by_the_factor_from_the_least_to_the_size(size: int, factor: float, least: int) -> None:
    sizes = [scale.size for scale in plan(PaintOptions(size=size, scale_factor=factor, min_scale=least))]
    assert sizes[-1] == size
    assert sizes[0] >= min(size, least)
    assert sizes[0] < max(least * factor, size + 1) + 1
    for small, large in pairwise(sizes):
        assert large == pytest.approx(small * factor, abs=1 + factor / 2)
