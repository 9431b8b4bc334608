"""What Prometheus learns of the chunks that this process computed."""

from prometheus_client import Counter, Histogram

from aihub.metrics import count

DONE, FAILED = OUTCOMES = ("done", "failed")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)

_rows = Counter("aihub_batch_rows", "Rows of batch jobs by how they ended", ("outcome",))
_seconds = Histogram("aihub_batch_chunk_seconds", "Chunks of batch jobs", buckets=_SECONDS)


def chunk_done(done: int, failed: int, seconds: float) -> None:
    """Count a chunk and the rows that were computed for it."""
    count(_rows, DONE, by=done)
    count(_rows, FAILED, by=failed)
    _seconds.observe(seconds)


def begin() -> None:
    """Have the counts of a batch worker begin at zero."""
    for outcome in OUTCOMES:
        count(_rows, outcome, by=0)
