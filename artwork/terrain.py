"""The ground of the valley: a height map with eroded peaks and a lake, in metres."""

import numpy as np
from noise import Field, fbm, ridged, smooth_noise, smoothstep
from scipy import ndimage

SIZE = 1536
CELL = 6.0  # metres per sample
LEFT, NEAR = -SIZE * CELL / 2, -200.0  # world x and z of the first sample
SUN = np.array([-0.84, 0.30, -0.36], np.float32)  # towards the sun: low, left, behind the camera
SUN /= np.linalg.norm(SUN)

# Peaks: x, z, height, radius.
PEAKS = (
    (900, 5300, 1700, 2100),
    (-500, 6600, 1350, 1700),
    (-1700, 5600, 1150, 1700),
    (2700, 5200, 1350, 1900),
    (-4000, 5000, 1150, 1700),
    (1700, 3300, 520, 1300),
    (-1700, 3300, 300, 1100),
    (3600, 3000, 800, 1700),
    (-2900, 2500, 300, 1300),
)


def height_map() -> Field:
    """Heights over the whole world square; below zero lies the lake."""
    z, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) * CELL
    x, z = x + LEFT, z + NEAR
    warp_x = x + 260 * fbm(x / 1500, z / 1500, 101, 4)
    warp_z = z + 260 * fbm(x / 1500, z / 1500, 111, 4)
    peaks = np.zeros_like(x)
    for px, pz, top, radius in PEAKS:
        r = np.hypot(warp_x - px, warp_z - pz) / radius
        peaks = np.maximum(peaks, top * np.clip(1.0 - r, 0.0, 1.0) ** 1.35)
    peaks = ndimage.gaussian_filter(peaks, 11)
    crests = ridged(x / 1300, z / 1300, 121, 6, 0.48)
    shore = shore_distance(x, z)
    rise = smoothstep(60, 1400, shore)
    relief = 0.10 * np.maximum(shore, 0.0) ** 0.9 + rise * (peaks + (110 + 0.36 * peaks) * crests)
    relief = relief + rise * (25 + 0.03 * peaks) * fbm(x / 260, z / 260, 131, 4)
    relief = relief + _gullies(x, z, relief) * (14 + 0.055 * relief) * rise
    relief = np.minimum(relief, ndimage.gaussian_filter(relief, 9) + 34)  # rock falls: no needles
    relief = ndimage.gaussian_filter(relief, 0.6)
    return np.where(shore > 0, relief, 0.12 * shore).astype(np.float32)


def shore_distance(x: Field, z: Field) -> Field:
    """Metres inland (negative on the lake): a long lake with a spit of land at the right."""
    bends = 90 * smooth_noise(x / 420, z / 420, 141) + 30 * smooth_noise(x / 130, z / 130, 142)
    far = z - 1650 + 0.10 * np.abs(x) + bends
    sides = np.abs(x + 60) - 300 - 0.42 * np.clip(z - 100, 0, None) + 0.6 * bends
    wobble = 1.6 * smooth_noise(x / 9, z / 9, 143) + 0.8 * smooth_noise(x / 3.1, z / 3.1, 144)
    spit = 17 - 0.9 * np.abs(z - 112) + 0.25 * (x - 36) + wobble
    spit = np.minimum(spit, x - 17 + 1.5 * wobble)
    bank = 21.5 - z - 0.33 * x + 0.02 * np.clip(x, -40, 0) ** 2 + 1.3 * wobble
    return np.maximum.reduce([far, sides, spit, bank])


def _gullies(x: Field, z: Field, relief: Field) -> Field:
    """Ravines running downhill: stripes across the slope in jittered cells, four octaves."""
    smooth = ndimage.gaussian_filter(relief, 5)
    slope_z, slope_x = np.gradient(smooth, CELL)
    total, amplitude, size = np.zeros_like(x), 1.0, 420.0
    steep = 1.6 / (0.6 + np.hypot(slope_x, slope_z))  # keeps ravines as wide on cliffs
    along_x, along_z = -slope_z * steep, slope_x * steep
    for octave in range(4):
        wave, grad_x, grad_z = _stripes(x / size, z / size, along_x, along_z, octave)
        total += amplitude * wave
        along_x, along_z = along_x - 0.6 * amplitude * grad_z, along_z + 0.6 * amplitude * grad_x
        amplitude, size = 0.5 * amplitude, 0.5 * size
    return total


def _stripes(x: Field, z: Field, dir_x: Field, dir_z: Field, seed: int) -> tuple[Field, Field, Field]:
    """Cosine waves with the given wave vectors, blended between jittered cells; and slopes."""
    jitter = np.random.default_rng(500 + seed).random((2, 64, 64), np.float32)
    cell_x, cell_z = np.floor(x), np.floor(z)
    wave, grad_x, grad_z, weight = (np.zeros_like(x) for _ in range(4))
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            a, b = (cell_x + i).astype(np.int32) % 64, (cell_z + j).astype(np.int32) % 64
            dx, dz = x - cell_x - i - jitter[0, a, b], z - cell_z - j - jitter[1, a, b]
            near = np.exp(-3.0 * (dx * dx + dz * dz))
            phase = 2 * np.pi * (dx * dir_x + dz * dir_z)
            wave += near * np.cos(phase)
            ripple = -near * np.sin(phase)
            grad_x += ripple * dir_x
            grad_z += ripple * dir_z
            weight += near
    return wave / weight, grad_x / weight, grad_z / weight


def sunlight(heights: Field) -> Field:
    """1 where the sun reaches the ground, 0 in shadow, soft between."""
    flat = np.hypot(SUN[0], SUN[2])
    step_x, step_z, climb = SUN[0] / flat, SUN[2] / flat, SUN[1] / flat
    coarse = heights[::2, ::2]
    rows, cols = np.mgrid[0 : coarse.shape[0], 0 : coarse.shape[1]].astype(np.float32)
    light = np.ones_like(coarse)
    distance = 25.0
    while distance < 4200.0:
        shift = distance / (2 * CELL)
        there = ndimage.map_coordinates(coarse, [rows + step_z * shift, cols + step_x * shift], order=1, mode="nearest")
        clearance = (coarse + climb * distance - there) / (0.035 * distance + 3.0)
        light = np.minimum(light, np.clip(0.5 + 0.5 * clearance, 0.0, 1.0))
        distance *= 1.09
    clouds = fbm(cols / 170, rows / 120, 181, 3)  # their shadows darken the foothills in patches
    low = smoothstep(1000.0, 300.0, coarse)
    light = light * (1.0 - 0.75 * smoothstep(-0.3, 0.7, clouds + 0.9 * low - 0.6))
    return np.clip(ndimage.zoom(light, 2, order=1)[:SIZE, :SIZE], 0.0, 1.0)


def sample(grid: Field, x: Field, z: Field) -> Field:
    """Value of a world grid at world positions."""
    rows, cols = (z - NEAR) / CELL, (x - LEFT) / CELL
    return ndimage.map_coordinates(grid, np.stack([rows, cols]), order=1, mode="nearest")


def near_height(x: Field, z: Field) -> Field:
    """Height close to the camera, where the map is too coarse: banks, turf and stones."""
    shore = shore_distance(x, z)
    turf = 0.16 * fbm(x / 2.4, z / 2.4, 151, 4) + 0.5 * smooth_noise(x / 11, z / 11, 155)
    stones = np.clip(ridged(x / 3.2, z / 3.2, 161, 3) - 0.45, 0, 1) * 2.2
    land = 0.13 * shore + smoothstep(-1.0, 4.0, shore) * (turf + 0.4)
    land = land + stones * np.exp(-((shore / 2.6) ** 2))
    return np.where(shore > -2.5, land, 0.3 * shore)
