"""A peacock in glass and gold tesserae.

The design is a map of parts (feathers, body, sky, border). Tiles are spread inside each part by
Lloyd relaxation under a square metric that is turned to follow the part's outline, so they lie in
rows as a setter would lay them; a tile never crosses an outline. Each is then tilted, bevelled and
lit on its own, with dark grout between.
"""

import numpy as np
from noise import Field, fbm, mix, pixel_grid, rgb, smooth_noise, smoothstep
from scipy import ndimage

SIZE = 1536  # drawn at twice the final size
REDUCE = 2
SEED = 547
ROUNDS = 14
GOLD = 1000  # parts numbered from here on are gold leaf under glass
CENTRE = (0.5, 0.64)
RINGS = ((0.215, 9, 0.040), (0.315, 13, 0.044), (0.425, 17, 0.050))  # radius, eyes, eye size
FAN = 2.05  # half the fan's opening angle, in radians from straight up


def draw() -> Field:
    """The picture, as floats in 0..1."""
    part, colour, tile = _design()
    half = slice(None, None, 2)
    sites, turn = _laid(part[half, half], tile[half, half])
    owner, depth = _cut(part, tile, 2 * sites, turn)
    picture = _lit(part, colour, owner, depth, 2 * sites)
    side = SIZE // REDUCE
    return picture.reshape(side, REDUCE, side, REDUCE, 3).mean(axis=(1, 3))


def _design() -> tuple[Field, Field, Field]:
    """Part number, colour and tile size (in full-size pixels) of each point."""
    x, y = pixel_grid(SIZE, SIZE)
    x, y = x / SIZE, y / SIZE
    layer = (
        np.zeros((SIZE, SIZE), np.int32),
        np.zeros((SIZE, SIZE, 3), np.float32),
        np.full((SIZE, SIZE), 25.0, np.float32),
    )
    _background(layer, x, y)
    _fan(layer, x, y)
    _garden(layer, x, y)
    _bird(layer, x, y)
    _border(layer, x, y)
    return layer


def _put(layer: tuple, where: Field, part: int, colour: Field, tile: float) -> None:
    """Set part, colour and tile size in a region."""
    layer[0][where] = part
    layer[1][where] = np.broadcast_to(colour, layer[1].shape)[where]
    layer[2][where] = tile


def _background(layer: tuple, x: Field, y: Field) -> None:
    """Arcs of gold, cream and rose about the bird."""
    r = np.hypot(x - CENTRE[0], y - CENTRE[1])
    arc = (r / 0.028).astype(int)
    warm = mix(rgb("#e9c15a"), rgb("#c98a2b"), smoothstep(0.45, 0.85, r))
    _put(layer, r > 0, GOLD, warm, 25)
    _put(layer, arc % 4 == 3, 1, mix(rgb("#f3e3bd"), rgb("#d88a5c"), smoothstep(0.4, 0.8, r)), 24)


def _fan(layer: tuple, x: Field, y: Field) -> None:
    """The spread train: barbs in green and bronze, rings of eyes, a scalloped hem."""
    dx, dy = x - CENTRE[0], y - CENTRE[1]
    r, turn = np.hypot(dx, dy), np.arctan2(dx, -dy)
    hem = 0.452 + 0.020 * np.abs(np.cos(turn / (2 * FAN) * 17 * np.pi))
    fan = (r < hem) & (np.abs(turn) < FAN)
    barb = np.floor((turn / FAN + 1) * 35).astype(int)
    tone = mix(rgb("#0f5a4c"), rgb("#3fa05a"), smoothstep(0.1, 0.46, r))
    for kind, tint in enumerate(("#0d3f5c", "#7d8f2e", "#12706a")):
        shade = mix(tone, rgb(tint), 0.55)
        _put(layer, fan & (barb % 3 == kind), 10 + kind, shade, 20)
    _put(layer, fan & (r > hem - 0.016), 20, rgb("#a8c24a"), 18)
    for ring, (radius, count, size) in enumerate(RINGS):
        for i in range(count):
            middle = (2 * (i + 0.5) / count - 1) * FAN
            _eye(layer, r * np.cos(turn - middle) - radius, r * np.sin(turn - middle), size, 100 + 40 * ring + i)


def _eye(layer: tuple, out: Field, across: Field, size: float, part: int) -> None:
    """One eye of the train: nested drops, gold outside, violet heart."""
    d = np.hypot(out / 1.12, across * (1.0 + 0.9 * np.clip(-out / size, 0, 1))) / size
    _put(layer, d < 1.00, GOLD + part, rgb("#e2b347"), 17)
    _put(layer, d < 0.74, part, rgb("#b5652a"), 15)
    _put(layer, d < 0.60, part + 200, rgb("#2fb6b0"), 15)
    heart = np.hypot((out - 0.08 * size) / 1.05, across) / size
    _put(layer, heart < 0.34, part + 400, rgb("#24237c"), 14)


def _garden(layer: tuple, x: Field, y: Field) -> None:
    """Ground with leaf sprays and pomegranates at both sides."""
    ground = y > 0.845 + 0.012 * np.cos(12 * x)
    band = ((y - 0.845) / 0.030).astype(int)
    for kind, tint in enumerate(("#7a4a2a", "#b8793c", "#5d6b2c")):
        _put(layer, ground & (band % 3 == kind), 40 + kind, rgb(tint), 22)
    for side in (-1, 1):
        u = side * (x - 0.5)
        stem = 0.235 + 0.10 * np.sin(3.0 * (0.93 - y)) + 0.02 * np.sin(14 * y)
        _put(layer, (np.abs(u - stem) < 0.006) & (y > 0.70) & (y < 0.93), 50, rgb("#4c3a22"), 15)
        for i, (lu, ly, turn) in enumerate(
            (
                (0.20, 0.86, 2.4),
                (0.315, 0.875, 0.5),
                (0.375, 0.80, 0.9),
                (0.245, 0.795, 2.2),
                (0.40, 0.89, 0.2),
                (0.30, 0.735, 2.0),
            )
        ):
            a = np.cos(turn) * (u - lu) - np.sin(turn) * (y - ly)
            b = np.sin(turn) * (u - lu) + np.cos(turn) * (y - ly)
            leaf = np.abs(b) < 0.022 * (1 - (a / 0.052) ** 2)
            tint = rgb("#6f9a3a") if i % 2 else rgb("#2f6d4a")
            _put(layer, leaf & (np.abs(a) < 0.052), 60 + i, tint, 15)
        for i, (fu, fy, fr) in enumerate(((0.35, 0.715, 0.043), (0.275, 0.90, 0.036), (0.425, 0.835, 0.030))):
            r = np.hypot(u - fu, y - fy) / fr
            _put(layer, r < 1.0, 80 + i, rgb("#b3242c"), 16)
            glow = np.hypot(u - fu + 0.3 * side * fr, y - fy + 0.3 * fr) / fr
            _put(layer, (glow < 0.45) & (r < 1), 85 + i, rgb("#f0803c"), 14)


def _bird(layer: tuple, x: Field, y: Field) -> None:
    """Breast, S-shaped neck, head in profile, crown of plumes, feet."""
    for foot in (-0.035, 0.03):
        leg = (np.abs(x - 0.5 - foot) < 0.006) & (y > 0.80) & (y < 0.885)
        toes = (np.abs(y - 0.885) < 0.007) & (np.abs(x - 0.49 - foot) < 0.03)
        _put(layer, leg | toes, GOLD + 1, rgb("#e9b13a"), 13)
    breast = np.hypot((x - 0.5) / 0.092, (y - 0.70) / 0.135) < 1
    bend = 0.5 + 0.022 * np.sin((y - 0.40) / 0.30 * 2 * np.pi)
    width = 0.034 + 0.058 * smoothstep(0.44, 0.68, y) ** 1.4
    neck = (np.abs(x - bend) < width) & (y > 0.40) & (y < 0.68)
    head = np.hypot((x - 0.492) / 0.046, (y - 0.395) / 0.042) < 1
    blue = mix(rgb("#2a62d0"), rgb("#141f7a"), smoothstep(-0.05, 0.08, x - bend))
    body = breast | neck | head
    _put(layer, ndimage.binary_dilation(body, iterations=9), GOLD + 2, rgb("#f0cf74"), 14)
    _put(layer, body, 2, blue, 15)
    stagger = 0.017 * (np.floor((y - 0.58) / 0.026) % 2)
    scale = np.hypot((x - 0.5 + stagger) % 0.034 - 0.017, (y - 0.58) % 0.026 - 0.004)
    inner = np.hypot((x - 0.5) / 0.076, (y - 0.705) / 0.115) < 1
    _put(layer, inner & (scale > 0.0165), 3, rgb("#37b7c4"), 13)
    _put(layer, inner & (scale <= 0.0075), 4, rgb("#0f8f7c"), 13)
    face = np.hypot((x - 0.470) / 0.022, (y - 0.398) / 0.018) < 1
    _put(layer, face, 5, rgb("#f4efe0"), 11)
    _put(layer, np.hypot(x - 0.472, y - 0.394) < 0.0085, 6, rgb("#120d1c"), 11)
    beak = (np.abs(y - 0.402 - 0.35 * (0.448 - x)) < 0.26 * (x - 0.405)) & (x > 0.405) & (x < 0.45)
    _put(layer, beak, GOLD + 3, rgb("#d9962e"), 12)
    for i, lean in enumerate((-0.95, -0.47, 0.0, 0.47, 0.95)):
        up = (0.362 - y) / 0.062
        stalk = (np.abs(x - 0.495 - lean * 0.062 * up) < 0.0050) & (up > -0.1) & (up < 0.95)
        _put(layer, stalk, 7, rgb("#123a7a"), 13)
        tip = np.hypot(x - 0.495 - lean * 0.062, y - 0.300) < 0.0125
        _put(layer, tip, 8 + 300 * i, rgb("#2ac0bc"), 12)


def _border(layer: tuple, x: Field, y: Field) -> None:
    """A frame: dark fillets, and a running wave of terracotta and cream."""
    inset = np.minimum.reduce([x, 1 - x, y, 1 - y])
    along = np.where(np.minimum(x, 1 - x) < np.minimum(y, 1 - y), y, x)
    _put(layer, inset < 0.066, 90, rgb("#1c2350"), 19)
    wave = 0.031 + 0.011 * np.sin(along * 2 * np.pi * 11)
    _put(layer, (inset < 0.052) & (inset > 0.010), 91, rgb("#efe0ba"), 19)
    _put(layer, (inset < wave) & (inset > 0.010), 92, rgb("#b8452e"), 19)
    _put(layer, np.abs(inset - wave) < 0.0058, GOLD + 4, rgb("#e8b84a"), 15)


def _laid(part: Field, tile: Field) -> tuple[Field, Field]:
    """Tile centres (x, y) and their turn, at half size."""
    rng = np.random.default_rng(SEED)
    turn_map = _turns(part)
    density = 1.0 / (0.5 * tile) ** 2
    count = int(density.sum() * 1.02)
    chosen = rng.choice(part.size, count, replace=False, p=(density / density.sum()).ravel())
    sites = np.stack([chosen % part.shape[1], chosen // part.shape[1]], 1).astype(np.float32)
    x, y = pixel_grid(*part.shape[::-1])
    for _ in range(ROUNDS):
        turn = turn_map[sites[:, 1].astype(int), sites[:, 0].astype(int)]
        owner, _ = _cut(part, tile * 0.5, sites, turn)
        taken = owner >= 0
        mass = np.bincount(owner[taken], minlength=len(sites))
        kept = mass > 0
        for axis, grid in enumerate((x, y)):
            total = np.bincount(owner[taken], weights=grid[taken], minlength=len(sites))
            sites[kept, axis] = total[kept] / mass[kept]
    turn = turn_map[sites[:, 1].astype(int), sites[:, 0].astype(int)]
    return sites, turn


def _turns(part: Field) -> Field:
    """Direction square to the nearest outline."""
    edge = ndimage.maximum_filter(part, 3) != ndimage.minimum_filter(part, 3)
    distance = ndimage.distance_transform_edt(~edge).astype(np.float32)
    slope_y, slope_x = np.gradient(ndimage.gaussian_filter(distance, 1.5))
    double = [ndimage.gaussian_filter(v, 3.0) for v in (slope_x**2 - slope_y**2, 2 * slope_x * slope_y)]
    return 0.5 * np.arctan2(double[1], double[0])


def _cut(part: Field, tile: Field, sites: Field, turn: Field) -> tuple[Field, Field]:
    """Which tile covers each pixel (-1: none) and how far from its middle (1 at its rim)."""
    height, width = part.shape
    owner = np.full(part.shape, -1, np.int32)
    best = np.full(part.shape, 9.0, np.float32)
    for i, (x, y) in enumerate(sites):
        col, row = min(int(x), width - 1), min(int(y), height - 1)
        size = tile[row, col]
        reach = int(1.1 * size) + 1
        r0, r1, c0, c1 = max(row - reach, 0), row + reach + 1, max(col - reach, 0), col + reach + 1
        dx = np.arange(c0, min(c1, width), dtype=np.float32)[None, :] - x
        dy = np.arange(r0, min(r1, height), dtype=np.float32)[:, None] - y
        c, s = np.cos(turn[i]), np.sin(turn[i])
        d = np.maximum(np.abs(c * dx + s * dy), np.abs(c * dy - s * dx)) * (2.0 / size)
        window = (slice(r0, r1), slice(c0, c1))
        nearer = (d < best[window]) & (part[window] == part[row, col])
        best[window][nearer] = d[nearer]
        owner[window][nearer] = i
    return owner, best


def _lit(part: Field, colour: Field, owner: Field, depth: Field, sites: Field) -> Field:
    """Glass and gold with their own tilts, bevels and flaws, bedded in grout."""
    rng = np.random.default_rng(SEED + 1)
    count = len(sites)
    x, y = pixel_grid(SIZE, SIZE)
    seam = (ndimage.maximum_filter(owner, 3) != ndimage.minimum_filter(owner, 3)) | (owner < 0)
    inside = ndimage.distance_transform_edt(~seam).astype(np.float32)
    glass = smoothstep(0.6, 2.2, inside) * (depth < 1.75)
    tint = _tile_colours(part, colour, sites, rng)[owner]
    tilt = rng.normal(0, 1, (2, count)).astype(np.float32)[:, owner]
    dx, dy = (x - sites[owner, 0]) / 20.0, (y - sites[owner, 1]) / 20.0
    sheen = tilt[0] * dx + tilt[1] * dy
    flaw = 0.05 * smooth_noise(x / 3.5, y / 3.5, 5) + 0.06 * fbm(x / 14, y / 14, 7, 2)
    gilded = ndimage.gaussian_filter((part >= GOLD).astype(np.float32), 1.0)
    height = np.minimum(inside, 4.5) + 0.5 * sheen
    slope_y, slope_x = np.gradient(ndimage.gaussian_filter(height, 0.8))
    bevel = -(slope_x + slope_y) * 0.20
    face = 1.0 + 0.10 * sheen + flaw * (1 + gilded) + bevel
    flash = np.clip(tilt[0] * 0.6 + tilt[1] * 0.6 - 0.5, 0, 2) * gilded * 0.22
    body = tint * face[..., None] + flash[..., None] * np.array([1.0, 0.9, 0.6], np.float32)
    body += 0.16 * np.clip(bevel - 0.12, 0, 1)[..., None]
    sand = 1.0 + 0.16 * smooth_noise(x / 1.7, y / 1.7, 9)
    shadow = 0.75 + 0.25 * np.roll(seam, (-3, -3), (0, 1))
    grout = rgb("#4a4038") * (sand * shadow)[..., None]
    return np.clip(mix(grout, body, glass), 0, 1)


def _tile_colours(part: Field, colour: Field, sites: Field, rng: np.random.Generator) -> Field:
    """One colour per tile: the design's, from an uneven batch of glass."""
    cols, rows = (np.clip(sites[:, k].astype(int), 0, SIZE - 1) for k in (0, 1))
    base = colour[rows, cols]
    gilded = (part[rows, cols] >= GOLD)[:, None]
    light = rng.normal(0, 1, (len(sites), 1)) * np.where(gilded, 0.16, 0.13)
    hue = rng.normal(0, 0.035, base.shape)
    odd = rng.random((len(sites), 1)) < 0.06
    base = np.where(odd, base[:, [1, 2, 0]] * 0.4 + base * 0.6, base)
    return np.clip(base * (1 + light) + hue, 0.02, 1.0).astype(np.float32)
