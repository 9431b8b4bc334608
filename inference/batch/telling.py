"""What the log says of a chunk: that it is done, and which of its rows failed.

A row's line has its key and the reason without the values in it, which may be the row's own: no
content of an input is in the log. The values stand in the output, beside the row.
"""

import logging
from collections.abc import Sequence
from typing import Any

from inference.batch.outputs import Part
from inference.batch.rows import Fault, Rows
from inference.models import BatchChunk

_KEY = 300  # characters of a row's key

logger = logging.getLogger(__name__)


class Reasons:
    """Why rows failed, by their keys; of the first `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[str, str] = {}

    def note(self, rows: Rows, faults: dict[int, Fault]) -> None:
        for index in sorted(faults)[: self._most - len(self._of)]:
            self._of[str(rows.keys[index])] = faults[index].message

    def of(self, key: Any) -> str:
        """Empty where the model itself answered what cannot be written."""
        return self._of.get(str(key), "")


def chunk_tell(chunk: BatchChunk, part: Part, seconds: float) -> None:
    """Say that a chunk is done."""
    said = {
        "event.action": "batch-chunk",
        "event.outcome": "success",
        "event.duration": int(seconds * 1e9),
        "aihub.batch.rows": part.rows,
        "aihub.batch.failed": part.failed,
    }
    message = "chunk %s of batch job %s is done: %s rows, %s failed"
    arguments = (chunk.number, chunk.job_id, part.rows, part.failed)
    logger.info(message, *arguments, extra={"ecs": said})


def rows_tell(failed: Sequence[tuple[Any, str]], reasons: Reasons) -> None:
    """Say of each of these rows, given with their errors, that it failed."""
    for key, _ in failed:
        said = {
            "event.action": "batch-row",
            "event.outcome": "failure",
            "aihub.batch.row": str(key)[:_KEY],
            "error.message": reasons.of(key),
        }
        logger.warning("a row has no prediction", extra={"ecs": said})
