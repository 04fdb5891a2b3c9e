"""presto run by hand paints what its modules paint."""

from types import SimpleNamespace

import pytest
import torch

from impasto import fused, machine, networks
from impasto.fused_presto import by_hand, mapped, modulated
from impasto.networks import Decode, Encode, Map, conv, style_of, transport
from impasto.options import StylizeOptions
from impasto.presto import Presto, choose_engine

CPU = torch.device("cpu")


def can(dtype: torch.dtype) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not fused.is_available(CPU, dtype), reason=f"no fused convolutions in {dtype} here")


@pytest.mark.parametrize(
    ("dtype", "apart"),
    [
        pytest.param(torch.float32, 1e-4, marks=can(torch.float32)),
        pytest.param(torch.bfloat16, 0.02, marks=can(torch.bfloat16)),
    ],
)
@pytest.mark.parametrize("shape", [(64, 40), (16, 24)])
def test_it_paints_what_the_modules_paint(dtype: torch.dtype, apart: float, shape: tuple[int, int]) -> None:
    """In float32, and in bfloat16 as far as its rounding allows; what it is set against is always in float32."""
    photo, style = (torch.rand(1, 3, *shape).repeat_interleave(2, 3) for _ in range(2))
    encoder, decoder = networks.presto(torch.float32)
    rows, aim = Encode(encoder)(photo), style_of(Encode(encoder)(style))
    maps, goal = transport(style_of(rows), aim, 1.2)
    scales, shifts = zip(*decoder.modulation(goal), strict=True)
    steering = [*(each.matrix for each in maps), *(each.offset for each in maps), *scales, *shifts]
    (exact,) = Decode(decoder)(*rows, *steering)

    hands = by_hand(*networks.presto(dtype))
    assert hands is not None
    encode, decode = hands
    seen = encode(photo)
    for row, expected in zip(seen, rows, strict=True):
        assert row.is_contiguous()
        torch.testing.assert_close(row.float(), expected, atol=apart * float(expected.std()), rtol=apart)
    (painted,) = decode(*seen, *(tensor.to(dtype) for tensor in steering))
    assert painted.dtype == torch.float32
    assert float((painted - exact).square().mean().sqrt()) < apart


@can(torch.float32)
@pytest.mark.parametrize("size", [1, 3])
def test_a_map_and_a_modulation_are_folded_into_weights(size: int) -> None:
    torch.manual_seed(0)
    layer, x = conv(4, 5, size), torch.randn(2, 4, 6, 7)
    carried = Map(torch.randn(1, 4, 4), torch.randn(1, 4))
    scale, shift = torch.randn(1, 5, 1, 1), torch.randn(1, 5, 1, 1)
    moved = carried.apply(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    around = torch.nn.functional.pad(x, (size // 2,) * 4, mode="reflect").contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(mapped(layer, *carried)(around, padding=0), layer(moved), atol=1e-5, rtol=1e-4)
        expected = layer(x) * (1 + scale) + shift
        torch.testing.assert_close(modulated(layer, scale, shift)(around, padding=0), expected, atol=1e-5, rtol=1e-4)


def test_without_the_operators_the_modules_paint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    assert by_hand(*networks.presto()) is None
    assert "fused" not in Presto(StylizeOptions(engine="torch", device="cpu")).engine


def test_torch_is_chosen_where_there_is_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_amx", lambda device: True)
    assert choose_engine("auto", CPU) == "torch"
    monkeypatch.setattr(machine, "has_amx", lambda device: False)
    monkeypatch.setattr("impasto.engines.installed", lambda device: ["openvino", "torch"])
    assert choose_engine("auto", CPU) == "openvino"
    assert choose_engine("torch", CPU) == "torch"
