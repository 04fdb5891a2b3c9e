"""A harbour town in hot and cold slabs of palette-knife paint.

Houses climb a hill above moored boats. Each plane of the design gets its own knife direction;
square, thick, hard-edged strokes are laid plane by plane, then dark contours and small accents.
"""

from dataclasses import dataclass

import numpy as np
from noise import Field, fbm, mix, pixel_grid, rgb, smooth_noise, smoothstep
from PIL import Image, ImageDraw
from scipy import ndimage
from strokes import Brush, Painting, reduced

WIDTH, HEIGHT = 1152, 912
FINAL = (768, 608)
SEED = 1905
WALLS = ("#f4a03a", "#f6cf4f", "#ee6f56", "#f3ddb0", "#e8557a", "#f28b30", "#f7e3c4")
SHADES = ("#5a3a9c", "#2d55b0", "#7a2f7c", "#1f6f9c")
ROOFS = ("#d8321f", "#b51f3a", "#e4511e", "#8f1f4f")
INK = rgb("#16163c")


def draw() -> Field:
    """The picture, as floats in 0..1."""
    design, angle, lines = _design()
    painting = Painting(np.broadcast_to(rgb("#7a3b28"), design.shape), SEED)
    slab = {"square": 7.0, "bristle": 0.55, "dryness": 0.6, "wobble": 0.10}
    painting.cover(design, angle, Brush(92, 46, 24, relief=2.4, light_jitter=0.10, hue_jitter=0.06, **slab))
    painting.cover(design, angle, Brush(58, 27, 17, relief=3.0, light_jitter=0.10, hue_jitter=0.05, **slab))
    painting.cover(
        design, angle, Brush(32, 14, 12, relief=3.0, light_jitter=0.10, hue_jitter=0.05, **slab), mask=lines.near
    )
    painting.cover(
        lines.ink,
        lines.angle,
        Brush(34, 5.5, 5.0, relief=2.4, light_jitter=0.2, hue_jitter=0.03, wobble=0.08),
        mask=lines.on,
    )
    return reduced(painting.lit(strength=0.6, gloss=0.28, weave=0.08), FINAL)


@dataclass(frozen=True)
class Lines:
    """Dark contours: where they run, their direction and colour; and where detail is wanted."""

    on: Field
    angle: Field
    ink: Field
    near: Field


class Sketch:
    """Polygons that carry a colour and a knife direction, in units of the picture's width."""

    def __init__(self) -> None:
        self.colour = Image.new("RGB", (WIDTH, HEIGHT))
        self.angle = Image.new("F", (WIDTH, HEIGHT))
        self.part = Image.new("I", (WIDTH, HEIGHT))
        self.parts = 0

    def plane(self, ring: list[tuple[float, float]], colour: Field, degrees: float) -> None:
        """Fill a polygon; its strokes will run at the given angle."""
        points = [(x * WIDTH, y * WIDTH) for x, y in ring]
        self.parts += 1
        fill = tuple(int(255 * v) for v in np.clip(colour, 0, 1))
        ImageDraw.Draw(self.colour).polygon(points, fill=fill)
        ImageDraw.Draw(self.angle).polygon(points, fill=float(np.radians(degrees)))
        ImageDraw.Draw(self.part).polygon(points, fill=self.parts)


def _design() -> tuple[Field, Field, Lines]:
    rng = np.random.default_rng(SEED)
    sketch = Sketch()
    _hill_town(sketch, rng)
    _quay_and_boats(sketch, rng)
    colour = np.asarray(sketch.colour, np.float32) / 255.0
    angle, part = np.array(sketch.angle), np.asarray(sketch.part)
    x, y = pixel_grid(WIDTH, HEIGHT)
    x, y = x / WIDTH, y / WIDTH
    open_air = part == 0
    sky, sky_angle = _sky(x, y)
    sea, sea_angle = _sea(x, y, np.where(open_air[..., None], sky, colour))
    water = open_air & (y > 0.5)
    colour = np.where(open_air[..., None], np.where(water[..., None], sea, sky), colour)
    angle = np.where(open_air, np.where(water, sea_angle, sky_angle), angle)
    mottle = fbm(x * 16, y * 16, 81, 3)[..., None]
    colour = np.clip(colour * (1.0 + 0.07 * mottle), 0, 1)
    return colour, angle, _contours(part, water)


def _contours(part: Field, water: Field) -> Lines:
    """Lines where one plane meets another, running along the seam."""
    edge = ndimage.morphological_gradient(part, size=(3, 3)) > 0
    soft = ndimage.gaussian_filter(edge.astype(np.float32), 4.0)
    slope_y, slope_x = np.gradient(soft)
    jxx, jyy, jxy = (ndimage.gaussian_filter(v, 5.0) for v in (slope_x * slope_x, slope_y * slope_y, slope_x * slope_y))
    along = 0.5 * np.arctan2(2 * jxy, jxx - jyy) + np.pi / 2
    tone = fbm(*(g / 90 for g in pixel_grid(WIDTH, HEIGHT)), 83, 2)
    ink = mix(INK, rgb("#5a1038"), smoothstep(0.0, 1.2, tone))
    on = ndimage.binary_dilation(edge, iterations=1) * 0.62
    near = np.where(part > 0, 0.6, np.where(water, 0.35, 0.12))
    return Lines(on.astype(np.float32), along, ink, near.astype(np.float32))


def _sky(x: Field, y: Field) -> tuple[Field, Field]:
    """Yellow evening, rose and turquoise in slanting slabs, and a low sun."""
    slab = fbm(x * 3.0 + 1.6 * y, y * 6.0 - 1.2 * x, 85, 3)
    warm = mix(rgb("#f8d25a"), rgb("#f2935c"), smoothstep(-0.6, 1.0, slab))
    cold = mix(rgb("#3aa3b0"), rgb("#2f63b8"), smoothstep(-0.8, 1.0, slab))
    colour = mix(cold, warm, smoothstep(0.0, 0.32, y + 0.09 * slab))
    colour = mix(colour, rgb("#ea6f86"), 0.8 * smoothstep(0.7, 1.3, slab))
    r = np.hypot(x - 0.80, y - 0.17)
    ring = 0.5 + 0.5 * np.cos(r * 95)
    colour = mix(colour, mix(rgb("#f6b23c"), rgb("#fff0a6"), ring), np.exp(-((r / 0.12) ** 2)))
    colour = mix(colour, rgb("#e8361f"), smoothstep(0.052, 0.048, r))
    around = np.arctan2(y - 0.17, x - 0.80) + np.pi / 2
    return colour, np.where(r < 0.13, around, -0.5 + 0.5 * smooth_noise(x * 4, y * 4, 87))


def _sea(x: Field, y: Field, above: Field) -> tuple[Field, Field]:
    """Broken horizontal slabs: the town upside down over ultramarine and jade."""
    shore = int(0.555 * WIDTH)
    rows = np.arange(HEIGHT)
    swell = fbm(x * 5, y * 26, 89, 3)
    mirror_row = np.clip(2 * shore - rows[:, None] - 26 * swell, 0, shore - 6).astype(int)
    column = np.clip(x * WIDTH + 16 * swell, 0, WIDTH - 1).astype(int)
    mirrored = above[mirror_row, column]
    body = mix(rgb("#173a8c"), rgb("#1f9a97"), smoothstep(-0.9, 1.1, swell))
    broken = smoothstep(-0.35, 0.35, fbm(x * 9, y * 40, 93, 2))
    colour = mix(body, mirrored, (0.78 * broken).astype(np.float32))
    return colour, 0.08 * swell


def _hill_town(sketch: Sketch, rng: np.random.Generator) -> None:
    """A ridge behind, then rows of houses stepping down to the quay, far rows first."""
    ridge = [
        (-0.02, 0.60),
        (-0.02, 0.27),
        (0.10, 0.20),
        (0.22, 0.135),
        (0.34, 0.16),
        (0.47, 0.24),
        (0.60, 0.32),
        (0.76, 0.40),
        (1.02, 0.46),
        (1.02, 0.60),
    ]
    sketch.plane(ridge, rgb("#2f5fa8"), 30)
    sketch.plane(
        [(-0.02, 0.60), (-0.02, 0.33), (0.12, 0.25), (0.25, 0.20), (0.40, 0.30), (0.55, 0.40), (0.70, 0.60)],
        rgb("#2f8a56"),
        55,
    )
    sketch.plane(
        [(0.38, 0.60), (0.52, 0.37), (0.66, 0.40), (0.84, 0.46), (1.02, 0.47), (1.02, 0.60)], rgb("#7a3f9c"), 20
    )
    for base, size, left, right in (
        (0.335, 0.062, 0.08, 0.40),
        (0.395, 0.074, 0.01, 0.52),
        (0.465, 0.088, -0.03, 0.70),
        (0.552, 0.106, -0.05, 0.90),
    ):
        x = left
        while x < right:
            wide = size * rng.uniform(0.85, 1.3)
            _house(sketch, rng, x, base + rng.uniform(-0.012, 0.008), wide, size)
            x += wide * rng.uniform(0.92, 1.25)
        _bushes(sketch, rng, base, left, right)
    _bell_tower(sketch)


def _house(sketch: Sketch, rng: np.random.Generator, x: float, base: float, wide: float, size: float) -> None:
    """A front in the light, a side in the shade, a tilted roof, windows and a door."""
    tall, side = size * rng.uniform(1.0, 1.5), 0.34 * wide
    wall, shade = rgb(rng.choice(WALLS)), rgb(rng.choice(SHADES))
    roof = rgb(rng.choice(ROOFS))
    front = wide - side
    top, peak = base - tall, base - tall - 0.42 * size
    sketch.plane([(x, base), (x, top), (x + side, top), (x + side, base)], shade, 86)
    sketch.plane(
        [(x + side, base), (x + side, top), (x + wide, top + 0.006), (x + wide, base)],
        wall,
        94 if rng.random() < 0.5 else 8,
    )
    sketch.plane(
        [
            (x - 0.006, top + 0.006),
            (x + 0.5 * side, peak),
            (x + wide - 0.2 * side, peak),
            (x + wide + 0.008, top + 0.010),
        ],
        roof,
        -25 if rng.random() < 0.5 else 10,
    )
    for row in range(2):
        for col in range(2):
            wx = x + side + front * (0.20 + 0.42 * col)
            wy = top + tall * (0.16 + 0.36 * row)
            pane = rgb("#1b2f7c") if rng.random() < 0.7 else rgb("#2a8f96")
            sketch.plane(
                [(wx, wy), (wx + 0.19 * front, wy), (wx + 0.19 * front, wy + 0.2 * tall), (wx, wy + 0.2 * tall)],
                pane,
                90,
            )


def _bushes(sketch: Sketch, rng: np.random.Generator, base: float, left: float, right: float) -> None:
    for _ in range(5):
        x, r = rng.uniform(left, right), rng.uniform(0.016, 0.032)
        turn = np.linspace(0, 2 * np.pi, 9)
        ring = [(x + r * np.cos(t), base - 0.4 * r + r * np.sin(t)) for t in turn]
        green = rgb(rng.choice(["#1f7a4a", "#4fa03c", "#136b6e", "#a8b82f"]))
        sketch.plane(ring, green, rng.uniform(0, 180))


def _bell_tower(sketch: Sketch) -> None:
    """The church above the roofs: the highest light against the cold ridge."""
    sketch.plane([(0.205, 0.34), (0.205, 0.105), (0.228, 0.10), (0.228, 0.34)], rgb("#5a3a9c"), 90)
    sketch.plane([(0.228, 0.34), (0.228, 0.10), (0.268, 0.105), (0.268, 0.34)], rgb("#fbe3a4"), 92)
    sketch.plane([(0.198, 0.108), (0.236, 0.030), (0.276, 0.108)], rgb("#d8321f"), 70)
    sketch.plane([(0.240, 0.125), (0.256, 0.125), (0.256, 0.165), (0.240, 0.165)], rgb("#1b2f7c"), 90)


def _quay_and_boats(sketch: Sketch, rng: np.random.Generator) -> None:
    """A stone quay and four moored boats with bare masts and furled sails."""
    sketch.plane([(-0.02, 0.546), (1.02, 0.546), (1.02, 0.572), (-0.02, 0.575)], rgb("#e9b98a"), 2)
    boats = (
        (0.16, 0.665, 0.26, "#1f8fa0", "#f6cf4f"),
        (0.70, 0.615, 0.17, "#e4511e", "#f3ddb0"),
        (0.50, 0.70, 0.24, "#d8321f", "#2d55b0"),
        (0.88, 0.735, 0.25, "#2f6fd0", "#f28b30"),
    )
    for x, y, size, hull, trim in boats:
        _boat(sketch, x, y, size, rgb(hull), rgb(trim))


def _boat(sketch: Sketch, x: float, y: float, size: float, hull: Field, trim: Field) -> None:
    deck, half = y - 0.20 * size, 0.5 * size
    top = y - 1.35 * size
    sketch.plane(
        [(x + 0.02 * size, deck), (x + 0.005, top), (x + 0.016, top), (x + 0.07 * size, deck)], rgb("#6b2a2a"), 90
    )
    sketch.plane(
        [
            (x + 0.04 * size, y - 0.38 * size),
            (x + 0.42 * size, y - 0.34 * size),
            (x + 0.40 * size, y - 0.27 * size),
            (x + 0.04 * size, y - 0.30 * size),
        ],
        rgb("#f7e3c4"),
        5,
    )
    sketch.plane(
        [
            (x - 1.05 * half, deck - 0.03 * size),
            (x + 1.1 * half, deck - 0.05 * size),
            (x + 0.8 * half, y),
            (x - 0.75 * half, y),
        ],
        hull,
        6,
    )
    sketch.plane(
        [
            (x - 1.05 * half, deck - 0.03 * size),
            (x + 1.1 * half, deck - 0.05 * size),
            (x + 1.04 * half, deck + 0.015 * size),
            (x - 0.99 * half, deck + 0.03 * size),
        ],
        trim,
        0,
    )
    sketch.plane(
        [
            (x - 0.80 * half, y - 0.03 * size),
            (x + 0.84 * half, y - 0.03 * size),
            (x + 0.8 * half, y + 0.012 * size),
            (x - 0.75 * half, y + 0.012 * size),
        ],
        rgb("#3a1a4c"),
        0,
    )
