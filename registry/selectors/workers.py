"""Reads: whether anybody does what waits."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from registry.models.versions import State
from registry.processing.worker import BATCH, PROCESSING, workers_alive

# What a version is until it has been processed.
UNDECIDED = frozenset({State.UPLOADING, State.PROCESSING})
_START = "python -m ops.launch.container"
_STALLED = {
    PROCESSING: _(
        "No worker is alive. Nothing is processed until one is started: %(start)s worker"
    ),
    BATCH: _(
        "No batch worker is alive. No batch job goes on until one is started: %(start)s batch"
    ),
}


def stalled(queue: str) -> str | None:
    """Why nothing of a queue goes on, and what to do, in the caller's language; else None.

    One query. A queue goes on while a worker of it gave a sign of life within the last 15 s.
    """
    if workers_alive(queue):
        return None
    return str(_STALLED[queue]) % {"start": _START}


def stalled_among(states: Iterable[str]) -> str | None:
    """As `stalled`, for versions in these states: no query where none of them waits."""
    return stalled(PROCESSING) if UNDECIDED.intersection(states) else None
