"""What faults look like: a score for each, of a picture beside its photo and its styles, that grows with the fault.

Where photo and style are at hand they excuse what they have themselves: a dark style is no haze, a horizon is no seam.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import measures

TILE = 64  # pixels: a spectrum's side
MOST_TILES = 256
LATTICE = [(i, j) for i in range(0, TILE, TILE // 8) for j in range(0, TILE // 2 + 1, TILE // 8) if (i, j) != (0, 0)]

FREQUENCY = torch.minimum(torch.arange(TILE), TILE - torch.arange(TILE))  # of a spectrum's rows and columns
FREQUENCIES = (FREQUENCY.view(-1, 1).square() + FREQUENCY.square()).sqrt()
FINEST = FREQUENCIES > TILE / 2 + 2  # finer than any grid along rows or columns can be
FINE = (FREQUENCIES >= TILE / 2 - 6) & ~FINEST


class Look(NamedTuple):
    """What picture and photo are compared by: `band_steps`, `unpredicted` of rows and of columns, `measures.contours`."""

    band: Tensor | None
    lines: tuple[Tensor | None, Tensor | None]
    contours: Tensor


def look(lab: Tensor) -> Look:
    """Of a picture in OKLab, (1, 3, H, W)."""
    picture = lab[0]
    lines = unpredicted(picture), unpredicted(picture.transpose(1, 2))
    return Look(band_steps(picture), lines, measures.contours(lab))


class Case(NamedTuple):
    """The picture in sRGB and OKLab, how it looks; the photo, and how that looks; the styles."""

    image: Tensor
    lab: Tensor
    own: Look
    photo: Tensor | None
    excused: Look | None
    styles: Sequence[Tensor]


def case_of(image: Tensor, photo: Tensor | None, styles: Sequence[Tensor]) -> Case:
    """As `doctor.examine` has them."""
    excused = None if photo is None else look(measures.oklab(photo))  # large pictures: one at a time in OKLab
    lab = measures.oklab(image)
    return Case(image, lab, look(lab), photo, excused, styles)


def spectrum(lab: Tensor) -> Tensor:
    """(1, 3, H, W) -> (64, 64): the log of the mean power of overlapping windowed tiles.

    Of tiles, so that a pattern may be stronger here than there.
    """
    every = lab[0].unfold(1, TILE, TILE // 2).unfold(2, TILE, TILE // 2)
    down, across = every.shape[1:3]
    chosen = torch.arange(0, down * across, math.ceil(down * across / MOST_TILES), device=every.device)
    tiles = every[:, chosen // across, chosen % across]  # a copy of these alone
    window = torch.hann_window(TILE, device=tiles.device)
    spectra = torch.fft.rfft2((tiles - tiles.mean((2, 3), keepdim=True)) * window * window.unsqueeze(1))
    power = spectra.abs().square().mean(1).sum(0).clamp_min(1e-5).log()  # 1e-5: what rounding to 8 bits makes
    return torch.cat([power, power[:, 1:-1].flip(1).flip(0).roll(1, 0)], 1)  # the other half of a real picture's


def checkerboard(case: Case) -> float:
    """How far the spectrum stands out at periods of 2, 4 and 8 pixels, as the log of a ratio of powers.

    The floor is the larger of the means of neighbours down and across: straight edges make ridges along both axes.
    """
    power = spectrum(case.lab)
    around = [torch.stack([power.roll(step, axis) for step in (-4, -3, 3, 4)]).mean(0) for axis in (0, 1)]
    above = power - torch.maximum(*around)
    return max(float(above[place]) for place in LATTICE)


def weave(case: Case) -> float:
    """How far the finest diagonal frequencies are above those before them, as the log of a ratio of powers.

    What is drawn or photographed has less of a frequency the higher it is; white grain has as much. More has only what an
    optimiser wove where the network does not look: a grid of no one period, along both diagonals.
    """
    power = spectrum(case.lab).exp()
    return float((power[FINEST].mean() / power[FINE].mean()).log())


DEEPEST = 20  # pixels from the edge, where a band has ended


def border(case: Case) -> float:
    """The step in color, in OKLab, where a band along all four edges ends, beyond the photo's own within three pixels."""
    steps = case.own.band
    if steps is None:
        return 0.0
    if case.excused is not None and case.excused.band is not None:
        steps = steps - within_three(case.excused.band.abs())
    return float(steps.max())


def within_three(line: Tensor) -> Tensor:
    """(P,) -> (P,): the largest value within three places."""
    return F.max_pool1d(line.view(1, 1, -1), 7, 1, 3).view(-1)


def band_steps(picture: Tensor) -> Tensor | None:
    """For every depth: the difference of outer and inner mean color, three rows each, that the four sides have in common.

    (3, H, W) -> (D,), or None where the picture is too small. In the direction of the sides' mean, as a length. The two
    sides with the most count at most twice what the next one has: a band runs around, while a sky may end near one edge.
    """
    if min(picture.shape[1:]) < 4 * DEEPEST:
        return None
    start, middle, end = slice(DEEPEST), slice(DEEPEST, -DEEPEST), slice(-DEEPEST, None)
    rows = torch.stack(
        [
            *(picture[:, start, middle].mean(2), picture[:, end, middle].mean(2).flip(1)),
            *(picture[:, middle, start].mean(1), picture[:, middle, end].mean(1).flip(1)),
        ]
    )
    steps = torch.stack(
        [
            rows[:, :, max(0, depth - 3) : depth].mean(2) - rows[:, :, depth + 1 : depth + 4].mean(2)
            for depth in range(1, DEEPEST - 4)
        ]
    )
    lengths = (steps * F.normalize(steps.mean(1, keepdim=True), dim=2)).sum(2).sort(1).values
    return torch.minimum(lengths, 2 * lengths[:, 1:2]).mean(1)


def haze(case: Case) -> float:
    """How far the darkest value lies above photo's and style's, and how far less of the range is used than by either."""
    if case.photo is None or not case.styles:
        return 0.0
    (darkest, span), *others = (extremes(one) for one in (case.image, case.photo, *case.styles))
    lifted = darkest - max(dark for dark, _ in others)
    narrowed = math.log(max(min(width for _, width in others), 1e-3) / max(span, 1e-3))
    return lifted + 0.4 * narrowed


def extremes(image: Tensor) -> tuple[float, float]:
    """The darkest value of any channel and the range to the brightest, but for the outermost 0.3 % of the pixels."""
    values = measures.palette(image).T.contiguous().sort().values
    cut = round(0.003 * values.shape[1])
    darkest = float(values[:, cut].min())
    return darkest, float(values[:, -1 - cut].max()) - darkest


APART = 0.2  # in OKLab: a dot that far from everything around it is seen


def speckle(case: Case) -> float:
    """Share of pixels that differ from every pixel of the ring around their 3 x 3 neighbourhood: dots, but no lines."""
    picture, reach = case.lab[0], 2
    height, width = (edge - 2 * reach for edge in picture.shape[1:])
    found = (nearest(picture[:, rows], reach) > APART**2 for rows in measures.bands(height, 2 * reach))
    return sum(int(dots.sum()) for dots in found) / (height * width)


def nearest(picture: Tensor, reach: int) -> Tensor:
    """(3, H, W) -> (H - 2·reach, W - 2·reach): squared distance to the nearest pixel of the ring around."""
    height, width = picture.shape[1:]
    center = picture[:, reach:-reach, reach:-reach]
    least = torch.full_like(center[0], math.inf)
    span = range(2 * reach + 1)
    for i, j in ((i, j) for i in span for j in span if i in (0, 2 * reach) or j in (0, 2 * reach)):
        other = picture[:, i : height - 2 * reach + i, j : width - 2 * reach + j]
        least = torch.minimum(least, (center - other).square().sum(0))
    return least


SEGMENT = 32  # pixels of a line that are averaged
AHEAD = 6  # lines on either side from which a line's difference is predicted
NEARBY = 16  # lines on either side that say what is usual there
SEAM = 2.3  # a score from which a line is a seam
EDGE = 24  # lines at either end where a step is a border's


def seams(case: Case) -> float:
    """How far the difference between two rows or columns exceeds what the lines beside it predict, along all of it.

    A seam is a step at one line for most of its length. What is drawn never is: its edges take several pixels, and
    where they lie is foretold by the lines beside. Where the photo has such a line, within three pixels, it is excused.
    """
    worst = 0.0
    for found, excused in zip(case.own.lines, case.excused.lines if case.excused else (None, None), strict=True):
        if found is None:
            return 0.0
        if excused is not None:
            found = found.where(within_three(excused) < SEAM, 0 * found)
        worst = max(worst, float(found[EDGE:-EDGE].max()))
    return worst


def unpredicted(picture: Tensor) -> Tensor | None:
    """(3, H, W) -> for every line down: the surprise in its difference to the next, which 70 % of its segments exceed.

    None where the picture is too small.
    """
    count = picture.shape[2] // SEGMENT
    if count < 2 or picture.shape[1] < 2 * (AHEAD + NEARBY + EDGE):
        return None
    steps = picture[:, :, : count * SEGMENT].unflatten(2, (count, SEGMENT)).mean(3).diff(dim=1).transpose(1, 2)
    windows = steps.unfold(2, 2 * AHEAD + 1, 1)  # (3, segments, lines, 13)
    beside = torch.cat([windows[..., :AHEAD], windows[..., AHEAD + 1 :]], 3)
    middle = windows[..., AHEAD]
    # least squares, every place counted by how quiet it is
    quiet = 1 / (beside.square().mean(3, keepdim=True).sqrt() + 2e-3)
    known, wanted = (beside * quiet).flatten(1, 2), (middle.unsqueeze(3) * quiet).flatten(1, 2)
    normal = known.transpose(1, 2) @ known
    normal += 1e-4 * normal.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-9).view(-1, 1, 1) * torch.eye(2 * AHEAD)
    weights = torch.linalg.solve(normal, known.transpose(1, 2) @ wanted)
    surprise = (middle - (beside @ weights.unsqueeze(1)).squeeze(3)).square()
    around = torch.ones(1, 1, 2 * NEARBY + 1)
    around[..., NEARBY - 1 : NEARBY + 2] = 0
    usual = F.conv1d(
        F.pad(surprise, (NEARBY, NEARBY), mode="reflect").flatten(0, 1).unsqueeze(1), around / around.sum()
    )
    usual = (usual.view_as(surprise).sqrt() + 1e-3).square()
    return (surprise.sum(0) / usual.sum(0)).sqrt().quantile(0.3, dim=0)


def clipping(case: Case) -> float:
    """Share of pixels with a channel at its end, beyond photo and styles."""
    others = [measures.clipping(one) for one in (*([] if case.photo is None else [case.photo]), *case.styles)]
    return measures.clipping(case.image) - max(others, default=0)


def dead_content(case: Case) -> float:
    """One part in how many of the photo's contours is kept."""
    if case.excused is None:
        return 0.0
    return 1 / max(measures.contours_kept(case.own.contours, case.excused.contours), 0.02)


def under_stylized(case: Case) -> float:
    """One part in how many of the photo's structure has changed."""
    return 0.0 if case.photo is None else 1 / max(1 - measures.ssim(case.image, case.photo), 0.02)
