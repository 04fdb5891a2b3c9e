"""Races: both lower the same loss, and a race is over where the rival's is reached; how fast, no test asserts."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from impasto import benchmark, cli, images, race
from impasto.backbones import BACKBONES, Architecture
from impasto.errors import OptionError

TINY = Architecture("five small blocks", ((4, 4), (4,), (4,), (4, 4), (4,)), BACKBONES["petit"].normalization)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network in petit's place, and few steps."""
    monkeypatch.setitem(benchmark.NETWORKS, "petit", ("tiny", lambda: benchmark.random_weights(TINY)))
    monkeypatch.setitem(benchmark.BACKBONES, "petit", TINY)
    monkeypatch.setattr(race, "ADAM_STEPS", 12)
    monkeypatch.setattr(race, "MOST", 8)
    monkeypatch.setattr(race, "PATIENCE", 8)


def picture(seed: int) -> Tensor:
    return images.resize_to(torch.rand((1, 3, 5, 5), generator=torch.Generator().manual_seed(seed)), (48, 64))


@pytest.mark.usefixtures("small")
def test_impasto_s_preset_is_the_blog_s_loop() -> None:
    """Written twice, from the description and by the general losses: the same loss of any picture, to a factor of none."""
    rival = race.blog(picture(0), picture(1))
    for seed in (2, 3):
        image = picture(seed)
        ours = torch.stack([value.sum() for value in rival.ours.objective(image).values()]).sum()
        torch.testing.assert_close(rival.loss(image), ours, rtol=0.02, atol=0)  # bfloat16, where there is any


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("loss", benchmark.LOSSES)
def test_a_rival_lowers_the_loss_and_impasto_gets_as_low(loss: str) -> None:
    rival = race.descent(picture(0), picture(1), loss)
    found = race.raced(rival, picture(0), iter(range(10**6)).__next__)  # a clock that ticks when it is read
    assert found.theirs == (8, 1)
    assert 0 < found.loss < 1
    if found.ours is None:
        assert found.lowest > 1 + race.SLACK
    else:
        assert found.ours[0] == found.ours[1] <= race.PATIENCE
        assert found.lowest <= 1 + race.SLACK


@pytest.mark.usefixtures("small")
def test_the_verb_prints_the_races_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "races.json"
    assert cli.run(["benchmark", "--race", "--size", "64", "--quick", "--json", str(file)]) == 0
    printed, found = capsys.readouterr().out, json.loads(file.read_text(encoding="utf-8"))
    assert found["size"] == [64, 48]
    assert [each["theirs"][0] for each in found["races"]] == [12, 8, 8]
    assert all(each["name"] in printed for each in found["races"])
    with pytest.raises(OptionError, match="--size is 63"):
        race.run(63)
