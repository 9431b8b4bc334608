"""What of a version can be searched as rows: the numbers among its metrics, and its labels."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_METRICS = 1000  # rows of a version
MOST_LABELS = 10_000  # rows of a set
LONGEST_NAME = 100
LONGEST_LABEL = 200


def metric_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Finite numbers by name, in lower case; those of an object within by `outer.inner`."""
    found: dict[str, float] = {}
    for name, value in _flat(metrics):
        number = _finite(value)
        if number is not None and 0 < len(name) <= LONGEST_NAME and len(found) < MOST_METRICS:
            found.setdefault(name.lower(), number)
    return found


def label_texts(labels: Sequence[str]) -> list[str]:
    """Labels in lower case, each once, in their order."""
    unique = dict.fromkeys(label.lower()[:LONGEST_LABEL] for label in labels)
    return list(unique)[:MOST_LABELS]


def labels_digest(labels: Sequence[str]) -> str:
    """The SHA-256 of a list of labels."""
    return hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()


def version_text(*parts: str) -> bytes:
    """What words are looked for in."""
    return folded("\n".join(parts))


def folded(text: str) -> bytes:
    """Text as it is kept and looked for."""
    return text.lower().encode(errors="replace")


def _flat(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", number) for inner, number in value.items())
        else:
            yield name, value


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond what a column holds
        return None
