"""Logs: one JSON line an event, in the Elastic Common Schema, to standard error."""

import atexit
import logging
import logging.handlers
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, TextIO

import ecs_logging
import orjson

from aihub import __version__

_Line = tuple[float, str, str, Mapping[str, Any]]
_PAUSE = 0.05  # seconds between two writes: under load, many lines cost little more than one


class ContextFilter(logging.Filter):
    """Adds the role and the request id to every record."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "service"):
            return True
        from aihub import request_context

        fields: dict[str, Any] = {
            "service": {"name": "aihub", "version": __version__, "node": {"role": self.role}},
            "http": {"request": {"id": request_context.current().request_id}},
        }
        for name, value in fields.items():
            setattr(record, name, value)
        return True


def configure(*, level: str, role: str) -> None:
    """Send every logger's records to standard error as ECS JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(ecs_logging.StdlibFormatter(exclude_fields=["process", "log.original"]))
    handler.addFilter(ContextFilter(role))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("botocore", "boto3", "s3transfer", "urllib3", "httpx", "httpcore", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def adopt(*names: str) -> None:
    """Let records of loggers that came with handlers of their own go through ours instead."""
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


def leave_the_loop() -> None:
    """From now on format and write records in a thread of their own, not on the caller's."""
    root = logging.getLogger()
    handlers = root.handlers
    if any(isinstance(handler, logging.handlers.QueueHandler) for handler in handlers):
        return
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    enqueue = _RecordQueue(records)
    for handler in handlers:
        for log_filter in handler.filters:
            enqueue.addFilter(log_filter)
    listener = logging.handlers.QueueListener(records, *handlers)
    root.handlers = [enqueue]
    listener.start()
    atexit.register(listener.stop)


class _RecordQueue(logging.handlers.QueueHandler):
    """Keeps a record as it is: its formatting, tracebacks too, is the listener's work."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class AccessLog:
    """A line for every prediction, written by a thread that takes what came meanwhile at once.

    The lines are those that `configure` writes. Whoever has one leaves it in a list, and wakes
    nobody for it.
    """

    def __init__(self, role: str, stream: TextIO | None = None) -> None:
        self._service = {"name": "aihub", "version": __version__, "node": {"role": role}}
        self._stream = stream or sys.stderr
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
        at, message, request_id, event = line
        fields = {
            "@timestamp": self._timestamp(at),
            "log.level": "info",
            "message": message,
            "ecs.version": "1.6.0",
            "service": self._service,
            "http": {"request": {"id": request_id}},
            "event": event,
            "log": {"logger": "inference.protocol"},
        }
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)

    def _timestamp(self, at: float) -> str:
        second = int(at)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second[1]}.{int((at - second) * 1000):03d}Z"
