"""What the figures were measured on."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inference.cores import available_cores

_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")
_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_LIBRARIES = ("torch", "onnxruntime", "openvino", "uvicorn")


def described() -> dict[str, Any]:
    """Processor, cores, memory, and the libraries that do the work."""
    fields = _fields(_CPUINFO)
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.processor()),
        "instructions": [flag for flag in _TELLING if flag in flags],
        "cores": available_cores(),
        "memory_gb": round(int(_fields(_MEMINFO)["MemTotal"].split()[0]) / 1e6, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def sentence() -> str:
    """The machine in one line."""
    found = described()
    instructions = ", ".join(found["instructions"])
    return (
        f"{found['cpu']} ({instructions}), {found['cores']} cores, {found['memory_gb']} GB, "
        f"Python {found['python']}, torch {found['torch']}, OpenVINO {found['openvino']}"
    )


def _fields(path: Path) -> dict[str, str]:
    """The first value of each `name: value`."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found
