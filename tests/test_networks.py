"""The arbitrary-style network: transport in closed form has known answers, and its layers keep shapes and edges."""

import pytest
import torch
from torch import Tensor

from impasto import networks
from impasto.distances import normal, wasserstein
from impasto.networks import DECODER_CHANNELS, TAP_CHANNELS, TAPS, Decoder
from impasto.statistics import Moments, moments


def close(value: Tensor, expected: Tensor, atol: float = 1e-4) -> None:
    torch.testing.assert_close(value, expected, atol=atol, rtol=1e-3)


def features(channels: int = 6, size: int = 12, seed: int = 0) -> Tensor:
    """Such whose variance is never small in any direction."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q * torch.linspace(1, 3, channels)
    return torch.einsum("ij,njhw->nihw", mixing, torch.randn(1, channels, size, size, generator=generator)) + seed


def transported(content: Tensor, style: Moments, strength: float = 1.0) -> Tensor:
    own = moments(content)
    found = networks.carry(own, style if strength == 1 else networks.between(own, style, strength))
    return found.apply(content.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def test_transported_features_have_the_styles_moments() -> None:
    style = moments(features(seed=2))
    moved = moments(transported(features(seed=1), style))
    close(moved.mean, style.mean)
    close(moved.covariance, style.covariance, atol=2e-2)


def test_a_photo_transported_to_itself_stays() -> None:
    content = features()
    close(transported(content, moments(content)), content, atol=1e-2)


def test_between_diagonal_covariances_the_map_is_the_ratio_of_the_deviations() -> None:
    mean = torch.tensor([[1.0, 2, 3]])
    content, style = (Moments(mean, torch.diag_embed(torch.tensor([found]))) for found in ([1.0, 4, 9], [4.0, 4, 1]))
    matrix, offset = networks.carry(content, style)
    close(matrix, torch.diag_embed(torch.tensor([[2, 1, 1 / 3]])))
    close(offset, torch.tensor([[-1.0, 0, 2]]))


def test_a_reach_goes_beyond_the_style_by_as_much() -> None:
    mean, aim = torch.tensor([[1.0, 2, 3]]), torch.tensor([[2.0, 2, 1]])
    content, style = Moments(mean, torch.eye(3)[None]), Moments(aim, torch.diag_embed(torch.tensor([[4.0, 1, 1 / 9]])))
    found = networks.carry(content, style, reach=2)
    close(found.matrix, torch.diag_embed(torch.tensor([[4, 1, 1 / 9]])))  # the ratios of the deviations, squared
    close(found.moments(content).mean, torch.tensor([[3.0, 2, -1]]))


def test_a_reach_of_two_is_the_map_twice() -> None:
    content, style = moments(features(seed=1)), moments(features(seed=2))
    once, twice = networks.carry(content, style), networks.carry(content, style, reach=2)
    close(twice.matrix, once.matrix @ once.matrix, atol=1e-2)


def test_no_linear_map_to_the_style_moves_less() -> None:
    """The mean squared movement of the optimal map is the squared Wasserstein-2 distance."""
    content = torch.randn(1, 6, 24, 24)  # of full rank: no direction meets the floor
    own, style = moments(content), moments(features(seed=4))
    distance = wasserstein(own, normal(style), "sum")
    close((transported(content, style) - content).square().sum(1).mean((1, 2)), distance, atol=1e-2)


def test_strength_goes_straight_from_the_photo_to_the_style() -> None:
    content, style = features(seed=1), moments(features(seed=2))
    whole = transported(content, style)
    close(transported(content, style, 0), content, atol=1e-3)
    close(transported(content, style, 0.25), torch.lerp(content, whole, 0.25), atol=1e-3)


def test_mapped_moments_are_the_moments_of_what_is_mapped() -> None:
    content = features(seed=1)
    found = networks.carry(moments(content), moments(features(seed=2)))
    expected = moments(found.apply(content.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    for value, wanted in zip(found.moments(moments(content)), expected, strict=True):
        close(value, wanted, atol=1e-3)


def test_a_direction_without_variance_is_not_amplified() -> None:
    content = features()
    content[:, 0] = 1 + 1e-6 * torch.randn(12, 12)
    assert transported(content, moments(features(seed=5))).abs().max() < 100


@pytest.mark.parametrize("shape", [(32, 48), (16, 24)])
def test_the_decoder_gives_a_picture_of_the_first_features_size(shape: tuple[int, int]) -> None:
    decoder = Decoder()
    taps, edges = [], shape
    for channels in TAP_CHANNELS:
        taps.append(torch.rand(1, channels, *edges))
        edges = edges[0] // 2, edges[1] // 2
    style = {layer: moments(tap) for layer, tap in zip(TAPS, taps, strict=True)}
    assert decoder(taps, decoder.modulation(style)).shape == (1, 3, *shape)


def test_a_fresh_decoder_is_not_modulated() -> None:
    decoder = Decoder()
    style = {layer: moments(features(channels)) for layer, channels in zip(TAPS, TAP_CHANNELS, strict=True)}
    pairs = decoder.modulation(style)
    assert [scale.shape[1] for scale, _ in pairs] == list(DECODER_CHANNELS)
    assert all(not part.any() for pair in pairs for part in pair)
