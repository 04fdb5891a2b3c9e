"""Engines: what runs a feed-forward network. Each turns a torch module into a program that is called with tensors.

OpenVINO (`pip install 'impasto[fast]'`) is the quickest on a processor; `torch.compile` needs a C++ compiler and more
than a minute at the first picture; plain torch is always there. A program says which of them it is.
"""

import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import torch
from torch import Tensor, nn

from impasto.errors import OptionError
from impasto.options import EngineName
from impasto.weights import cache_folder

Run = Callable[..., Sequence[Tensor]]


@dataclass(frozen=True)
class Program:
    """Tensors in, tensors out, which last until the next call. engine: what runs it, in which precision, in words."""

    engine: str
    run: Run

    def __call__(self, *tensors: Tensor) -> Sequence[Tensor]:
        with torch.inference_mode():
            return self.run(*tensors)


def choose(name: EngineName, device: torch.device) -> EngineName:
    """The engine of that name; "auto" is OpenVINO on a processor that has it, otherwise plain torch.

    Raises OptionError where it is not to be had.
    """
    installed = find_spec("openvino") is not None and device.type == "cpu"
    if name == "auto":
        return "openvino" if installed else "torch"
    if name == "openvino" and not installed:
        raise OptionError(
            "--engine openvino needs a processor as device and the package: pip install 'impasto[fast]', or choose torch."
        )
    if name == "compile" and device.type == "cpu" and not any(map(which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise OptionError("--engine compile needs a C++ compiler, g++ or clang++: install one, or choose torch.")
    return name


def prepare(module: nn.Module, example: Sequence[Tensor], engine: EngineName, key: str) -> Program:
    """The module as a program of that engine, for any height and width.

    example: inputs of the module, whose last dtype is that of the network. key: a name for the cache that changes with
    the module's weights.
    """
    if engine == "openvino":
        return openvino_program(module, example, key)
    precision = str(example[-1].dtype).removeprefix("torch.")
    words = f"torch {torch.__version__.split('+')[0]} in {precision} on {example[0].device}"
    if engine == "compile":
        return Program(f"{words}, compiled", torch.compile(module, dynamic=True))
    return Program(words, module)


def openvino_program(module: nn.Module, example: Sequence[Tensor], key: str) -> Program:
    """By OpenVINO, which converts the module at its first use and keeps the result in the cache folder."""
    openvino = silent_openvino()
    core = openvino.Core()
    path = cache_folder() / "openvino" / f"{key}-{openvino.__version__.split('-')[0]}.xml"
    if not path.exists():
        convert(module, example, path)
    threads = torch.get_num_threads()
    program = core.compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads})
    precision = program.get_property("INFERENCE_PRECISION_HINT").to_string()

    def run(*tensors: Tensor) -> list[Tensor]:
        results = program(
            [tensor.float().contiguous().numpy() for tensor in tensors], share_inputs=True, share_outputs=True
        )
        return [torch.from_numpy(results[index]) for index in range(len(results))]

    return Program(f"OpenVINO {openvino.__version__.split('-')[0]} in {precision} on cpu", run)


def silent_openvino() -> Any:
    """The package, without the telemetry that it sends when imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "not installed", to the import below
    return importlib.import_module("openvino")


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
