"""The canvas: a picture padded, cropped, and laid over another shape."""

import pytest
import torch

from impasto import canvas


@pytest.mark.parametrize("size", [(9, 13), (2, 2), (1, 5), (16, 16)])
@pytest.mark.parametrize("margin", [0, 1, 4, 16])
def test_crop_undoes_pad(size: tuple[int, int], margin: int) -> None:
    image = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(0))
    padded = canvas.pad(image, margin)
    assert padded.shape[2:] == (size[0] + 2 * margin, size[1] + 2 * margin)
    assert torch.equal(canvas.crop(padded, margin), image)


def test_pad_mirrors_the_border() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    assert canvas.pad(image, 2)[0, 0, 2].tolist() == [2, 1, 0, 1, 2, 3, 2, 1]


@pytest.mark.parametrize("shape", [(24, 32), (32, 24), (7, 50), (50, 7), (30, 40), (90, 120)])
def test_cover_fills_the_shape(shape: tuple[int, int]) -> None:
    covered = canvas.cover(torch.ones(1, 3, 60, 80), torch.Size(shape))
    torch.testing.assert_close(covered, torch.ones(1, 3, *shape))


@pytest.mark.parametrize("shape", [(24, 32), (32, 24), (40, 40), (90, 120)])
def test_cover_does_not_stretch(shape: tuple[int, int]) -> None:
    """A white disc stays as wide as it is high."""
    y, x = torch.meshgrid(torch.arange(60) - 29.5, torch.arange(80) - 39.5, indexing="ij")
    disc = (y.square() + x.square() < 15**2).float().expand(1, 3, 60, 80)
    lit = canvas.cover(disc, torch.Size(shape))[0, 0] > 0.5
    assert int(lit.any(0).sum()) == pytest.approx(int(lit.any(1).sum()), abs=2)


def test_cover_cuts_the_overhang_evenly() -> None:
    image = torch.zeros(1, 3, 10, 30)
    image[..., 10:20] = 1
    assert torch.equal(canvas.cover(image, torch.Size((10, 10))), torch.ones(1, 3, 10, 10))
