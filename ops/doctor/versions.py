"""Versions: what is installed is what this version of the hub was tested with."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from aihub import __version__
from aihub.env import BASE_DIR
from ops.doctor.findings import Finding, fail, ok, warn

_PIN = re.compile(r"([\w.-]+)==([\w.]+)")
# Wheels of theirs name what they were built for after a plus sign: torch 2.13.0+cpu.
_TORCH, _TORCHVISION = "torch", "torchvision"


def check() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield ok(f"AIHub {__version__} on Python {python}")
    yield from pair(_installed(_TORCH), _installed(_TORCHVISION))
    other = others(pins())
    if other:
        yield warn(
            f"other versions than tested are installed: {', '.join(other)}",
            "Run “pip install -r requirements.txt”, or use the image.",
        )
    else:
        yield ok("the packages are those that this version was tested with")


def pins() -> dict[str, str]:
    """Package to version, as `requirements.txt` says."""
    text = (BASE_DIR / "requirements.txt").read_text()
    return dict(found.groups() for line in text.splitlines() if (found := _PIN.match(line)))  # type: ignore[misc]


def pair(torch: str, torchvision: str) -> Iterator[Finding]:
    """torchvision 0.N+15 belongs to torch 2.N; with another one it does not load."""
    numbers = [number.split(".")[1] for number in (torch, torchvision) if number.count(".")]
    if len(numbers) < 2 or int(numbers[1]) != int(numbers[0]) + 15:
        yield fail(
            f"torch {torch or 'missing'} and torchvision {torchvision or 'missing'} do not belong "
            "together",
            "Run “pip install -r requirements.txt”.",
        )


def others(wanted: dict[str, str]) -> list[str]:
    found = {name: _installed(name) for name in wanted}
    return [
        f"{name} {found[name]} instead of {wanted[name]}"
        for name in wanted
        if found[name] and found[name] != wanted[name]
    ]


def _installed(name: str) -> str:
    """The version of a package without its build; empty where it is not installed."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return ""
