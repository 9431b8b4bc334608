"""How far batch jobs would scale: the measured figures of one and two workers, played on with more.

A job is a planner that writes chunks down, workers that compute them, and a finish that only moves
bytes. Of what a chunk costs beside its rows everything is taken to be done by one worker at a time,
as counting it is (the job's row is locked): that is the worst that it can be.
"""

import heapq
from typing import Any

from bench.report import table

WORKERS = (1, 2, 4, 8, 16)
JOIN_BYTES = 250e6  # bytes a second that joining moves, with its sums


def simulated(found: dict[str, Any]) -> dict[str, Any]:
    """Seconds by number of workers, for both measured jobs, each worker with cores of its own."""
    overhead = found["chunks"]["overhead_ms"] / 1000
    jobs = {name: _played(found[name], overhead) for name in ("pictures", "rows")}
    return {"measured_with_two": round(1 / found["workers"]["ratio"], 2), "jobs": jobs}


def _played(job: dict[str, Any], overhead: float) -> dict[str, Any]:
    chunks = job["chunks"]
    finish = float(job["output_bytes"]) / JOIN_BYTES
    each = max(0.01, (job["seconds"] - job["first_chunk_seconds"] - finish) / max(1, chunks - 1))
    serial = max(0.0, job["first_chunk_seconds"] - each)  # before the first chunk begins
    each = max(0.01, each - overhead)
    seconds = {n: round(serial + _computed(n, chunks, each, overhead) + finish, 2) for n in WORKERS}
    return {
        "seconds": seconds,
        "speedup": {n: round(seconds[1] / seconds[n], 2) for n in WORKERS},
        "chunks": chunks,
        "chunk_seconds": round(each, 3),
        "serial_seconds": round(serial + finish, 2),
        "full_at": round(each / overhead) if overhead > 0 else 0,
    }


def _computed(workers: int, chunks: int, each: float, overhead: float) -> float:
    """When the last chunk is counted: chunks go to whoever is free, counting is done in turn."""
    free = [0.0] * workers
    counter = 0.0
    for _ in range(chunks):
        done = heapq.heappop(free) + each
        counter = max(counter, done) + overhead
        heapq.heappush(free, counter)
    return max(free)


def report(found: dict[str, Any]) -> str:
    """The table, in Markdown, and where it stops."""
    rows = [
        (name, *(float(job["speedup"][n]) for n in WORKERS), job["chunks"], job["serial_seconds"])
        for name, job in found["jobs"].items()
    ]
    head = ("times as fast with", *map(str, WORKERS), "chunks", "in series, s")
    why = "; ".join(
        f"{name}: what is in series takes {job['serial_seconds']} s however many there are, and "
        f"counting chunks of {job['chunk_seconds']} s would keep no more than {job['full_at']} busy"
        for name, job in found["jobs"].items()
    )
    told = f"measured with two: {found['measured_with_two']}. Where it stops: {why}."
    return f"{table(head, rows)}\n\nSimulated from the figures above; {told}"
