"""What counters share in every process, and the count of what limits refuse.

The processes of a worker count in files that prometheus_client keeps, one a process
(`PROMETHEUS_MULTIPROC_DIR`), so nothing is counted while this is imported: a process makes its
file with the first number of its own.
"""

import os
import threading
from typing import Any, Literal, get_args

from prometheus_client import Counter, disable_created_metrics

from aihub.problems import Problem

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each one, which nothing reads

Limit = Literal["login", "body", "queue", "items", "pace", "batch_jobs", "uploads"]
LIMITS: tuple[Limit, ...] = get_args(Limit)

_limit_hits = Counter("aihub_limit_hits", "Calls that a limit refused or slowed down", ("limit",))

# A process that is forked while a thread counts would find prometheus_client's lock taken for good.
_forking = threading.Lock()
os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_forking.release
)


class Limited(Problem):
    """A limit refuses the call, which is counted."""

    def __init__(self, limit: Limit, status: int, message: str, /, **values: Any) -> None:
        super().__init__(status, message, **values)
        limit_hit(limit)


def count(counter: Counter, *labels: str, by: float = 1) -> None:
    """Add to a counter, from whatever thread of a process that may fork."""
    with _forking:
        counter.labels(*labels).inc(by)


def limit_hit(limit: Limit) -> None:
    """Count a call that a limit refused or slowed down."""
    count(_limit_hits, limit)


def begin() -> None:
    """Have every limit's count begin at zero: what is not there cannot be seen to grow."""
    for limit in LIMITS:
        count(_limit_hits, limit, by=0)
