"""Find, download, verify, load and convert the weights of VGG-like networks.

Every loader returns float32 tensors on the CPU under the names `conv1_1.weight`, `conv1_1.bias`, `conv1_2.weight`, ...
(block, then depth within it), whatever the file calls them. What fails on the way is a `WeightsError`.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import safetensors.torch
import torch
from torch import Tensor

from impasto.errors import WeightsError
from impasto.opening import sha256
from impasto.shipped import ASSETS

Shapes = Mapping[str, tuple[int, ...]]
Progress = Callable[[int, int], None]

TIMEOUT = 30.0  # seconds without a byte after which a connection counts as broken
RETRIES = 3
RETRY_PAUSE = 1.0  # seconds
BLOCK = 1 << 20  # bytes

# torchvision's names and ours: what else a file holds, such as a classifier, matches neither and is ignored
NUMBERED = re.compile(r"features\.(\d+)\.(weight|bias)")
NAMED = re.compile(r"conv(\d+)_(\d+)\.(weight|bias)")
NETWORKS = {8: "VGG-11", 10: "VGG-13", 13: "VGG-16", 16: "VGG-19"}  # by number of convolutions


@dataclass(frozen=True)
class Download:
    """A file on the web: its length in bytes, if known, and the hexadecimal digits that its SHA-256 begins with."""

    url: str
    bytes: int | None
    sha256: str


DOWNLOADS = {
    # PyTorch puts the first 8 digits of a file's SHA-256 into its name; the whole hashes and the lengths of these two
    # are what several public projects have each recorded of them.
    "vgg19": Download(
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    ),
    "vgg16": Download(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    # Oxford's own weights by way of github.com/jcjohnson/pytorch-vgg; input BGR, 0-255, less its mean. Nobody seems to
    # have recorded more than the name's 8 digits. (What neural-style-pt saves under this name is another file.)
    "vgg19-caffe": Download("https://web.eecs.umich.edu/~justincj/models/vgg19-d01eb7cb.pth", None, "d01eb7cb"),
}


def cache_folder() -> Path:
    """$IMPASTO_CACHE, else `impasto` in $XDG_CACHE_HOME or where the system keeps caches. It may not exist yet."""
    if own := os.environ.get("IMPASTO_CACHE"):
        return Path(own).expanduser()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg, "impasto")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local", "impasto")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "impasto"


def shipped(name: str) -> dict[str, Tensor]:
    """The weights in `assets/NAME.safetensors`, which come with the package in half precision."""
    try:
        state = safetensors.torch.load((ASSETS / f"{name}.safetensors").read_bytes())
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"The weights {name!r} of impasto itself cannot be read: install impasto again.") from error
    return {key: tensor.float() for key, tensor in state.items()}


def cached(
    name: str, shapes: Shapes, *, offline: bool = False, on_progress: Progress | None = None
) -> dict[str, Tensor]:
    """The weights `name` of `DOWNLOADS`, downloaded and converted the first time, from the cache ever after.

    Of the file only the convolutions are kept: 80 MB of VGG-19's 575. Offline, by argument or by IMPASTO_OFFLINE=1 in
    the environment, nothing is downloaded. `shapes` is that of `from_file`, `on_progress` that of `download`.
    """
    path = cache_folder() / f"{name}.safetensors"
    if not path.is_file():
        source = DOWNLOADS[name]
        if offline or os.environ.get("IMPASTO_OFFLINE", "0") not in ("", "0"):
            raise WeightsError(f"The weights {name!r} are not in {path.parent} and impasto is offline: {_hand(source)}")
        _fill_cache(source, path, on_progress)
    return from_file(path, shapes)


def _fill_cache(source: Download, path: Path, on_progress: Progress | None) -> None:
    """Download `source` and write its convolutions to `path`, under the file's own names for them: ours depend on how
    much of the network a caller asks for. Two processes may do this at once; the later result replaces its equal."""
    with _writing(path), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        archive, converted = Path(folder, "download"), Path(folder, "converted")
        download(source, archive, on_progress, part=path.with_suffix(".part"))
        state = {key: tensor.contiguous() for key, tensor in _read(archive).items() if NUMBERED.fullmatch(key)}
        safetensors.torch.save_file(state, converted, metadata={"source": source.url})
        converted.replace(path)


def download(source: Download, path: Path, on_progress: Progress | None = None, *, part: Path | None = None) -> None:
    """Download `source` to `path`, where nothing ever stands that has not passed its checksum.

    What an interrupted download leaves in `part`, by default `PATH.part`, is resumed, at once and on the next call.
    `on_progress(bytes_done, bytes_total)` is called after every block; the total is 0 while it is unknown.
    """
    if not source.url.startswith(("https://", "http://")):
        raise WeightsError(f"{source.url} is not an http or https address, and impasto downloads from no other.")
    with _writing(path), _claimed(part or path.with_name(f"{path.name}.part")) as own:
        _fetch(source, own, on_progress)
        _verify(source, own)
        own.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"Cannot write {path} ({error}): make room, or set IMPASTO_CACHE to another folder."
        ) from error


@contextmanager
def _claimed(part: Path) -> Iterator[Path]:
    """`part` under a name of this call's own for the time being, so that two processes never write into one file."""
    own = part.with_name(f"{part.name}.{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        part.replace(own)
    try:
        yield own
    finally:
        if own.exists():
            own.replace(part)


def _fetch(source: Download, part: Path, on_progress: Progress | None) -> None:
    """Complete `part`, coming back after every broken connection for the bytes still missing."""
    for attempt in range(RETRIES + 1):
        time.sleep(RETRY_PAUSE if attempt else 0)
        try:
            _receive(source, part, on_progress)
            return
        except HTTPError as error:
            error.close()
            failure: Exception = error
            if error.code == 416 and part.exists():  # the part reaches beyond the file's end: start over
                part.unlink()
            elif error.code < 500:
                break
        except (OSError, HTTPException) as error:
            failure = error
    raise WeightsError(
        f"The download of {source.url} failed ({failure}): check the network, the proxy and the free space and try "
        f"again, or {_hand(source)}"
    ) from failure


def _receive(source: Download, part: Path, on_progress: Progress | None) -> None:
    """Append, in one request, what `part` lacks; ConnectionError when the connection breaks off before the end."""
    done = part.stat().st_size if part.exists() else 0
    if done and done == source.bytes:
        return
    headers = {"User-Agent": "impasto"} | ({"Range": f"bytes={done}-"} if done else {})
    with urlopen(Request(source.url, headers=headers), timeout=TIMEOUT) as response:
        done = _first_byte(response, part, done)
        total = _total(response, source, done)
        with part.open("ab" if done else "wb") as file:
            while (not total or done < total) and (block := response.read1(BLOCK)):
                file.write(block)
                done += len(block)
                if on_progress:
                    on_progress(done, total)
    if done < total:
        raise ConnectionError(f"the connection broke off after {done:,} of {total:,} bytes")


def _first_byte(response: HTTPResponse, part: Path, asked: int) -> int:
    """The position at which the answer begins: 0 from a server that ignores the Range and sends everything."""
    if response.status != 206:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
        part.unlink()
        raise ConnectionError("the server sent another range than the one asked for")
    return asked


def _total(response: HTTPResponse, source: Download, start: int) -> int:
    """The file's length, or 0. A wrong one is told here, before half a gigabyte has come for nothing."""
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else source.bytes or 0
    if source.bytes and total != source.bytes:
        raise WeightsError(
            f"{source.url} has {total:,} bytes instead of {source.bytes:,}: it has changed, or a proxy or a login page "
            "answers in its place; look at it in a browser, or give weights that you have with --weights FILE."
        )
    return total


def _verify(source: Download, part: Path) -> None:
    found = sha256(part)
    if not found.startswith(source.sha256):
        part.unlink()
        raise WeightsError(
            f"What came from {source.url} does not have the expected SHA-256 ({source.sha256}, not "
            f"{found}); it was deleted: try again, and if it fails again the file at the source has "
            "changed, so give weights that you trust with --weights FILE."
        )


def _hand(source: Download) -> str:
    size = f" ({source.bytes / 1e6:.0f} MB)" if source.bytes else ""
    return f"fetch {source.url}{size} by hand and give it with --weights FILE."


def from_file(path: Path, shapes: Shapes) -> dict[str, Tensor]:
    """The weights in a file of the user's own: `.safetensors`, PyTorch's `.pth` or `.pt`, or MatConvNet's `.mat`.

    `shapes` tells what the network has, such as {"conv1_1.weight": (64, 3, 3, 3), "conv1_1.bias": (64,)}. A file that
    ends earlier makes a shorter network; what it has beyond is ignored. Its names may be ours or torchvision's
    `features.N.weight`. A `.mat` comes out for BGR input, like "vgg19-caffe".
    """
    state = _read(path)
    named = _named(state, shapes)
    found, wanted = _layers(named), _layers(shapes)
    if not found:
        raise WeightsError(f"{path} has no convolutions called conv1_1 or features.0: give weights of a VGG network.")
    for have, want in zip(found, wanted, strict=False):
        if have != want:
            raise WeightsError(f"{path} has {have} where the network has {want}: it looks like {_guess(state)}.")
    keys = [key for key in shapes if key.split(".")[0] in found]
    for key in keys:
        if problem := _problem(named.get(key), shapes[key]):
            raise WeightsError(
                f"{key} in {path} {problem}: the file looks like {_guess(state)}; give whole weights of the right one."
            )
    return {key: named[key].detach().float().contiguous() for key in keys}


def _problem(tensor: Tensor | None, shape: tuple[int, ...]) -> str:
    if tensor is None:
        return "is missing"
    if tensor.shape != shape:
        return f"has the shape {tuple(tensor.shape)} where the network has {shape}"
    return "" if tensor.isfinite().all() else "has values that are infinite or not a number"


def _guess(state: Mapping[str, Tensor]) -> str:
    count = sum(tensor.shape[2:] == (3, 3) for tensor in state.values())
    network = NETWORKS.get(count, f"a network of {count} convolutions")
    return network + (" with batch normalization" if any("running_mean" in key for key in state) else "")


def _named(state: dict[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """Torchvision's layers under our names, in order. Batch normalization has numbers too and is not skipped: under the
    name of a convolution its shape is wrong, and the network is refused rather than run without it."""
    places = {key: int(match[1]) for key in state if (match := NUMBERED.fullmatch(key))}
    names = dict(zip(sorted(set(places.values())), _layers(shapes), strict=False))
    renamed = {f"{names[n]}.{key.split('.')[2]}": state[key] for key, n in places.items() if n in names}
    return renamed or state


def _layers(keys: Iterable[str]) -> list[str]:
    """The convolutions among `keys`, in the order of the chain."""
    found = {(int(match[1]), int(match[2])) for key in keys if (match := NAMED.fullmatch(key))}
    return [f"conv{block}_{depth}" for block, depth in sorted(found)]


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file under the names they have there. Its content, not its suffix, tells the format."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise WeightsError(f"Cannot read the weights file {path}: {error.strerror}.") from error
    if not head:
        raise WeightsError(f"The weights file {path} is empty: fetch it again.")
    reader = _reader(head)
    if reader is None:
        raise WeightsError(f"{path} is not a weights file: give a .safetensors, a PyTorch .pth or a MatConvNet .mat.")
    try:
        return reader(path)
    except WeightsError:
        raise
    except Exception as error:  # on damaged bytes the three parsers raise nearly anything
        raise WeightsError(f"{path} is damaged, cut short or of another kind: delete it and fetch it again.") from error


def _reader(head: bytes) -> Callable[[Path], dict[str, Tensor]] | None:
    if head.startswith(b"MATLAB"):
        return _read_mat
    if head.startswith((b"PK\x03\x04", b"\x80")):  # a zip archive or, as PyTorch wrote before 1.6, a bare pickle
        return _read_torch
    return safetensors.torch.load_file if head[8:] == b"{" else None  # JSON, after its length in eight bytes


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged or holds more than plain tensors, and such a pickle can run any code, so impasto does "
            "not load it: fetch it again, or save the network with torch.save(network.state_dict(), FILE)."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {key.removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)}


def _read_mat(path: Path) -> dict[str, Tensor]:
    """The convolutions of MatConvNet's imagenet-vgg-verydeep-16 or -19, for BGR input.

    Kernels there are height x width x in x out: import-caffe.py of MatConvNet makes them so from Caffe's, and the first
    numbers of the published file agree with Caffe's. Programs that trust vl_nnconv's help text ("FW x FH") and swap the
    first two axes transpose every filter. The same script turned the first layer's input from BGR into RGB.
    """
    try:
        from scipy.io import loadmat  # type: ignore[import-untyped]
    except ImportError:
        raise WeightsError(f"Reading {path} takes SciPy: pip install 'impasto[mat]'.") from None
    state = {}
    for layer in loadmat(path, simplify_cells=True, variable_names=["layers"])["layers"]:
        if layer["type"] == "conv" and layer["name"].startswith("conv"):  # fc6 to fc8 are of that type as well
            kernel, bias = layer["weights"]
            state[f"{layer['name']}.weight"] = torch.from_numpy(kernel).permute(3, 2, 0, 1)
            state[f"{layer['name']}.bias"] = torch.from_numpy(bias.reshape(-1))
    state["conv1_1.weight"] = state["conv1_1.weight"].flip(1)
    return state
