"""The machine: device and precision, and how much memory is there, also where a container allows less than it has."""

from pathlib import Path
from typing import Any

import pytest
import torch

from impasto import machine

CPU = torch.device("cpu")
WHOLE = 2**62  # bytes: what first-version groups have in place of no limit


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that plays /sys/fs/cgroup for a process that is in no group."""
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "sys")
    monkeypatch.setattr(machine, "MEMBERSHIP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("1:cpu:/elsewhere\n")
    return tmp_path / "sys"


def group(folder: Path, version: int, limit: object, used: int, idle: int) -> None:
    """A group as Linux shows it. idle: bytes of files' contents that are used but can be had back at once."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if version == 1 else ("memory.max", "memory.current")
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    idle_name = "total_inactive_file" if version == 1 else "inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{idle_name} {idle}\n")


@pytest.mark.parametrize(
    ("version", "membership", "place"),
    [
        (2, "0::/", "."),
        (2, "0::/app", "app"),
        (2, "0::/app/worker", "app"),  # the limit is a parent's
        (2, "0::/../other", "."),
        (1, "4:memory:/docker/12:34", "memory/docker/12:34"),
        (1, "4:memory:/docker/1234", "memory"),  # the name outside the container, whose own root this is
    ],
)
def test_a_container_has_what_its_limit_leaves(version: int, membership: str, place: str, groups: Path) -> None:
    machine.MEMBERSHIP.write_text(f"1:cpu:/elsewhere\n{membership}\n")
    group(groups / place, version, 10 * 2**20, 9 * 2**20, 2**20)
    assert machine.free_memory(CPU) == 2 * 2**20


def test_the_narrowest_group_counts_and_one_that_is_full_leaves_nothing(groups: Path) -> None:
    machine.MEMBERSHIP.write_text("0::/app\n")
    group(groups, 2, 10 * 2**20, 2**20, 0)
    group(groups / "app", 2, 5 * 2**20, 2**20, 0)
    assert machine.free_memory(CPU) == 4 * 2**20
    group(groups / "app", 2, 5 * 2**20, 6 * 2**20, 0)
    assert machine.free_memory(CPU) == 0


@pytest.mark.parametrize(("version", "membership", "limit"), [(2, "0::/", "max"), (1, "4:memory:/", WHOLE)])
def test_a_group_without_a_limit_has_what_the_machine_has(
    version: int, membership: str, limit: object, groups: Path
) -> None:
    machine.MEMBERSHIP.write_text(f"{membership}\n")
    group(groups / ("memory" if version == 1 else "."), version, limit, 2**20, 0)
    free = machine.free_memory(CPU)
    assert free is None or 2**24 < free < 2**50


def test_where_nobody_says_there_is_no_limit(groups: Path) -> None:
    machine.MEMBERSHIP.unlink()
    assert machine.group_rooms() == []


def test_free_memory_is_a_sensible_number_of_bytes() -> None:
    free = machine.free_memory(CPU)
    assert free is None or 2**24 < free < 2**50


@pytest.mark.parametrize(
    ("name", "pooling", "hardware", "expected"),
    [
        ("auto", "average", True, torch.bfloat16),
        ("auto", "l2", True, torch.bfloat16),
        ("auto", "max", True, torch.float32),
        ("auto", "average", False, torch.float32),
        ("float32", "average", True, torch.float32),
        ("bfloat16", "max", False, torch.bfloat16),
    ],
)
def test_precision_is_bfloat16_where_it_is_fast_and_safe_or_asked_for(
    name: Any, pooling: Any, hardware: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "has_bfloat16", lambda device: hardware)
    assert machine.choose_precision(name, CPU, pooling) == expected


def test_a_machine_without_torch_s_private_probes_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not machine.has_bfloat16(CPU)
    assert not machine.has_bfloat16(torch.device("mps"))


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_best_device_is_taken(cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert machine.choose_device("auto") == torch.device(expected)


def test_keeping_and_handing_back_memory_may_be_asked_for_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(machine.ctypes, "CDLL", missing)
    machine.keep_freed_memory()
    machine.hand_back_freed_memory()
