"""The line of every prediction."""

import atexit
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, TextIO

import orjson

from aihub.logs.fields import nested
from aihub.logs.lines import ECS_VERSION, service, timestamp
from aihub.logs.streams import unwrapped

_Line = tuple[float, str, str, Mapping[str, Any]]
_PAUSE = 0.05  # seconds between two writes: under load, many lines cost little more than one
_PATH = 200  # characters of a path: callers choose it
# What a prediction says of itself, by the names that ECS and `docs/logging.md` have for it.
_FIELDS = {
    "action": "event.action",
    "outcome": "event.outcome",
    "duration": "event.duration",
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "bytes": "http.request.body.bytes",
    "principal": "user.id",
    "model": "aihub.model.name",
    "version": "aihub.model.version",
    "variant": "aihub.model.variant",
    "items": "aihub.items",
}


class AccessLog:
    """A line for every prediction, written by a thread that takes what came meanwhile at once.

    Whoever has one leaves it in a list, and wakes nobody for it. What it says of itself has the
    short names of `_FIELDS`, or those of ECS; what is empty is left out, as it is not known.
    """

    def __init__(self, role: str, stream: TextIO | None = None) -> None:
        self._service = service(role)
        self._stream = stream or unwrapped("stderr")
        self._lines: deque[_Line] = deque()
        self._second = (-1, "")  # the last one seen, and how it is written
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="access-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __call__(self, message: str, request_id: str, event: Mapping[str, Any]) -> None:
        """Write one line at the level INFO."""
        self._lines.append((time.time(), message, request_id, event))

    def close(self) -> None:
        """Write what is left."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.wait(_PAUSE):
            self._write()
        self._write()

    def _write(self) -> None:
        if not self._lines:
            return
        lines = [self._formatted(self._lines.popleft()) for _ in range(len(self._lines))]
        self._stream.write(b"".join(lines).decode())
        self._stream.flush()

    def _formatted(self, line: "_Line") -> bytes:
        at, message, request_id, said = line
        fields = {_FIELDS.get(name, name): value for name, value in said.items() if value != ""}
        fields["http.request.id"] = request_id
        fields["event.dataset"] = "aihub.predictions"
        if "url.path" in fields:
            fields["url.path"] = fields["url.path"][:_PATH]
        document = {
            "@timestamp": self._timestamp(at),
            "log": {"level": "info", "logger": "inference.protocol"},
            "message": message[:_PATH],
            "ecs": {"version": ECS_VERSION},
            "service": self._service,
            **nested(fields),
        }
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    def _timestamp(self, at: float) -> str:
        second = int(at)
        if second != self._second[0]:
            self._second = second, timestamp(second)[:-5]
        return f"{self._second[1]}.{int((at - second) * 1000):03d}Z"
