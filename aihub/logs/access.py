"""The line of every prediction."""

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, TextIO

import orjson

from aihub.logs.lines import ECS_VERSION, service, timestamp
from aihub.logs.streams import unwrapped

_logger = logging.getLogger(__name__)

_Line = tuple[float, str, str, Mapping[str, Any]]
_PAUSE = 0.05  # seconds between two writes: under load, many lines cost little more than one
_WAITING = 20_000  # lines, some 20 MB: as many wait for a reader that is slow or stands still
_PATH = 200  # characters of a path: callers choose it
_LOG = {"level": "info", "logger": "inference.protocol"}
_ECS = {"version": ECS_VERSION}


class AccessLog:
    """A line for every prediction, written by a thread that takes what came meanwhile at once.

    Whoever has one leaves it in a list, and wakes nobody for it. `event` has the short names that
    `_document` looks for, and `trace.id` and `span.id` where there is a trace; what is not known is
    null. Lines that cannot be written are given up, and a warning counts them once it works again.
    """

    def __init__(self, role: str, stream: TextIO | None = None) -> None:
        self._service = service(role)
        self._stream = stream or unwrapped("stderr")
        self._lines: deque[_Line] = deque(maxlen=_WAITING)
        self._lost = 0  # lines that could not be written, and of which nothing was said yet
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
        if not (waiting := len(self._lines)):
            return
        lines = [self._formatted(self._lines.popleft()) for _ in range(waiting)]
        try:
            self._stream.write(b"".join(lines).decode())
            self._stream.flush()
        except OSError:  # a full disk, a reader that went away: it may work again
            self._lost += waiting
        else:
            self._say_what_is_missing(waiting)

    def _say_what_is_missing(self, waiting: int) -> None:
        if self._lost:
            _logger.warning("%d lines of predictions may be missing: writing failed.", self._lost)
            self._lost = 0
        if waiting == _WAITING:
            _logger.warning("Lines of predictions waited too long; the oldest may be missing.")

    def _formatted(self, line: "_Line") -> bytes:
        document = self._document(*line)
        if "trace.id" in line[3]:
            document |= {name: {"id": line[3][f"{name}.id"]} for name in ("trace", "span")}
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    def _document(
        self, at: float, message: str, request_id: str, said: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A literal, as it is made for each of thousands a second."""
        get = said.get
        model = {"name": get("model") or None, "version": get("version") or None}
        return {
            "@timestamp": self._timestamp(at),
            "log": _LOG,
            "message": message[:_PATH],
            "ecs": _ECS,
            "service": self._service,
            "event": {
                "dataset": "aihub.predictions",
                "action": get("action"),
                "outcome": get("outcome"),
                "duration": get("duration"),
            },
            "http": {
                "request": {
                    "id": request_id,
                    "method": get("method"),
                    "body": {"bytes": get("bytes")},
                },
                "response": {"status_code": get("status")},
            },
            "url": {"path": get("path", "")[:_PATH] or None},
            "user": {"id": get("principal") or None},
            "aihub": {"model": model, "items": get("items")},
        }

    def _timestamp(self, at: float) -> str:
        second = int(at)
        if second != self._second[0]:
            self._second = second, timestamp(second)[:-5]
        return f"{self._second[1]}.{int((at - second) * 1000):03d}Z"
