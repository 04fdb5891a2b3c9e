"""What this machine can do: device, precision and free memory, chosen once and named in every report."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import torch

from impasto.errors import OptionError
from impasto.options import Pooling, Precision

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h; in bytes
MEMBERSHIP, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")  # of Linux: by groups containers limit memory
# of either version of them, by its name in a membership: the folder, the files with limit and usage, and under which name
# memory.stat counts what is used for copies of files, which make room when it is needed
CONTROLLERS = {
    "": (".", "memory.max", "memory.current", "inactive_file"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
LARGE = 2**26  # bytes of a block that is handed back at once: kept ones of many sizes would add up


def choose_device(name: str) -> torch.device:
    """The torch device of that name; "auto" takes CUDA, then Apple's MPS, then the processor.

    Raises OptionError where the machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        raise OptionError(
            f"--device {name} is not to be had on this machine. Choose auto, cpu or a device that torch finds here."
        ) from error
    return device


def choose_precision(name: Precision, device: torch.device, pooling: Pooling) -> torch.dtype:
    """The network's dtype. "auto" is bfloat16 where the hardware computes in it and average or L2 pooling makes it safe.

    With max pooling, rounding changes which position is the largest, and the gradient goes to the wrong pixel.
    """
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    return torch.bfloat16 if pooling != "max" and has_bfloat16(device) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are done by the hardware (AMX or AVX512-BF16 on a processor)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    return has_amx(device) or says("_is_avx512_bf16_supported")


def has_amx(device: torch.device) -> bool:
    """Whether it is a processor with AMX, which multiplies matrices in bfloat16 several times as fast as in float32."""
    return device.type == "cpu" and says("_is_amx_tile_supported")


def says(name: str) -> bool:
    """What torch knows of the processor, by a private name: where it is gone, we do not know, and False is safe."""
    return bool(getattr(torch.cpu, name, lambda: False)())


def keep_freed_memory() -> None:
    """Tell the C library to keep the memory that is freed instead of handing it back: every evaluation asks for it again.

    A matter of the whole process, so front ends do it, not the library. Nothing happens where there is no glibc.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def hand_back_freed_memory() -> None:
    """Tell the C library to hand back the memory that it kept, before something else wants as much."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def resident_memory() -> int | None:
    """Bytes of memory that this process holds now; None where nobody says."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_memory(device: torch.device) -> int | None:
    """Bytes that a computation on this device may still take; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min((room for room in (machine_room(), *group_rooms()) if room is not None), default=None)


def machine_room() -> int | None:
    """Bytes that the machine has left; None where nobody says."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def group_rooms() -> list[int | None]:
    """Bytes that the groups of this process have left, which a container limits; None for one that nobody limits.

    Those above its own limit it, too; in a container the topmost is often its own, which has another name outside.
    """
    rooms = []
    with suppress(OSError):
        for line in MEMBERSHIP.read_text().splitlines():
            _, controller, place = line.split(":", 2)
            if controller in CONTROLLERS:
                mount, *names = CONTROLLERS[controller]
                own = GROUPS / mount / place.lstrip("/")
                rooms += [group_room(folder, *names) for folder in (own, *own.parents)]
    return rooms


def group_room(folder: Path, limit: str, usage: str, idle: str) -> int | None:
    """Bytes that one group has left; None where there is no such group, or no limit."""
    with suppress(OSError, ValueError):
        most, used = (int((folder / name).read_text()) for name in (limit, usage))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, most - used + int(facts.get(idle, 0)))
    return None
