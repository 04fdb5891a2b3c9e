"""A print in four inks: rows of steep seas under a low sun.

Each row of waves is a train of Gerstner curves that lean until they overhang; deeper and deeper
curves of the same train, swelling and tapering, become the gouged lines. The drawing is split
into one block per ink; each block is printed slightly out of register, with its own wood grain and
uneven pressure, on cream paper.
"""

from dataclasses import dataclass

import numpy as np
from noise import Field, fbm, pixel_grid, rgb, smooth_noise, smoothstep
from PIL import Image, ImageDraw
from scipy import ndimage

WIDTH, HEIGHT = 2304, 1728  # drawn at three times the final size
REDUCE = 3
SEED = 1831
PAPER, PALE, BLUE, INDIGO, RED = range(5)
INKS = {  # ink: colour, misregistration in final pixels
    PALE: ("#9fc3c4", (0.8, -0.5)),
    BLUE: ("#2f6a9e", (-0.7, 0.6)),
    INDIGO: ("#14234f", (0.0, 0.0)),
    RED: ("#d5532f", (1.0, 0.9)),
}


@dataclass(frozen=True)
class Row:
    """One train of waves; lengths as fractions of the picture's width."""

    level: float
    height: float
    length: float
    phase: float
    lean: float


ROWS = (
    Row(0.345, 0.010, 0.110, 0.3, 0.3),
    Row(0.375, 0.016, 0.170, 1.9, 0.6),
    Row(0.420, 0.030, 0.260, 4.1, 1.1),
    Row(0.478, 0.058, 0.400, 0.9, 1.5),
    Row(0.590, 0.118, 0.740, 4.2, 1.45),
    Row(0.690, 0.062, 0.430, 0.4, 1.5),
    Row(0.765, 0.070, 0.620, 2.5, 1.5),
)


# From the crest down: the depth where each strip begins (in wave heights) and its ink.
STRIPS = (
    (0.0, INDIGO),
    (0.10, PAPER),
    (0.42, INDIGO),
    (0.52, PALE),
    (0.80, INDIGO),
    (0.93, BLUE),
    (1.18, PAPER),
    (1.26, BLUE),
    (1.50, INDIGO),
    (1.66, PALE),
    (1.78, BLUE),
    (2.04, PAPER),
    (2.11, INDIGO),
    (2.40, BLUE),
    (2.52, INDIGO),
    (2.74, PALE),
    (2.82, INDIGO),
    (3.02, BLUE),
    (3.12, INDIGO),
    (3.30, PALE),
    (3.36, INDIGO),
    (3.56, BLUE),
    (3.66, INDIGO),
    (3.86, PALE),
    (3.92, INDIGO),
    (4.16, BLUE),
    (4.26, INDIGO),
)


def draw() -> Field:
    """The print, as floats in 0..1."""
    return _printed(_block())


def _block() -> Field:
    """Which ink falls on each pixel."""
    image = Image.fromarray(_sky())
    pen = ImageDraw.Draw(image)
    _gulls(pen)
    for index, row in enumerate(ROWS):
        _wave_row(pen, row, index)
        if index == 1:
            _boat(pen)
    return np.asarray(image)


def _sky() -> Field:
    """A sun with gouged rings of air about it, and long clouds left as paper."""
    x, y = pixel_grid(WIDTH, HEIGHT)
    x, y = x / WIDTH, y / WIDTH
    r = np.hypot(x - 0.70, y - 0.235)
    drift = 0.012 * fbm(x * 3, y * 5, 3, 3)
    line = np.cos(2 * np.pi * (r + drift) / 0.0165)
    weight = -0.25 + 1.3 * (y - 0.16) / 0.3 + 0.35 * smooth_noise(x * 9, y * 9, 5)
    ink = np.where(line > weight + 0.15, PALE, PAPER)
    ink = np.where(line > weight + 0.75 + 2.2 * y, BLUE, ink)
    cloud = fbm(x * 2.6, y * 15, 7, 4) + 0.5 - 2.5 * np.abs(y - 0.13)
    ink = np.where(cloud > 0.85, PAPER, ink)
    rim = (np.abs(cloud - 0.85) < 0.07) | (np.abs(cloud - 1.35) < 0.035)
    ink = np.where(rim & (line < 0.8), INDIGO, ink)
    chatter = np.cos(2 * np.pi * (y + drift) / 0.011) > 0.80 + 0.2 * smooth_noise(x * 20, y * 30, 9)
    ink = np.where((cloud > 0.95) & chatter & ~rim, PALE, ink)
    ink = np.where(r < 0.092, RED, ink)
    scored = np.cos(2 * np.pi * (y + 0.3 * drift) / 0.0135) > 0.93 - 1.6 * (y - 0.2)
    ink = np.where((r < 0.092) & scored, PAPER, ink)
    return np.where(np.abs(r - 0.0945) < 0.0022, INDIGO, ink).astype(np.uint8)


def _curve(row: Row, index: int, depth: float, wave: float) -> Field:
    """Points of the train at a depth below its surface; wave makes the gouge swell and taper."""
    a = np.linspace(-0.35, 1.25, 2200)
    turn = 2 * np.pi * a / row.length + row.phase
    uneven = 1.0 + 0.35 * smooth_noise(a * 1.7 / row.length, a * 0, 31 + index)
    fade = np.exp(-2.1 * depth / row.height / 2.6)
    size = row.height * uneven * fade
    x = a - 0.95 * size * np.sin(turn)
    rise = size * np.cos(turn)
    y = row.level - rise + depth * (1 + 0.45 * wave * np.sin(turn * 1.5 + 9 * depth / row.height))
    crest = np.clip(rise / row.height, 0.0, 2.0)
    x = x + row.lean * row.height * crest**2.2
    y = y + 0.25 * row.lean * row.height * np.clip(crest - 0.75, 0, 1) ** 1.5
    ragged = 0.0012 * smooth_noise(a * 90, np.full_like(a, depth * 200), 41 + index)
    return np.stack([x, y + ragged], axis=1)


def _wave_row(pen: ImageDraw.ImageDraw, row: Row, index: int) -> None:
    """Fill the row strip by strip, from its foam down into the dark, then dress the crests."""
    for number, (depth, ink) in enumerate(STRIPS):
        wave = 0.0 if number < 2 else (-1.0) ** number * 0.22
        points = _curve(row, index, 0.62 * depth * row.height, wave) * WIDTH
        ring = [tuple(p) for p in points] + [(1.3 * WIDTH, 2 * HEIGHT), (-0.4 * WIDTH, 2 * HEIGHT)]
        pen.polygon(ring, fill=ink)
    if index > 1:
        _foam(pen, row, index)


def _foam(pen: ImageDraw.ImageDraw, row: Row, index: int) -> None:
    """Foam torn from the breaking crests: ragged tongues, curls along the lip, thrown drops."""
    rng = np.random.default_rng(SEED + index)
    points = _curve(row, index, 0.0, 0.0)
    high = (row.level - points[:, 1]) / row.height
    for i in np.flatnonzero(high > 0.05)[::9]:
        _tongue(pen, points[i], row.height * (0.25 + 0.55 * max(high[i], 0)), rng)
    walk = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    position = 0.0
    while position < walk[-1]:
        i = int(np.searchsorted(walk, position))
        r = min(row.height, 0.075) * rng.uniform(0.09, 0.22)
        if high[i] > 0.4:
            _curl(pen, points[i], r, rng.uniform(-0.5, 0.5))
        position += 1.55 * r
    for i in np.flatnonzero(high > 0.85)[::5]:
        away = np.abs(rng.normal(0, 1, 2)) * row.height * np.array([0.50, -0.38])
        x, y = points[i] + away + np.array([0.02, -0.20]) * row.height
        _drop(pen, x, y, row.height * rng.uniform(0.015, 0.042))


def _tongue(pen: ImageDraw.ImageDraw, tip: Field, size: float, rng: np.random.Generator) -> None:
    """A gouge of paper white that runs from the crest down the wave's back."""
    t = np.linspace(0, 1, 14)
    size *= rng.uniform(0.5, 1.3)
    spine = tip + size * np.stack([-0.9 * t - 0.2 * t * t, 0.10 * t + 0.75 * t * t], axis=1)
    half = 0.055 * size * np.sin(np.pi * np.clip(t * 1.02, 0, 1)) ** 0.7 * (1.3 - t)
    side = half[:, None] * [0.5, 1.0]
    ring = np.concatenate([spine + side, (spine - side)[::-1]])
    pen.polygon([tuple(p) for p in ring * WIDTH], fill=PAPER)


def _curl(pen: ImageDraw.ImageDraw, at: Field, r: float, turn: float) -> None:
    """A hooked curl of foam: a thick comma, keyed in indigo, tapering inwards."""
    t = np.linspace(0, 1, 40)
    angle = turn - 2.4 + 5.4 * t
    radius = r * (1.0 - 0.62 * t)
    for swell, ink in ((1.0, INDIGO), (0.52, PAPER)):
        for a, q, w in zip(angle, radius, 0.42 * r * (1 - 0.72 * t), strict=True):
            _disc(pen, at[0] + q * np.cos(a), at[1] + q * np.sin(a), max(w * swell, 0.0009), ink)


def _drop(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    _disc(pen, x, y, r + 0.0012, INDIGO)
    _disc(pen, x, y, r, PAPER)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, r: float, ink: int) -> None:
    pen.ellipse([(x - r) * WIDTH, (y - r) * WIDTH, (x + r) * WIDTH, (y + r) * WIDTH], fill=ink)


def _gulls(pen: ImageDraw.ImageDraw) -> None:
    """Birds as two tapering strokes of the knife."""
    for x, y, span in ((0.20, 0.10, 0.055), (0.29, 0.155, 0.040), (0.13, 0.19, 0.030), (0.45, 0.075, 0.034)):
        t = np.linspace(-1, 1, 41)
        top = y - 0.30 * span * np.abs(np.sin(np.pi * t)) ** 0.8 + 0.12 * span * t * t
        under = top + 0.11 * span * (1 - t * t)
        ring = np.concatenate([np.stack([x + span * t, top], 1), np.stack([x + span * t, under], 1)[::-1]]) * WIDTH
        pen.polygon([tuple(p) for p in ring], fill=INDIGO)


def _boat(pen: ImageDraw.ImageDraw) -> None:
    """A small boat with one battened sail, climbing a crest."""
    x, y, s = 0.345, 0.350, 0.105
    place = [
        (x + s * dx, y + s * dy)
        for dx, dy in ((-0.62, -0.16), (-0.40, 0.10), (0.42, 0.02), (0.74, -0.30), (0.4, -0.16))
    ]
    pen.polygon([(a * WIDTH, b * WIDTH) for a, b in place], fill=INDIGO)
    strake = [(x + s * dx, y + s * dy) for dx, dy in ((-0.56, -0.11), (0.40, -0.10), (0.66, -0.23))]
    pen.line([(a * WIDTH, b * WIDTH) for a, b in strake], fill=PAPER, width=6)
    sail = ((0.02, -1.30), (0.52, -1.12), (0.60, -0.36), (-0.34, -0.28), (-0.22, -0.9))
    pen.polygon([((x + s * a) * WIDTH, (y + s * b) * WIDTH) for a, b in sail], fill=INDIGO)
    inner = [(0.03 + 0.93 * (a - 0.03), -0.75 + 0.93 * (b + 0.75)) for a, b in sail]
    pen.polygon([((x + s * a) * WIDTH, (y + s * b) * WIDTH) for a, b in inner], fill=RED)
    for b in (-1.05, -0.84, -0.62, -0.44):
        pen.line(
            [((x - 0.27 * s) * WIDTH, (y + s * (b + 0.04)) * WIDTH), ((x + 0.56 * s) * WIDTH, (y + s * b) * WIDTH)],
            fill=PAPER,
            width=5,
        )


def _printed(block: Field) -> Field:
    """Print the blocks one over another on cream paper."""
    width, height = WIDTH // REDUCE, HEIGHT // REDUCE
    x, y = pixel_grid(width, height)
    fibre = 0.5 * fbm(x / 3, y / 3, 51, 3) + 0.5 * smooth_noise(x / 24, y / 2.5, 54)
    sheet = rgb("#f1e3c3") * (1 + 0.022 * fibre + 0.015 * fbm(x / 160, y / 160, 56, 2))[..., None]
    for ink, (colour, (right, down)) in INKS.items():
        raised = (block == ink).reshape(height, REDUCE, width, REDUCE).mean(axis=(1, 3))
        if ink in (PALE, BLUE):  # the lighter blocks are cut fuller, so they show under the key
            raised = np.maximum(raised, ndimage.maximum_filter(raised, 3) * 0.8)
        raised = ndimage.shift(raised, (down, right), order=1, mode="nearest")
        film = raised * _pressure(x, y, ink)
        sheet = sheet * (1.0 + film[..., None] * (rgb(colour) / rgb("#f1e3c3") - 1.0))
    return np.clip(sheet, 0, 1)


def _pressure(x: Field, y: Field, ink: int) -> Field:
    """How much ink the block leaves: wood grain, dry patches, and a hand-wiped gradation."""
    bow = y + 9 * smooth_noise(x / 210, y / 120, 61 + ink)
    rings = smooth_noise(x / 420, bow / 2.1, 63 + ink) + 0.6 * smooth_noise(x / 120, bow / 1.1, 65)
    grain = smoothstep(0.2, 2.2, rings) * 0.42
    mottle = 0.10 * smoothstep(0.3, 1.6, fbm(x / 2.2, y / 2.2, 67 + ink, 2))
    dry = 0.16 * smoothstep(0.4, 1.8, fbm(x / 70, y / 40, 69 + ink, 3))
    top = 0.0 if ink in (INDIGO, RED) else 0.25 * smoothstep(0.55, 0.15, y / y.max())
    return np.clip(0.97 - grain - mottle - dry - top, 0, 1)
