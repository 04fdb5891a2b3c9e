"""export(network, path): a trained network as a file for other programs.

That is ONNX (.onnx), OpenVINO (.xml and .bin), torch alone (.pt), or a page for a browser (.html).

The style, a mixture or a strength is fixed in the file; height and width are not. What was written is run once and compared
with torch before it is called done.
"""

import importlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from impasto import engines, saving, transform, webpage
from impasto.errors import OptionError, OutputError
from impasto.opening import FilePath
from impasto.options import FORMATS, StylizeOptions
from impasto.transform import TransformNet

TOLERANCE = 2e-3  # of pixels in [0, 1], in float32
EXAMPLE, PROOF = (64, 80), (75, 101)  # height and width: what is converted with, and what is compared at
INPUT, OUTPUT = "photo", "painting"


class Fixed(nn.Module):
    """A network with one row: (N, 3, H, W) in [0, 1] -> the same.

    ends: the rows of the style and, where the network has it, of the photo, between which `strength` stands.
    """

    def __init__(
        self, network: TransformNet, row: Tensor, ends: Sequence[Tensor] = (), strength: float = 100.0
    ) -> None:
        super().__init__()
        self.network, self.row, self.ends, self.strength = network, nn.Buffer(row), tuple(ends or (row,)), strength

    def forward(self, photo: Tensor) -> Tensor:
        return self.network(photo, self.row)


def export(
    network: FilePath, path: FilePath, *, style_weights: tuple[float, ...] = (), strength: float = 100.0
) -> float:
    """Write a network that `train` made in the format of the path's suffix; returns the largest difference to torch.

    network: its safetensors file. style_weights, strength: as of `stylize`. In the file, the input "photo" and the output
    "painting" are float32 (1, 3, H, W), sRGB in [0, 1], of any height and width from 16. Raises WeightsError, OptionError
    or OutputError.
    """
    options = StylizeOptions(strength=strength, style_weights=style_weights)  # which checks them
    write = writer(path)
    trained = transform.load(network)
    if not isinstance(trained.network, TransformNet):
        raise OptionError(
            f"{network} is presto, which needs the eigenvectors of every photo's statistics, and these formats have none. "
            "Train with --network light for an export."
        )
    weights = options.style_weights
    ends = [trained.row(weights, share) for share in ((1.0, 0.0) if trained.has_photo else (1.0,))]
    row = trained.row(weights, options.strength / 100)
    module = Fixed(trained.network, row, ends, options.strength).eval()
    with tempfile.TemporaryDirectory(dir=Path(path).absolute().parent, prefix=".impasto-") as folder:
        run = write(module, Path(folder, Path(path).name))
        apart = difference(module, run)
        if not apart <= TOLERANCE:
            raise OutputError(
                f"{path} was not written: what it paints is {apart:.2g} away from torch's, more than {TOLERANCE}. Try "
                "other versions of the exporting packages."
            )
        for written in sorted(Path(folder).iterdir(), key=lambda one: one.suffix == Path(path).suffix):
            saving.write(written.read_bytes(), Path(path).with_name(written.name))  # the named file last
    return apart


Runs = Callable[[np.ndarray], np.ndarray]


def difference(module: nn.Module, run: Runs) -> float:
    """The largest difference of a pixel between torch and the file, on a picture of another size than the example."""
    photo = smooth_noise(PROOF)
    with torch.no_grad():
        expected = module(photo).numpy()
        return float(np.abs(run(photo.numpy()) - expected).max())


def smooth_noise(shape: tuple[int, int]) -> Tensor:
    """A picture of soft blobs with some grain, (1, 3, H, W), the same at every call."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 7, generator=generator)
    image = nn.functional.interpolate(coarse, shape, mode="bicubic")
    return (image + 0.1 * torch.rand(1, 3, *shape, generator=generator)).clamp(0, 1)


def writer(path: FilePath) -> Callable[[nn.Module, Path], Runs]:
    """What writes the format. Raises OutputError for an unknown suffix or a place that cannot be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        raise OutputError(f"A network cannot be exported as {path}: choose a name that ends in {', '.join(WRITERS)}.")
    saving.check_writable(path)
    return WRITERS[suffix]


def write_onnx(module: nn.Module, path: Path) -> Runs:
    """ONNX, one file, weights inside; run by ONNX Runtime."""
    runtime, _, _ = (needed(name, "export") for name in ("onnxruntime", "onnx", "onnxscript"))
    sides = {2: torch.export.Dim("height", min=16, max=16384), 3: torch.export.Dim("width", min=16, max=16384)}
    with silence("torch.onnx", "onnxscript", "onnx_ir"):
        torch.onnx.export(
            module,
            (smooth_noise(EXAMPLE),),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(sides,),
            external_data=False,
            verbose=False,
            dynamo=True,
        )
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda photo: session.run([OUTPUT], {INPUT: photo})[0]


def write_openvino(module: nn.Module, path: Path) -> Runs:
    """OpenVINO's .xml and .bin; compared in float32, as the device may choose less."""
    needed("openvino", "fast")
    openvino = engines.silent_openvino()
    with silence(), torch.no_grad():
        model = openvino.convert_model(module, example_input=(smooth_noise(EXAMPLE),), input=[1, 3, -1, -1])
    model.inputs[0].get_tensor().set_names({INPUT})
    model.outputs[0].get_tensor().set_names({OUTPUT})
    openvino.save_model(model, path, compress_to_fp16=False)
    program = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda photo: program([photo])[0]


def write_torch(module: nn.Module, path: Path) -> Runs:
    """TorchScript, for `torch.jit.load` in Python and C++, which need nothing of impasto's.

    `torch.export` does not see that a picture whose size is rounded up is never smaller than the photo.
    """
    with silence(), torch.no_grad():
        torch.jit.trace(module, (smooth_noise(EXAMPLE),)).save(path)
        program = torch.jit.load(path)
    return lambda photo: program(torch.from_numpy(photo)).numpy()


def write_page(module: nn.Module, path: Path) -> Runs:
    """A web page; what is compared is its list of steps, run by torch: see `webpage`."""
    assert isinstance(module, Fixed)
    steps = list(webpage.steps(module.network))
    path.write_text(webpage.page(steps, module.ends, path.stem, module.strength), encoding="utf-8")
    return lambda photo: webpage.run(steps, torch.from_numpy(photo), module.row).numpy()


@contextmanager
def silence(*loggers: str) -> Iterator[None]:
    """What the exporters say about themselves in the block is not shown."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in loggers:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


WRITERS: dict[str, Callable[[nn.Module, Path], Runs]] = {
    FORMATS["onnx"]: write_onnx,
    FORMATS["openvino"]: write_openvino,
    FORMATS["torch"]: write_torch,
    FORMATS["html"]: write_page,
}


def needed(name: str, extra: str) -> Any:
    """A package of an extra. Raises OptionError where it is missing."""
    try:
        return engines.silent_openvino() if name == "openvino" else importlib.import_module(name)
    except ImportError as error:
        raise OptionError(f"This export needs {name}: pip install 'impasto[{extra}]'.") from error
