"""The lines that the log has of what happens in this process."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aihub.logs.fields import ContextFilter
from aihub.logs.lines import Formatter
from aihub.logs.redaction import Redactor

Line = dict[str, Any]


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self.setFormatter(Formatter("worker", Redactor()))
        self.addFilter(ContextFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@contextmanager
def logged(level: int = logging.INFO) -> Iterator[list[Line]]:
    """Lines as they come, while the block lasts."""
    root, kept = logging.getLogger(), _Kept()
    before = root.level
    root.addHandler(kept)
    root.setLevel(level)
    try:
        yield kept.lines
    finally:
        root.removeHandler(kept)
        root.setLevel(before)


def id_of(line: Line) -> str:
    """The request that a line is about; empty where it says none."""
    found: str = line.get("http", {}).get("request", {}).get("id", "")
    return found


def of(lines: list[Line], action: str) -> list[Line]:
    """The lines of an action."""
    return [line for line in lines if line["event"].get("action") == action]
