"""Small helpers for what databases do differently."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection
from django.db.models import Model, QuerySet, Subquery
from django.db.models.lookups import IsNull

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 5
_DEADLOCK = {1205, 1213}  # MySQL: lock wait timeout, deadlock


def has_row(rows: QuerySet[Model]) -> IsNull:
    """As `Exists(rows)`, by a look into an index for each row outside: MariaDB answers an EXISTS by
    making a table of all that could be in `rows` where it holds that for quicker, and often errs.
    """
    return IsNull(Subquery(rows.order_by().values("pk")[:1]), False)


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
