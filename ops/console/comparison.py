"""How a comparison of two versions is told: its sections, and their values as text."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from ops.console import looks
from ops.console.lineage import SOURCE
from registry.comparing import Comparison, File, Pair
from registry.models.versions import Format, State
from registry.services.fitness import difference_text
from registry.signatures import Difference

FIELDS = {
    "state": _("State"),
    "format": _("Format"),
    "architecture": _("Architecture"),
    "num_classes": _("Classes"),
    "parameter_count": _("Parameters"),
    "size": _("Size"),
    "preprocessing": _("Preprocessing"),
    "sparsity": _("Sparsity"),
    "description": _("Description"),
    "created_by": _("Published by"),
    "created_at": _("Published"),
}
SHOWN_LABELS = 50


def comparison_shown(comparison: Comparison) -> list[dict[str, Any]]:
    """The sections that hold anything, each `{title, rows, numbers}`."""
    sections = (
        (_("Metrics"), _rows(comparison.metrics), True),
        (_("Signature"), _rows(_tensors(comparison)), False),
        (_("Facts"), _rows(comparison.fields, FIELDS), False),
        (_("Training parameters"), _rows(comparison.parameters), True),
        (_("Source"), _rows(comparison.source, SOURCE), False),
        (_("Files"), _rows(comparison.files), False),
        (_("Labels"), _labels(comparison), False),
    )
    return [
        {"title": title, "rows": rows, "numbers": numbers}
        for title, rows, numbers in sections
        if rows
    ]


def metric_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The metrics of both, and how much larger the right ones are."""
    return _rows(comparison.metrics)


def differences_shown(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    """What callers would notice, the breaking first."""
    shown = [
        {"breaking": difference.breaking, "text": difference_text(difference)}
        for difference in differences
    ]
    return sorted(shown, key=lambda difference: not difference["breaking"])


def _rows(pairs: Sequence[Pair], names: Any = None) -> list[dict[str, Any]]:
    """Lines of a table; what neither of both has is left out."""
    return [
        {
            "name": (names or {}).get(pair.name, pair.name),
            "left": value_text(pair.name, pair.left),
            "right": value_text(pair.name, pair.right),
            "same": pair.same,
            "difference": looks.signed(pair.difference),
        }
        for pair in pairs
        if not (_is_nothing(pair.left) and _is_nothing(pair.right))
    ]


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def value_text(name: str, value: Any) -> str:
    """A value as people read it; a dash for nothing."""
    if _is_nothing(value):
        return "–"
    match name, value:
        case "state", str():
            return str(State(value).label)
        case "format", str():
            return str(Format(value).label)
        case "size", int():
            return looks.size(value)
        case "parameter_count", int():
            return looks.count(value)
        case _, datetime():
            return date_format(localtime(value), "DATETIME_FORMAT")
        case _, File():
            return " · ".join(filter(None, (looks.size(value.size), (value.sha256 or "")[:12])))
        case _, str():
            return value
    return json.dumps(looks.rounded(value), ensure_ascii=False)


def _tensors(comparison: Comparison) -> list[Pair]:
    """Inputs and outputs by name, as `FP32 [-1, 3, 224, 224]`."""
    left, right = _signature(comparison.left.signature), _signature(comparison.right.signature)
    return [Pair(name, left.get(name), right.get(name)) for name in {**left, **right}]


def _signature(signature: dict[str, Any]) -> dict[str, str]:
    return {
        f"{side}.{tensor['name']}": f"{tensor['datatype']} {tensor['shape']}"
        for side in ("inputs", "outputs")
        for tensor in signature.get(side, ())
    }


def _labels(comparison: Comparison) -> list[dict[str, Any]]:
    """What came and what went; the labels of both are only counted."""
    labels = comparison.labels
    if not (labels.added_count or labels.removed_count or labels.same):
        return []
    same = not (labels.added_count or labels.removed_count)
    counts = {"name": _("In both"), "left": labels.same, "right": labels.same, "same": same}
    rows = [counts]
    if not same:
        gone = _some(labels.removed, labels.removed_count)
        new = _some(labels.added, labels.added_count)
        rows.append({"name": _("Only in one"), "left": gone, "right": new, "same": False})
    return [{**row, "difference": ""} for row in rows]


def _some(labels: Sequence[str], count: int) -> str:
    if not count:
        return "–"
    more = f" … ({count})" if count > SHOWN_LABELS else ""
    return ", ".join(labels[:SHOWN_LABELS]) + more
