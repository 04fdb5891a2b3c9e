"""Large pictures through feed-forward networks: in tiles as in one piece, from statistics that all tiles share."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import impasto
from impasto import networks, panes, transform
from impasto.networks import padded
from impasto.options import StylizeOptions
from impasto.shipped import DEMO
from impasto.trained import TrainedStylizer

VALLEY, SWIRL = DEMO / "valley.jpg", DEMO / "swirl.jpg"
PLAIN = {"engine": "torch", "precision": "float32", "device": "cpu", "size": 300, "passes": 1}


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panes, "LARGE", 10_000)
    monkeypatch.setattr(panes, "TILE", 128)


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("shape", [(256, 256), (264, 136), (101, 300)])
def test_tiles_cover_every_pixel_once(shape: tuple[int, int]) -> None:
    image, copied = picture(*shape), torch.full((1, 3, *shape), 9.0)
    tiles = panes.cut(image)
    for tile in tiles:
        panes.put(tile, tile.read(image), copied)
    assert len(tiles) > 1
    assert torch.equal(copied, image)
    assert sum((tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start) for tile in tiles) == (
        shape[0] * shape[1]
    )


def test_what_is_known_of_a_style_is_the_same_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, _ = networks.presto()
    encode = networks.Encode(backbone)
    image = padded(picture(250, 300))
    whole = networks.style_of(panes.positions(panes.cut(image), lambda tile: encode(tile.read(image))))
    monkeypatch.setattr(panes, "LARGE", 10_000)
    monkeypatch.setattr(panes, "TILE", 128)
    parts = networks.style_of(panes.positions(panes.cut(image), lambda tile: encode(tile.read(image))))
    for layer in networks.TAPS:
        for value, expected in zip(parts[layer], whole[layer], strict=True):
            torch.testing.assert_close(value, expected, atol=3e-2, rtol=3e-2)  # other positions are drawn of relu1_1
    torch.testing.assert_close(parts["relu4_1"].mean, whole["relu4_1"].mean)  # here they are all


@pytest.mark.parametrize("masks", [(), ("left",)])
def test_presto_paints_a_large_picture_as_in_one_piece(masks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    style = [(SWIRL, 1.0, *masks)] if masks else SWIRL
    monkeypatch.setattr(panes, "ENOUGH", 1 << 30)  # the same positions in both
    whole = impasto.stylize(VALLEY, style, **PLAIN, strength=70).image
    monkeypatch.setattr(panes, "LARGE", 10_000)
    monkeypatch.setattr(panes, "TILE", 128)
    tiled = impasto.stylize(VALLEY, style, **PLAIN, strength=70).image
    assert float((tiled - whole).abs().mean()) < 5e-4  # sums in another order turn the map a little, everywhere
    assert float((tiled - whole).abs().max()) < 0.02


@pytest.mark.parametrize("plan", ["light", "transform"])
def test_a_row_with_the_statistics_of_a_picture_paints_it_alike(plan: str) -> None:
    torch.manual_seed(1)
    network = transform.TransformNet(transform.PLANS[plan]).eval()
    image, row = picture(61, 80), network.styles[:1] + 0.3 * torch.randn(1, network.styles.shape[1])
    with torch.no_grad():
        folded = transform.Folded(network)(image, network.folded(image, row))
        torch.testing.assert_close(folded, network(image, row), atol=1e-4, rtol=0)


@pytest.mark.parametrize("plan", ["light", "transform"])
def test_no_seam_shows_where_tiles_of_a_trained_network_meet(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    network = transform.TransformNet(transform.PLANS[plan]).eval().requires_grad_(False)
    image = picture(260, 330)
    monkeypatch.setattr(panes, "CROP", 400)  # the sample is the picture
    monkeypatch.setattr(panes, "CROPS", 1)
    row = network.styles[:1]
    folded = network.folded(panes.sample(image), row)
    monkeypatch.setattr(panes, "LARGE", 10_000)
    monkeypatch.setattr(panes, "TILE", 128)
    tiled = torch.empty_like(image)
    for tile in panes.cut(image):
        panes.put(tile, transform.Folded(network)(tile.read(image), folded), tiled)
    torch.testing.assert_close(tiled, network(image, row), atol=1e-4, rtol=0)


@pytest.mark.usefixtures("small_tiles")
def test_a_trained_network_paints_a_large_picture_in_tiles(tmp_path: Path) -> None:
    torch.manual_seed(3)
    path = tmp_path / "n.safetensors"
    transform.Trained("light", transform.TransformNet(transform.PLANS["light"]), ("a",)).save(path)
    stylizer = TrainedStylizer(path, StylizeOptions(**PLAIN))
    assert stylizer.paint(VALLEY).image.shape[3] == 300
    sizes: list[tuple[int, ...]] = []
    run = stylizer.folded
    object.__setattr__(run, "run", lambda *given, inner=run.run: (sizes.append(given[0].shape), inner(*given))[1])
    stylizer.paint(VALLEY)
    assert len(sizes) > 1
    assert max(size[3] for size in sizes) < 300


def test_an_edge_is_never_longer_than_asked() -> None:
    assert panes.edge(300, 400) == 400
    assert panes.edge(3000, 4000) == panes.TILE
    assert panes.edge(300, 400, most=256) == 256
    assert panes.edge(3000, 4000, most=2048) == panes.TILE
