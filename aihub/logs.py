"""Logs: one JSON line an event, in the Elastic Common Schema, to standard error."""

import atexit
import logging
import logging.handlers
import queue
from typing import Any

import ecs_logging

from aihub import __version__


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
