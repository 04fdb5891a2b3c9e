"""The fused backbone agrees with plain autograd, in what it finds and in what it sends back."""

import typing
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from impasto import fused
from impasto.backbones import CAFFE, POOLINGS, Architecture, Backbone
from impasto.fused import Convolution, FusedBackbone, fold_margin, fuse, where_positive, write_margin
from impasto.options import Padding

MakeBackbone = Callable[..., Backbone]
PADDINGS = [name for name in typing.get_args(Padding) if name != "auto"]
CPU = torch.device("cpu")

needs_seam = pytest.mark.skipif(
    not fused.is_available(CPU, torch.float32), reason="no fused convolutions in this torch"
)


def gradient(backbone: Backbone, image: Tensor, layers: tuple[str, ...]) -> tuple[dict[str, Tensor], Tensor]:
    image = image.clone().requires_grad_()
    found = backbone(image, layers)
    total = torch.stack([(value.float() ** 3).mean() for value in found.values()]).sum()
    return {key: value.detach() for key, value in found.items()}, torch.autograd.grad(total, image)[0]


def check(plain: Backbone, image: Tensor, layers: tuple[str, ...], tolerance: float = 1e-5) -> None:
    quick = fuse(plain)
    assert isinstance(quick, FusedBackbone)
    found, slope = gradient(quick, image, layers)
    expected, exact = gradient(plain, image, layers)
    assert found.keys() == expected.keys()
    for layer, value in found.items():
        assert value.dtype == expected[layer].dtype
        assert float((value - expected[layer]).norm()) <= tolerance * float(expected[layer].norm())
    assert float((slope - exact).norm()) <= tolerance * float(exact.norm())


@needs_seam
@pytest.mark.parametrize("pooling", list(POOLINGS))
@pytest.mark.parametrize("padding", PADDINGS)
def test_it_agrees_with_autograd(padding: str, pooling: str, make_backbone: MakeBackbone, batch: Tensor) -> None:
    backbone = make_backbone(padding=padding, pooling=pooling, pooling_rescale=True)
    check(backbone, batch[..., :19, :23], ("pixels", "relu1_1", "relu2_1", "relu3_2"))


@needs_seam
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("layers", [("conv1_1",), ("conv2_1", "relu2_1", "pool1"), ("relu1_2", "conv3_2"), ("pool2",)])
def test_any_layers_may_be_asked_for(
    layers: tuple[str, ...], pooling: str, make_backbone: MakeBackbone, image: Tensor
) -> None:
    check(make_backbone(padding="reflect", pooling=pooling), image, layers)


@needs_seam
def test_weights_are_packed_anew_for_another_size(make_backbone: MakeBackbone, image: Tensor) -> None:
    plain = make_backbone()
    quick = fuse(plain)
    for picture in (image, image[..., :9, :12], image):
        slope, exact = (gradient(backbone, picture, ("relu3_1",))[1] for backbone in (quick, plain))
        assert float((slope - exact).norm()) <= 1e-5 * float(exact.norm())


@needs_seam
def test_what_a_painting_does_not_look_at_is_not_packed(make_backbone: MakeBackbone, image: Tensor) -> None:
    quick = fuse(make_backbone())
    assert isinstance(quick, FusedBackbone)
    quick(image, ("relu2_1",))
    assert list(quick.ready) == ["conv1_1", "conv1_2", "conv2_1"]
    assert {name for name in quick.weights if name.startswith("conv1")} == set()
    assert "conv3_1.weight" in quick.weights


@pytest.mark.skipif(not fused.is_available(CPU, torch.bfloat16), reason="no fused convolutions in bfloat16 here")
def test_it_agrees_in_bfloat16_and_for_bgr(make_backbone: MakeBackbone, image: Tensor) -> None:
    architecture = Architecture("bgr", ((8, 8), (16,)), CAFFE, order="bgr", pooling="average")
    check(make_backbone(architecture, dtype=torch.bfloat16), image, ("relu1_2", "relu2_1"), 2e-2)


@needs_seam
def test_a_gradient_that_two_layers_share_is_not_written_to(make_backbone: MakeBackbone, image: Tensor) -> None:
    """A sum of two layers sends both the same tensor, and what goes back through one must not change the other's."""
    plain = make_backbone(padding="zeros")
    slopes = []
    for backbone in (fuse(plain), plain):
        picture = image.clone().requires_grad_()
        found = backbone(picture, ("conv2_1", "relu2_1"))
        slopes.append(torch.autograd.grad((found["conv2_1"] + found["relu2_1"]).pow(3).mean(), picture)[0])
    torch.testing.assert_close(*slopes)


@needs_seam
def test_a_picture_of_the_smallest_size(make_backbone: MakeBackbone) -> None:
    """In the third block there is but one position, which cannot be mirrored."""
    check(make_backbone(padding="reflect"), torch.rand(1, 3, 6, 5), ("relu3_2",))


@needs_seam
def test_another_padding_shares_the_weights(make_backbone: MakeBackbone, image: Tensor) -> None:
    plain = make_backbone(padding="zeros")
    found = fuse(plain).padded("circular")(image, ["relu3_1"])
    torch.testing.assert_close(found, make_backbone(padding="circular")(image, ["relu3_1"]))
    assert fuse(plain).fingerprint == plain.fingerprint


@needs_seam
@pytest.mark.parametrize("padding", PADDINGS)
def test_nothing_is_kept_when_an_evaluation_is_over(padding: str, make_backbone: MakeBackbone, image: Tensor) -> None:
    """With what was returned among what is kept, every evaluation would stay in memory, beyond the collector's reach."""
    found = fuse(make_backbone(padding=padding))(image.clone().requires_grad_(), ("relu1_1", "conv2_1", "relu3_1"))
    kept = [StorageWeakRef(value.untyped_storage()) for value in found.values()]
    torch.stack([value.square().mean() for value in found.values()]).sum().backward()
    del found
    assert all(reference.expired() for reference in kept)


@needs_seam
def test_nothing_is_kept_without_gradients(make_backbone: MakeBackbone, image: Tensor) -> None:
    assert not fuse(make_backbone())(image, ["relu3_1"])["relu3_1"].requires_grad


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("shape", [(5, 4), (1, 3)])
def test_folding_is_the_transpose_of_writing(mode: str, shape: tuple[int, int]) -> None:
    """<write x, y> = <x, fold y>, with zeros in x's margin."""
    height, width = shape
    x, y = (torch.randn(1, 2, height + 2, width + 2, dtype=torch.float64) for _ in range(2))
    written, folded = x.clone(), y.clone()
    write_margin(written, mode)
    fold_margin(folded, mode)
    torch.testing.assert_close((written * y).sum(), (x * folded).sum())
    assert float(folded[:, :, 0].abs().sum() + folded[:, :, :, -1].abs().sum()) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gradient_passes_where_a_relu_let_something_through(dtype: torch.dtype) -> None:
    """To the bit, smallest numbers and zeros of either sign among them, and in place."""
    least = torch.finfo(dtype).smallest_normal
    x = torch.cat([torch.randn(90).relu(), torch.tensor([0.0, -0.0, least])]).to(dtype)
    gradient = torch.randn(93).to(dtype)
    expected = torch.where(x > 0, gradient, 0)
    where_positive(x, gradient, gradient)
    assert torch.equal(gradient, expected)


@needs_seam
@pytest.mark.parametrize("relu", [False, True])
def test_a_convolution_is_added_to_what_there_is(relu: bool) -> None:
    convolve = Convolution(torch.randn(4, 3, 3, 3), torch.randn(4))
    x, before = (torch.randn(1, c, 6, 7).contiguous(memory_format=torch.channels_last) for c in (3, 4))
    expected = before + convolve(x)
    onto = before.clone()
    assert convolve(x, onto=onto, relu=relu).data_ptr() == onto.data_ptr()
    torch.testing.assert_close(onto, expected.relu() if relu else expected)


def test_without_the_operators_autograd_does_it(
    make_backbone: MakeBackbone, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    backbone = make_backbone()
    assert fuse(backbone) is backbone


def test_other_devices_and_dtypes_are_left_to_autograd(make_backbone: MakeBackbone) -> None:
    assert not fused.is_available(torch.device("meta"), torch.float32)
    backbone = make_backbone(dtype=torch.float64)
    assert fuse(backbone) is backbone
