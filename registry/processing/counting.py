"""What Prometheus learns of the jobs that this process worked on."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from aihub.metrics import count

DONE, REJECTED, FAILED, RETRIED, LOST = OUTCOMES = ("done", "rejected", "failed", "retried", "lost")
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

_finished = Counter(
    "aihub_jobs_finished", "Attempts at jobs by how they ended", ("kind", "outcome")
)
_seconds = Histogram("aihub_job_seconds", "Attempts at jobs", ("kind",), buckets=_SECONDS)
_busy = Gauge("aihub_worker_busy", "Processes that work", ("queue",), multiprocess_mode="livesum")


def kind_of(kind: str) -> str:
    """A job's kind without what it is specific to: `optimise:…` is `optimise`."""
    return kind.partition(":")[0]


def attempt_ended(kind: str, outcome: str, seconds: float) -> None:
    """Count an attempt at a job."""
    count(_finished, kind_of(kind), outcome)
    _seconds.labels(kind_of(kind)).observe(seconds)


@contextmanager
def busy(queue: str) -> Iterator[None]:
    """This process works for a queue while the block runs."""
    with _busy.labels(queue).track_inprogress():
        yield


def begin(queue: str, kinds: Collection[str]) -> None:
    """Have the counts of a queue's worker begin at zero."""
    for kind in map(kind_of, kinds):
        _seconds.labels(kind)
        for outcome in OUTCOMES:
            count(_finished, kind, outcome, by=0)
    _busy.labels(queue).set(0)
