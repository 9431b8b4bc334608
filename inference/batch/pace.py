"""How many rows run together and how many are a chunk: as earlier jobs of the version found."""

from dataclasses import dataclass
from typing import Any

from inference.models import BatchJob
from inference.models.batch import JobState
from inference.spec import VariantSpec

CHUNK_SECONDS = 4.0  # that a chunk is to take: what a kill loses, and a cancellation waits for
FITS = (1.5, 10.0)  # seconds of chunks that may stay as they were
MOST_ROWS = 1_000_000
WITHOUT_PACE = 1000  # rows of a chunk where nothing is known
LOOKED_AT = 5  # earlier jobs


@dataclass(frozen=True, slots=True)
class Pace:
    batch: int
    chunk_rows: int


def pace_found(batch: int, seconds_a_row: float) -> Pace:
    """As trying a model showed; 0 seconds where it could not be tried."""
    return Pace(batch, _rows(batch, seconds_a_row))


def pace_known(job: BatchJob, variant: VariantSpec | None) -> Pace | None:
    """As the last job of the same version in the same form had it, None where there is none.

    As long as its chunks took a fair time nothing changes, so that the same job again computes the
    same batches in the same chunks. A job too short to show a pace changes nothing either: a few
    rows are slow, each. What a caller had asked for was for that job.
    """
    for plan, options, seconds, done, failed in _earlier(job):
        if _name(plan.get("variant")) != (variant.name if variant else "") or _is_asked(options):
            continue
        batch, rows, a_row = plan["batch"], plan["chunk_rows"], seconds / (done + failed)
        if seconds < FITS[0] or FITS[0] <= a_row * rows <= FITS[1]:
            return Pace(batch, rows)
        return Pace(batch, _rows(batch, a_row))
    return None


def _rows(batch: int, seconds_a_row: float) -> int:
    wanted = CHUNK_SECONDS / seconds_a_row if seconds_a_row else WITHOUT_PACE
    return max(1, min(round(wanted), MOST_ROWS) // batch) * batch


def _earlier(job: BatchJob) -> Any:
    same = BatchJob.objects.filter(version=job.version_id, state=JobState.SUCCEEDED, seconds__gt=0)
    ran = same.exclude(done=0).order_by("-pk")  # rows that only fail cost a model nothing
    return ran.values_list("plan", "options", "seconds", "done", "failed")[:LOOKED_AT]


def _is_asked(options: dict[str, Any]) -> bool:
    return "batch_size" in options or "chunk_rows" in options


def _name(variant: dict[str, Any] | None) -> str:
    return variant["name"] if variant else ""
