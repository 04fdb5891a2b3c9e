"""Smooth random fields: the raw material of terrain, clouds, paper and brush flow.

The noise is a cubic B-spline over a lattice of white noise. It has continuous second derivatives
(so lit surfaces show no creases) and, because every octave is rotated, no visible lattice.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

LATTICE = 256
OCTAVE_TURN = 0.65  # radians between octaves: hides the axes of the lattice
OCTAVE_ZOOM = 2.03  # not exactly 2, so lattice points of the octaves never line up

Field = np.ndarray


def smooth_noise(x: Field, y: Field, seed: int) -> Field:
    """Noise of unit feature size at (x, y); mean 0 and standard deviation near 1."""
    lattice = np.random.default_rng(seed).standard_normal((LATTICE, LATTICE)).astype(np.float32)
    y, x = np.broadcast_arrays(np.asarray(y, np.float32), np.asarray(x, np.float32))
    coordinates = np.stack([y, x])
    value = ndimage.map_coordinates(lattice, coordinates, order=3, mode="grid-wrap", prefilter=False, output=np.float32)
    return 2.08 * value


def _octaves(x: Field, y: Field, seed: int, count: int, gain: float) -> Iterator[tuple[float, Field]]:
    """Yield (amplitude, noise) for each octave."""
    c, s = np.cos(OCTAVE_TURN) * OCTAVE_ZOOM, np.sin(OCTAVE_TURN) * OCTAVE_ZOOM
    amplitude = 1.0
    for octave in range(count):
        yield amplitude, smooth_noise(x, y, seed + octave)
        x, y = c * x - s * y + 17.3, s * x + c * y + 9.1
        amplitude *= gain


def fbm(x: Field, y: Field, seed: int, octaves: int = 5, gain: float = 0.5) -> Field:
    """Fractal sum of noise, standard deviation near 1."""
    total, power = 0.0, 0.0
    for amplitude, value in _octaves(x, y, seed, octaves, gain):
        total = total + amplitude * value
        power += amplitude**2
    return total / np.sqrt(power)


def ridged(x: Field, y: Field, seed: int, octaves: int = 5, gain: float = 0.5) -> Field:
    """Fractal noise with sharp crests, in 0..1; fine crests only grow upon coarse ones."""
    total, norm, weight = 0.0, 0.0, 1.0
    for amplitude, value in _octaves(x, y, seed, octaves, gain):
        crest = np.clip(1.0 - 0.8 * np.abs(value), 0.0, 1.0) ** 2 * weight
        total = total + amplitude * crest
        norm += amplitude
        weight = np.clip(crest * 1.6, 0.0, 1.0)
    return total / norm


def pixel_grid(width: int, height: int) -> tuple[Field, Field]:
    """x and y of each pixel, as float32 arrays."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x, y


def smoothstep(low: float, high: float, value: Field) -> Field:
    """0 below low, 1 above high, smooth between; low may exceed high to turn it round."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(a: Field, b: Field, amount: Field) -> Field:
    """Blend from a to b; when either is a colour, a mask is spread over the channels."""
    amount = np.asarray(amount, np.float32)
    coloured = np.shape(a)[-1:] == (3,) or np.shape(b)[-1:] == (3,)
    if coloured and amount.ndim and amount.shape[-1] != 1:
        amount = amount[..., None]
    return a * (1.0 - amount) + b * amount


def rgb(code: str) -> Field:
    """'#d04a2b' as three floats in 0..1."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255.0
