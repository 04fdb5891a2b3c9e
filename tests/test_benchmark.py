"""The benchmark counts right and sets like against like; how fast anything is, no test asserts."""

import json
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from impasto import benchmark, cli
from impasto.backbones import BACKBONES, Architecture, Backbone
from impasto.errors import OptionError
from impasto.options import PaintOptions
from impasto.presets import options_for
from impasto.textbook import Loop

TINY = Architecture("two small blocks", ((8, 8), (12,)), BACKBONES["petit"].normalization)
LAYERS = {"content_layers": ("relu2_1",), "style_layers": ("relu1_1", "relu2_1")}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny networks in place of both, small products."""
    for name in benchmark.NETWORKS:
        monkeypatch.setitem(benchmark.NETWORKS, name, (f"tiny {name}", lambda: benchmark.random_weights(TINY)))
        monkeypatch.setitem(benchmark.BACKBONES, name, TINY)
    monkeypatch.setattr(benchmark, "EDGE", 64)
    monkeypatch.setattr(benchmark, "QUICK_PATIENCE", 0.0)
    monkeypatch.setattr(benchmark, "options_for", lambda **given: options_for(**given, **LAYERS))


@pytest.mark.parametrize("network", ["petit", "vgg19"])
def test_operations_are_those_that_torch_counts(network: str) -> None:
    """Torch counts the convolutions and the products of the Gram loop, whose way back it makes twice."""
    architecture, options, image = BACKBONES[network], PaintOptions(backbone=network), torch.rand(1, 3, 36, 50)
    backbone = Backbone(network, architecture, benchmark.random_weights(architecture), pooling="average")
    with FlopCounterMode(display=False) as counter:
        image.requires_grad_()
        found = backbone(image, (*options.style_layers, *options.content_layers))
        torch.autograd.grad(torch.stack([each.sum() for each in found.values()]).sum(), image)
    statistics = 4 * sum(found[layer].shape[1] * found[layer].numel() for layer in options.style_layers)
    expected = counter.get_total_flops() + statistics
    assert benchmark.operations(architecture, options, (36, 50)) == pytest.approx(expected, rel=1e-9)


def test_the_first_round_does_not_count_and_calls_take_turns() -> None:
    called: list[str] = []
    calls = {name: partial(called.append, name) for name in "ab"}
    times = benchmark.in_turns(calls, clock=time.perf_counter, patience=0.0)
    assert called == ["a", "b"] * (1 + benchmark.LEAST_ROUNDS)
    assert {name: len(seconds) for name, seconds in times.items()} == dict.fromkeys("ab", benchmark.LEAST_ROUNDS)
    assert len(benchmark.in_turns(calls, clock=time.perf_counter, patience=60.0)["a"]) == benchmark.MOST_ROUNDS


@pytest.mark.usefixtures("small")
def test_every_way_of_impasto_has_the_same_gradient() -> None:
    photo, style = (torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    options = benchmark.options_for(backbone="vgg19", style_loss="gram", pooling="average")
    timed = partial(benchmark.in_turns, clock=time.perf_counter, patience=0.0)
    rows, ceilings = benchmark.measured(options, photo, style, timed)
    assert rows[0].ratio == 1
    assert rows[0].cosine is None
    assert [row.chosen for row in rows] == [False] * (len(rows) - 1) + [True]
    assert ceilings.keys() == {row.way.rsplit(", ", 1)[1] for row in rows}
    for row in rows[1:]:
        assert row.cosine == pytest.approx(1, abs=1e-5 if row.way.endswith("float32") else 0.02)
    for row in rows:
        least, middle, most = row.seconds
        assert 0 < least <= middle <= most
        needed = benchmark.operations(TINY, options, (32, 40))
        assert row.share * ceilings[row.way.rsplit(", ", 1)[1]] * middle == pytest.approx(needed)


def test_both_objectives_have_the_same_targets(smooth_image: Tensor) -> None:
    """At the photo itself neither has a content loss; both lower a style loss there."""
    options = options_for(backbone="petit", style_loss="gram", pooling="average")
    ways = list(benchmark.ways(options, smooth_image, smooth_image.flip(3)))
    assert isinstance(ways[0].objective, Loop)
    for way in ways:
        losses = way.objective(smooth_image)
        assert float(losses["content"]) == 0
        assert sum(float(value) for name, value in losses.items() if name.startswith("style")) > 0


def test_what_others_take_is_what_is_neither_idle_nor_ours() -> None:
    before, after = benchmark.Busy(100, 60, 10), benchmark.Busy(200, 140, 50)
    assert benchmark.taken(before, after) == pytest.approx((80 - 40) / 100)
    assert benchmark.taken(before, before) == 0


@pytest.mark.parametrize("size", [63, 2049])
def test_a_size_out_of_range_is_named(size: int) -> None:
    with pytest.raises(OptionError, match=f"--size is {size}"):
        benchmark.run(size)


@pytest.mark.usefixtures("small")
def test_the_verb_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "benchmark.json"
    assert cli.run(["benchmark", "--size", "64", "--quick", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["size"] == [64, 48]
    assert found["machine"]["threads"] == torch.get_num_threads()
    assert len({(row["network"], row["loss"]) for row in found["rows"]}) == 4
    for row in found["rows"]:
        assert f"{row['network']}, {row['loss']}" in printed
        assert f"{row['way']}{' *' if row['chosen'] else ''}" in printed
    assert cli.run(["benchmark", "--size", "64", "--quick", "--clock", "processor", "--json", "-", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"]["threads"] == 1
    assert cli.run(["benchmark", "--json", str(tmp_path)]) == 2
