"""Reading the JSON files beside a model: configurations, which are data and may be wrong."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.refusals import N_, Refused

MAX_CONFIG = 4 * 1024 * 1024  # bytes
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"


def config_read(paths: Mapping[str, Path], name: str) -> dict[str, Any]:
    """The JSON object in the file of that name, empty where there is none; Refused for others."""
    value = json_read(paths, name, MAX_CONFIG) if name in paths else {}
    if not isinstance(value, dict):
        raise Refused(N_("%(file)s must hold a JSON object."), file=name)
    return value


def json_read(paths: Mapping[str, Path], name: str, most: int) -> Any:
    """What a JSON file of at most `most` bytes holds; Refused where it cannot be read."""
    if paths[name].stat().st_size > most:
        raise Refused(N_("%(file)s has more than %(most)s bytes."), file=name, most=most)
    try:
        return json.loads(paths[name].read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise Refused(N_("%(file)s is not valid JSON."), file=name) from None
