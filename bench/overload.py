"""Far more callers than the queue holds: who is answered, how fast, and what memory does.

    .venv/bin/python -m bench.overload [--seconds N] [--scale S]

160 connections against a queue of 32, for a minute each: callers that wait as long as
`Retry-After` asks, then callers that ask again at once.
"""

import threading
from typing import Any

import psutil

from bench import hub as hubs
from bench.hub import Hub
from bench.load import BROKEN, Load, Tally
from bench.report import table
from bench.running import Run, alone
from bench.servers import settle
from bench.wrk import Post, measure

MODEL, PRECISION = "resnet50", "fast"
QUEUE, CALLERS, PEAK_CALLERS = 32, 160, 16
LASTS = 60.0  # seconds, of each kind of callers
MANNERS = {"obedient": True, "impatient": False}
_MIB = 1024 * 1024


def run(run: Run) -> dict[str, Any]:
    """The peak without overload; then, for each kind of callers, what they got."""
    with hubs.running(run.shared, AIHUB_QUEUE=str(QUEUE)) as hub:
        hub.ensure_resnet50()
        post = hubs.photograph_post(hub, MODEL)
        variant = hub.serve(MODEL, PRECISION, post)
        settle(post)
        peak = measure(post, PEAK_CALLERS, run.seconds)
        settle(post)
        alone_before = measure(post, 1, run.seconds / 2)
        found = {
            manner: _overloaded(hub, post, LASTS * run.scale, obedient)
            for manner, obedient in MANNERS.items()
        }
    before = {"rate": peak.rate, "p99_ms": peak.p99_ms, "one_caller_p50_ms": alone_before.p50_ms}
    return {"variant": variant, "peak": before, "callers": found}


def _overloaded(hub: Hub, post: Post, seconds: float, obedient: bool) -> dict[str, Any]:
    tally = Tally()
    with Memory(hub.server()) as memory:
        Load(lambda: post, CALLERS, seconds, tally, obedient).run()
    within = sum(at + took <= seconds for at, took in tally.good)
    after = measure(post, 1, 1)
    return {
        "good_rate": round(within / seconds, 2),
        "good_p50_ms": tally.milliseconds(0.5),
        "good_p99_ms": tally.milliseconds(0.99),
        "refused": tally.statuses[503],
        "broken": tally.statuses[BROKEN],
        "others": tally.failed - tally.statuses[503] - tally.statuses[BROKEN],
        "refused_share": round(tally.statuses[503] / max(1, tally.statuses.total()), 3),
        "memory_mib": memory.seen,
        "after_p50_ms": after.p50_ms,
        "after_max_ms": after.max_ms,
    }


class Memory(threading.Thread):
    """Looks at the resident memory of a process, in MiB, until the block is left."""

    def __init__(self, process: psutil.Process, every: float = 1.0) -> None:
        super().__init__(daemon=True)
        self.seen: list[int] = []
        self._process, self._every = process, every
        self._stopped = threading.Event()

    def run(self) -> None:
        while True:
            self.seen.append(self._process.memory_info().rss // _MIB)
            if self._stopped.wait(self._every):
                return

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self.join()


def report(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    peak = found["peak"]
    rows = [
        ("good answers/s", peak["rate"], "good_rate"),
        ("p99 of good answers, ms", peak["p99_ms"], "good_p99_ms"),
        ("share of 503", 0.0, "refused_share"),
        ("broken calls", None, "broken"),
        ("other answers", None, "others"),
        ("one caller right after, p50, ms", peak["one_caller_p50_ms"], "after_p50_ms"),
    ]
    kinds = found["callers"]
    cells = [[text, before, *(kind[key] for kind in kinds.values())] for text, before, key in rows]
    shares = (round(kind["good_rate"] / peak["rate"], 3) for kind in kinds.values())
    cells.insert(1, ["share of the peak", 1.0, *shares])
    memory = (f"{kind['memory_mib'][0]}–{max(kind['memory_mib'])}" for kind in kinds.values())
    cells.append(["memory, first–most, MiB", None, *memory])
    head = (f"{CALLERS} callers, queue of {QUEUE}", f"{PEAK_CALLERS} callers", *kinds)
    return "\n\n".join([f"### Overload ({found['variant']})", table(head, cells)])


if __name__ == "__main__":
    alone("overload", run, report)
