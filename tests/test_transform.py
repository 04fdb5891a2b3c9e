"""Transform networks: their shapes, what a row is, files, and the base."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from impasto import networks, transform
from impasto.errors import OptionError, OutputError, WeightsError
from impasto.transform import PLANS, Plan, Trained, TransformNet

TINY = Plan(4, 2, (6,), 1, (4, 4), (3, 3), transposed=False)


@pytest.fixture
def trained() -> Trained:
    network = TransformNet(PLANS["light"], 3)
    torch.nn.init.normal_(network.styles)
    return Trained("light", network.eval(), ("wave", "scream"), {"steps": 7})


def johnson(images: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """The network of Johnson et al. written out, with the state dict of ours."""

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        pad = weight.shape[2] // 2
        return F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), weight, state.get(f"{name}.bias"), stride)

    x = images * 2 - 1
    for number, stride in enumerate((1, 2, 2)):
        x = F.relu(F.instance_norm(conv(x, f"enter.{number}", stride)))
    for number in range(5):
        inner = F.relu(F.instance_norm(conv(x, f"blocks.{number}.0")))
        x = x + F.instance_norm(conv(inner, f"blocks.{number}.1"))
    for number in range(2):
        enlarged = F.conv_transpose2d(x, state[f"leave.{number}.conv.weight"], None, 2, 1, 1)
        x = F.relu(F.instance_norm(enlarged))
    return (torch.tanh(conv(x, "picture")) + 1) / 2


def test_the_network_of_system_d_is_built_as_described() -> None:
    network = TransformNet(PLANS["transform"])
    shapes = [tuple(value.shape) for key, value in network.state_dict().items() if key.endswith("weight")]
    residual = [(128, 128, 3, 3)] * 10
    assert shapes == [
        (32, 3, 9, 9), (64, 32, 3, 3), (128, 64, 3, 3), *residual, (128, 64, 3, 3), (64, 32, 3, 3), (3, 32, 9, 9),
    ]  # fmt: skip
    photos = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        expected = johnson(photos, network.state_dict())
        torch.testing.assert_close(network(photos, torch.zeros(2, dtype=torch.long)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (30, 45)])
def test_a_picture_of_any_shape_comes_back_in_it(name: str, shape: tuple[int, int]) -> None:
    with torch.no_grad():
        picture = TransformNet(PLANS[name])(torch.rand(1, 3, *shape), torch.tensor([0]))
    assert picture.shape == (1, 3, *shape)
    assert 0 <= picture.min() <= picture.max() <= 1


def test_the_light_network_is_cheaper_than_half_the_other() -> None:
    light, other = (sum(p.numel() for p in TransformNet(plan).parameters()) for plan in PLANS.values().__reversed__())
    assert light < other / 2


def test_each_picture_of_a_batch_has_its_own_row() -> None:
    network = TransformNet(TINY, 2)
    torch.nn.init.normal_(network.styles)
    photos = torch.rand(2, 3, 20, 20)
    with torch.no_grad():
        together = network(photos, torch.tensor([1, 0]))
        apart = [network(photos[i : i + 1], torch.tensor([row])) for i, row in ((0, 1), (1, 0))]
        same = network(photos, network.styles[[1, 0]])
    torch.testing.assert_close(together, torch.cat(apart))
    assert torch.equal(together, same)


def test_rows_mix_by_weight_and_strength_leads_to_the_photos_row(trained: Trained) -> None:
    wave, scream, photo = trained.network.styles.detach()
    torch.testing.assert_close(trained.row()[0], wave)
    torch.testing.assert_close(trained.row((1, 3))[0], 0.25 * wave + 0.75 * scream)
    torch.testing.assert_close(trained.row((0, 2), 0.4)[0], 0.4 * scream + 0.6 * photo)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 1.0, 1.0), (0.0, 0.0)])
def test_other_than_one_weight_a_style_is_refused(trained: Trained, weights: tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="2 styles"):
        trained.row(weights)


def test_without_a_photo_row_there_is_no_strength() -> None:
    trained = Trained("light", TransformNet(TINY, 1), ("wave",))
    assert trained.row().shape == (1, 2 * sum(TINY.normalized))
    with pytest.raises(OptionError, match="--photo-share"):
        trained.row(strength=0.5)


def test_a_network_is_read_as_it_was_written(trained: Trained, tmp_path: Path) -> None:
    path = trained.save(tmp_path / "a.safetensors")
    again = transform.load(path)
    assert (again.name, again.styles, again.recipe) == ("light", ("wave", "scream"), {"steps": 7})
    for key, value in trained.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[key], value), key


def test_a_network_is_written_under_its_suffix_only(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in \.safetensors"):
        trained.save(tmp_path / "a.pth")


def damaged(trained: Trained, folder: Path, how: str) -> Path:
    path = trained.save(folder / "a.safetensors")
    notes, tensors = transform.read_file(path)
    if how == "missing":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "text":
        path.write_text("a network")
    else:
        if how == "another kind":
            notes["format"] = "something else"
        elif how == "another network":
            notes["network"] = "transform"
        elif how == "no styles":
            notes["styles"] = "7"
        elif how == "deep styles":
            notes["styles"] = "[" * 100_000
        elif how == "too many styles":
            notes["styles"] = json.dumps(list("abcdef"))
        elif how == "not a number":
            tensors["styles"][0, 0] = float("nan")
        elif how == "no rows":
            del tensors["styles"]
        path.write_bytes(safetensors.torch.save(tensors, notes))
    return path


@pytest.mark.parametrize(
    "how",
    [
        "missing", "cut short", "text", "another kind", "another network", "no styles", "deep styles", "too many styles",
        "not a number", "no rows",
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused_in_a_sentence(trained: Trained, tmp_path: Path, how: str) -> None:
    path = damaged(trained, tmp_path, how)
    with pytest.raises(WeightsError, match=r"a\.safetensors.+[:;] .+\."):
        transform.load(path)


def test_presto_with_its_styles_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = torch.rand(2, sum(count + count * count for count in networks.TAP_CHANNELS))
    assert torch.equal(networks.row_of(networks.style_in(rows)), rows)
    tuned = Trained("presto", networks.Tuned(*networks.presto(), rows), ("wave", "scream"))
    again = transform.load(tuned.save(tmp_path / "a.safetensors"))
    assert again.shares((1, 3)) == (0.25, 0.75)
    for key, value in tuned.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[key], value), key
    for broken in (rows[:, 1:], rows[:1]):
        path = Trained("presto", networks.Tuned(*networks.presto(), broken), ("wave", "scream")).save(
            tmp_path / "b.safetensors"
        )
        with pytest.raises(WeightsError, match=r"b\.safetensors"):
            transform.load(path)


def test_the_base_fits_the_light_network_and_is_small() -> None:
    parts = transform.base_parts()
    network = TransformNet(PLANS["light"])
    network.load_state_dict(parts["network"])
    transform.Reader(PLANS["light"]).load_state_dict(parts["reader"])
    asset = Path(transform.__file__).parent / "assets" / "light.safetensors"
    assert asset.stat().st_size <= 1.5e6


def test_what_is_read_of_a_style_are_means_and_deviations() -> None:
    encoder, _ = networks.presto()
    style = torch.rand(1, 3, 40, 48)
    numbers = transform.read(encoder, style)
    first = encoder(style, ["relu1_1"])["relu1_1"][0].flatten(1)
    torch.testing.assert_close(numbers[0, :24], first.mean(1))
    torch.testing.assert_close(numbers[0, 24:48], first.std(1, correction=0), atol=1e-4, rtol=1e-4)
    assert numbers.shape == (1, 2 * sum(networks.TAP_CHANNELS))
