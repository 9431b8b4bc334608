"""Small helpers for what databases do differently."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 5
_DEADLOCK = {1205, 1213}  # MySQL: lock wait timeout, deadlock


def retry_deadlocks(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function that opens its own transaction again where the database rolled it back."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_ATTEMPTS - 1):
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if not _is_deadlock(error) or connection.in_atomic_block:
                    raise
        return function(*args, **kwargs)

    return run


def _is_deadlock(error: OperationalError) -> bool:
    return bool(error.args) and error.args[0] in _DEADLOCK
