"""What a record is about, beside its message: fields by dotted ECS names.

A line's own are given as `extra={"ecs": {"event.action": …}}`; those of the work that it belongs to
come from the request context, and from whoever else knows something of the moment.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

Source = Callable[[], Mapping[str, Any]]
_sources: list[Source] = []


def add_source(source: Source) -> None:
    """Ask `source` for fields of every record, in the thread that logs it; it must be quick."""
    if source not in _sources:
        _sources.append(source)


class ContextFilter(logging.Filter):
    """Adds the fields of the moment to every record, as `record.fields`."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "fields"):
            record.fields = _fields() | getattr(record, "ecs", {})
        return True


def _fields() -> dict[str, Any]:
    from aihub import request_context  # which asks Django for its settings

    context = request_context.current()
    fields = dict(context.labels)
    if context.request_id != request_context.NO_ID:
        fields["http.request.id"] = context.request_id
    for source in _sources:
        fields.update(source())
    return fields


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`{"event.action": x}` as `{"event": {"action": x}}`."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        *path, last = name.split(".")
        place = found
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return found
