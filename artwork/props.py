"""What stands in the valley: conifers, a boathouse with its jetty, a sailing boat and grasses."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import terrain
from noise import Field, rgb, smooth_noise
from PIL import Image, ImageDraw

SPRITE_WIDTH, SPRITE_HEIGHT = 420, 960
Air = Callable[[Field, Field, Field], tuple[Field, Field]]


@dataclass(frozen=True)
class Camera:
    """A pinhole at (0, eye, 0) that looks along z."""

    width: int
    height: int
    focal: float
    horizon: float
    eye: float

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        return (
            self.width / 2 + self.focal * x / z,
            self.horizon - self.focal * (y - self.eye) / z,
        )


@dataclass
class View:
    """A picture under way: its colours, the distance of each pixel, and which show open water."""

    colour: Field
    depth: Field
    water: Field
    camera: Camera

    def lay(self, box: tuple[slice, slice], colour: Field, alpha: Field, z: float) -> None:
        """Lay something at distance z over what is farther away."""
        alpha = alpha * (self.depth[box] > 0.97 * z)
        self.colour[box] += alpha[..., None] * (colour - self.colour[box])
        solid = alpha > 0.4
        self.depth[box][solid] = z
        self.water[box][solid] = False


def plant_forest(view: View, heights: Field, air: Air, seed: int) -> None:
    """Draw all conifers, far to near, where the ground does not hide them."""
    rng = np.random.default_rng(seed)
    dark = [_conifer(rng, "#16261a", "#5d6b2c") for _ in range(6)]
    gold = [_conifer(rng, "#4a3616", "#d99a34") for _ in range(3)]
    x, z, tall = _stand(heights, rng)
    near = terrain.near_height(x, z)
    y = np.where(z < 330.0, near, terrain.sample(heights, x, z)) - 0.2
    colour, veil = air(x, y + 0.5 * tall, z)
    for i in np.argsort(-z):
        golden = z[i] > 60 and rng.random() < 0.16
        sprites = (gold if golden else dark)[rng.integers(3 if golden else 6)]
        _paste(view, sprites, (x[i], y[i], z[i]), tall[i], colour[i], veil[i])


def _stand(heights: Field, rng: np.random.Generator) -> Field:
    """x, z and height of the trees: far slopes, the spit behind the boathouse, the near bank."""
    count = 38000
    z = rng.uniform(330.0, 3600.0, count)
    x = rng.uniform(-0.56, 0.56, count) * z
    ground = terrain.sample(heights, x.astype(np.float32), z.astype(np.float32))
    grove = smooth_noise(x / 170, z / 170, 171)
    keep = (ground > 1.0) & (ground < 420 + 110 * grove) & (grove > -0.7 + ground / 500)
    far = np.stack([x, z, rng.gamma(9.0, 1.9, count)], axis=1)[keep]
    near = [
        (34.0, 128.0, 17.0),
        (38.5, 122.0, 21.0),
        (43.0, 118.0, 18.5),
        (46.0, 112.0, 23.0),
        (50.0, 121.0, 19.0),
        (53.0, 108.0, 21.0),
        (56.5, 116.0, 24.0),
        (41.0, 131.0, 15.0),
        (60.0, 122.0, 20.0),
        (47.5, 99.0, 12.0),
        (63.0, 118.0, 22.0),
        (30.0, 131.0, 12.0),
        (-13.6, 27.5, 17.0),
        (-11.2, 28.0, 8.5),
        (-16.0, 32.5, 17.0),
        (-9.6, 27.0, 3.4),
    ]
    return np.concatenate([far, near]).astype(np.float32).T


def _conifer(rng: np.random.Generator, shade: str, lit: str) -> list[Image.Image]:
    """A spruce as RGBA sprites of falling size.

    Tiers of drooping boughs hung with needles, lit from the left, back ones first.
    """
    sprite = Image.new("RGBA", (SPRITE_WIDTH, SPRITE_HEIGHT), (0, 0, 0, 0))
    pen = ImageDraw.Draw(sprite)
    middle, foot = SPRITE_WIDTH / 2, SPRITE_HEIGHT - 4
    pen.polygon([(middle - 2, 20), (middle + 2, 20), (middle + 8, foot), (middle - 8, foot)], fill=(40, 30, 24, 255))
    dark, bright = rgb(shade), rgb(lit)
    for front in (0.45, 0.75, 1.0):
        for tier in np.linspace(0.012, 0.95, 62):
            for _ in range(3 + int(13 * tier)):
                side = rng.uniform(-1.0, 1.0)
                reach = side * (6 + 0.46 * SPRITE_WIDTH * tier**0.85) * rng.uniform(0.6, 1.0)
                y = 8 + tier * (SPRITE_HEIGHT - 40) + rng.normal(0, 4)
                level = np.clip(0.42 - 0.55 * side + rng.normal(0, 0.16), 0, 1) * front
                _bough(pen, middle, y, reach, dark + (bright - dark) * level, rng)
    sizes = [(SPRITE_WIDTH >> k, SPRITE_HEIGHT >> k) for k in range(6)]
    return [sprite.resize(size, Image.Resampling.BOX) for size in sizes]


def _bough(pen: ImageDraw.ImageDraw, x: float, y: float, reach: float, colour: Field, rng: np.random.Generator) -> None:
    """One bough from the trunk at (x, y), drooping, with hanging needles."""
    fill = (*(int(255 * c) for c in np.clip(colour, 0, 1)), 255)
    droop = 0.30 * abs(reach) + 3
    steps = max(int(abs(reach) / 7), 2)
    for t in np.linspace(0.25, 1.0, steps):
        px, py = x + reach * t, y + droop * t * t
        hang = 5 + 9 * (1.0 - t) + rng.uniform(0, 4)
        pen.line([(px, py), (px + 0.35 * np.sign(reach) * hang, py + hang)], fill=fill, width=3)
        pen.line([(px - 4 * np.sign(reach), py - 1), (px + 5 * np.sign(reach), py + 3)], fill=fill, width=3)


def _paste(
    view: View, sprites: list[Image.Image], foot: tuple[float, float, float], tall: float, air: Field, veil: float
) -> None:
    """Scale the fitting sprite to its distance and stand it in the view."""
    x, y, z = foot
    col, row = view.camera.project(x, y, z)
    high = round(view.camera.focal * tall / z)
    wide = max(round(high * SPRITE_WIDTH / SPRITE_HEIGHT), 2)
    left, top = round(col - wide / 2), round(row - high)
    r0, r1 = max(top, 0), min(top + high, view.camera.height)
    c0, c1 = max(left, 0), min(left + wide, view.camera.width)
    if high < 3 or r0 >= r1 or c0 >= c1:
        return
    sprite = next((s for s in reversed(sprites) if s.height >= high), sprites[0])
    scaled = sprite.resize((wide, high), Image.Resampling.BOX)
    pixels = np.asarray(scaled, np.float32)[r0 - top : r1 - top, c0 - left : c1 - left] / 255.0
    veiled = pixels[..., :3] * (1.0 - veil) + air * veil
    dense = np.minimum(1.4 * pixels[..., 3], 1.0)  # shrinking thins the needles out too much
    view.lay((slice(r0, r1), slice(c0, c1)), veiled, dense, z)


class Builder:
    """Collects flat quads in world space and fills them, far to near."""

    def __init__(self, origin: tuple[float, float, float], turn: float) -> None:
        self.origin = origin
        self.cos, self.sin = np.cos(turn), np.sin(turn)
        self.quads: list[tuple[float, list, tuple]] = []

    def world(self, point: Field) -> tuple[float, float, float]:
        x, y, z = point
        return (
            self.origin[0] + self.cos * x - self.sin * z,
            self.origin[1] + y,
            self.origin[2] + self.sin * x + self.cos * z,
        )

    def panel(
        self,
        corner: tuple,
        along: tuple,
        up: tuple,
        colour: Field,
        grid: tuple[int, int],
        seed: int,
        rough: float = 0.12,
    ) -> None:
        """A parallelogram of grid[0] x grid[1] boards or shingles that differ in tone."""
        rng = np.random.default_rng(seed)
        corner, along, up = (np.array(v, np.float64) for v in (corner, along, up))
        for i in range(grid[0]):
            tone = 1.0 + rng.normal(0, rough)
            for j in range(grid[1]):
                a = corner + along * (i / grid[0]) + up * (j / grid[1])
                step_a, step_b = along / grid[0] * 1.04, up / grid[1] * 1.04
                ring = [self.world(p) for p in (a, a + step_a, a + step_a + step_b, a + step_b)]
                shade = colour * tone * (1.0 + rng.normal(0, 0.5 * rough))
                fill = tuple(int(v) for v in np.clip(shade * 255, 0, 255))
                middle = self.world(corner + 0.5 * along + 0.5 * up)
                self.quads.append((np.hypot(middle[0], middle[2]), ring, fill))

    def paint(self, view: View) -> None:
        """Fill the panels over the view where nothing nearer stands."""
        picture = Image.fromarray(np.uint8(np.clip(view.colour, 0, 1) * 255))
        mask = Image.new("L", picture.size, 0)
        pen, mask_pen = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
        for _, ring, fill in sorted(self.quads, key=lambda quad: -quad[0]):
            outline = [view.camera.project(*p) for p in ring]
            pen.polygon(outline, fill=fill)
            mask_pen.polygon(outline, fill=255)
        whole = (slice(None), slice(None))
        alpha = (np.asarray(mask) > 0).astype(np.float32)
        view.lay(whole, np.asarray(picture, np.float32) / 255.0, alpha, 0.93 * self.origin[2])


def build(view: View) -> None:
    """The boathouse on the spit, its jetty and a sailing boat."""
    _sail_boat(view)
    _boathouse(view)
    _jetty(view)


def _boathouse(view: View) -> None:
    house = Builder((31.5, 0.9, 98.0), 0.62)
    sunny, shady = rgb("#c98f5c"), rgb("#5c4a48")
    half, long, wall, ridge = 3.9, 10.5, 3.7, 7.3
    house.panel((-half, 0, 0), (0, 0, long), (0, wall, 0), sunny * 1.08, (40, 1), 1, 0.06)
    house.panel((-half, 0, 0), (2 * half, 0, 0), (0, wall, 0), sunny * 0.60, (30, 1), 2, 0.06)
    for i in range(60):  # the gable, board by board
        x = -half + 2 * half * i / 60
        top = (ridge - wall) * (1 - abs(x + half / 60) / half)
        house.panel((x, wall, 0), (2 * half / 60, 0, 0), (0, top, 0), sunny * 0.62, (1, 1), 200 + i, 0.06)
    eave, over = 0.5, 0.6
    drop = (ridge - wall) * eave / half
    house.panel(
        (-half - eave, wall - drop, -over),
        (0, 0, long + 2 * over),
        (half + eave, ridge - wall + drop, 0),
        rgb("#dd4a2c"),
        (34, 12),
        4,
        0.09,
    )
    house.panel(
        (half + eave, wall - drop, -over),
        (0, 0, long + 2 * over),
        (-half - eave, ridge - wall + drop, 0),
        rgb("#7a2a26"),
        (34, 12),
        5,
        0.09,
    )
    trim = rgb("#f4e6d2")
    house.panel((-1.1, 0, -0.08), (2.2, 0, 0), (0, 2.3, 0), shady * 0.5, (6, 1), 6)
    for x in (-1.25, 1.1):
        house.panel((x, 0, -0.12), (0.18, 0, 0), (0, 2.4, 0), trim, (1, 1), 7)
    house.panel((-1.25, 2.3, -0.12), (2.53, 0, 0), (0, 0.2, 0), trim, (1, 1), 8)
    house.panel((-0.5, 4.3, -0.12), (1.0, 0, 0), (0, 1.1, 0), rgb("#ffd27a"), (2, 2), 9)
    for z in (2.0, 5.2):
        house.panel((-half - 0.1, 1.0, z - 0.15), (0, 0, 1.5), (0, 1.35, 0), trim, (1, 1), 10)
        house.panel((-half - 0.15, 1.12, z), (0, 0, 1.2), (0, 1.1, 0), rgb("#ffcf78"), (3, 2), 11)
    house.paint(view)


def _jetty(view: View) -> None:
    """A plank walk on posts, out from the boathouse over the lake."""
    jetty = Builder((25.5, 0.75, 96.5), -1.05)
    for i in range(10):
        near = -1.4 * i - 1.4
        jetty.panel((-1.3, 0, near), (2.6, 0, 0), (0, 0, 1.42), rgb("#b39a7c"), (1, 5), 30 + i)
        jetty.panel((1.3, -0.3, near), (0, 0, 1.42), (0, 0.3, 0), rgb("#5f4f42"), (1, 1), 40 + i)
        if i % 3 == 2:
            for x in (-1.4, 1.3):
                jetty.panel((x, -0.9, near), (0.22, 0, 0), (0, 1.8, 0), rgb("#6b5646"), (1, 1), 50 + i)
    jetty.paint(view)


def _sail_boat(view: View) -> None:
    boat = Builder((-17.0, 0.0, 190.0), 0.2)
    for i in range(30):
        t = i / 30
        boat.panel(
            (0.2, 1.2 + 8.6 * t, 0),
            (3.4 * (1 - t) ** 0.9, -0.1, 0),
            (0, 0.31, 0),
            rgb("#fff0dc") * (1.0 - 0.12 * t),
            (1, 1),
            70 + i,
            0.02,
        )
        boat.panel(
            (-0.1, 1.0 + 7.4 * t, 0),
            (-2.3 * (1 - t), 0.0, 0),
            (0, 0.27, 0),
            rgb("#f3d3b4") * (1.0 - 0.1 * t),
            (1, 1),
            120 + i,
            0.02,
        )
    boat.panel((0.0, 0.5, 0.0), (0.16, 0, 0), (0, 9.8, 0), rgb("#5b4334"), (1, 1), 60)
    for i in range(6):
        boat.panel(
            (-3.0 + 0.10 * (5 - i), 0.13 * i, 0),
            (6.4 - 0.2 * (5 - i), 0, 0),
            (0, 0.15, 0),
            rgb("#27364f") if i < 4 else rgb("#f0e2cf"),
            (1, 1),
            61,
        )
    boat.paint(view)


def grasses(picture: Field, seed: int) -> None:
    """Reeds and grass blades in the near corner, some catching the sun."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(seed)
    layer = Image.fromarray(np.uint8(np.clip(picture, 0, 1) * 255))
    pen = ImageDraw.Draw(layer)
    for row in np.sort(rng.uniform(0.93, 1.06, 2600)):
        x = rng.uniform(-0.05, 1.05)
        if row < 0.965 + 0.05 * x + 0.012 * np.sin(19 * x):
            continue
        tall = rng.uniform(0.03, 0.085) * (1.25 - 0.6 * x)
        lean = rng.normal(0.012, 0.014)
        level = np.clip(rng.normal(0.4, 0.3), 0, 1)
        colour = rgb("#1c2413") * (1 - level) + rgb("#b08a3e") * level
        points = [((x + lean * t * t) * width, (row - tall * t) * height) for t in np.linspace(0, 1, 6)]
        fill = tuple(int(255 * c) for c in colour)
        for k in range(5):
            pen.line(points[k : k + 2], fill=fill, width=max(5 - k, 2))
    picture[:] = np.asarray(layer, np.float32) / 255.0
