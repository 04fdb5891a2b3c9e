"""Tiles: what is computed piece by piece equals what is computed at once."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import distances, losses, regions, statistics, tiling, variations
from impasto.backbones import BACKBONES, Architecture, Backbone, load
from impasto.errors import OptionError
from impasto.losses import FeatureLoss, Objective, Term
from impasto.parts import Place, Share, join, portion

CHAIN = ("pixels", *BACKBONES["vgg19"].layers)
LAYERS = {"relu1_1": 0.2, "relu2_1": 0.3, "relu3_1": 0.5}
TILE = 24
MakeBackbone = Callable[..., Backbone]


@pytest.fixture(params=["zeros", "reflect", "circular"])
def backbone(request: pytest.FixtureRequest, make_backbone: MakeBackbone) -> Backbone:
    return make_backbone(padding=request.param, pooling="average", dtype=torch.float64)


@pytest.fixture
def exact_backbone(make_backbone: MakeBackbone) -> Backbone:
    """With zero padding and max pooling, in float64."""
    return make_backbone(dtype=torch.float64)


@pytest.fixture
def pictures(smooth_image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A canvas, a photo and a style; 60 x 76 pixels divide by four, as those of a seamless texture must, not by 24."""
    noise = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(5))
    canvas, photo, style = smooth_image, (smooth_image + noise) / 2, smooth_image.flip(3) * noise
    return canvas[..., :60, :76].double(), photo[..., :60, :76].double(), style.double()


def evaluated(objective: Callable[[Tensor], dict[str, Tensor]], image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    image = image.clone().requires_grad_()
    values = objective(image)
    total = torch.stack([value.sum() for value in values.values()]).sum()
    return {name: value.detach() for name, value in values.items()}, torch.autograd.grad(total, image)[0]


def check(backbone: Backbone, terms: dict[str, Term], image: Tensor, tile: int = TILE) -> None:
    """Tiled and untiled agree in every summand and in the gradient: in float64, so that any approximation would show."""
    values, gradient = evaluated(tiling.objective(backbone, terms, tile), image)
    expected, exact = evaluated(Objective(backbone, terms), image)
    assert list(values) == list(expected)
    for name, value in values.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=0)
    assert float((gradient - exact).norm() / exact.norm()) < 1e-9


def style_term(backbone: Backbone, picture: Tensor, kind: str, normalization: str = "positions") -> Term:
    loss = losses.style_loss(LAYERS, kind, "relative", normalization)
    target = tiling.statistics(loss, backbone, picture, None, None)
    return Term(2.0, loss, {layer: loss.prepare(target[layer]) for layer in LAYERS})


# ------------------------------------------------------------------------------------------------------- geometry


def test_reach_of_vgg19_by_hand() -> None:
    assert tiling.reach(CHAIN, ["relu1_1"]) == (1, 1)
    assert tiling.reach(CHAIN, ["pixels", "relu2_1"]) == (2, 2 + 2)
    assert tiling.reach(CHAIN, ["relu5_1"]) == (16, 80)  # 2·1 + 2·2 + 4·4 + 4·8 + 16 = 70


def test_grid_is_what_the_network_gives(tiny_backbone: Backbone) -> None:
    picture = torch.rand(1, 3, 23, 30)
    for layer, value in tiny_backbone(picture, tiny_backbone.layers[:-1]).items():
        assert tiling.grid((23, 30), layer) == tuple(value.shape[2:])


def test_the_picture_lies_within_its_margin() -> None:
    """Exactly where the margin is a multiple of the stride, otherwise to the nearest position; one is always left."""
    assert tiling.picture((60, 76), "relu1_1", 16) == Place(16, 44, 16, 60, (60, 76))
    assert tiling.picture((60, 76), "relu3_1", 16) == Place(4, 11, 4, 15, (15, 19))
    assert tiling.picture((61, 77), "relu2_1", 0).is_whole
    assert tiling.picture((60, 76), "relu4_1", 20) == Place(2, 5, 2, 7, (7, 9))
    assert tiling.picture((40, 40), "relu5_1", 16) == Place(1, 2, 1, 2, (2, 2))


@pytest.mark.parametrize("surround", [0, 80])
@pytest.mark.parametrize(
    ("length", "tile"), [(16, 16), (17, 16), (100, 32), (1000, 100), (513, 512), (31, 8), (1440, 640), (4096, 512)]
)
def test_spans_cover_an_axis_once_and_read_as_much_for_each_tile(length: int, tile: int, surround: int) -> None:
    found = tiling.spans(length, tile, 16, 80, surround)
    assert [span.start for span in found] == [0, *(span.stop for span in found[:-1])]
    assert found[-1].stop == length
    assert len(found) > 1 or length < max(tile, 32) + 1
    assert all(span.start % 16 == 0 and span.first % 16 == 0 and span.start + 16 <= span.stop for span in found)
    assert all(span.first <= max(-surround, span.start - 80) for span in found)
    assert all(span.last >= min(length + surround, span.stop + 80) for span in found)
    (read,) = {span.last - span.first for span in found}
    assert read < tile + 2 * 80 + 2 * 16


# -------------------------------------------------------------------------------------------- features, statistics


def test_features_of_tiles_are_those_of_the_whole(make_backbone: MakeBackbone, smooth_image: Tensor) -> None:
    for padding in ("zeros", "reflect", "replicate", "replicate-first"):
        backbone = make_backbone(padding=padding)
        picture = smooth_image[..., :63, :75]
        whole = backbone(picture, backbone.layers)
        for layer, value in tiling.features(backbone, picture, backbone.layers, TILE).items():
            torch.testing.assert_close(value, whole[layer])


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("kind", ["gram", "moments"])
def test_statistics_of_tiles_are_those_of_the_whole(
    kind: str, weighed: bool, make_backbone: MakeBackbone, smooth_image: Tensor
) -> None:
    loss = losses.style_loss(LAYERS, kind, "relative", "none")
    backbone, picture = make_backbone(dtype=torch.float64), smooth_image.double()
    weights = torch.rand(1, 1, 64, 80, dtype=torch.float64) if weighed else None
    whole = tiling.statistics(loss, backbone, picture, weights, None)
    for layer, value in tiling.statistics(loss, backbone, picture, weights, TILE).items():
        torch.testing.assert_close(value, whole[layer], rtol=1e-11, atol=1e-11)


# ----------------------------------------------------------------------------------------------------- objectives


@pytest.mark.parametrize(
    ("kind", "normalization"),
    [
        *(("gram", name) for name in statistics.GRAM_NORMALIZATIONS),
        ("moments", "positions"),
        ("wasserstein", "positions"),
    ],
)
def test_a_style_loss_in_tiles(
    kind: str, normalization: str, backbone: Backbone, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    canvas, _, style = pictures
    check(backbone, {"style": style_term(backbone, style, kind, normalization)}, canvas)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("reduction", list(distances.REDUCTIONS))
@pytest.mark.parametrize("covered", [False, True])
def test_a_content_loss_in_tiles(
    covered: bool, reduction: str, power: float, exact_backbone: Backbone, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    canvas, photo, _ = pictures
    loss = losses.content_loss({"relu3_2": 0.7, "relu2_1": 0.3}, reduction, power)
    coverage = torch.zeros(1, 1, 60, 76, dtype=torch.float64)
    coverage[..., 10:, :40] = 0.8
    features = exact_backbone(photo, tuple(loss.layers))
    check(
        exact_backbone, {"content": Term(3.0, *regions.covered(loss, features, coverage if covered else None))}, canvas
    )


@pytest.mark.parametrize("kind", ["gram", "moments", "wasserstein"])
def test_regions_in_tiles(kind: str, exact_backbone: Backbone, pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    """One region lies in a single tile, so that the others hold nothing of it."""
    canvas, _, style = pictures
    corner = torch.zeros(1, 1, 60, 76, dtype=torch.float64)
    corner[..., :9, :9] = 1
    loss = losses.style_loss(LAYERS, kind, "relative", "none")
    styles = [tiling.statistics(loss, exact_backbone, picture, None, None) for picture in (style, style.flip(1))]
    parts = [regions.Region((0.2, 0.8), corner), regions.Region((1.0, 0.0), 1 - corner)]
    places = {layer: tiling.picture((60, 76), layer, 0) for layer in LAYERS}
    check(exact_backbone, {"style": Term(1.0, *regions.matched(loss, parts, styles, places))}, canvas)


def test_all_terms_together_on_a_batch(exact_backbone: Backbone, pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    canvas, photo, style = pictures
    content = losses.content_loss({"relu3_1": 1.0}, "relative", 2.0)
    smooth = losses.pixel_loss(variations.squared_variation)
    terms = {
        "content": Term(1.0, content, content.target(exact_backbone(photo, ["relu3_1"]))),
        "variation": Term(0.5, smooth, {"pixels": None}),
        "style": style_term(exact_backbone, style, "wasserstein"),
    }
    check(exact_backbone, terms, torch.cat([canvas, photo.flip(2)]))


def test_tiles_larger_than_the_picture_are_the_picture(
    exact_backbone: Backbone, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    canvas, _, style = pictures
    check(exact_backbone, {"style": style_term(exact_backbone, style, "moments")}, canvas, tile=500)


def test_the_network_never_sees_more_than_a_tile_and_its_margins(
    make_backbone: MakeBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = Backbone.__call__

    def spy(self: Backbone, images: Tensor, layers: Any) -> dict[str, Tensor]:
        seen.append(images.shape[2] * images.shape[3])
        return real(self, images, layers)

    monkeypatch.setattr(Backbone, "__call__", spy)
    backbone, picture = make_backbone(), torch.rand(1, 3, 160, 120)
    style = losses.style_loss(LAYERS, "gram", "relative", "positions")
    target = tiling.statistics(style, backbone, picture.flip(2), None, TILE)
    evaluated(tiling.objective(backbone, {"style": Term(1.0, style, target)}, TILE), picture)
    _, margin = tiling.reach(backbone.layers, list(LAYERS))
    assert len(seen) > 60
    assert max(seen) <= (TILE + 4 + 2 * margin) ** 2


@pytest.mark.parametrize("kind", ["gram", "moments"])
def test_petit_in_float32_agrees_to_a_hundred_thousandth(kind: str) -> None:
    petit = load("petit", dtype=torch.float32)
    layers = dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), 0.2)
    canvas, style = (torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(seed)) for seed in (6, 7))
    canvas, style = (F.interpolate(picture, (96, 128), mode="bicubic").clamp(0, 1) for picture in (canvas, style))
    loss = losses.style_loss(layers, kind, "relative", "positions")
    target = tiling.statistics(loss, petit, style, None, None)
    content = losses.content_loss({"relu4_2": 1.0}, "relative", 2.0)
    terms = {
        "style": Term(1.0, loss, {layer: loss.prepare(target[layer]) for layer in layers}),
        "content": Term(1.0, content, content.target(petit(style, ["relu4_2"]))),
    }
    _, gradient = evaluated(tiling.objective(petit, terms, 48), canvas)
    _, expected = evaluated(Objective(petit, terms), canvas)
    assert float((gradient - expected).norm() / expected.norm()) < 1e-5


def test_many_positions_are_summed_with_the_same_care_in_tiles() -> None:
    """A large content in float32, whose own size both ways divide by."""
    generator = torch.Generator().manual_seed(8)
    value, target = (
        torch.rand(1, 96, 128, 128, generator=generator).contiguous(memory_format=torch.channels_last) for _ in range(2)
    )
    loss = losses.content_loss({"relu3_1": 1.0}, "relative")
    assert loss.part is not None
    assert loss.whole is not None
    shares = loss.part(value, target, Place.of(value.shape[2:]))
    torch.testing.assert_close(
        loss.whole([share.statistic for share in shares], target), loss.distance(value, target), rtol=2e-6, atol=0
    )


def test_a_loss_between_positions_cannot_be_tiled(tiny_backbone: Backbone) -> None:
    nearest = FeatureLoss({"relu2_1": 1.0}, losses.identity, lambda value, target: torch.cdist(value, target).min(1)[0])
    with pytest.raises(OptionError, match="no tile can be computed"):
        tiling.objective(tiny_backbone, {"style": Term(1.0, nearest, {"relu2_1": None})}, TILE)


def test_every_backbone_of_the_table_has_a_reach() -> None:
    for architecture in BACKBONES.values():
        assert isinstance(architecture, Architecture)
        assert tiling.reach(architecture.layers, ["relu5_1"])[1] % 16 == 0


def test_portions_of_parts_add_up_to_the_whole() -> None:
    features = torch.randn(1, 5, 8, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cuts = features[..., :4], features[..., 4:7], features[..., 7:]
    for statistic in (statistics.moments, statistics.gram):
        shares = [Share(cut[0, 0].numel(), statistic(cut)) for cut in cuts]
        nothing = Share(0.0, shares[0].statistic)
        whole = functools.reduce(join, [nothing, nothing, *shares, nothing])
        assert whole.amount == 72
        added = [portion(share, whole) for share in shares]
        for found, expected in ((whole.statistic, statistic(features)), (sums(added), statistic(features))):
            torch.testing.assert_close(tiling.flat([found]), tiling.flat([expected]))


def sums(values: list[Any]) -> Any:
    if isinstance(values[0], statistics.Moments):
        return statistics.Moments(*(sum(each) for each in zip(*values, strict=True)))
    return sum(values)


def test_no_memory_grows_with_the_number_of_tiles(
    exact_backbone: Backbone, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    """What an evaluation holds between its passes are the sums alone, not those of every tile."""
    canvas, _, style = pictures
    objective = tiling.objective(exact_backbone, {"style": style_term(exact_backbone, style, "wasserstein")}, TILE)
    value = next(iter(objective(canvas.requires_grad_()).values()))
    *_, wholes, _ = value.grad_fn.work  # type: ignore[union-attr]
    assert [len(whole) for whole in wholes] == [1] * len(LAYERS)
