"""The program that trains petit: what it exports is what it trained, and a run goes on where it stopped."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from impasto import weights
from impasto.backbones import BACKBONES, Backbone

TRAINING = Path(__file__).parent.parent / "training"


@pytest.fixture
def petit(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The training program as a module."""
    monkeypatch.syspath_prepend(str(TRAINING))
    import petit as module

    yield module
    for name in ("petit", "card", "pictures"):
        sys.modules.pop(name, None)


def test_the_exported_network_is_the_trained_one_up_to_the_scale_of_each_layer(petit, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    network = petit.Petit()
    for norm in network.norms.values():  # as after training: statistics that are not those of the beginning
        norm.running_mean.uniform_(-0.3, 0.3)
        norm.running_var.uniform_(0.5, 2)
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.2, 0.4)
    photos = torch.rand(2, 3, 32, 48)
    path = tmp_path / "petit.safetensors"
    petit.export(network, photos, path)
    with torch.no_grad():
        trained = network.eval()(photos)
    loaded = Backbone("petit", BACKBONES["petit"], weights.from_file(path, BACKBONES["petit"].shapes))
    shipped = loaded(photos, list(trained))
    for layer, features in trained.items():
        scaled = features / features.mean()
        assert (shipped[layer] - scaled).norm() / scaled.norm() < 5e-3, layer  # half precision's rounding
        assert shipped[layer].mean() == pytest.approx(1, abs=0.01)


def test_the_architecture_that_is_trained_is_the_one_that_is_loaded(petit) -> None:  # type: ignore[no-untyped-def]
    assert BACKBONES["petit"].channels == tuple(
        (width,) * depth for width, depth in zip(petit.WIDTHS, petit.DEPTHS, strict=True)
    )


def test_batches_are_the_same_for_the_same_step_and_in_range(petit) -> None:  # type: ignore[no-untyped-def]
    from pictures import random_batch

    folder = [torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8) for _ in range(3)]
    one, again, other = (random_batch(folder, folder, 24, 6, np.random.default_rng((0, step))) for step in (7, 7, 8))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert one.shape == (6, 3, 24, 24)
    assert 0 <= one.min() <= one.max() <= 1


def test_the_learning_rate_warms_up_holds_and_falls_to_nothing(petit) -> None:  # type: ignore[no-untyped-def]
    rates = [petit.learning_rate(step, hold=500, steps=1000, peak=1.0) for step in range(1001)]
    assert rates[0] == pytest.approx(1 / 200)
    assert rates[199:500] == [1.0] * 301
    assert rates[750] == pytest.approx(0.5)
    assert rates[1000] == 0


def test_the_card_carries_its_figures(petit) -> None:  # type: ignore[no-untyped-def]
    from card import card

    names = "depths widths parameters bytes photos paintings size steps batch rate hold seed held"
    facts = dict.fromkeys(names.split(), 7)
    page = card(facts, {"relu1_1": {"r2": 0.1234, "gram": 0.5, "cka": 0.75}})
    assert "| relu1_1 | 0.123 | 0.500 | 0.750 |" in page
