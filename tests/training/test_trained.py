"""What a trained network paints: strength, parts, colors, the doctor; and presto, learnt further."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import QUICK, last

import impasto
from impasto import cli, doctor, images, networks, transform
from impasto.errors import InputError, OptionError, WeightsError
from impasto.shipped import DEMO
from impasto.training import train


@pytest.mark.parametrize("network", ["light", "presto"])
def test_strength_goes_from_photo_to_style(photos: Path, style: Path, tmp_path: Path, network: str) -> None:
    path = last(style, photos, steps=1, network=network).save(tmp_path / "net.safetensors")
    plain = {"size": 64, "engine": "torch", "precision": "float32"}
    photo = images.resize(images.load(photos / "0.png"), 64)
    away = [
        float((impasto.stylize(photos / "0.png", path, **plain, strength=share).image - photo).square().mean())
        for share in (0, 50, 100)
    ]
    assert away == sorted(away)


def test_presto_begins_as_it_ships_and_learns(photos: Path, style: Path, tmp_path: Path) -> None:
    """Before it has learnt anything, the file paints as the shipped network does when it is given the picture."""
    plain = {"size": 64, "engine": "torch", "precision": "float32", "passes": 1}
    given = {"network": "presto", "photo_share": 0.0}
    photo, one, other = (DEMO / f"{name}.jpg" for name in ("valley", "swirl", "woodcut"))
    path = last([one, other], photos, **given, steps=1, learning_rate=0.0).save(tmp_path / "a.safetensors")
    for shares, picture in (((), one), ((0.0, 1.0), other), ((0.5, 0.5), [one, other])):
        shipped = impasto.stylize(photo, picture, **plain).image
        held = impasto.stylize(photo, path, **plain, style_weights=shares).image
        torch.testing.assert_close(held, shipped, atol=1e-2, rtol=0)
    with pytest.raises(OptionError, match="2 styles"):
        impasto.stylize(photos / "0.png", path, **plain, style_weights=(1.0,))
    with pytest.raises(OptionError, match="--style-scale is about the style's picture"):
        impasto.stylize(photos / "0.png", path, **plain, style_scale=2.0)
    losses = [step.loss for step in train(style, photos, **{**QUICK, **given, "steps": 12})]
    assert np.mean(losses[-3:]) < 0.95 * np.mean(losses[:3])


def test_presto_learns_as_it_paints(photos: Path, style: Path, tmp_path: Path) -> None:
    plain = {"size": 64, "engine": "torch", "precision": "float32"}
    path = last(style, photos, network="presto", steps=1).save(tmp_path / "net.safetensors")
    photo = images.resize(images.load(photos / "0.png"), 64)
    with torch.no_grad():
        learnt = transform.load(path).network(photo, torch.tensor([0]))
    torch.testing.assert_close(impasto.stylize(photo, path, **plain).image, learnt, atol=1e-3, rtol=0)


def test_presto_can_learn_from_scratch_and_is_not_exported(photos: Path, style: Path, tmp_path: Path) -> None:
    step = last(style, photos, network="presto", steps=1, from_scratch=True)
    assert step.sheet().shape == (1, 3, 2 * 51, 4 * 51)
    path = step.save(tmp_path / "net.safetensors")
    assert not torch.equal(transform.load(path).network.decoder.leave.weight, networks.presto()[1].leave.weight)
    with pytest.raises(OptionError, match="Train with --network light"):
        impasto.export(path, tmp_path / "net.html")


def test_the_doctor_looks_at_what_a_network_paints_and_mends_it(
    photos: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = last(style, photos, steps=1, size=96).save(tmp_path / "net.safetensors")
    found = replace(doctor.FAULTS["dead content"], threshold=0.01)  # whatever the picture looks like
    monkeypatch.setitem(doctor.FAULTS, "dead content", found)
    plain = ["--engine", "torch", "--size", "96", "--doctor", "fix", "-o", str(tmp_path / "out.png")]
    assert cli.run(["stylize", str(photos / "0.png"), str(path), *plain]) == 0
    first, second = (impasto.read_recipe(tmp_path / f"{name}.png") or {} for name in ("out", "out-mended"))
    assert "dead content" in [finding["name"] for finding in first["doctor"]["findings"]]
    assert first["doctor"]["scores"]["haze"] == 0  # for which the style's picture is needed
    assert (first["options"]["strength"], second["options"]["strength"]) == (100, 70)
    with pytest.raises(InputError, match="has not both"):
        impasto.stylize(photos / "0.png", path, size=96, engine="torch").report()


def test_a_protected_part_stays_and_colors_can_be_kept(photos: Path, style: Path, tmp_path: Path) -> None:
    path = last(style, photos, steps=1).save(tmp_path / "net.safetensors")
    plain = {"size": 64, "engine": "torch", "precision": "float32"}
    photo = images.resize(images.load(photos / "0.png"), 64)
    painting = impasto.stylize(photos / "0.png", path, **plain, protect="left", mask_softness=0.0).image
    assert torch.equal(painting[..., :24], photo[..., :24])
    assert not torch.equal(painting[..., 40:], photo[..., 40:])
    with pytest.raises(OptionError, match="Choose style or keep"):
        impasto.stylize(photos / "0.png", path, **plain, colors="match")
    for scale in (2.0, "auto"):
        with pytest.raises(OptionError, match="--style-scale is about the style's picture"):
            impasto.stylize(photos / "0.png", path, **plain, style_scale=scale)
    with pytest.raises(OptionError, match="--style-frame is about the style's picture"):
        impasto.stylize(photos / "0.png", path, **plain, style_frame="keep")
    with pytest.raises(OptionError, match="paints alone"):
        impasto.stylize(photos / "0.png", [path, style], **plain)
    with pytest.raises(InputError):
        impasto.stylize(tmp_path / "nothing.png", path, **plain)
    with pytest.raises(WeightsError, match="does not exist"):
        impasto.stylize(photos / "0.png", tmp_path / "nothing.safetensors", **plain)
