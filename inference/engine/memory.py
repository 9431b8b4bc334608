"""Memory: what this process takes, what it may take, and giving back what was freed."""

import ctypes
import os
from functools import cache
from pathlib import Path

_STATM = Path("/proc/self/statm")
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def available_memory() -> int:
    """Bytes that this container may use: its limit, or the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for path in _LIMITS if (limit := _number(path)))])


def give_back() -> None:
    """Hand memory that was freed to the system, which the C library would rather keep."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no control group, or "max"
        return None


@cache
def _malloc_trim() -> "ctypes._NamedFuncPointer | None":
    """glibc's; others have none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
