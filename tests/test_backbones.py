"""Backbones against the same network built from torch's own modules, and the four rows of the table."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto import backbones
from impasto.backbones import BACKBONES, CAFFE, IMAGENET, POOLING_RESCALE, Architecture, Backbone
from impasto.errors import OptionError, WeightsError

MakeBackbone = Callable[..., Backbone]
RandomWeights = Callable[[Architecture], dict[str, Tensor]]
PETIT = Path(backbones.__file__).parent / "assets" / "petit.safetensors"
POOLED = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2), "l2": nn.LPPool2d(2, 2)}


def reference(
    images: Tensor, architecture: Architecture, weights: dict[str, Tensor], pooling: str, padding: str
) -> dict[str, Tensor]:
    """Every layer's features, by a chain of modules that shares nothing with the backbone."""
    mean, deviation = (torch.tensor(part).view(3, 1, 1) for part in architecture.normalization)
    x = (images - mean) / deviation
    found = {}
    for layer in architecture.layers:
        module: nn.Module
        if layer.startswith("conv"):
            weight = weights[f"{layer}.weight"]
            first = padding == "replicate-first"
            mode = ("replicate" if layer == "conv1_1" else "zeros") if first else padding
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, padding_mode=mode)
            conv.load_state_dict({"weight": weight, "bias": weights[f"{layer}.bias"]})
            module = conv.requires_grad_(False)
        else:
            module = nn.ReLU() if layer.startswith("relu") else POOLED[pooling]
        found[layer] = x = module(x)
    return found


def same(found: dict[str, Tensor], expected: dict[str, Tensor], layers: Sequence[str], tolerance: float = 1e-4) -> None:
    assert set(found) == set(layers)
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer], rtol=tolerance, atol=tolerance)


# --------------------------------------------------------------------------------------------------- the table


@pytest.mark.parametrize(
    ("name", "last", "convolutions"),
    [("petit", "5_1", 10), ("vgg19", "5_4", 16), ("vgg19-caffe", "5_4", 16), ("vgg16", "5_3", 13)],
)
def test_layer_names_of_each_backbone(name: str, last: str, convolutions: int) -> None:
    names = list(BACKBONES[name].layers)
    assert names[:5] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"]
    assert names[-2:] == [f"conv{last}", f"relu{last}"]
    assert len(names) == len(set(names)) == 2 * convolutions + 4
    assert [layer for layer in names if layer.startswith("pool")] == ["pool1", "pool2", "pool3", "pool4"]


@pytest.mark.parametrize(
    ("name", "parameters"), [("vgg19", 20_024_384), ("vgg19-caffe", 20_024_384), ("vgg16", 14_714_688)]
)
def test_vgg_has_the_published_number_of_parameters(name: str, parameters: int) -> None:
    shapes = BACKBONES[name].shapes
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == parameters
    assert shapes["conv1_1.weight"] == (64, 3, 3, 3)
    assert shapes["conv5_1.weight"] == (512, 512, 3, 3)
    assert shapes["conv4_1.weight"] == (512, 256, 3, 3)


def test_shapes_of_vgg19() -> None:
    shapes = BACKBONES["vgg19"].shapes
    assert len(shapes) == 2 * 16
    assert shapes["conv5_4.weight"] == (512, 512, 3, 3)
    assert shapes["conv5_4.bias"] == (512,)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_each_convolution_takes_what_the_one_before_gives(name: str) -> None:
    weights = [shape for shape in BACKBONES[name].shapes.values() if len(shape) == 4]
    assert all(after[1] == before[0] for before, after in pairwise(weights))


# ----------------------------------------------------------------------------------------------------- features


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
@pytest.mark.parametrize("padding", ["zeros", "reflect", "replicate", "replicate-first"])
@pytest.mark.parametrize("size", [(16, 16), (17, 23)])
def test_features_equal_those_of_torch_modules(
    pooling: str,
    padding: str,
    size: tuple[int, int],
    make_backbone: MakeBackbone,
    random_weights: RandomWeights,
    tiny_architecture: Architecture,
) -> None:
    backbone = make_backbone(pooling=pooling, padding=padding)
    images = torch.rand(2, 3, *size)
    expected = reference(images, tiny_architecture, random_weights(tiny_architecture), pooling, padding)
    # under the root of L2 pooling we add 1e-8, for the gradient's sake: 1e-4 where all is zero
    tolerance = 2e-3 if pooling == "l2" else 1e-4
    same(backbone(images, backbone.layers[1:]), expected, backbone.layers[1:], tolerance)


def test_pixels_are_the_images(tiny_backbone: Backbone, batch: Tensor) -> None:
    assert tiny_backbone(batch, ["pixels"])["pixels"] is batch
    assert tiny_backbone(batch, []) == {}


def test_for_the_pixels_alone_no_picture_is_prepared(
    tiny_backbone: Backbone, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_backbone, "entrance", lambda images: pytest.fail("nobody reads what comes of it"))
    assert tiny_backbone(image, ["pixels"])["pixels"] is image


@pytest.mark.parametrize(
    "layers", [["relu1_1"], ["conv1_1"], ["pool1"], ["conv2_1", "relu1_2"], ["relu3_2", "conv3_2"]]
)
def test_features_do_not_depend_on_what_else_is_asked(
    layers: list[str], tiny_backbone: Backbone, batch: Tensor
) -> None:
    same(tiny_backbone(batch, layers), tiny_backbone(batch, tiny_backbone.layers), layers)


def test_relu_does_not_clobber_the_convolution_below(tiny_backbone: Backbone, image: Tensor) -> None:
    found = tiny_backbone(image, ["conv1_1", "relu1_1", "conv3_1"])
    assert found["conv1_1"].min() < 0
    assert found["conv3_1"].min() < 0
    assert torch.equal(found["relu1_1"], found["conv1_1"].relu())


@pytest.mark.parametrize(
    ("layers", "convolutions"),
    [(["pixels"], 0), (["conv1_1"], 1), (["relu1_1", "pixels"], 1), (["pool1", "relu1_1"], 2), (["relu3_2"], 5)],
)
def test_it_runs_no_deeper_than_asked(
    layers: list[str], convolutions: int, tiny_backbone: Backbone, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    plain = F.conv2d

    def counting(*arguments: Any, **named: Any) -> Tensor:
        calls.append(arguments)
        return plain(*arguments, **named)

    monkeypatch.setattr(backbones.F, "conv2d", counting)
    tiny_backbone(image, layers)
    assert len(calls) == convolutions


def test_caffe_networks_get_bgr_from_0_to_255_less_their_mean(image: Tensor) -> None:
    """The first convolution picks channel 0, 1 or 2, so that its features are the network's input."""
    architecture = Architecture("", ((3,),), CAFFE, order="bgr")
    weight = torch.zeros(3, 3, 3, 3)
    weight[[0, 1, 2], [0, 1, 2], 1, 1] = 1
    backbone = Backbone("", architecture, {"conv1_1.weight": weight, "conv1_1.bias": torch.zeros(3)})
    by_hand = image[:, [2, 1, 0]] * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    torch.testing.assert_close(backbone(image, ["conv1_1"])["conv1_1"], by_hand, rtol=1e-5, atol=2e-3)


def test_torchvision_networks_get_normalized_rgb(image: Tensor) -> None:
    architecture = Architecture("", ((3,),), IMAGENET)
    weight = torch.zeros(3, 3, 3, 3)
    weight[[0, 1, 2], [0, 1, 2], 1, 1] = 1
    backbone = Backbone("", architecture, {"conv1_1.weight": weight, "conv1_1.bias": torch.zeros(3)})
    by_hand = torch.stack([(image[0, 0] - 0.485) / 0.229, (image[0, 1] - 0.456) / 0.224, (image[0, 2] - 0.406) / 0.225])
    torch.testing.assert_close(backbone(image, ["conv1_1"])["conv1_1"][0], by_hand)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_only_the_caffe_network_wants_caffe_input(name: str) -> None:
    expected = (CAFFE, "bgr") if name == "vgg19-caffe" else (IMAGENET, "rgb")
    assert (BACKBONES[name].normalization, BACKBONES[name].order) == expected


@pytest.mark.parametrize(("pooling", "factor"), [("max", 1.0), ("average", 2.0), ("l2", 0.78)])
def test_pooling_rescale(pooling: str, factor: float, make_backbone: MakeBackbone, image: Tensor) -> None:
    assert POOLING_RESCALE[pooling] == factor
    plain = make_backbone(pooling=pooling)(image, ["pool1"])["pool1"]
    scaled = make_backbone(pooling=pooling, pooling_rescale=True)(image, ["pool1"])["pool1"]
    torch.testing.assert_close(scaled, factor * plain)


def test_auto_is_what_the_architecture_was_made_with(
    tiny_architecture: Architecture, make_backbone: MakeBackbone
) -> None:
    backbone = make_backbone(replace(tiny_architecture, pooling="l2", padding="replicate"))
    assert (backbone.pooling, backbone.padding) == ("l2", "replicate")
    backbone = make_backbone(tiny_architecture, pooling="average", padding="reflect")
    assert (backbone.pooling, backbone.padding) == ("average", "reflect")


def test_reflection_of_a_single_pixel_is_that_pixel(make_backbone: MakeBackbone) -> None:
    """16 pixels are one at relu5_1 of five blocks, where torch refuses to reflect."""
    architecture = Architecture("", ((4,),) * 5, IMAGENET, padding="reflect")
    images = torch.rand(1, 3, 16, 16)
    found = make_backbone(architecture)(images, ["relu5_1", "pool4"])
    assert found["relu5_1"].shape == (1, 4, 1, 1)
    expected = make_backbone(architecture, padding="replicate")
    top = F.pad(found["pool4"], (1, 1, 1, 1), mode="replicate")
    by_hand = F.conv2d(top, expected.weights["conv5_1.weight"], expected.weights["conv5_1.bias"]).relu()
    torch.testing.assert_close(found["relu5_1"], by_hand)


# ---------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_gradients_equal_those_of_torch_modules(
    pooling: str,
    padding: str,
    make_backbone: MakeBackbone,
    random_weights: RandomWeights,
    tiny_architecture: Architecture,
    batch: Tensor,
) -> None:
    layers = ["conv1_1", "relu1_1", "pool1", "conv2_1", "relu3_2"]
    backbone, weights = make_backbone(pooling=pooling, padding=padding), random_weights(tiny_architecture)
    gradients = []
    for function in (
        lambda x: backbone(x, layers),
        lambda x: reference(x, tiny_architecture, weights, pooling, padding),
    ):
        images = batch.clone().requires_grad_()
        features = function(images)
        loss = torch.stack([features[layer].square().mean() for layer in layers]).sum()
        gradients.append(torch.autograd.grad(loss, images)[0])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-7)


def test_weights_ask_for_no_gradient(tiny_backbone: Backbone) -> None:
    assert not any(weight.requires_grad for weight in tiny_backbone.weights.values())


def test_bfloat16_gradient_points_where_float32_does(make_backbone: MakeBackbone, smooth_image: Tensor) -> None:
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        images = smooth_image.clone().requires_grad_()
        features = make_backbone(pooling="average", dtype=dtype)(images, ["relu2_1", "relu3_2"])
        assert {value.dtype for value in features.values()} == {dtype}
        loss = torch.stack([value.float().square().mean() for value in features.values()]).sum()
        gradients.append(torch.autograd.grad(loss, images)[0].flatten())
    assert gradients[1].dtype == torch.float32
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


# ------------------------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize(("convolutions", "last"), [(1, "relu1_1"), (2, "relu1_2"), (3, "relu2_1"), (4, "relu3_1")])
def test_layers_end_with_the_weights(
    convolutions: int, last: str, tiny_architecture: Architecture, random_weights: RandomWeights, image: Tensor
) -> None:
    weights = dict(list(random_weights(tiny_architecture).items())[: 2 * convolutions])
    backbone = Backbone("short", tiny_architecture, weights)
    assert backbone.layers[-1] == last
    assert backbone(image, [last])[last].isfinite().all()
    with pytest.raises(OptionError, match="relu3_2"):
        backbone(image, ["relu3_2"])


def test_an_unknown_layer_is_answered_with_those_there_are(tiny_backbone: Backbone, image: Tensor) -> None:
    with pytest.raises(
        OptionError, match=r"^tiny has no layer 'relu9_1'; its layers are pixels, conv1_1, .*relu3_2\."
    ) as error:
        tiny_backbone(image, ["relu1_1", "relu9_1"])
    assert all(layer in str(error.value) for layer in tiny_backbone.layers)


def test_the_fingerprint_tells_weights_apart(tiny_architecture: Architecture, random_weights: RandomWeights) -> None:
    weights = random_weights(tiny_architecture)
    before = Backbone("tiny", tiny_architecture, weights).fingerprint
    assert len(before) == 64
    assert Backbone("other", tiny_architecture, dict(reversed(weights.items()))).fingerprint == before
    weights["conv3_2.bias"][3] += 1e-3
    assert Backbone("tiny", tiny_architecture, weights).fingerprint != before


def test_an_unknown_backbone_is_answered_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"no backbone 'vgg11'.*petit, vgg19, vgg19-caffe, vgg16"):
        backbones.load("vgg11")


def test_weights_not_at_hand_are_not_downloaded_here() -> None:
    with pytest.raises(WeightsError, match="offline"):
        backbones.load("vgg19")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_of_ones_own_may_be_shorter(kind: type, tmp_path: Path, image: Tensor) -> None:
    weights = backbones.load("petit").weights
    state = {key: value.contiguous() for key, value in weights.items() if key.startswith("conv1_")}
    safetensors.torch.save_file(state, tmp_path / "own.safetensors")
    own = backbones.load("petit", weights=kind(tmp_path / "own.safetensors"))
    assert own.layers[-1] == "relu1_2"
    torch.testing.assert_close(own(image, ["relu1_2"]), backbones.load("petit")(image, ["relu1_2"]))


# -------------------------------------------------------------------------------------------- the shipped network


def test_petit_is_small() -> None:
    assert PETIT.stat().st_size <= 2 * 2**20
    assert sum(torch.Size(shape).numel() for shape in BACKBONES["petit"].shapes.values()) <= 1_000_000


def test_petit_is_whole_and_lively(smooth_image: Tensor) -> None:
    petit = backbones.load("petit")
    assert {key: tuple(value.shape) for key, value in petit.weights.items()} == BACKBONES["petit"].shapes
    features = petit(smooth_image, petit.layers)
    assert all(value.isfinite().all() for value in features.values())
    means = {layer: value.mean().item() for layer, value in features.items() if layer.startswith("relu")}
    assert all(0.2 < mean < 5 for mean in means.values())


def test_petit_works_at_the_smallest_size() -> None:
    petit = backbones.load("petit")
    for size in ((16, 16), (17, 23), (16, 64)):
        assert petit(torch.rand(1, 3, *size), ["relu5_1"])["relu5_1"].shape[2:] == (size[0] // 16, size[1] // 16)


def test_in_half_precision_the_first_layer_errs_by_no_more_than_its_result_is_rounded(
    make_backbone: MakeBackbone, image: Tensor
) -> None:
    exact, half = (
        make_backbone(dtype=dtype)(image, ["conv1_1"])["conv1_1"] for dtype in (torch.float32, torch.bfloat16)
    )
    largest = float(exact.abs().max())
    assert float(((half - exact).abs() - 2**-8 * exact.abs()).max()) <= 1e-4 * largest


def test_rounded_kernels_keep_their_sums() -> None:
    kernels = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    found = backbones.rounded(kernels, torch.bfloat16)
    assert float((found - kernels).abs().max()) <= 2**-7 * float(kernels.abs().max())
    kept, alone = ((each - kernels).sum((2, 3)).square().mean() for each in (found, kernels.bfloat16()))
    assert kept < alone / 4
    assert torch.equal(backbones.rounded(kernels, torch.float32), kernels)


def test_weights_are_counted_down_to_a_layer() -> None:
    architecture = Architecture("two blocks", ((4, 5), (6,)), IMAGENET)
    counts = [(3 * 9 + 1) * 4, (4 * 9 + 1) * 5, (5 * 9 + 1) * 6]
    assert architecture.numbers() == sum(counts)
    assert architecture.numbers(["relu1_2", "conv1_1"]) == architecture.numbers(["pool1"]) == sum(counts[:2])
