"""docker-compose.yml as compose reads it: merged, and filled from the generated `.env`."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aihub.env import BASE_DIR
from ops.compose.make_env import VARIABLES

FILE = BASE_DIR / "docker-compose.yml"
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<what>[^}]*))?\}")


def used() -> dict[str, set[str]]:
    """Every variable of the file, with the ways in which it is asked for: `?`, `-` or none."""
    found: dict[str, set[str]] = {}
    for match in VARIABLE.finditer(FILE.read_text()):
        if match["name"]:
            found.setdefault(match["name"], set()).add(match["how"] or "")
    return found


@cache
def loaded() -> dict[str, Any]:
    """The file with its variables filled in."""
    made = {variable.name: variable.make() for variable in VARIABLES}
    text = VARIABLE.sub(lambda match: _value(match, made), FILE.read_text())
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = loaded()["services"]
    return found


def hub_services() -> dict[str, dict[str, Any]]:
    """Those that run our image."""
    return {name: one for name, one in services().items() if one["image"].startswith("aihub:")}


def runs_once(service: dict[str, Any]) -> bool:
    return bool(service.get("restart") == "no")


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What is mounted, where, and how; a volume without a name is the container's own."""
    parts = (mount.split(":") for mount in service.get("volumes", ()))
    named = (part if len(part) > 1 else ["", *part] for part in parts)
    return [(what, where, (*how, "")[0]) for what, where, *how in named]


def local_path(what: str) -> Path:
    return BASE_DIR / what


def _value(match: re.Match[str], made: dict[str, str]) -> str:
    if not match["name"]:
        return "$"
    value = made[match["name"]]
    return match["what"] if match["how"] == "-" and not value else value
