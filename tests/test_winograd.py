"""Winograd's convolution is the same one: against torch's own, its gradient, and its transpose."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import fused, machine, winograd
from impasto.backbones import Backbone, load
from impasto.equipment import load_backbone
from impasto.options import PaintOptions
from impasto.shelf import Shelf
from impasto.winograd import convolve, transformed, transposed

SHAPES = [(1, 3, 4, 1, 2), (2, 5, 7, 9, 13), (1, 6, 5, 16, 8), (3, 4, 4, 4, 31)]


def drawn(batch: int, into: int, out: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """A picture, kernels and a bias in float64, where only a wrong formula makes a difference."""
    generator = torch.Generator().manual_seed(height)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((batch, into, height, width), (out, into, 3, 3), (out,))
    )
    return x.contiguous(memory_format=torch.channels_last), weight, bias


@pytest.mark.parametrize("block", [1, winograd.BLOCK])
@pytest.mark.parametrize("padding", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_torchs_convolution(
    shape: tuple[int, ...], padding: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one band, and in as many as there are rows of tiles."""
    monkeypatch.setattr(winograd, "BLOCK", block)
    x, weight, bias = drawn(*shape)
    found = convolve(x, transformed(weight), bias, padding=padding, relu=True)
    torch.testing.assert_close(found, F.conv2d(x, weight, bias, padding=padding).relu())
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_without_padding_or_bias() -> None:
    x, weight, _ = drawn(2, 3, 4, 7, 10)
    torch.testing.assert_close(convolve(x, transformed(weight), padding=0), F.conv2d(x, weight))


@pytest.mark.parametrize("block", [1, winograd.BLOCK])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_the_transpose_is_the_gradient(padding: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "BLOCK", block)
    y, weight, _ = drawn(2, 4, 3, 11, 6)
    weight = weight.transpose(0, 1)  # from what was 3 channels to the 4 of y
    found = transposed(y, transformed(weight), padding=padding)
    torch.testing.assert_close(found, F.conv_transpose2d(y, weight, padding=2 - padding))
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_ways_are_transposes_of_each_other(shape: tuple[int, ...]) -> None:
    """<convolve x, y> = <x, transposed y>."""
    x, weight, _ = drawn(*shape)
    kernels = transformed(weight)
    y = torch.randn(shape[0], shape[2], *shape[3:], dtype=torch.float64)
    torch.testing.assert_close((convolve(x, kernels) * y).sum(), (x * transposed(y, kernels)).sum())


def test_in_float32_it_rounds_a_few_times_as_much() -> None:
    x, weight, bias = drawn(1, 128, 128, 24, 24)
    x, weight, bias = x.float(), weight.float(), bias.float()
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    direct, found = F.conv2d(x, weight, bias, padding=1), convolve(x, transformed(weight), bias)
    assert float((found - exact).norm()) < 12 * float((direct - exact).norm())


def test_it_is_for_wide_layers_in_float32() -> None:
    assert winograd.pays(torch.zeros(96, 96, 3, 3))
    assert winograd.pays(torch.zeros(256, 64, 3, 3))
    assert not winograd.pays(torch.zeros(64, 64, 3, 3))
    assert not winograd.pays(torch.zeros(512, 3, 3, 3))
    assert not winograd.pays(torch.zeros(512, 512, 3, 3, dtype=torch.bfloat16))
    assert not winograd.pays(torch.zeros(512, 512, 3, 3, device="meta"))


@pytest.mark.skipif(not fused.is_available(torch.device("cpu"), torch.float32), reason="no fused convolutions here")
@pytest.mark.parametrize("padding", ["reflect", "zeros", "replicate-first", "circular"])
def test_a_network_with_it_agrees_with_autograd(padding: str, image: Tensor) -> None:
    """In petit three layers of four run this way."""
    plain = load("petit")
    layers = ("relu1_1", "relu3_1", "relu4_2", "relu5_1")
    quick = fused.fuse(plain, filtered=True).padded(padding)  # type: ignore[arg-type]
    plain = plain.padded(padding)  # type: ignore[arg-type]
    assert quick.engine == "Winograd convolutions"
    results = []
    for backbone in (plain, quick):
        picture = F.interpolate(image, (52, 61), mode="bicubic").clamp(0, 1).requires_grad_()
        found = backbone(picture, layers)
        loss = torch.stack([value.square().mean() for value in found.values()]).sum()
        results.append((*(found[layer].detach() for layer in layers), *torch.autograd.grad(loss, picture)))
    for exact, value in zip(*results, strict=True):
        assert float((value - exact).norm() / exact.norm()) < 1e-4


@pytest.mark.skipif(not fused.is_available(torch.device("cpu"), torch.float32), reason="no fused convolutions here")
def test_a_narrow_network_runs_as_it_did(tiny_backbone: Backbone) -> None:
    assert fused.fuse(tiny_backbone, filtered=True).engine == "fused convolutions"


@pytest.mark.skipif(not fused.is_available(torch.device("cpu"), torch.float32), reason="no fused convolutions here")
def test_who_names_a_precision_gets_direct_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which are exact."""
    monkeypatch.setattr(machine, "has_bfloat16", lambda device: False)
    device, shelf = torch.device("cpu"), Shelf()
    default = PaintOptions()
    ran = [
        load_backbone(options, device, shelf).engine
        for options in (default, default.replace(tile=256), default.replace(precision="float32"))
    ]
    assert ran == ["Winograd convolutions", "Winograd convolutions", "fused convolutions"]
