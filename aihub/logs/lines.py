"""A record as one line of JSON."""

import json
import logging
import os
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from aihub import __version__
from aihub.logs.fields import nested

ECS_VERSION = "8.11.0"
# Characters. A line of less than 8 KiB is written at once: lines of several processes never mix.
MESSAGE, ERROR, STACK = 1500, 300, 4000


def service(role: str) -> dict[str, Any]:
    """Who writes: ECS' `service`."""
    node = {"name": socket.gethostname(), "role": role}
    return {"name": "aihub", "version": __version__, "node": node}


class Formatter(logging.Formatter):
    """Makes the line of a record; `redact` takes secrets out of texts."""

    def __init__(self, role: str, redact: Callable[[str], str] = str) -> None:
        super().__init__()
        self._service = service(role)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        document = self._document(record)
        try:
            return orjson.dumps(document, default=str).decode()
        except TypeError:  # a text that is no UTF-8, a number that is too large
            return json.dumps(document, default=str)

    def _document(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        given = {name: self._value(value) for name, value in fields.items()}
        known = {
            "@timestamp": timestamp(record.created),
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "log.origin.file.name": record.filename,
            "log.origin.file.line": record.lineno,
            "log.origin.function": record.funcName,
            "message": self._text(record.getMessage(), MESSAGE),
            "ecs.version": ECS_VERSION,
            "service": self._service,
            "process.pid": os.getpid(),
            "process.thread.name": record.threadName,
        }
        return nested({**known, "event.dataset": "aihub.log", **self._error(record), **given})

    def _error(self, record: logging.LogRecord) -> dict[str, str]:
        if not record.exc_info or record.exc_info[1] is None:
            return {}
        kind, error, _ = record.exc_info
        stack = self._redact("".join(traceback.format_exception(error)))
        return {
            "error.type": kind.__qualname__ if kind else "",
            "error.message": self._text(str(error), ERROR),
            "error.stack_trace": stack[-STACK:],  # the innermost calls come last
        }

    def _value(self, value: Any) -> Any:
        return self._text(value, MESSAGE) if isinstance(value, str) else value

    def _text(self, text: str, limit: int) -> str:
        text = self._redact(text)
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


def timestamp(at: float) -> str:
    """Seconds since 1970 as ISO 8601, in UTC, to the millisecond."""
    second = int(at)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{moment}.{int((at - second) * 1000):03d}Z"
