"""The programs that train petit and presto: what they export is what they trained, and a run goes on where it stopped."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from impasto import networks, weights
from impasto.backbones import BACKBONES, Backbone

TRAINING = Path(__file__).parent.parent / "training"


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The training programs can be imported."""
    monkeypatch.syspath_prepend(str(TRAINING))
    yield
    for name in ("petit", "presto", "card", "pictures", "resume"):
        sys.modules.pop(name, None)


@pytest.fixture
def petit(programs: None):  # type: ignore[no-untyped-def]
    """The program that trains petit, as a module."""
    import petit as module

    return module


@pytest.fixture
def presto(programs: None):  # type: ignore[no-untyped-def]
    """The program that trains presto, as a module."""
    import presto as module

    return module


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
    again = petit.Petit().eval()
    petit.begin_with(again, path)
    with torch.no_grad():
        for layer, features in again(photos).items():
            torch.testing.assert_close(features, shipped[layer], msg=layer)


@torch.no_grad()
def test_heads_of_least_squares_find_the_linear_map_and_what_it_adds(petit, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(2)
    network, true = petit.Petit().eval(), {}
    for layer, head in network.heads.items():
        true[layer] = torch.randn_like(head.weight), torch.randn_like(head.bias)

    def teachers(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {layer: F.conv2d(features, *true[layer]) for layer, features in network(images).items() if layer in true}

    images = torch.rand(4, 3, 64, 64)
    petit.fit_heads(network, teachers, images)
    found, network = network.heads, network.eval()
    for layer, features in teachers(images).items():
        guess = found[layer](network(images)[layer])
        assert (guess - features).norm() < 1e-3 * features.norm(), layer


def test_the_architecture_that_is_trained_is_the_one_that_is_loaded(petit) -> None:  # type: ignore[no-untyped-def]
    assert BACKBONES["petit"].channels == petit.CHANNELS


def test_batches_are_the_same_for_the_same_step_and_in_range(petit) -> None:  # type: ignore[no-untyped-def]
    from pictures import random_batch

    folder = [torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8) for _ in range(3)]
    one, again, other = (
        random_batch(folder, folder, folder, 24, 6, np.random.default_rng((0, step))) for step in (7, 7, 8)
    )
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

    names = "channels parameters bytes photos paintings size steps batch rate hold gram seed held stress"
    facts = dict.fromkeys(names.split(), 7)
    page = card(facts, {"relu1_1": {"r2": 0.1234, "gram": 0.5, "gram_all": 0.625, "cka": 0.75}})
    assert "| relu1_1 | 0.123 | 0.500 | 0.625 | 0.750 |" in page


def test_gram_matrices_are_compared_one_by_one_and_all_together(petit, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """What a picture has too much of, and the other too little, is an error of each and none of their sum."""
    monkeypatch.setattr(petit, "TAUGHT", {"relu1_1": 2})
    target = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 1.0]]])
    guess = target.flip(0)
    kernels = torch.ones(1, 1), torch.ones(1, 1)
    monkeypatch.setattr(petit, "compare", lambda *_, **__: iter([("relu1_1", guess, target, kernels)]))
    found = petit.evaluate(torch.nn.Identity(), None, torch.zeros(2, 3, 8, 8))["relu1_1"]
    expected = [
        np.corrcoef((one @ one.T).flatten(), (other @ other.T).flatten())[0, 1]
        for one, other in zip(guess, target, strict=True)
    ]
    assert found["gram"] == pytest.approx(np.median(expected))
    assert found["gram"] < 0.95
    assert found["gram_all"] == pytest.approx(1)


@pytest.fixture
def lesson(presto, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Settings, pictures and the frozen networks of a very short training of presto."""
    settings = Namespace(
        out=tmp_path, steps=4, batch=2, size=32, rate=1e-3, hold=2, content_weight=0.1, tv_weight=0.5, seed=0,
        passes=(0.4, 0.3, 0.3), save_every=2, begin=None,
    )  # fmt: skip
    folder = [torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8) for _ in range(3)]
    photos, paintings = F.interpolate(torch.rand(2, 3, 4, 4), 32, mode="bicubic").clamp(0, 1), torch.rand(2, 3, 32, 32)
    data = SimpleNamespace(photos=folder, paintings=folder, held_photos=photos, held_paintings=paintings)
    return settings, data, presto.frozen()


def test_a_training_of_presto_that_was_killed_goes_on_as_if_it_had_not_been(presto, lesson, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    settings, data, eyes = lesson
    whole = presto.train(Namespace(**{**vars(settings), "out": settings.out / "whole"}), data, eyes)
    batch_of, calls = presto.batch_of, []

    def killed(*arguments):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return batch_of(*arguments)

    monkeypatch.setattr(presto, "batch_of", killed)
    with pytest.raises(KeyboardInterrupt):
        presto.train(settings, data, eyes)
    monkeypatch.setattr(presto, "batch_of", batch_of)
    continued = presto.train(settings, data, eyes)
    for name, weight in whole.state_dict().items():
        assert torch.equal(continued.state_dict()[name], weight), name


def test_presto_is_loaded_as_it_was_exported(presto, lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(2)
    decoder = networks.Decoder()
    presto.export(decoder, presto.frozen(torch.float32).encoder, tmp_path / "presto.safetensors")
    monkeypatch.setattr(networks, "presto_bytes", (tmp_path / "presto.safetensors").read_bytes)
    encoder, loaded = networks.presto()
    assert encoder.layers[-1] == networks.TAPS[-1]
    for name, weight in decoder.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], weight, atol=1e-3, rtol=1e-3)


def test_the_table_of_strengths_starts_at_the_photo(presto, lesson) -> None:  # type: ignore[no-untyped-def]
    _, data, eyes = lesson
    lines = presto.evaluate(networks.presto()[1].float(), eyes, data).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["0", "25", "50", "75", "100"]
    content = [float(line.split("|")[3]) for line in lines[2:]]
    assert content[0] < content[-1]
