"""Brush strokes with bristles and relief: a small oil-painting engine.

A painting is a colour layer and a height layer. A stroke is a bent ribbon; bristle streaks along
it modulate both layers, so that the final raking light shows each stroke's furrows, its raised
edges and the ragged end where the brush ran dry.
"""

from dataclasses import dataclass

import numpy as np
from noise import Field, pixel_grid, smooth_noise
from PIL import Image
from scipy import ndimage

BRISTLE_LENGTH, BRISTLE_ACROSS = 64, 48
BRISTLE_BRUSHES = 24


@dataclass(frozen=True)
class Brush:
    """How a layer of strokes looks; lengths in pixels."""

    length: float
    width: float
    spacing: float  # mean distance between strokes
    bristle: float = 0.5  # depth of the streaks, 0..1
    relief: float = 1.0  # thickness of the paint
    square: float = 2.0  # 2: elliptic dab ... 8: rectangular knife mark
    dryness: float = 0.35  # how much of the tail breaks up
    hue_jitter: float = 0.03
    light_jitter: float = 0.06
    wobble: float = 0.12  # random turn in radians


class Painting:
    """Colour and height layers that strokes are laid upon."""

    def __init__(self, ground: Field, seed: int) -> None:
        self.colour = ground.astype(np.float32).copy()
        self.relief = np.zeros(ground.shape[:2], np.float32)
        self.rng = np.random.default_rng(seed)
        self._bristles = _bristle_bank(self.rng)

    def cover(self, design: Field, angle: Field, brush: Brush, mask: Field | None = None) -> None:
        """Cover the picture (or where mask allows) with strokes that follow the angle field."""
        height, width = angle.shape
        points = scattered(width, height, brush.spacing, self.rng)
        for x, y in points:
            col, row = int(x), int(y)
            if mask is not None and self.rng.random() > mask[row, col]:
                continue
            turn = angle[row, col] + self.rng.normal(0.0, brush.wobble)
            bend = _bend(angle, x, y, turn, brush.length)
            self.stroke(x, y, turn, bend, self.varied(design[row, col], brush), brush)

    def varied(self, colour: Field, brush: Brush) -> Field:
        """The colour, not quite mixed: each stroke differs a little in hue and lightness."""
        hue = self.rng.normal(0.0, brush.hue_jitter, 3)
        light = self.rng.normal(0.0, brush.light_jitter)
        return np.clip(colour * (1.0 + light) + hue - hue.mean() + 0.3 * light, 0.0, 1.0)

    def stroke(self, x: float, y: float, angle: float, bend: float, colour: Field, brush: Brush) -> None:
        """Lay one stroke centred at (x, y); bend is its curvature (1/pixels)."""
        size = self.rng.uniform(0.75, 1.25)
        half_u, half_v = 0.5 * brush.length * size, 0.5 * brush.width * self.rng.uniform(0.8, 1.2)
        box = self._box(x, y, half_u + half_v)
        if box is None:
            return
        rows, cols = box
        dx = np.arange(cols.start, cols.stop, dtype=np.float32)[None, :] - x
        dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - y
        c, s = np.cos(angle), np.sin(angle)
        u = (c * dx + s * dy) / half_u
        v = (c * dy - s * dx - 0.5 * bend * (u * half_u) ** 2) / half_v
        inside = 1.0 - np.abs(u) ** brush.square - np.abs(v) ** brush.square
        streak = self._streak(u, v)
        dry = brush.dryness * np.clip(u, 0.0, 1.0) * (1.0 - streak) * 2.0
        alpha = np.clip((inside - dry) * min(half_v, 6.0) * 0.7, 0.0, 1.0)
        shade = 1.0 + brush.bristle * 0.35 * (streak - 0.5)
        a = alpha[..., None]
        under = self.colour[rows, cols]
        self.colour[rows, cols] = under + a * (colour * shade[..., None] - under)
        ridge = 0.55 + 0.6 * v * v * (1.0 - 0.4 * u) + brush.bristle * (streak - 0.5)
        level = self.relief[rows, cols]
        self.relief[rows, cols] = level + alpha * (brush.relief * ridge - 0.55 * level)

    def _streak(self, u: Field, v: Field) -> Field:
        """Bristle pattern in 0..1 at stroke coordinates in -1..1."""
        bank = self._bristles[self.rng.integers(BRISTLE_BRUSHES)]
        i = np.clip((u + 1.0) * 0.5 * BRISTLE_LENGTH, 0, BRISTLE_LENGTH - 1).astype(np.intp)
        j = np.clip((v + 1.0) * 0.5 * BRISTLE_ACROSS, 0, BRISTLE_ACROSS - 1).astype(np.intp)
        return bank[i, j]

    def _box(self, x: float, y: float, reach: float) -> tuple[slice, slice] | None:
        height, width = self.relief.shape
        top, bottom = max(int(y - reach), 0), min(int(y + reach) + 2, height)
        left, right = max(int(x - reach), 0), min(int(x + reach) + 2, width)
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)

    def lit(self, strength: float = 1.0, gloss: float = 0.25, weave: float = 0.0) -> Field:
        """The painting under raking light from the upper left."""
        relief = ndimage.gaussian_filter(self.relief, 0.7)
        if weave:
            relief = relief + weave * canvas_weave(*relief.shape[::-1])
        slope_y, slope_x = np.gradient(relief)
        facing = -(0.7 * slope_x + 0.7 * slope_y) * strength
        shade = 1.0 + 0.9 * np.tanh(0.9 * facing)
        shine = gloss * np.clip(facing - 0.25, 0.0, 1.0) ** 1.5
        return np.clip(self.colour * shade[..., None] + shine[..., None], 0.0, 1.0)


def reduced(picture: Field, size: tuple[int, int]) -> Field:
    """The picture at its final (width, height)."""
    pixels = Image.fromarray(np.uint8(np.round(picture * 255.0)))
    return np.asarray(pixels.resize(size, Image.Resampling.LANCZOS), np.float32) / 255.0


def _bristle_bank(rng: np.random.Generator) -> Field:
    """Streak patterns, long along the stroke and fine across it, in 0..1."""
    raw = rng.standard_normal((BRISTLE_BRUSHES, BRISTLE_LENGTH, BRISTLE_ACROSS))
    soft = ndimage.gaussian_filter(raw, (0, 11, 0.9), mode="nearest")
    soft += 0.5 * ndimage.gaussian_filter(raw[::-1], (0, 14, 2.5), mode="nearest")
    return np.clip(0.5 + 0.24 * soft / soft.std(), 0.0, 1.0).astype(np.float32)


def _bend(angle: Field, x: float, y: float, turn: float, length: float) -> float:
    """Curvature of the flow at (x, y), from the turn between the two ends of the stroke."""
    height, width = angle.shape
    dx, dy = 0.35 * length * np.cos(turn), 0.35 * length * np.sin(turn)
    ahead = angle[int(np.clip(y + dy, 0, height - 1)), int(np.clip(x + dx, 0, width - 1))]
    behind = angle[int(np.clip(y - dy, 0, height - 1)), int(np.clip(x - dx, 0, width - 1))]
    change = (ahead - behind + np.pi / 2) % np.pi - np.pi / 2  # strokes have no direction
    return float(np.clip(change / (0.7 * length), -1.2 / length, 1.2 / length))


def scattered(width: int, height: int, spacing: float, rng: np.random.Generator) -> Field:
    """Jittered grid points in random order, as rows of (x, y)."""
    x, y = np.meshgrid(np.arange(0, width, spacing), np.arange(0, height, spacing))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    points = points + rng.uniform(0.0, spacing, points.shape)
    points = points[(points[:, 0] < width) & (points[:, 1] < height)]
    return rng.permutation(points)


def canvas_weave(width: int, height: int, pitch: float = 3.4) -> Field:
    """Height of a linen weave with uneven threads."""
    x, y = pixel_grid(width, height)
    drift = smooth_noise(x / 60.0, y / 60.0, 71)
    warp = np.sin((x + 1.5 * drift) * np.pi / pitch)
    weft = np.sin((y + 1.5 * drift) * np.pi / pitch)
    slub = 1.0 + 0.4 * smooth_noise(x / 40.0, y / 4.0, 72)
    return np.maximum(warp * np.sign(weft), 0.0) * slub + 0.3 * weft
