"""Optical flow: known motions, and whom to trust."""

from itertools import pairwise
from pathlib import Path

import clips
import torch
from reels import FAST, as_tensor
from torch import Tensor

import impasto
from impasto.film import flow


def test_the_flow_of_a_pan_is_its_step() -> None:
    first, second = map(as_tensor, clips.pan(2, 64, 96, 3))
    found, trusted = flow.between(second, first)
    inner = found[:, :, 8:-8, 8:-8]
    assert float((inner[:, 0] - 3).abs().mean()) < 0.2
    assert float(inner[:, 1].abs().mean()) < 0.2
    assert trusted[:, :, :, :-8].mean() > 0.95
    assert trusted[:, :, :, -2:].mean() < 0.3, "what has just come in was nowhere before"


def test_warp_by_whole_pixels_is_a_shift() -> None:
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    moved = flow.warp(image, torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 12, 16))
    assert torch.allclose(moved[:, :, :-1, :-2], image[:, :, 1:, 2:], atol=1e-5)


def test_what_was_hidden_is_not_trusted() -> None:
    """A square moves to the right by 6 pixels: the ground that it uncovers was not there before."""
    first, second = (as_tensor(picture) for picture in clips.occlusion(2, 64, 96, 6))
    _, trusted = flow.between(second, first)
    assert trusted[:, :, 20:44, 1:5].mean() < 0.3
    assert trusted[:, :, :12, :].mean() > 0.95


def test_a_cut_is_told_from_a_pan() -> None:
    pictures = [as_tensor(picture) for picture in clips.cut(6, 64, 96)]
    cuts = [flow.is_cut(flow.between(later, earlier)[1]) for earlier, later in pairwise(pictures)]
    assert cuts == [False, False, True, False, False]


def test_another_flow_can_be_plugged_in(pan: Path, style: Path) -> None:
    asked: list[tuple[int, ...]] = []

    def still(first: Tensor, second: Tensor) -> Tensor:
        asked.append(tuple(first.shape))
        return torch.zeros(1, 2, *first.shape[2:])

    list(impasto.video(pan, style, flow=still, **FAST))
    assert asked == [(1, 3, 48, 64)] * 14  # there and back, for every frame but the first
