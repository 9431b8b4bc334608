"""Logs: one JSON line an event, in the Elastic Common Schema, to standard error.

`docs/logging.md` names every field.
"""

import atexit
import logging
import logging.handlers
import queue
from collections.abc import Collection

from aihub.env import Env
from aihub.logs.access import AccessLog
from aihub.logs.fields import ContextFilter, add_source
from aihub.logs.lines import Formatter
from aihub.logs.redaction import Redactor, secrets_of
from aihub.logs.streams import speak, unwrapped

__all__ = [
    "AccessLog",
    "add_source",
    "adopt",
    "configure",
    "leave_the_loop",
    "secrets_of",
    "start",
]

# What these say below WARNING is about every call, message or query that they carry, and has its
# content.
_NOISY = (
    *("botocore", "boto3", "s3transfer", "urllib3", "httpx", "httpcore", "PIL", "asyncio"),
    *("celery.worker.strategy", "celery.app.trace", "celery.worker.request", "kombu", "amqp"),
    *("django.db.backends", "django.template", "python_multipart", "multipart", "grpc"),
)


def configure(*, level: str, role: str, secrets: Collection[str] = ()) -> None:
    """Send every logger's records to standard error as ECS JSON; no line holds one of `secrets`."""
    handler = logging.StreamHandler(unwrapped("stderr"))
    handler.setFormatter(Formatter(role, Redactor(secrets)))
    handler.addFilter(ContextFilter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # The line of each request says as much as its warnings of 4xx.
    logging.getLogger("django.request").setLevel(logging.ERROR)


def start(env: Env) -> None:
    """Have all that this process says be lines of the log; for the programs of the roles."""
    configure(level=env.AIHUB_LOG_LEVEL, role=env.AIHUB_ROLE, secrets=secrets_of(vars(env)))
    speak()


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
