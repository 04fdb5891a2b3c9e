"""Engines: what runs a network paints what torch paints, and the quickest is found where that pays."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import impasto
from impasto import cli, engines, panes, transform
from impasto import stylizer as stylizer_module
from impasto.errors import OptionError
from impasto.options import StylizeOptions
from impasto.shipped import DEMO
from impasto.stylizer import Stylizer

VALLEY, SWIRL, WOODCUT = (DEMO / f"{name}.jpg" for name in ("valley", "swirl", "woodcut"))
PLAIN = {"engine": "torch", "precision": "float32", "passes": 1}
needs_onnxruntime = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")


@pytest.mark.parametrize("size", [64, 97])
@pytest.mark.parametrize(
    ("engine", "name", "apart"),
    [
        pytest.param("openvino", "OpenVINO ", 0.02, marks=needs_openvino),
        pytest.param("onnxruntime", "ONNX Runtime ", 1e-3, marks=needs_onnxruntime),
    ],
)
def test_an_engine_paints_what_torch_paints(engine: str, name: str, apart: float, size: int) -> None:
    other = impasto.stylize(VALLEY, SWIRL, size=size, engine=engine, passes=1)
    exact = impasto.stylize(VALLEY, SWIRL, **PLAIN, size=size)
    assert other.recipe["engine"].startswith(name)
    assert float((other.image - exact.image).square().mean().sqrt()) < apart


@needs_openvino
def test_openvino_converts_a_network_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    module, example = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), [torch.rand(1, 3, 8, 8)]
    picture = torch.rand(1, 3, 16, 24)

    def result() -> Tensor:
        return engines.openvino_program(Tuple(module), example, "tiny")(picture)[0]

    torch.testing.assert_close(result(), module(picture).detach(), atol=2e-2, rtol=0)
    monkeypatch.setattr(engines, "convert", None)
    torch.testing.assert_close(result(), module(picture).detach(), atol=2e-2, rtol=0)


@needs_openvino
def test_openvino_runs_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    module, picture = nn.Conv2d(3, 4, 3, padding=1), torch.rand(1, 3, 16, 24)
    (result,) = engines.openvino_program(Tuple(module), [torch.rand(1, 3, 8, 8)], "tiny")(picture)
    torch.testing.assert_close(result, module(picture).detach(), atol=2e-2, rtol=0)


@needs_openvino
def test_openvino_converts_anew_what_was_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    module, picture = nn.Conv2d(3, 4, 3, padding=1), torch.rand(1, 3, 16, 24)
    for _ in range(2):
        (result,) = engines.openvino_program(Tuple(module), [torch.rand(1, 3, 8, 8)], "tiny")(picture)
        torch.testing.assert_close(result, module(picture).detach(), atol=2e-2, rtol=0)
        (kept,) = tmp_path.rglob("tiny*.bin")
        kept.write_bytes(b"")


@needs_openvino
def test_what_openvino_gave_outlasts_its_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo's features wait while another region is painted."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    program = engines.openvino_program(Tuple(nn.Conv2d(3, 4, 3, padding=1)), [torch.rand(1, 3, 8, 8)], "tiny")
    (first,) = program(torch.zeros(1, 3, 16, 24))
    before = first.clone()
    program(torch.ones(1, 3, 16, 24))
    assert torch.equal(first, before)


class Tuple(nn.Module):
    """A module whose result is a tuple of one, as programs want it."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.inside(x),)


def test_without_openvino_torch_runs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert engines.choose("auto", torch.device("cpu")) == "torch"
    assert engines.installed(torch.device("cpu")) == ["torch"]
    for name, extra in engines.EXTRAS.items():
        with pytest.raises(OptionError, match=rf"--engine {name} .+impasto\[{extra}\]"):
            engines.choose(name, torch.device("cpu"))


def test_a_graphics_card_is_left_to_torch() -> None:
    assert engines.installed(torch.device("cuda")) == ["torch"]
    with pytest.raises(OptionError, match="a processor as device"):
        engines.choose("onnxruntime", torch.device("cuda"))


@needs_onnxruntime
def test_onnx_runtime_runs_a_trained_network_whole_and_in_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = transform.TransformNet(transform.PLANS["light"])
    path = transform.Trained("light", network, ("a",)).save(tmp_path / "a.safetensors")
    for large in (panes.LARGE, 5000):
        monkeypatch.setattr(panes, "LARGE", large)
        first, second = (
            impasto.stylize(VALLEY, path, size=96, engine=engine, precision="float32").image
            for engine in ("onnxruntime", "torch")
        )
        torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


# -------------------------------------------------------------------------------------------------- the quickest engine


def slow(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> list[str]:
    """Engines of these speeds, on a clock that only they move; returns what was tried."""
    now, tried = [0.0], list[str]()

    class Pretended(Stylizer):
        def __init__(self, options: StylizeOptions) -> None:
            self.device = torch.device("cpu")
            self.chosen = options.engine
            tried.append(options.engine)
            self.take(options)

        def image(self, view: object) -> Tensor:
            now[0] += seconds[self.chosen]
            return torch.zeros(())

    monkeypatch.setattr(stylizer_module, "Stylizer", Pretended)
    monkeypatch.setattr(stylizer_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(engines, "installed", lambda device: list(seconds))
    return tried


@pytest.mark.parametrize("quickest", ["openvino", "torch", "onnxruntime"])
def test_for_many_pictures_the_quickest_engine_is_found(monkeypatch: pytest.MonkeyPatch, quickest: str) -> None:
    seconds = {name: 0.1 if name == quickest else 0.15 for name in ("openvino", "torch", "onnxruntime")}
    tried = slow(monkeypatch, seconds)
    found = stylizer_module.make_stylizer(None, StylizeOptions(size=64, strength=50), 1000)
    assert found.chosen == quickest
    assert tried == list(seconds)
    assert found.options.engine == "auto"  # a recipe says what was asked for


@pytest.mark.parametrize(("pictures", "engine"), [(1, "auto"), (1000, "torch")])
def test_for_few_pictures_or_a_named_engine_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch, pictures: int, engine: str
) -> None:
    tried = slow(monkeypatch, {"openvino": 1.0, "torch": 0.1})
    stylizer_module.make_stylizer(None, StylizeOptions(size=64, engine=engine), pictures)
    assert tried == [engine]


def test_what_takes_long_ends_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = slow(monkeypatch, {"openvino": 0.6, "torch": 0.1})
    assert stylizer_module.make_stylizer(None, StylizeOptions(size=64), 1000).chosen == "openvino"
    assert tried == ["openvino"]


def test_a_folder_says_which_engine_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engines that are installed here, and a trained network."""
    monkeypatch.setattr(stylizer_module, "MANY", 2)
    network = transform.TransformNet(transform.PLANS["light"])
    path = transform.Trained("light", network, ("a",)).save(tmp_path / "a.safetensors")
    arguments = ["stylize", str(VALLEY), str(WOODCUT), "--model", str(path), "-o", str(tmp_path / "out")]
    assert cli.run([*arguments, "--size", "48"]) == 0
    assert re.search(r"a\.safetensors by (OpenVINO|torch|ONNX Runtime) ", capsys.readouterr().err)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "which", lambda name: None)
    with pytest.raises(OptionError, match="C\\+\\+ compiler"):
        engines.choose("compile", torch.device("cpu"))
