"""Which kind of processor this is: variants are measured and chosen for each kind."""

import hashlib
import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_TELLING = ("model name", "flags", "Features", "CPU part")


@cache
def cpu_fingerprint() -> str:
    """Twelve digits that are the same on processors of the same kind: model and instructions."""
    return hashlib.sha256(_description().encode()).hexdigest()[:12]


def cpu_name() -> str:
    """The processor as its maker calls it."""
    return _fields().get("model name", platform.machine())


def _description() -> str:
    fields = _fields()
    return "|".join([platform.machine(), *(fields.get(name, "") for name in _TELLING)])


def _fields() -> dict[str, str]:
    """Of the first core; empty where the system does not tell."""
    try:
        first = _CPUINFO.read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
