"""A river bank on a bright afternoon in dots of pure colour on a warm ground.

A soft design of the scene is painted with a fixed set of pigments only: each dot takes one of the
pigments whose mixture gives the colour wanted, so the eye does the mixing.
"""

import numpy as np
from noise import Field, fbm, mix, pixel_grid, rgb, smooth_noise, smoothstep
from scipy import spatial
from strokes import Brush, Painting, reduced

WIDTH, HEIGHT = 1152, 864
FINAL = (768, 576)
SEED = 1886
GROUND = "#d9b07a"
PIGMENTS = np.stack(
    [
        rgb(code)
        for code in (
            "#f8f0d8",
            "#f7dc80",
            "#f2b544",
            "#e8743a",
            "#cf3a3c",
            "#eea3a8",
            "#b883c4",
            "#7a4a9c",
            "#43388c",
            "#2b4fa8",
            "#4f8fd0",
            "#a8d2e6",
            "#48b0a8",
            "#1d6f6c",
            "#2f7a3c",
            "#7fb048",
            "#c3cf5a",
            "#2c2748",
        )
    ]
)


def draw() -> Field:
    """The picture, as floats in 0..1."""
    design, angle = _design()
    painting = Painting(np.broadcast_to(rgb(GROUND), design.shape), SEED)
    soft = Brush(20, 14, 11, bristle=0.3, relief=0.8, light_jitter=0.04, wobble=0.4)
    painting.cover(design, angle, soft)
    for size, spacing, spread in ((14.0, 9.0, 1.2), (10.5, 7.6, 1.0), (8.0, 6.8, 0.7)):
        dots = Brush(
            size * 1.15,
            size,
            spacing,
            bristle=0.25,
            relief=2.6,
            square=2.2,
            dryness=0.1,
            hue_jitter=0.015,
            light_jitter=0.035,
            wobble=0.6,
        )
        painting.cover(_divided(design, spread, painting.rng), angle, dots)
    return reduced(painting.lit(strength=0.55, gloss=0.12, weave=0.10), FINAL)


def _divided(design: Field, spread: float, rng: np.random.Generator) -> Field:
    """Each pixel's colour as one pure pigment, so a dot takes one pigment.

    Error diffusion in expectation: the colour wanted is first pushed at random along the axes of
    hue and light, then replaced by the nearest pigment; over many dots the average is kept.
    """
    small = design[::2, ::2]
    shape = small.shape[:2]
    light = rng.normal(0.0, 0.10 * spread, shape)[..., None] * np.ones(3)
    warmth = rng.normal(0.0, 0.13 * spread, shape)[..., None] * np.array([1.0, 0.15, -1.0])
    accent = rng.normal(0.0, 0.075 * spread, shape)[..., None] * np.array([0.8, -1.0, 0.8])
    wanted = (small + light + warmth + accent).astype(np.float32)
    weights = np.array([0.9, 1.3, 0.8], np.float32)  # the eye separates greens best
    _, choice = spatial.KDTree(PIGMENTS * weights).query(wanted * weights)
    return PIGMENTS[choice].repeat(2, axis=0).repeat(2, axis=1)


def _design() -> tuple[Field, Field]:
    """The scene in soft colour, and a direction for the dots' slight length."""
    x, y = pixel_grid(WIDTH, HEIGHT)
    x, y = x / WIDTH, y / WIDTH
    colour = _sky(x, y)
    colour = _far_bank(colour, x, y)
    colour = _river(colour, x, y)
    colour = _sails(colour, x, y)
    colour = _lawn(colour, x, y)
    colour = _trees(colour, x, y)
    colour = _figures(colour, x, y)
    angle = 0.5 * smooth_noise(x * 5, y * 5, 91)
    return np.clip(colour, 0, 1).astype(np.float32), angle


def _sky(x: Field, y: Field) -> Field:
    colour = mix(rgb("#6fa6dc"), rgb("#f3e2bf"), smoothstep(0.0, 0.27, y)[..., None])
    cloud = smoothstep(0.2, 1.3, fbm(x * 3.2, y * 8.0, 3, 4))
    return mix(colour, rgb("#fbeedd"), 0.8 * cloud)


def _far_bank(colour: Field, x: Field, y: Field) -> Field:
    """A row of poplars and a village in the haze."""
    top = 0.235 - 0.045 * np.clip(fbm(x * 11, 0 * x, 7, 3), -0.6, 2.0) * 0.8
    dapple = smoothstep(-1, 1, fbm(x * 22, y * 26, 9, 3))
    wood = mix(rgb("#5f86b0"), rgb("#86ab6a"), dapple)
    colour = mix(colour, wood, smoothstep(top - 0.008, top + 0.008, y))
    for left, right, roof in ((0.42, 0.455, 0.232), (0.47, 0.49, 0.222), (0.66, 0.70, 0.238)):
        house = (x > left) & (x < right) & (y > roof)
        shade = rgb("#f4c898") if right - left < 0.03 else rgb("#f9e6c0")
        colour = np.where(house[..., None], shade, colour)
        gable = (np.abs(x - 0.5 * (left + right)) < 0.6 * (right - left)) & (y <= roof)
        gable &= y > roof - 0.02 + np.abs(x - 0.5 * (left + right)) * 0.7
        colour = np.where(gable[..., None], rgb("#d9623c"), colour)
    return colour


def _river(colour: Field, x: Field, y: Field) -> Field:
    """Bright water with mirrored sky, broken in horizontal dashes."""
    cover = smoothstep(0.262, 0.266, y)
    ripple = fbm(x * 7, y * 60, 13, 3)
    water = mix(rgb("#3f74bd"), rgb("#bcd8e6"), smoothstep(-0.9, 1.1, ripple)[..., None])
    glitter = smoothstep(0.5, 1.4, ripple) * np.exp(-(((x - 0.52) / 0.15) ** 2))
    water = mix(water, rgb("#fbe7a6"), glitter)
    banked = np.exp(-((y - 0.265) / 0.03)) * (0.5 + 0.3 * ripple)
    return mix(colour, mix(water, rgb("#4f8a5a"), np.clip(banked, 0, 0.9)), cover)


def _sails(colour: Field, x: Field, y: Field) -> Field:
    """Three sailing boats and their reflections."""
    for cx, base, size in ((0.265, 0.365, 0.185), (0.565, 0.298, 0.070), (0.755, 0.330, 0.115)):
        up = (base - y) / size
        main = (up > 0.08) & (up < 1) & (x > cx) & (x < cx + 0.42 * size * (1 - up))
        jib = (up > 0.1) & (up < 0.85) & (x < cx) & (x > cx - 0.30 * size * (0.85 - up))
        colour = np.where(main[..., None], rgb("#fdf3dc"), colour)
        colour = np.where(jib[..., None], rgb("#f2b27a"), colour)
        hull = (np.abs(x - cx) < 0.34 * size * (1 + up)) & (up < 0.08) & (up > -0.06)
        colour = np.where(hull[..., None], rgb("#3a3f96"), colour)
        wave = smoothstep(-0.3, 0.3, smooth_noise(x * 20, y * 110, 17))
        mirror = (up < -0.06) & (up > -0.9) & (np.abs(x - cx - 0.05 * size) < 0.2 * size * (1 + up))
        colour = mix(colour, rgb("#f6e7c8"), mirror * wave * 0.8)
    return colour


def _lawn(colour: Field, x: Field, y: Field) -> Field:
    """Sunlit grass sloping to the water, crossed by long violet shadows, with flowers."""
    edge = 0.60 - 0.27 * x**1.3 + 0.008 * np.sin(26 * x)
    cover = smoothstep(edge - 0.004, edge + 0.004, y)
    tone = fbm(x * 8, y * 14, 19, 4)
    grass = mix(rgb("#8fb63f"), rgb("#e0d75e"), smoothstep(-0.6, 1.1, tone)[..., None])
    stripe = fbm((x * 0.5 + y * 1.1) * 9, (y - 0.25 * x) * 20, 23, 3)
    shadow = smoothstep(0.05, 0.5, stripe + 2.4 * (y - 0.56) + 0.6 * (x - 0.6))
    grass = mix(grass, rgb("#24604f"), 0.85 * shadow)
    grass = mix(grass, rgb("#3f4a94"), 0.45 * shadow * smoothstep(-0.5, 0.8, tone))
    bloom = smooth_noise(x * 27, y * 34, 29)
    bed = smoothstep(0.05, 0.12, y - edge) * smoothstep(-0.4, 0.6, smooth_noise(x * 6, y * 8, 31))
    grass = mix(grass, rgb("#e4586a"), smoothstep(0.9, 1.3, bloom) * bed)
    grass = mix(grass, rgb("#fbf0dc"), smoothstep(0.9, 1.3, -bloom) * bed)
    grass = mix(grass, rgb("#c9b36a"), smoothstep(0.02, 0.0, y - edge) * 0.8)
    return mix(colour, grass, cover)


def _trees(colour: Field, x: Field, y: Field) -> Field:
    """A great tree at the right and a slim one at the left; light through their crowns."""
    trunks = ((0.86, 0.024, 0.63), (0.085, 0.013, 0.62), (0.155, 0.008, 0.585))
    for cx, half, foot in trunks:
        lean = cx + 0.03 * (0.4 - y) + 0.006 * np.sin(18 * y)
        inside = (np.abs(x - lean) < half * (0.7 + 0.7 * y)) & (y < foot)
        bark = mix(rgb("#5a3a63"), rgb("#c98a4f"), smoothstep(0.0, -1.0, (x - lean) / half))
        colour = np.where(inside[..., None], bark, colour)
    ragged = 0.055 * fbm(x * 9, y * 9, 37, 4)
    crowns = (
        ((x - 0.88) / 0.25) ** 2 + ((y - 0.12) / 0.19) ** 2,
        ((x - 1.0) / 0.18) ** 2 + ((y - 0.27) / 0.12) ** 2,
        ((x - 0.08) / 0.065) ** 2 + ((y - 0.24) / 0.25) ** 2,
        ((x - 0.155) / 0.042) ** 2 + ((y - 0.33) / 0.17) ** 2,
    )
    inside = np.max([1.0 - crown for crown in crowns], axis=0) + 4.0 * ragged
    holes = smoothstep(-2.1, -1.6, smooth_noise(x * 16, y * 16, 41))
    leaves = smoothstep(-0.02, 0.10, inside) * holes
    clump = fbm(x * 13 + 1.5 * y, y * 15 + 2.0 * x, 43, 4)
    green = mix(rgb("#163f52"), rgb("#3f8a3c"), smoothstep(-1.1, 0.3, clump)[..., None])
    sunny = clump - 6.0 * (x - 0.86) * (x > 0.5) + 2.0 * (0.10 - y) - 0.9
    green = mix(green, rgb("#cfd04a"), smoothstep(0.2, 1.7, sunny))
    green = mix(green, rgb("#f0a040"), 0.6 * smoothstep(1.1, 1.9, fbm(x * 10, y * 10, 47, 3)))
    return mix(colour, green, leaves)


def _figures(colour: Field, x: Field, y: Field) -> Field:
    """A woman with a red parasol, a companion, and their long shadows."""
    for cx, foot, size, dress, shade in (
        (0.455, 0.655, 0.285, "#56389a", "#d6322f"),
        (0.625, 0.590, 0.225, "#fbeee0", "#f0a02c"),
    ):
        up, across = (foot - y) / size, (x - cx) / size
        cast = (np.abs(across - 0.9 * (-up) * 4.0 - 0.1) < 0.13) & (up < 0.01) & (up > -0.16)
        colour = mix(colour, rgb("#3a3f86"), 0.75 * cast)
        flare = 0.19 - 0.26 * up + 0.02 * np.sin(30 * up)
        skirt = (up > 0) & (up < 0.48) & (np.abs(across) < flare)
        body = (up >= 0.42) & (up < 0.70) & (np.abs(across) < 0.075 + 0.03 * (up > 0.55))
        lit = smoothstep(0.08, -0.12, across)
        cloth = mix(rgb(dress) * 0.75, np.minimum(rgb(dress) * 1.35, 1.0), lit[..., None])
        colour = np.where((skirt | body)[..., None], cloth, colour)
        head = np.hypot(across, up - 0.77) < 0.065
        colour = np.where(head[..., None], rgb("#e8a983"), colour)
        hat = (np.abs(across) < 0.10) & (np.abs(up - 0.83) < 0.03)
        colour = np.where(hat[..., None], rgb("#f0c24a"), colour)
        pole = (np.abs(across - 0.16 + 0.10 * (up - 0.5)) < 0.012) & (up > 0.5) & (up < 1.05)
        colour = np.where(pole[..., None], rgb("#3b2f45"), colour)
        dome = np.hypot((across - 0.10) / 0.40, (up - 0.92) / 0.26)
        parasol = (dome < 1) & (up > 0.92 + 0.03 * np.abs(np.sin(14 * (across - 0.1))))
        sunny = smoothstep(0.1, -0.35, across) * smoothstep(0.9, 1.1, up)
        tint = mix(rgb(shade), rgb("#ffd9a0"), 0.7 * sunny)
        colour = np.where(parasol[..., None], tint, colour)
    return colour
