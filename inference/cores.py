"""How many cores this process may really use."""

import math
import os
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def threads(configured: int) -> int:
    """The configured number of threads, or the available cores where it is 0."""
    return configured or available_cores()


def available_cores(v2: Path = _CGROUP_V2, v1: Path = _CGROUP_V1) -> int:
    """Cores of the affinity mask, within the container's quota; at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min(cores or 1, _quota(v2, v1))))


def _quota(v2: Path, v1: Path) -> float:
    """Cores that the control group allows; infinite without a limit."""
    try:
        quota, period = _read_v2(v2) if v2.exists() else _read_v1(v1)
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # no control group, or "max"
        return math.inf


def _read_v2(path: Path) -> tuple[str, str]:
    quota, period = path.read_text().split()
    return quota, period


def _read_v1(folder: Path) -> tuple[str, str]:
    return (folder / "cpu.cfs_quota_us").read_text(), (folder / "cpu.cfs_period_us").read_text()
