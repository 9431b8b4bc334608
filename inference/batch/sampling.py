"""The first rows of an input, tried before all others: what a job's report says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from inference.batch import inputs
from inference.batch.inputs import Described
from inference.batch.probing import SIZES, best_batch
from inference.batch.rows import PICTURES, TEXTS, Fault, Files, Rows, Wanted
from inference.batch.running import Computed, Runner, compute, decode
from inference.runtimes.base import Arrays, Unfit

SAMPLE = 64  # rows
TOGETHER = 8  # of them, as a slow model may compute only some
COMPUTES_FOR = 1.0  # seconds
SHOWN = 20  # faults of a report
MOST_TOGETHER = {PICTURES: 32, TEXTS: 64}  # rows of a batch; of tensors there may be more
WITHOUT_SAMPLE = 16  # rows of a batch where none could be tried


@dataclass(frozen=True, slots=True)
class Sampled:
    """What trying the first rows showed; `ready` and `decoding` (seconds a row) tell of speed."""

    rows: int
    failed: int
    faults: tuple[tuple[str, Fault], ...]  # by key, the first of them
    numbered: bool
    ready: tuple[Computed, ...]
    decoding: float

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
    place = next(inputs.places(files, described, wanted, SAMPLE, spill))
    decoded, decoding = [], 0.0
    with ThreadPoolExecutor(runner.threads) as pool:
        for rows in inputs.rows_of(files, place, described, wanted, TOGETHER):
            started = time.perf_counter()
            decoded.append(decode(rows, runner, pool))
            decoding += time.perf_counter() - started
    computed = list(_computed_for_a_while(decoded, runner))
    return Sampled(
        rows=sum(len(ready.rows.keys) for ready in decoded),
        failed=sum(len(done.faults) for done in computed),
        faults=tuple(islice(_faults(computed), SHOWN)),
        numbered=all(isinstance(ready.rows.keys, np.ndarray) for ready in decoded),
        ready=tuple(decoded),
        decoding=decoding / max(1, place.rows),
    )


def _computed_for_a_while(decoded: list[Computed], runner: Runner) -> Iterator[Computed]:
    """Rows through the model for about a second; what is left is as decoding found it."""
    until = time.perf_counter() + COMPUTES_FOR
    for ready in decoded:
        yield compute(ready, runner) if time.perf_counter() < until else ready


def speed(sample: Sampled, wanted: Wanted, runner: Runner) -> tuple[int, float]:
    """The best number of rows of a batch, and the seconds that a row takes; 0 where unknown."""
    most = MOST_TOGETHER.get(wanted.kind, SIZES[-1]) if runner.by_rows else 1
    tried = (r.arrays for r in sample.ready if len(r.faults) < len(r.rows.keys))
    arrays: Arrays | None = next(filter(None, tried), None)
    if arrays is not None:
        with suppress(Unfit):
            batch, computing = best_batch(runner.outputs, arrays, most)
            return batch, max(sample.decoding, computing)
    return min(WITHOUT_SAMPLE, most), 0.0


def _faults(computed: list[Computed]) -> Iterator[tuple[str, Fault]]:
    for done in computed:
        for index in sorted(done.faults):
            yield key_of(done.rows, index), done.faults[index]


def key_of(rows: Rows, index: int) -> str:
    return str(rows.keys[index])
