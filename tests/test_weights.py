"""The whole way of the weights, from a server on this machine or a file of the true layout to tensors by name."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from impasto import weights
from impasto.errors import WeightsError
from impasto.weights import DOWNLOADS, Download, cache_folder, cached, download, from_file, shipped

# VGG-19 with a few channels: how many convolutions each block has, and how wide it is
VGG19 = [(2, 4), (2, 6), (4, 8), (4, 10), (4, 10)]
VGG16 = [(2, 4), (2, 6), (3, 8), (3, 10), (3, 10)]
VGG19_PLACES = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]  # of the convolutions in `features`


def network(blocks: list[tuple[int, int]] = VGG19, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state, width = {}, 3
    for block, (depth, channels) in enumerate(blocks, start=1):
        for layer in range(1, depth + 1):
            state[f"conv{block}_{layer}.weight"] = torch.randn(channels, width, 3, 3, generator=generator)
            state[f"conv{block}_{layer}.bias"] = torch.randn(channels, generator=generator)
            width = channels
    return state


def shapes_of(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def numbered(state: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """The state dict torchvision would have: a convolution, a ReLU, ..., a pooling layer after each block."""
    result, place, block = {}, 0, "1"
    for key, tensor in state.items():
        if key.endswith("weight") and key[4] != block:
            place, block = place + 1, key[4]
        result[f"{prefix}features.{place}.{key.split('.')[1]}"] = tensor
        place += 2 * key.endswith("bias")
    for layer in (0, 3, 6):
        result[f"{prefix}classifier.{layer}.weight"] = torch.ones(5, 5)
        result[f"{prefix}classifier.{layer}.bias"] = torch.ones(5)
    return result


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return (
        list(found) == list(expected)
        and all(tensor.dtype == torch.float32 for tensor in found.values())
        and all(torch.equal(found[key], expected[key]) for key in expected)
    )


STATE = network()
SHAPES = shapes_of(STATE)


@dataclass
class Script:
    """What the server has, how it misbehaves, and what it was asked."""

    content: bytes = b""
    ignore_range: bool = False
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    statuses: list[int] = field(default_factory=list)  # of the next answers, instead of an answer
    range_shift: int = 0
    stall: threading.Event = field(default_factory=threading.Event)  # ends an answer that says nothing more
    stalled_in_vain: bool = False
    asked: list[str | None] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    def source(self, **changes: object) -> Download:
        digest = hashlib.sha256(self.content).hexdigest()
        return Download(**{"url": self.url, "bytes": len(self.content), "sha256": digest} | changes)  # type: ignore[arg-type]


class Server(ThreadingHTTPServer):
    block_on_close = False
    script: Script


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        script = self.server.script
        script.asked.append(self.headers["Range"])
        start = 0 if script.ignore_range else int((self.headers["Range"] or "bytes=0-")[6:-1])
        start += script.range_shift if start else 0
        if script.statuses or (start and start >= len(script.content)):
            self.send_error(script.statuses.pop(0) if script.statuses else 416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(script.content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(script.content) - 1}/{len(script.content)}")
        self.end_headers()
        body = script.content[start:]
        self._send(body[: script.cuts.pop(0)] if script.cuts else body)

    def _send(self, body: bytes) -> None:
        script = self.server.script
        script.sent += len(body)
        self.wfile.write(body)
        if self.path == "/stall":
            script.stalled_in_vain = not script.stall.wait(5)


@pytest.fixture
def script() -> Iterator[Script]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.script = Script(url=f"http://127.0.0.1:{server.server_port}/weights.pth")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.script
        server.script.stall.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, no address but the local server's and no waiting."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("IMPASTO_OFFLINE", raising=False)
    monkeypatch.setattr(weights, "DOWNLOADS", {"vgg19": Download("http://127.0.0.1:9/never", 1, "0")})
    monkeypatch.setattr(weights, "RETRY_PAUSE", 0.0)
    return tmp_path / "cache"


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# The table and the cache's place


def test_table_agrees_with_the_digits_in_the_file_names() -> None:
    assert set(DOWNLOADS) == {"vgg16", "vgg19", "vgg19-caffe"}
    for source in DOWNLOADS.values():
        digits = re.fullmatch(r"https://.*-([0-9a-f]{8})\.pth", source.url)
        assert digits
        assert source.sha256.startswith(digits[1])
        assert len(source.sha256) in (8, 64)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "home/.cache/impasto"),
        ("darwin", {}, "home/Library/Caches/impasto"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/impasto"),
        ("win32", {}, "home/AppData/Local/impasto"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, "xdg/impasto"),
        ("linux", {"XDG_CACHE_HOME": "xdg", "IMPASTO_CACHE": "own"}, "own"),
    ],
)
def test_cache_folder(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IMPASTO_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert cache_folder() == Path(expected)


# Download


def test_download_reports_progress(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(3 * weights.BLOCK + 17)
    progress: list[tuple[int, int]] = []
    download(script.source(), tmp_path / "new" / "file", lambda done, total: progress.append((done, total)))
    assert (tmp_path / "new" / "file").read_bytes() == script.content
    assert progress == sorted(progress)
    assert progress[-1] == (len(script.content),) * 2
    assert left_in(tmp_path / "new") == ["file"]


def test_part_is_resumed_with_the_missing_bytes_only(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(10_000)
    (tmp_path / "file.part").write_bytes(script.content[:6_000])
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    assert script.asked == ["bytes=6000-"]
    assert script.sent == 4_000
    assert left_in(tmp_path) == ["file"]


def test_complete_part_is_not_fetched_again(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(1_000)
    (tmp_path / "file.part").write_bytes(script.content)
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    assert script.asked == []


def test_broken_connections_are_resumed(script: Script, tmp_path: Path) -> None:
    script.content, script.cuts = os.urandom(10_000), [5_000, 2_000, 0]
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    assert script.asked == [None, "bytes=5000-", "bytes=7000-", "bytes=7000-"]
    assert script.sent == 10_000


def test_too_many_broken_connections_keep_the_part_for_the_next_call(script: Script, tmp_path: Path) -> None:
    script.content, script.cuts = os.urandom(10_000), [1_000] * 4
    with pytest.raises(WeightsError, match=r"broke off after 4,000 of 10,000 bytes.*--weights FILE"):
        download(script.source(), tmp_path / "file")
    assert left_in(tmp_path) == ["file.part"]
    download(script.source(), tmp_path / "file")
    assert script.sent == 10_000
    assert left_in(tmp_path) == ["file"]


def test_interrupted_by_the_user(script: Script, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    script.content = os.urandom(1_000)
    with pytest.raises(KeyboardInterrupt):
        download(script.source(bytes=None), tmp_path / "file", interrupt)
    assert left_in(tmp_path) == ["file.part"]


def test_stalled_connection_is_resumed(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "TIMEOUT", 0.1)
    script.content, script.cuts = os.urandom(10_000), [5_000]
    url = script.url.replace("/weights.pth", "/stall")
    download(script.source(url=url), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    assert script.asked == [None, "bytes=5000-"]
    assert not script.stalled_in_vain


@pytest.mark.parametrize("misbehavior", [{"ignore_range": True}, {"range_shift": 1}, {"statuses": [416]}])
def test_part_that_cannot_be_resumed_is_started_over(
    misbehavior: dict[str, object], script: Script, tmp_path: Path
) -> None:
    script.content = os.urandom(10_000)
    for name, value in misbehavior.items():
        setattr(script, name, value)
    (tmp_path / "file.part").write_bytes(script.content[:6_000])
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    assert script.asked[0] == "bytes=6000-"
    assert len(script.asked) <= 2


def test_part_longer_than_the_file_is_started_over(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(1_000)
    (tmp_path / "file.part").write_bytes(bytes(2_000))
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    assert script.asked == ["bytes=2000-", None]


def test_server_that_answers_416_to_everything(script: Script, tmp_path: Path) -> None:
    script.content, script.statuses = b"x", [416] * 9
    with pytest.raises(WeightsError, match="416"):
        download(script.source(), tmp_path / "file")
    assert len(script.asked) == 1


def test_wrong_content_is_deleted(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(1_000)
    with pytest.raises(WeightsError, match=r"does not have the expected SHA-256 .* it was deleted: try again"):
        download(script.source(sha256="0" * 64), tmp_path / "file")
    assert left_in(tmp_path) == []


def test_damaged_part_is_deleted_so_that_the_next_call_succeeds(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(1_000)
    (tmp_path / "file.part").write_bytes(bytes(500))
    with pytest.raises(WeightsError, match="SHA-256"):
        download(script.source(), tmp_path / "file")
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content


def test_file_known_by_the_first_digits_of_its_hash_alone(script: Script, tmp_path: Path) -> None:
    script.content = os.urandom(1_000)
    digits = script.source().sha256[:8]
    download(script.source(bytes=None, sha256=digits), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == script.content
    with pytest.raises(WeightsError, match="SHA-256"):
        download(script.source(bytes=None, sha256="z" + digits[1:]), tmp_path / "other")


def test_wrong_length_is_told_before_anything_is_fetched(script: Script, tmp_path: Path) -> None:
    script.content = b"<html>Please log in</html>"
    with pytest.raises(WeightsError, match=r"has 26 bytes instead of 574,673,361: .*login page"):
        download(script.source(bytes=574_673_361), tmp_path / "file")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 4)])
def test_http_errors(status: int, requests: int, script: Script, tmp_path: Path) -> None:
    script.statuses = [status] * 9
    with pytest.raises(WeightsError, match=f"HTTP Error {status}.*proxy.*by hand and give it with --weights FILE"):
        download(script.source(), tmp_path / "file")
    assert len(script.asked) == requests


def test_server_that_recovers(script: Script, tmp_path: Path) -> None:
    script.content, script.statuses = b"weights", [503, 500]
    download(script.source(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"weights"


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="refused"):
        download(Download("http://127.0.0.1:9/file", 1, "0"), tmp_path / "file")


def test_only_the_web_is_fetched_from(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(WeightsError, match="not an http or https address"):
        download(Download((tmp_path / "secret").as_uri(), None, ""), tmp_path / "file")


def test_folder_that_cannot_be_made(script: Script, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with pytest.raises(WeightsError, match=r"Cannot write .*IMPASTO_CACHE"):
        download(script.source(), tmp_path / "blocked" / "file")


# Cache


@pytest.fixture
def served(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    torch.save(numbered(STATE), tmp_path / "origin")
    script.content = (tmp_path / "origin").read_bytes()
    monkeypatch.setattr(weights, "DOWNLOADS", {"vgg19": script.source()})
    return script


def test_cached_downloads_once_and_keeps_the_convolutions_only(served: Script, cache: Path) -> None:
    assert not cache.exists()
    assert same(cached("vgg19", SHAPES), STATE)
    assert left_in(cache) == ["vgg19.safetensors"]
    assert len(safetensors.torch.load_file(cache / "vgg19.safetensors")) == len(STATE)
    assert same(cached("vgg19", SHAPES, offline=True), STATE)
    assert len(served.asked) == 1


def test_cache_filled_for_a_part_of_the_network_serves_the_whole(served: Script) -> None:
    part = dict(list(STATE.items())[:10])
    assert same(cached("vgg19", shapes_of(part)), part)
    assert same(cached("vgg19", SHAPES), STATE)
    assert len(served.asked) == 1


def test_cached_resumes_what_an_earlier_call_left(served: Script, cache: Path) -> None:
    served.cuts = [1_000, 0, 0, 0]
    with pytest.raises(WeightsError, match="broke off"):
        cached("vgg19", SHAPES)
    assert left_in(cache) == ["vgg19.part"]
    assert same(cached("vgg19", SHAPES), STATE)
    assert served.sent == len(served.content)
    assert left_in(cache) == ["vgg19.safetensors"]


def test_cached_at_once_in_several_threads(served: Script, cache: Path) -> None:
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(same(cached("vgg19", SHAPES), STATE))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 6
    assert left_in(cache) == ["vgg19.safetensors"]


def test_nothing_unverified_enters_the_cache(script: Script, served: Script, cache: Path) -> None:
    script.content = bytes(len(script.content))
    with pytest.raises(WeightsError, match="SHA-256"):
        cached("vgg19", SHAPES)
    assert left_in(cache) == []


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_offline(way: str, served: Script, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "environment":
        monkeypatch.setenv("IMPASTO_OFFLINE", "1")
    expected = re.escape(f"fetch {served.url} (0 MB) by hand and give it with --weights FILE.")
    with pytest.raises(WeightsError, match=f"'vgg19' .* offline: {expected}"):
        cached("vgg19", SHAPES, offline=way == "argument")
    assert served.asked == []
    assert not cache.exists()


def test_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = {key: tensor.half() for key, tensor in STATE.items()}
    safetensors.torch.save_file(half, tmp_path / "tiny.safetensors")
    monkeypatch.setattr(weights, "ASSETS", tmp_path)
    loaded = shipped("tiny")
    assert same({key: loaded[key] for key in half}, {key: tensor.float() for key, tensor in half.items()})
    with pytest.raises(WeightsError, match="install impasto again"):
        shipped("missing")


# Files of the user's own


def save(state: object, path: Path, **options: bool) -> Path:
    torch.save(state, path, **options)  # type: ignore[arg-type]
    return path


def test_layout_of_the_double_is_torchvisions() -> None:
    assert sorted({int(key.split(".")[1]) for key in numbered(STATE) if key.startswith("features")}) == VGG19_PLACES


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle as before 1.6"])
@pytest.mark.parametrize(
    "wrap",
    [
        numbered,
        dict,
        lambda state: numbered(state, "module."),
        lambda state: {"epoch": 3, "state_dict": numbered(state)},
        lambda state: {key: torch.nn.Parameter(tensor) for key, tensor in numbered(state).items()},
        lambda state: {key: tensor.double() for key, tensor in reversed(numbered(state).items())},
    ],
    ids=["torchvision", "ours", "module", "nested", "parameters", "double, in reverse"],
)
def test_torch_files(wrap, zipped: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = save(wrap(STATE), tmp_path / "any.name", _use_new_zipfile_serialization=zipped)
    loaded = from_file(path, SHAPES)
    assert same(loaded, STATE)
    assert not any(tensor.requires_grad for tensor in loaded.values())


@pytest.mark.parametrize("wrap", [dict, numbered], ids=["ours", "torchvision"])
def test_safetensors_files(wrap, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    safetensors.torch.save_file(wrap(STATE), tmp_path / "file.safetensors")
    assert same(from_file(tmp_path / "file.safetensors", SHAPES), STATE)


def kernel_of_matconvnet(weight: Tensor) -> np.ndarray:
    """Caffe's out x in x height x width as import-caffe.py writes it."""
    return weight.numpy().transpose().transpose(1, 0, 2, 3)


def save_mat(state: dict[str, Tensor], path: Path) -> Path:
    """A cell of structs, each with a cell of two arrays, as in imagenet-vgg-verydeep-19.mat of 2015.

    Its dtype is printed in public notebooks: [('weights', 'O'), ('pad', 'O'), ('type', 'O'), ('name', 'O'),
    ('stride', 'O')].
    """
    from scipy.io import savemat

    layers: list[dict[str, object]] = []
    for name in dict.fromkeys(key.split(".")[0] for key in state):
        kernel = kernel_of_matconvnet(state[f"{name}.weight"])
        if name == "conv1_1":
            kernel = kernel[:, :, ::-1]  # BGR to RGB
        layers += [mat_layer(name, kernel, state[f"{name}.bias"].numpy())]
        layers += [{"type": "relu", "name": name.replace("conv", "relu")}]
    layers += [mat_layer("fc6", np.ones((7, 7, 10, 5), np.float32), np.ones(5, np.float32))]
    layers += [{"type": "softmax", "name": "prob"}]
    normalization = {"averageImage": np.array([123.68, 116.779, 103.939]).reshape(1, 1, 3)}
    savemat(path, {"layers": np.array(layers).reshape(1, -1), "normalization": normalization}, oned_as="row")
    return path


def mat_layer(name: str, kernel: np.ndarray, bias: np.ndarray) -> dict[str, object]:
    pair = np.empty((1, 2), dtype=object)
    pair[0, 0], pair[0, 1] = kernel, bias.reshape(1, -1)
    return {"weights": pair, "pad": np.ones((1, 4)), "type": "conv", "name": name, "stride": np.ones((1, 2))}


def test_mat_file(tmp_path: Path) -> None:
    assert same(from_file(save_mat(STATE, tmp_path / "vgg.mat"), SHAPES), STATE)


def test_mat_kernel_is_the_published_one() -> None:
    """The first numbers of the real file, as printed in a public tutorial, against Caffe's of the same filter, which
    lie at these (channel in BGR, row, column)."""
    caffe = torch.zeros(1, 3, 3, 3)
    for place, value in {(2, 0, 0): 0.394167, (1, 0, 0): 0.464184, (2, 0, 1): 0.377403, (2, 1, 0): 0.26713}.items():
        caffe[0][place] = value
    published = kernel_of_matconvnet(caffe)[:, :, ::-1, 0]
    expected = [0.394167, 0.464184, 0.377403, 0.26713]
    assert np.allclose([published[0, 0, 0], published[0, 0, 1], published[0, 1, 0], published[1, 0, 0]], expected)


def test_mat_without_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_mat(STATE, tmp_path / "vgg.mat")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(WeightsError, match=re.escape("pip install 'impasto[mat]'")):
        from_file(path, SHAPES)


@pytest.mark.parametrize("wrap", [dict, numbered], ids=["ours", "torchvision"])
def test_file_that_ends_earlier_gives_a_shorter_network(wrap, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first = dict(list(STATE.items())[:10])  # to conv3_1
    assert list(first)[-1] == "conv3_1.bias"
    assert same(from_file(save(wrap(first), tmp_path / "file.pth"), SHAPES), first)


def test_file_that_goes_on_is_cut(tmp_path: Path) -> None:
    path = save(numbered(STATE), tmp_path / "file.pth")
    first = dict(list(STATE.items())[:6])
    assert same(from_file(path, shapes_of(first)), first)


def test_other_tensors_are_ignored(tmp_path: Path) -> None:
    extra = {"preprocess.weight": torch.ones(3, 3, 1, 1), "to_vgg1_1.weight": torch.ones(4, 4, 1, 1)}
    assert same(from_file(save(STATE | extra, tmp_path / "file.pth"), SHAPES), STATE)


# Files that are refused


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (numbered, r"conv3_4\.weight in .* shape \(10, 8, 3, 3\) where .* \(8, 8, 3, 3\): .* VGG-16"),
        (dict, r"conv4_1 where the network has conv3_4: it looks like VGG-16"),
    ],
    ids=["torchvision", "ours"],
)
def test_weights_of_vgg16_for_vgg19(wrap, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WeightsError, match=message):
        from_file(save(wrap(network(VGG16)), tmp_path / "file.pth"), SHAPES)


def test_weights_of_vgg19_for_vgg16(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="conv3_4 where the network has conv4_1: it looks like VGG-19"):
        from_file(save(STATE, tmp_path / "file.pth"), shapes_of(network(VGG16)))


def test_batch_normalization_is_not_skipped(tmp_path: Path) -> None:
    state = numbered(STATE) | {f"features.1.{kind}": torch.ones(4) for kind in ("weight", "bias", "running_mean")}
    with pytest.raises(WeightsError, match=r"conv1_2.* VGG-19 with batch normalization"):
        from_file(save(state, tmp_path / "file.pth"), SHAPES)


def test_gap(tmp_path: Path) -> None:
    state = {key: tensor for key, tensor in STATE.items() if not key.startswith("conv2_2")}
    with pytest.raises(WeightsError, match="has conv3_1 where the network has conv2_2"):
        from_file(save(state, tmp_path / "file.pth"), SHAPES)


def test_missing_bias(tmp_path: Path) -> None:
    state = {key: tensor for key, tensor in numbered(STATE).items() if key != "features.5.bias"}
    with pytest.raises(WeightsError, match=r"conv2_1\.bias in .*file\.pth is missing"):
        from_file(save(state, tmp_path / "file.pth"), SHAPES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none(value: float, tmp_path: Path) -> None:
    state = {key: tensor.clone() for key, tensor in STATE.items()}
    state["conv2_1.weight"][0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match=r"conv2_1\.weight in .*infinite or not a number"):
        from_file(save(state, tmp_path / "file.pth"), SHAPES)


@pytest.mark.parametrize("content", [{"classifier.0.weight": torch.ones(2, 2)}, [1, 2], torch.ones(3), {}])
def test_no_convolutions(content: object, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"file\.pth has no convolutions"):
        from_file(save(content, tmp_path / "file.pth"), SHAPES)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.marker, "run")


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_with_code_is_not_run(zipped: bool, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = save(numbered(STATE) | {"trap": Trap(marker)}, tmp_path / "f.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"f\.pth is damaged or holds more than plain tensors"):
        from_file(path, SHAPES)
    assert not marker.exists()
    torch.load(path, weights_only=False)  # the trap does work
    assert marker.exists()


def test_whole_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="state_dict"):
        from_file(save(torch.nn.Conv2d(3, 3, 3), tmp_path / "model.pth"), SHAPES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"404: Not Found\n", "not a weights file"),
        (b"{}", "not a weights file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a weights file"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100), "not a weights file"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b"\x80\x02" + bytes(100), "damaged"),
        (b"MATLAB 5.0 MAT-file" + bytes(10), "damaged"),
        (b"MATLAB 7.3 MAT-file" + bytes(600), "damaged"),
        ((10**9).to_bytes(8, "little") + b'{"conv', "damaged"),
    ],
)
def test_files_that_are_none(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"weights\.pth is {message}"):
        from_file(tmp_path / "weights.pth", SHAPES)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["zip", "pickle", "safetensors", "mat"])
def test_truncated_files(kind: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.file"
    if kind == "mat":
        save_mat(STATE, path)
    elif kind == "safetensors":
        safetensors.torch.save_file(STATE, path)
    else:
        save(numbered(STATE), path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(WeightsError, match=r"cut\.file is damaged"):
        from_file(path, SHAPES)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"Cannot read the weights file .*none\.pth: No such file"):
        from_file(tmp_path / "none.pth", SHAPES)
    with pytest.raises(WeightsError, match="Cannot read the weights file"):
        from_file(tmp_path, SHAPES)
