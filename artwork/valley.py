"""A mountain lake in the last sun, standing in for a photograph.

The eroded height field (terrain.py) is seen column by column through a pinhole camera, lit by a
low sun with cast shadows and by the sky, and veiled by haze. Conifers, a red-roofed boathouse, a
jetty and a sailing boat (props.py) are projected into it. The whole scene is rendered a second
time from below the water level; disturbed by ripples, that view is the reflection on the lake.
"""

from dataclasses import dataclass

import numpy as np
import props
import terrain
from noise import Field, fbm, mix, pixel_grid, rgb, ridged, smooth_noise, smoothstep
from scipy import ndimage

FINAL = (960, 720)
SCALE = 2  # drawn larger, then averaged down
WIDTH, HEIGHT = FINAL[0] * SCALE, FINAL[1] * SCALE
FOCAL = 0.98 * WIDTH
HORIZON = 0.545 * HEIGHT
EYE = 11.0  # metres above the lake
SPIT_MIDDLE, SPIT_END = 110.0, 132.0  # the spit of land, front to back, in metres
DEPTHS = np.geomspace(9.0, 8600.0, 1500).astype(np.float32)
SUN_COLOUR = np.array([3.1, 2.05, 1.2], np.float32)
SKY_COLOUR = np.array([0.40, 0.50, 0.74], np.float32)
SEED = 77


@dataclass
class World:
    """What both views of the scene share."""

    heights: Field
    light: Field
    slope_x: Field
    slope_z: Field


def draw() -> Field:
    """The picture, as floats in 0..1."""
    heights = terrain.height_map()
    slope_z, slope_x = np.gradient(heights, terrain.CELL)
    world = World(heights, terrain.sunlight(heights), slope_x, slope_z)
    scene, mirrored = _view(world, EYE), _view(world, -EYE)
    picture = np.where(scene.water[..., None], _water(mirrored.colour), scene.colour)
    props.grasses(picture, SEED)
    small = picture.reshape(FINAL[1], SCALE, FINAL[0], SCALE, 3).mean(axis=(1, 3))
    return _developed(small)


def _view(world: World, eye: float) -> props.View:
    """The scene as seen from a height above (or below) the lake."""
    depth = _hits(world, eye)
    cols, rows = pixel_grid(WIDTH, HEIGHT)
    land = np.isfinite(depth)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    image[~land] = _sky((cols[~land] - WIDTH / 2) / FOCAL, (HORIZON - rows[~land]) / FOCAL)
    z = depth[land]
    x = (cols[land] - WIDTH / 2) / FOCAL * z
    y = eye + (HORIZON - rows[land]) / FOCAL * z
    image[land] = mix(_ground(world, x, y, z), *_air(x, y, z))
    water = np.zeros_like(land)
    water[land] = y < 0.02
    view = props.View(image, depth, water, props.Camera(WIDTH, HEIGHT, FOCAL, HORIZON, eye))
    props.plant_forest(view, world.heights, _air, SEED)
    props.build(view)
    return view


def _hits(world: World, eye: float) -> Field:
    """Distance to the ground for each pixel; infinite for sky.

    Along each column the horizon only rises with distance, so the first sample that climbs above
    a pixel's ray is found by a sorted search.
    """
    across = (np.arange(WIDTH, dtype=np.float32) - WIDTH / 2) / FOCAL
    z = DEPTHS[:, None]
    x = across[None, :] * z
    y = terrain.sample(world.heights, x, np.broadcast_to(z, x.shape))
    close = DEPTHS < 330.0
    y[close] = terrain.near_height(x[close], np.broadcast_to(z[close], x[close].shape))
    y = y + np.where(y > 0, 5.0 * fbm(x / 45, z / 45, 201, 3) * smoothstep(900, 2400, z), 0.0)
    if eye > 0:
        return _first_hits(HORIZON - FOCAL * (np.maximum(y, 0.0) - eye) / z, DEPTHS)
    y = np.where((y > 0.02) & (z > 60.0), y, -1e6)  # only what stands out of the water is mirrored
    row = HORIZON - FOCAL * (y - eye) / z
    depth = _first_hits(row, DEPTHS)
    beyond = DEPTHS > SPIT_END  # rays that leave the lake behind the spit must not meet it
    leaves = -eye * FOCAL / np.maximum(HORIZON - np.arange(HEIGHT), 1e-3)
    far = leaves > SPIT_MIDDLE
    depth[far] = _first_hits(row[beyond], DEPTHS[beyond])[far]
    return depth


def _first_hits(row: Field, depths: Field) -> Field:
    """Depth at which each column's ground first rises to each pixel row; infinite if never."""
    top = np.minimum.accumulate(row, axis=0)
    pixel = np.arange(HEIGHT, dtype=np.float32)
    depth = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    for col in range(WIDTH):
        first = np.searchsorted(-top[:, col], -pixel)
        hit = (first > 0) & (first < len(depths))
        n, p = first[hit], pixel[hit]
        before, after = row[n - 1, col], row[n, col]
        t = np.clip((before - p) / np.maximum(before - after, 1e-6), 0.0, 1.0)
        depth[hit, col] = depths[n - 1] * (1 - t) + depths[n] * t
    return depth


def _ground(world: World, x: Field, y: Field, z: Field) -> Field:
    """Lit colour of the ground: turf and stones near by, forest, rock and snow far away."""
    far = smoothstep(300, 360, z)
    rough = smoothstep(200, 900, y)
    bump_x, bump_z = _bumps(x, z)
    slope_x = terrain.sample(world.slope_x, x, z) * far + bump_x * (0.25 + 0.75 * rough)
    slope_z = terrain.sample(world.slope_z, x, z) * far + bump_z * (0.25 + 0.75 * rough)
    up = 1.0 / np.sqrt(1.0 + slope_x**2 + slope_z**2)
    facing = (terrain.SUN[1] - slope_x * terrain.SUN[0] - slope_z * terrain.SUN[2]) * up
    light = terrain.sample(world.light, x, z) * far + (1.0 - far)
    sun = np.clip(facing, 0.0, 1.0) * light
    albedo = _albedo(x, y, z, up)
    return albedo * (SUN_COLOUR * sun[:, None] + SKY_COLOUR * (0.35 + 0.65 * up)[:, None])


def _bumps(x: Field, z: Field) -> tuple[Field, Field]:
    """Slopes of detail too fine for the height map, fading with distance."""
    slope_x, slope_z = np.zeros_like(x), np.zeros_like(x)
    for seed, size in ((209, 130.0), (211, 60.0), (213, 24.0), (215, 9.0), (217, 2.5), (219, 0.7)):
        visible = smoothstep(size * 900, size * 250, z)
        slope_x += 0.30 * visible * smooth_noise(x / size, z / size, seed)
        slope_z += 0.30 * visible * smooth_noise(x / size, z / size, seed + 1)
    return slope_x, slope_z


def _albedo(x: Field, y: Field, z: Field, up: Field) -> Field:
    """Colour of turf, forest floor, rock and snow by height and steepness."""
    mottle = fbm(x / 70, z / 70 + y / 40, 221, 5)
    strata = smooth_noise(x / 400, y / 22 + 0.6 * mottle, 231)
    rock = mix(rgb("#4a4745"), rgb("#7d746b"), smoothstep(-1.2, 1.2, mottle + 0.6 * strata))
    forest = mix(rgb("#1d2c1b"), rgb("#3d4a26"), smoothstep(-1, 1, mottle))
    meadow = mix(rgb("#55592c"), rgb("#7d7338"), smoothstep(-1, 1, fbm(x / 5, z / 5, 241, 4)))
    ground = mix(forest, meadow, smoothstep(0.2, 1.3, mottle))
    ground = mix(ground, meadow, smoothstep(500, 150, z))
    ground = mix(ground, rock, smoothstep(380, 620, y + 90 * mottle))
    ground = mix(ground, rock * 0.85, smoothstep(0.72, 0.58, up) * (z > 300))
    stony = smoothstep(1.3, 0.4, y + 0.3 * smooth_noise(x, z, 245)) * (z < 400)
    ground = mix(ground, rock, stony)
    line = y + 130 * mottle + 700 * (up - 0.72)
    snow = smoothstep(640, 860, line) * smoothstep(0.42, 0.60, up)
    return mix(ground, np.array([0.90, 0.92, 0.96], np.float32), snow)


def _air(x: Field, y: Field, z: Field) -> tuple[Field, Field]:
    """Colour and density of the air before a point: blue distance, mist on the far shore."""
    veil = 1.0 - np.exp(-z / 6000.0 * np.exp(-np.maximum(y, 0.0) / 1500.0))
    wisps = np.clip(0.9 + 0.6 * fbm(x / 380, y / 26, 251, 4), 0.0, 2.0)
    mist = 0.55 * wisps * smoothstep(1000, 2300, z) * np.exp(-np.maximum(y, 0.0) / 42.0)
    mist = np.clip(mist, 0.0, 0.8)
    blue = mix(rgb("#8fa6cc"), rgb("#e2b596"), smoothstep(0.25, -0.6, x / z))
    return mix(blue, rgb("#e9d6cc"), 0.6 * mist), 1.0 - (1.0 - veil) * (1.0 - mist)


def _sky(across: Field, up: Field) -> Field:
    """Evening sky: peach at the horizon, blue above, with lit streaks and banks of cloud."""
    up = np.maximum(up, 0.0)
    glow = np.exp(-((across + 0.45) ** 2) / 0.35)
    low = mix(rgb("#f0c3a0"), rgb("#ffd29a"), glow)
    sky = mix(low, rgb("#b9bccd"), smoothstep(0.02, 0.22, up))
    sky = mix(sky, rgb("#6f93c6"), smoothstep(0.14, 0.38, up))
    sky = mix(sky, rgb("#47699f"), smoothstep(0.34, 0.62, up))
    plane = 1.0 / (up + 0.10)
    u, v = across * plane * 1.1, plane * 1.1
    warp = 0.5 * fbm(u * 0.8, v * 0.8, 301, 3)
    body = fbm(u * 0.75 + warp, v * 1.3 + 0.5 * warp, 311, 7, 0.55)
    toward = fbm(u * 0.75 + warp - 0.10, v * 1.3 + 0.5 * warp + 0.06, 311, 7, 0.55)
    cover = smoothstep(0.05, 1.25, body + 0.15)
    lit = smoothstep(-0.28, 0.34, body - toward + 0.05)
    cloud = mix(rgb("#7c7f9b"), rgb("#ffd9b4"), np.clip(0.15 + 0.85 * lit, 0, 1))
    cloud = mix(cloud, rgb("#ffb68c"), 0.5 * smoothstep(0.30, 0.05, up) * lit)
    sky = mix(sky, cloud, 0.92 * cover * smoothstep(0.0, 0.10, up))
    cirrus = ridged(u * 0.5 + 0.7 * v, v * 2.2 + warp, 331, 5)
    return mix(sky, rgb("#ffe6d2"), 0.35 * smoothstep(0.35, 0.8, cirrus) * (1 - cover))


def _water(mirrored: Field) -> Field:
    """The flipped view from below, shaken by ripples and tinted by the depth of the lake."""
    cols, rows = pixel_grid(WIDTH, HEIGHT)
    drop = np.maximum(rows - HORIZON, 1.0)
    z = EYE * FOCAL / drop
    x = (cols - WIDTH / 2) / FOCAL * z
    tilt, sway = _ripples(x, z)
    grazing = 1.0 / np.sqrt(1.0 + (z / EYE) ** 2)
    shift = 1.9 * FOCAL * tilt
    source_row = 2 * HORIZON - rows - np.abs(shift)
    source_col = cols + 0.35 * FOCAL * sway
    reflected = np.stack(
        [
            ndimage.map_coordinates(mirrored[..., k], [source_row, source_col], order=1, mode="nearest")
            for k in range(3)
        ],
        axis=-1,
    )
    cosine = np.clip(grazing + 1.2 * tilt, 0.0, 1.0)
    fresnel = 0.04 + 0.96 * (1.0 - cosine) ** 4
    body = mix(rgb("#0d2a33"), rgb("#1d4a50"), smoothstep(-0.02, 0.03, tilt)[..., None])
    return mix(body, reflected * np.array([0.93, 0.96, 0.98], np.float32), fresnel)


def _ripples(x: Field, z: Field) -> tuple[Field, Field]:
    """Slopes of the water towards the eye and sideways; calm lanes between breezy patches."""
    breeze = smoothstep(-0.7, 1.0, fbm(x / 34, z / 80, 401, 3)) * 0.8 + 0.2
    tilt, sway = np.zeros_like(x), np.zeros_like(x)
    for seed, size, slope in ((411, 6.0, 0.006), (413, 2.2, 0.009), (415, 0.9, 0.010), (417, 0.38, 0.010)):
        pixel = z * z / (EYE * FOCAL)  # metres of lake under one pixel, front to back
        visible = smoothstep(1.2 * size, 0.25 * size, pixel) * 0.85 + 0.15
        tilt += slope * visible * smooth_noise(x / (1.8 * size), z / size, seed)
        sway += 0.5 * slope * visible * smooth_noise(x / size, z / size, seed + 1)
    return tilt * breeze, sway * breeze


def _developed(picture: Field) -> Field:
    """Lens glow, a slight vignette, tone curve, richer colour and film grain."""
    bright = np.clip(picture - 0.85, 0.0, None)
    picture = picture + 0.5 * ndimage.gaussian_filter(bright, (12, 12, 0))
    x, y = pixel_grid(*FINAL)
    radius = np.hypot(x / FINAL[0] - 0.5, y / FINAL[1] - 0.5)
    picture = picture * (1.0 - 0.45 * radius[..., None] ** 2)
    picture = picture * (1.0 + 0.10 * picture) / (1.0 + 0.22 * picture**2)
    toned = mix(picture, smoothstep(-0.02, 1.0, picture), 0.45)
    toned = mix(toned.mean(axis=2, keepdims=True), toned, 1.12)
    grain = np.random.default_rng(SEED).normal(0.0, 0.008, picture.shape[:2])
    return np.clip(toned + grain[..., None], 0.0, 1.0)
