"""What a check says: how bad it is, what is so, and what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"  # works, and should not stay so
    FAIL = "fail"
    SKIP = "skip"  # cannot be seen, as something that failed is in the way


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is so; `do` says what to do, and is empty where nothing is."""

    level: Level
    what: str
    do: str = ""


Check = Callable[[], Iterator[Finding]]


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warn(what: str, do: str) -> Finding:
    return Finding(Level.WARN, what, do)


def fail(what: str, do: str) -> Finding:
    return Finding(Level.FAIL, what, do)
