"""Colors: OKLab against published values, what each way of matching promises, and what keeping colors keeps."""

from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from coloraide import Color
from torch import Tensor

from impasto import colors, images, options
from impasto.painting import paint
from impasto.transport import optimal_map, roots

FAST: dict[str, Any] = {"size": 32, "min_scale": 32, "first_steps": 3, "device": "cpu", "precision": "float32"}
LINEAR = ["match", "match-pca", "match-cholesky"]


def blobs(height: int, width: int, seed: int, spread: float = 1.0) -> Tensor:
    """Soft random colors, (1, 3, H, W) within [0, 1]; the smaller the spread, the nearer to gray."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return 0.5 + spread * (F.interpolate(coarse, (height, width), mode="bilinear") - 0.5)


PHOTO, STYLE = blobs(30, 40, 0, 0.5) * torch.tensor([1.0, 0.8, 0.6]).view(1, 3, 1, 1), blobs(36, 28, 1, 0.7)


def color(*values: float) -> Tensor:
    """One pixel."""
    return torch.tensor(values).view(1, 3, 1, 1)


def chroma(image: Tensor) -> Tensor:
    return colors.to_oklab(image)[:, 1:]


# ---------------------------------------------------------------------------------------------------------- OKLab


@pytest.mark.parametrize(
    ("rgb", "oklab"),
    [  # CSS Color Module Level 4 and its reference implementation
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
        ((0.5, 0.5, 0.5), (0.59818, 0, 0)),
    ],
)
def test_oklab_has_the_published_values(rgb: tuple[float, ...], oklab: tuple[float, ...]) -> None:
    torch.testing.assert_close(colors.to_oklab(color(*map(float, rgb))), color(*map(float, oklab)), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("xyz", "oklab"),
    [
        ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
        ((1.000, 0.000, 0.000), (0.450, 1.236, -0.019)),
        ((0.000, 1.000, 0.000), (0.922, -0.671, 0.263)),
        ((0.000, 0.000, 1.000), (0.153, -1.415, -0.449)),
    ],
)
def test_the_matrices_give_ottosson_s_own_pairs(xyz: tuple[float, ...], oklab: tuple[float, ...]) -> None:
    """Ottosson's table starts from XYZ; the standard IEC 61966-2-1 leads there from linear sRGB."""
    to_xyz = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    lms = colors.LMS @ torch.linalg.inv(to_xyz) @ torch.tensor(xyz)
    found = colors.LAB @ (lms.sign() * lms.abs() ** (1 / 3))
    torch.testing.assert_close(found, torch.tensor(oklab), atol=2e-3, rtol=0)


def test_oklab_there_and_back_is_that_of_a_well_kept_library() -> None:
    rgb = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor([Color("srgb", one).convert("oklab").coords() for one in rgb.tolist()])
    found = colors.to_oklab(rgb.T.view(1, 3, 5, 10)).view(3, 50).T
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    back = torch.tensor([Color("oklab", one).convert("srgb").coords() for one in found.tolist()])
    torch.testing.assert_close(colors.from_oklab(found.T.view(1, 3, 5, 10)).view(3, 50).T, back, atol=1e-3, rtol=0)


def test_there_and_back_is_the_same_picture(image: Tensor) -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.02, 0.5, 1.0])] * 3).T.view(1, 3, 8, 8)
    for picture in (image, corners):
        torch.testing.assert_close(colors.from_oklab(colors.to_oklab(picture)), picture, atol=1e-3, rtol=0)


def test_what_no_screen_shows_keeps_its_lightness_and_hue() -> None:
    lab = torch.randn(1, 3, 20, 20, generator=torch.Generator().manual_seed(0)) * 0.3 + color(0.5, 0, 0)
    lab[:, 0].clamp_(0.1, 0.9)
    back = colors.to_oklab(colors.from_oklab(lab))
    torch.testing.assert_close(back[:, 0], lab[:, 0], atol=5e-3, rtol=0)
    cross = back[:, 1] * lab[:, 2] - back[:, 2] * lab[:, 1]
    assert float(cross.abs().max()) < 2e-3
    assert bool((back[:, 1:].norm(dim=1) <= lab[:, 1:].norm(dim=1) + 1e-3).all())


# --------------------------------------------------------------------------------------------------- keeping colors


def test_keeping_colors_gives_the_painting_s_lightness_and_the_photo_s_colors() -> None:
    painting = blobs(30, 40, 2, 0.4)
    kept = colors.to_oklab(colors.keep(painting, PHOTO))
    torch.testing.assert_close(kept[:, :1], colors.to_oklab(painting)[:, :1], atol=2e-3, rtol=0)
    wanted = torch.cat([kept[:, :1], chroma(PHOTO)], 1)
    in_gamut = colors.displayable(wanted[:, :1].flatten(2), wanted[:, 1:].flatten(2)).view(30, 40)
    assert float(in_gamut.float().mean()) > 0.5
    torch.testing.assert_close(kept[0, 1:, in_gamut], wanted[0, 1:, in_gamut], atol=1e-3, rtol=0)


def test_a_picture_keeps_its_own_colors() -> None:
    torch.testing.assert_close(colors.keep(PHOTO, PHOTO), PHOTO, atol=1e-4, rtol=0)


def test_in_between_colors_move_straight_from_the_painting_s_to_the_photo_s() -> None:
    photo, painting = blobs(20, 20, 3, 0.2), blobs(20, 20, 4, 0.2)
    ends = chroma(painting), chroma(photo)
    for strength in (0.0, 0.3, 1.0):
        expected = torch.lerp(*ends, strength)
        torch.testing.assert_close(chroma(colors.keep(painting, photo, strength)), expected, atol=1e-4, rtol=0)


# ---------------------------------------------------------------------------------------------------- matching


@pytest.mark.parametrize("way", LINEAR)
def test_linear_matching_gives_the_photo_s_mean_and_covariance(way: str) -> None:
    given, wanted = colors.to_oklab(STYLE), colors.to_oklab(PHOTO)
    found = colors.MATCHES[way](given, wanted)
    for value, expected in zip(colors.statistics(found), colors.statistics(wanted), strict=True):
        torch.testing.assert_close(value, expected, atol=1e-4, rtol=0.02)


def test_transport_is_the_linear_map_that_moves_colors_least() -> None:
    given, wanted = colors.to_oklab(STYLE), colors.to_oklab(PHOTO)
    moved = {way: float((colors.MATCHES[way](given, wanted) - given).square().sum()) for way in LINEAR}
    assert moved["match"] == min(moved.values())


def test_transport_and_principal_axes_agree_where_the_covariances_commute() -> None:
    axes = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]
    one, other = (
        axes @ torch.diag(torch.tensor(values)) @ axes.T for values in ((0.04, 0.01, 0.02), (0.01, 0.03, 0.02))
    )
    torch.testing.assert_close(optimal_map(one, other), colors.by_principal_axes(one, other))


def test_roots_are_roots() -> None:
    made = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(2))
    matrix = made @ made.mT
    half, inverse, itself = roots(matrix, (0.5, -0.5, 1.0))
    torch.testing.assert_close(half @ half, matrix, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(half @ inverse, torch.eye(5).expand(2, 5, 5), atol=1e-4, rtol=0)
    torch.testing.assert_close(itself, matrix, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("way", [*colors.MATCHES])
def test_a_picture_matched_to_itself_or_by_nothing_is_itself(way: str) -> None:
    torch.testing.assert_close(colors.prepare(STYLE, STYLE, way), STYLE, atol=2e-3, rtol=0)
    assert colors.prepare(STYLE, PHOTO, way, 0.0) is STYLE


@pytest.mark.parametrize("way", [*colors.MATCHES])
def test_a_plain_style_or_photo_is_matched_without_noise(way: str) -> None:
    plain = torch.full((1, 3, 20, 20), 0.5)
    for style, photo in ((plain, PHOTO), (STYLE, plain), (plain, torch.zeros_like(plain))):
        result = colors.prepare(style, photo, way)
        assert result.isfinite().all()
        assert 0 <= result.min() <= result.max() <= 1
        if style is plain and way != "histogram":  # which makes of equal pixels what it must
            assert float(result.std((2, 3)).max()) < 1e-3


def test_lightness_is_matched_and_colors_are_left_where_colors_are_kept() -> None:
    given, wanted = colors.to_oklab(STYLE), colors.to_oklab(PHOTO)
    found = colors.MATCHES["keep"](given, wanted)
    for value, expected in zip(torch.std_mean(found[:, 0]), torch.std_mean(wanted[:, 0]), strict=True):
        torch.testing.assert_close(value, expected)
    assert torch.equal(found[:, 1:], given[:, 1:])


def test_a_matched_histogram_has_the_photo_s_values_on_every_axis() -> None:
    given, wanted = colors.to_oklab(blobs(30, 40, 5)), colors.to_oklab(PHOTO)
    found = colors.match_histogram(given, wanted)
    torch.testing.assert_close(found.flatten(2).sort().values, wanted.flatten(2).sort().values)


def test_a_matched_histogram_comes_nearer_to_the_photo_s_joint_distribution() -> None:
    given, wanted = colors.to_oklab(blobs(40, 40, 5)), colors.to_oklab(PHOTO)
    per_axis = torch.stack(
        [colors.by_rank(x, y) for x, y in zip(given.flatten(2)[0], wanted.flatten(2)[0], strict=True)]
    )
    target, found = colors.statistics(wanted)[1], colors.statistics(colors.match_histogram(given, wanted))[1]
    separate = colors.statistics(per_axis.view_as(given))[1]
    assert float((found - target).norm()) < 0.5 * float((separate - target).norm())


def test_ranks_are_kept() -> None:
    values, wanted = torch.tensor([0.3, -1.0, 7.0, 2.0]), torch.tensor([10.0, 30.0])
    torch.testing.assert_close(colors.by_rank(values, wanted), torch.tensor([10 + 20 / 3, 10, 30, 10 + 40 / 3]))


# ------------------------------------------------------------------------------------------------------ in paintings


def test_every_way_is_an_option() -> None:
    assert get_args(options.Colors) == ("style", *colors.MATCHES)


@pytest.fixture(scope="module")
def plain() -> Tensor:
    """Painted in the style's colors."""
    return paint(PHOTO, STYLE, **FAST).image


@pytest.mark.parametrize("way", [*colors.MATCHES])
def test_every_way_paints(way: str, plain: Tensor) -> None:
    result = paint(PHOTO, STYLE, **FAST, colors=way)
    assert result.recipe["options"]["colors"] == way
    assert float((result.image - plain).abs().max()) > 0.01


def test_strength_0_is_the_style_s_colors(plain: Tensor) -> None:
    assert torch.equal(paint(PHOTO, STYLE, **FAST, colors="keep", color_strength=0).image, plain)


def test_a_painting_that_keeps_colors_has_the_photo_s_chroma() -> None:
    result = paint(PHOTO, STYLE, **FAST, colors="keep").image
    difference = chroma(result) - chroma(images.resize(PHOTO, 32))
    assert float(difference.norm(dim=1).mean()) < 0.02
