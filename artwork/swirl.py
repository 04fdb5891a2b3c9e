"""Night over a river bend: thick oil strokes along a turbulent flow, lamps of light in the sky.

The design (colours and stroke directions) is computed first: glowing orbs with ringed halos, wind
between them, dark hills, a bridge over a river that repeats the lights, a meadow. Four layers of
bristled strokes, large to small, then paint it.
"""

import numpy as np
from noise import Field, fbm, mix, pixel_grid, rgb, smooth_noise, smoothstep
from scipy import ndimage
from strokes import Brush, Painting, reduced

WIDTH, HEIGHT = 1152, 912  # drawn at 1.5 times the final size
FINAL = (768, 608)
SEED = 1203

# Eddies of wind between the orbs: x, y, radius, sense of turning.
EDDIES = ((0.42, 0.20, 0.085, 1), (0.68, 0.36, 0.075, -1), (0.17, 0.40, 0.055, -1), (0.93, 0.20, 0.060, 1))

# Orbs: x, y, radius (fractions of the width), colour of the core and of the halo.
ORBS = (
    (0.25, 0.22, 0.050, "#fff3b0", "#f2a81d"),
    (0.60, 0.13, 0.030, "#fdf6d2", "#9fd3c0"),
    (0.83, 0.30, 0.042, "#ffe08a", "#ee7f22"),
    (0.46, 0.37, 0.020, "#fffbe0", "#e8cf55"),
    (0.07, 0.42, 0.018, "#fffbe0", "#7fc4cf"),
    (0.955, 0.09, 0.022, "#fff4c0", "#e7c24a"),
)


def draw() -> Field:
    """The picture, as floats in 0..1."""
    design, angle, detail = _design()
    painting = Painting(np.broadcast_to(rgb("#3a2c22"), design.shape), SEED)
    painting.cover(design, angle, Brush(100, 25, 15, relief=1.6, light_jitter=0.10))
    painting.cover(design, angle, Brush(74, 14, 11, relief=2.3, light_jitter=0.12, bristle=0.8))
    painting.cover(
        design,
        angle,
        Brush(44, 9, 9, relief=2.4, light_jitter=0.14, bristle=0.8, hue_jitter=0.045),
        mask=0.15 + 0.75 * detail,
    )
    painting.cover(design, angle, Brush(22, 5.5, 6, relief=2.2, light_jitter=0.14, hue_jitter=0.05), mask=0.75 * detail)
    return reduced(painting.lit(strength=0.8, gloss=0.3, weave=0.12), FINAL)


def _design() -> tuple[Field, Field, Field]:
    """Colours, stroke angles and where fine strokes belong."""
    x, y = pixel_grid(WIDTH, HEIGHT)
    x, y = x / WIDTH, y / WIDTH
    far, near, bank = _horizons(x)
    colour, angle, detail = _sky(x, y)
    land = [
        (smoothstep(far - 0.002, far + 0.002, y), _hills(x, y, far)),
        (smoothstep(near - 0.002, near + 0.002, y), _river(x, y, near)),
        (_bridge_shape(x, y), _bridge(x, y)),
        (smoothstep(bank - 0.003, bank + 0.003, y), _meadow(x, y, bank)),
    ]
    for cover, (paint, turn, fine) in land:
        colour = mix(colour, paint, cover)
        angle = np.where(cover > 0.5, turn, angle)
        detail = np.where(cover > 0.5, fine, detail)
    return np.clip(colour, 0, 1), angle, np.clip(detail, 0, 1)


def _horizons(x: Field) -> tuple[Field, Field, Field]:
    """Upper edges of hills, river and meadow."""
    far = 0.50 - 0.055 * np.exp(-(((x - 0.78) / 0.16) ** 2)) - 0.035 * np.sin(5.0 * x + 0.6)
    near = 0.565 + 0.012 * np.sin(7.0 * x)
    bank = 0.70 - 0.14 * smoothstep(0.45, 0.0, x) + 0.06 * smoothstep(0.5, 1.0, x) * (x - 0.6)
    return far, near, bank + 0.008 * np.sin(16.0 * x)


def _sky(x: Field, y: Field) -> tuple[Field, Field, Field]:
    """Wind bent round the orbs; halos in rings, dark blue rivers of air between."""
    flow_x = 1.0 + 0.35 * fbm(x * 3.5, y * 5.0, 11, 2)
    flow_y = 0.25 * np.sin(9.0 * x + 2.0) + 0.55 * fbm(x * 3.5, y * 5.0, 21, 2)
    glow = np.zeros_like(x)
    for index, (cx, cy, radius, _, _) in enumerate(ORBS):
        dx, dy, r = _polar(x, y, cx, cy)
        pull = 3.2 * np.exp(-((r / (3.4 * radius)) ** 2)) * (1 if index % 2 else -1)
        flow_x += pull * -dy / (r + 1e-4)
        flow_y += pull * dx / (r + 1e-4)
    for cx, cy, radius, sense in EDDIES:
        dx, dy, r = _polar(x, y, cx, cy)
        pull = 3.0 * sense * np.exp(-((r / (1.3 * radius)) ** 2))
        flow_x += pull * (-dy * sense + 0.45 * dx) / (r + 1e-4) * sense
        flow_y += pull * (dx * sense + 0.45 * dy) / (r + 1e-4) * sense
    angle = np.arctan2(flow_y, flow_x)
    stream = 0.75 * _drawn_out(smooth_noise(x * 46, y * 46, 31), angle) - 0.3
    stream = stream + 0.5 * fbm(x * 3, y * 5, 33, 2)
    deep, blue, pale = rgb("#101f52"), rgb("#2450a0"), rgb("#7fb2cf")
    colour = mix(deep, blue, smoothstep(-1.0, 0.5, stream)[..., None])
    colour = mix(colour, pale, 0.85 * smoothstep(0.7, 1.7, stream))
    colour = mix(colour, rgb("#4f8f8a"), 0.6 * smoothstep(0.30, 0.52, y))
    for cx, cy, radius, core, halo in ORBS:
        _, _, r = _polar(x, y, cx, cy)
        r = r * (1.0 + 0.06 * smooth_noise(x * 14, y * 14, 41))
        ring = 0.5 + 0.5 * np.cos(2.0 * np.pi * r / (0.85 * radius))
        near = np.exp(-((r / (2.6 * radius)) ** 2))
        colour = mix(colour, mix(rgb("#2f6fae"), rgb(halo), ring), np.clip(1.25 * near, 0, 1))
        colour = mix(colour, rgb(core), smoothstep(1.15 * radius, 0.7 * radius, r))
        glow = np.maximum(glow, near)
    return colour, angle, 0.35 + 0.65 * glow


def _drawn_out(field: Field, angle: Field, reach: int = 26, step: float = 3.0) -> Field:
    """The field smeared along the flow both ways: noise becomes ribbons of wind."""
    total = np.zeros_like(field)
    for sense in (-step, step):
        x, y = pixel_grid(WIDTH, HEIGHT)
        for _ in range(reach):
            turn = ndimage.map_coordinates(angle, [y, x], order=0, mode="nearest")
            x, y = x + sense * np.cos(turn), y + sense * np.sin(turn)
            total += ndimage.map_coordinates(field, [y, x], order=1, mode="nearest")
    return total / total.std()


def _polar(x: Field, y: Field, cx: float, cy: float) -> tuple[Field, Field, Field]:
    return x - cx, y - cy, np.hypot(x - cx, y - cy)


def _hills(x: Field, y: Field, top: Field) -> tuple[Field, Field, Field]:
    """Rolling dark hills with lit windows strewn along their foot."""
    depth = (y - top) / 0.09
    band = fbm(x * 7.0, depth * 2.2, 51, 3)
    colour = mix(rgb("#16264f"), rgb("#2f5f6a"), smoothstep(-0.8, 0.9, band)[..., None])
    colour = mix(colour, rgb("#7c5a86"), smoothstep(0.25, 0.0, depth) * 0.7)
    windows = smooth_noise(x * 60, y * 34, 53)
    lit = smoothstep(1.1, 1.5, windows) * smoothstep(0.5, 0.8, depth)
    colour = mix(colour, rgb("#ffc247"), lit)
    slope = np.gradient(top[0], 1.0 / WIDTH)
    return colour, np.arctan(slope)[None, :] + 0.35 * np.sin(6 * depth + 9 * x), 0.25 + lit


def _river(x: Field, y: Field, top: Field) -> tuple[Field, Field, Field]:
    """Water in short horizontal dabs with a broken column of light under each orb."""
    depth = y - top
    ripple = fbm(x * 6.0, y * 55.0, 61, 3)
    colour = mix(rgb("#14285c"), rgb("#2c6a9c"), smoothstep(-0.7, 1.1, ripple)[..., None])
    for cx, _, radius, core, halo in ORBS:
        sway = 0.015 * smooth_noise(y * 40 + cx * 50, y * 0, 63)
        column = np.exp(-(((x - cx - sway) / (0.75 * radius + 0.10 * np.maximum(depth, 0.0))) ** 2))
        broken = column * smoothstep(-0.5, 0.5, ripple + 0.5 * column)
        colour = mix(colour, mix(rgb(halo), rgb(core), column), np.clip(broken, 0, 1))
    angle = 0.12 * fbm(x * 5, y * 22, 65, 2)
    return colour, angle, 0.55 + 0.4 * smoothstep(0.0, 1.5, ripple)


def _bridge_shape(x: Field, y: Field) -> Field:
    """A low stone bridge with round arches."""
    deck = 0.566 - 0.036 * (1.0 - ((x - 0.62) / 0.42) ** 2)
    across = (x - 0.23) / 0.13
    arch = np.hypot((across % 1.0 - 0.5) * 0.13, y - 0.625) < 0.052
    wall = (y > deck) & (y < 0.632) & (x > 0.20)
    return (wall & ~arch).astype(np.float32)


def _bridge(x: Field, y: Field) -> tuple[Field, Field, Field]:
    """Warm parapet in the glow of the orbs, violet below; strokes fan round the arches."""
    across = ((x - 0.23) / 0.13 % 1.0 - 0.5) * 0.13
    stone = fbm(x * 40, y * 40, 67, 2)
    low = smoothstep(0.525, 0.600, y + 0.006 * stone)
    colour = mix(mix(rgb("#f0b352"), rgb("#c96f3a"), smoothstep(-1, 1, stone)), rgb("#4a2f6e"), low)
    around = np.arctan2(y - 0.625, across) + np.pi / 2
    return colour, np.where(low > 0.5, around, 0.0), np.ones_like(x)


def _meadow(x: Field, y: Field, top: Field) -> tuple[Field, Field, Field]:
    """Tall grass combed by the wind, ochre and viridian, with poppies."""
    depth = (y - top) / 0.2
    comb = fbm(x * 9.0 + 2.0 * depth, depth * 3.0 - 2.0 * x, 71, 4)
    colour = mix(rgb("#123b3c"), rgb("#3f7f4a"), smoothstep(-0.9, 0.4, comb)[..., None])
    colour = mix(colour, rgb("#d9a53a"), smoothstep(0.45, 1.4, comb) * 0.9)
    colour = mix(colour, rgb("#1a2448"), smoothstep(0.08, 0.0, depth) * 0.6)
    poppies = smoothstep(1.25, 1.5, smooth_noise(x * 42, y * 50, 73))
    colour = mix(colour, rgb("#d6402b"), poppies)
    angle = -1.05 + 0.55 * smooth_noise(x * 4, y * 5, 75) + 0.3 * x
    return colour, angle, 0.5 + 0.4 * smoothstep(0, 1, comb) + poppies
