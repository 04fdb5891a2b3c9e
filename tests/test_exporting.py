"""export: what other programs make of a network is what torch makes of it, at any size."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from impasto import cli, engines, exporting, transform
from impasto.errors import OptionError, OutputError
from impasto.exporting import Fixed, export, smooth_noise
from impasto.transform import PLANS, Plan, Trained, TransformNet

SHAPES = (64, 80), (75, 101), (48, 33)
TINY = Plan(4, 2, (6,), 1, (4, 4), (3, 3), transposed=False)


def missing(*names: str) -> bool:
    return any(find_spec(name) is None for name in names)


needs_onnx = pytest.mark.skipif(missing("onnx", "onnxscript", "onnxruntime"), reason="impasto[export] is not installed")
needs_openvino = pytest.mark.skipif(missing("openvino"), reason="openvino is not installed")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny network with two styles and the photo's row, under the name of the light one."""
    monkeypatch.setitem(PLANS, "light", TINY)
    net = TransformNet(TINY, 3)
    torch.nn.init.normal_(net.styles, 1.0, 0.5)
    return Trained("light", net, ("a", "b")).save(tmp_path / "net.safetensors")


def expected(network: Path, photo: torch.Tensor, weights: tuple[float, ...] = (), strength: float = 1.0) -> np.ndarray:
    trained = transform.load(network)
    with torch.no_grad():
        return Fixed(trained.network, trained.row(weights, strength))(photo).numpy()


@needs_onnx
def test_onnx_paints_as_torch_does_at_any_size(network: Path, tmp_path: Path) -> None:
    import onnxruntime

    path = tmp_path / "net.onnx"
    assert export(network, path, style_weights=(1, 2), strength=70) < 2e-3
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for shape in SHAPES:
        photo = smooth_noise(shape)
        (painting,) = session.run(["painting"], {"photo": photo.numpy()})
        assert np.abs(painting - expected(network, photo, (1, 2), 0.7)).max() < 2e-3
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.onnx", "net.safetensors"]


@needs_openvino
def test_openvino_paints_as_torch_does_at_any_size(network: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.xml"
    assert cli.run(["export", str(network), "-o", str(path), "--style-weights", "0", "1", "-q"]) == 0
    program = engines.silent_openvino().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for shape in SHAPES:
        photo = smooth_noise(shape)
        assert np.abs(program([photo.numpy()])[0] - expected(network, photo, (0, 1))).max() < 2e-3
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.bin", "net.safetensors", "net.xml"]


def test_a_file_that_paints_something_else_is_not_written(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(module: torch.nn.Module, path: Path) -> exporting.Runs:
        path.write_bytes(b"a model")
        return lambda photo: np.full_like(photo, np.nan)

    monkeypatch.setitem(exporting.WRITERS, ".onnx", broken)
    with pytest.raises(OutputError, match="away from torch"):
        export(network, tmp_path / "net.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_missing_package_is_named(network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(exporting.importlib, "import_module", absent)
    with pytest.raises(OptionError, match=r"impasto\[export\]"):
        export(network, tmp_path / "net.onnx")


@pytest.mark.parametrize("strength", [500, -50, float("nan")])
def test_a_strength_off_the_dial_is_refused(network: Path, tmp_path: Path, strength: float) -> None:
    with pytest.raises(OptionError, match=r"--strength is .* from 0 to 100"):
        export(network, tmp_path / "net.html", strength=strength)


@pytest.mark.parametrize("name", ["net.pth", "nowhere/net.onnx"])
def test_what_cannot_be_written_is_refused(network: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"choose"):
        export(network, tmp_path / name)
