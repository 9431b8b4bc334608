"""Values of JSON, as large as a worker can hold: a short text may be a very large value."""

from typing import Any

import orjson

MAX_VALUES = 4_000_000  # of a text; each takes 30 to 100 bytes of memory
MAX_DEPTH = 32  # lists in lists that are looked at


class NoJson(ValueError):
    """Why a text is no JSON, in a few words."""


def json_value(text: bytes | str) -> Any:
    """What a text says; NoJson."""
    if len(text) > MAX_VALUES and _marks(text) > MAX_VALUES:
        raise NoJson(f"more than {MAX_VALUES} values")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NoJson(str(error).partition(":")[0]) from None


def elements(value: Any, depth: int = MAX_DEPTH) -> int:
    """How many values nested lists hold."""
    if not isinstance(value, list) or not depth:
        return 1
    return sum(elements(item, depth - 1) for item in value)


def _marks(text: bytes | str) -> int:
    """What stands between values, and between names and values."""
    if isinstance(text, str):
        return text.count(",") + text.count(":")
    return text.count(b",") + text.count(b":")
