"""The first rows of an input, tried before all others: what a job's report says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from aihub.problems import N_
from inference.batch import inputs
from inference.batch.inputs import Described
from inference.batch.probing import best_batch
from inference.batch.rows import Fault, Files, Rows, Wanted
from inference.batch.running import Computed, Runner, compute, decode
from inference.runtimes.base import Arrays, Unfit

NO_ROWS = N_("The input has no rows.")
SAMPLE = 64  # rows
SHOWN = 20  # faults of a report
MOST_TOGETHER = {"pictures": 32, "texts": 64}  # rows of a batch; of tensors there may be more
WITHOUT_SAMPLE = 16  # rows of a batch where none could be tried


@dataclass(frozen=True, slots=True)
class Sampled:
    """What trying the first rows showed: a report, and how fast the model goes."""

    rows: int
    failed: int
    faults: tuple[tuple[str, Fault], ...]  # by key, the first of them
    numbered: bool
    batch: int
    seconds_a_row: float

    def report(self, columns: dict[str, Any]) -> dict[str, Any]:
        """JSON for people: what was found, and what would fail."""
        return {
            **columns,
            "rows": self.rows,
            "failed": self.failed,
            "errors": [
                {"key": key, "line": f.line, "message": f.message, "values": dict(f.values)}
                for key, f in self.faults
            ],
        }


def sampled(
    files: Files, described: Described, wanted: Wanted, runner: Runner, spill: str
) -> Sampled:
    """Try the first rows. Unreadable where there are none."""
    place = next(inputs.places(files, described, wanted, SAMPLE, spill), None)
    if place is None:
        raise inputs.Unreadable(NO_ROWS)
    slices = list(inputs.rows_of(files, place, described, wanted, SAMPLE))
    with ThreadPoolExecutor(runner.threads) as pool:
        started = time.perf_counter()
        decoded = [decode(rows, runner, pool) for rows in slices]
        decoding = (time.perf_counter() - started) / max(1, place.rows)
    computed = [compute(ready, runner) for ready in decoded]
    batch, computing = _pace(decoded, runner, MOST_TOGETHER.get(wanted.kind, 1 << 20))
    return Sampled(
        rows=sum(len(rows.keys) for rows in slices),
        failed=sum(len(done.faults) for done in computed),
        faults=tuple(islice(_faults(computed), SHOWN)),
        numbered=all(isinstance(rows.keys, np.ndarray) for rows in slices),
        batch=batch,
        seconds_a_row=max(decoding, computing),
    )


def _pace(decoded: list[Computed], runner: Runner, most: int) -> tuple[int, float]:
    if not runner.by_rows:
        most = 1
    arrays: Arrays | None = next((ready.arrays for ready in decoded if ready.arrays), None)
    if arrays is None:
        return min(WITHOUT_SAMPLE, most), 0.0
    try:
        return best_batch(runner.outputs, arrays, most)
    except Unfit:
        return min(WITHOUT_SAMPLE, most), 0.0


def _faults(computed: list[Computed]) -> Iterator[tuple[str, Fault]]:
    for done in computed:
        for index in sorted(done.faults):
            yield key_of(done.rows, index), done.faults[index]


def key_of(rows: Rows, index: int) -> str:
    return str(rows.keys[index])
