"""Engines: what runs a feed-forward network. Each turns a torch module into a program that is called with tensors.

OpenVINO (`pip install 'impasto[fast]'`) is the quickest for most networks; ONNX Runtime (`'impasto[export]'`) runs on
many; `torch.compile` needs a C++ compiler and more than a minute at the first picture; plain torch is always there. A
program says which of them it is.
"""

import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import torch
from torch import Tensor, nn

import impasto
from impasto.errors import OptionError
from impasto.options import EngineName, Precision
from impasto.weights import cache_folder

Run = Callable[..., Sequence[Tensor]]
EXTRAS = {"openvino": "fast", "onnxruntime": "export"}  # packages that run on a processor alone, and want float32


@dataclass(frozen=True)
class Program:
    """Tensors in, tensors out. engine: what runs it, in which precision, in words."""

    engine: str
    run: Run

    def __call__(self, *tensors: Tensor) -> Sequence[Tensor]:
        with torch.inference_mode():
            return self.run(*tensors)


def choose(name: EngineName, device: torch.device) -> EngineName:
    """The engine of that name; "auto" is OpenVINO on a processor that has it, otherwise plain torch.

    Raises OptionError where it is not to be had.
    """
    if name == "auto":
        return "openvino" if "openvino" in installed(device) else "torch"
    if name in EXTRAS and name not in installed(device):
        raise OptionError(
            f"--engine {name} needs a processor as device and the package: pip install 'impasto[{EXTRAS[name]}]', or "
            "choose torch."
        )
    if name == "compile" and device.type == "cpu" and not any(map(which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise OptionError("--engine compile needs a C++ compiler, g++ or clang++: install one, or choose torch.")
    return name


def installed(device: torch.device) -> list[EngineName]:
    """The engines that can be had at once, the likeliest to be quick first: all but `compile`."""
    names: tuple[EngineName, ...] = ("openvino", "torch", "onnxruntime")
    return [name for name in names if name == "torch" or (device.type == "cpu" and find_spec(name) is not None)]


def precision(engine: EngineName, asked: Precision) -> Precision:
    """What a network is to be given in: OpenVINO chooses its own, and ONNX Runtime has one."""
    return "float32" if engine in EXTRAS else asked


def prepare(module: nn.Module, example: Sequence[Tensor], engine: EngineName, key: str) -> Program:
    """The module as a program of that engine, for any height and width.

    example: inputs of the module, whose last dtype is that of the network. key: a name for the cache that changes with
    the module's weights.
    """
    if engine == "openvino":
        return openvino_program(module, example, key)
    if engine == "onnxruntime":
        return onnxruntime_program(module, example)
    dtype = str(example[-1].dtype).removeprefix("torch.")
    words = f"torch {torch.__version__.split('+')[0]} in {dtype} on {example[0].device}"
    words += f", {module.engine}" if hasattr(module, "engine") else ""
    if engine == "compile":
        return Program(f"{words}, compiled", torch.compile(module, dynamic=True))
    return Program(words, module)


def openvino_program(module: nn.Module, example: Sequence[Tensor], key: str) -> Program:
    """By OpenVINO, which converts the module at its first use and keeps the result in the cache folder."""
    openvino = silent_openvino()
    core = openvino.Core()
    version = openvino.__version__.split("-")[0]
    path = cache_folder() / "openvino" / f"{key}-{impasto.__version__}-{version}.xml"
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    with converted(module, example, path) as form:
        try:
            program = core.compile_model(form, "CPU", settings)
        except RuntimeError:  # half a file, which a power cut may leave
            convert(module, example, form)
            program = core.compile_model(form, "CPU", settings)
    hint = program.get_property("INFERENCE_PRECISION_HINT").to_string()

    def run(*tensors: Tensor) -> list[Tensor]:
        # results are copies: a photo's features outlast the call for the next region's
        results = program([tensor.float().contiguous().numpy() for tensor in tensors], share_inputs=True)
        return [torch.from_numpy(results[index]) for index in range(len(results))]

    return Program(f"OpenVINO {version} in {hint} on cpu", run)


def onnxruntime_program(module: nn.Module, example: Sequence[Tensor]) -> Program:
    """By ONNX Runtime. torch's older exporter takes a third of a second and the newer one ten, so nothing is kept."""
    onnxruntime = importlib.import_module("onnxruntime")
    names = [f"input{number}" for number in range(len(example))]
    moving = {name: [1, 2, 3] for name, tensor in zip(names, example, strict=True) if tensor.ndim == 4}
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads sleep
    with warnings.catch_warnings(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # as for OpenVINO, and that there is a newer exporter
        path = Path(folder, "network.onnx")
        torch.onnx.export(module, tuple(example), path, input_names=names, dynamic_axes=moving, dynamo=False)
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])

    def run(*tensors: Tensor) -> list[Tensor]:
        given = {name: tensor.float().numpy() for name, tensor in zip(names, tensors, strict=True)}
        return [torch.from_numpy(result) for result in session.run(None, given)]

    return Program(f"ONNX Runtime {onnxruntime.__version__} in float32 on cpu", run)


def silent_openvino() -> Any:
    """The package, without the telemetry that it sends when imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "not installed", to the import below
    return importlib.import_module("openvino")


@contextmanager
def converted(module: nn.Module, example: Sequence[Tensor], path: Path) -> Iterator[Path]:
    """OpenVINO's form of the module: at `path`, where it stays, or for this time alone where nothing can be written."""
    try:
        if not path.exists():
            convert(module, example, path)
    except OSError:
        with tempfile.TemporaryDirectory() as folder:
            convert(module, example, Path(folder, path.name))
            yield Path(folder, path.name)
    else:
        yield path


def convert(module: nn.Module, example: Sequence[Tensor], path: Path) -> None:
    """Write OpenVINO's form of the module: .bin and .xml, the latter last, so that where it is, all is."""
    openvino = silent_openvino()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's: sizes that it takes for constants are those of the network
        model = openvino.convert_model(module, example_input=tuple(example))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        openvino.save_model(model, Path(folder, path.name))
        for suffix in (".bin", ".xml"):
            Path(folder, path.name).with_suffix(suffix).replace(path.with_suffix(suffix))
