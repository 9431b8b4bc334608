"""What callers got: latencies counted by bins, minute by minute, and calls that were lost."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from bench.capacity.service import BINS, Floats, Levels

_EDGES = BINS.tolist()


def quantile(counts: Floats, share: float) -> float:
    """The latency, in seconds, that so large a share of calls did not exceed; 0 without calls."""
    total = counts.sum()
    if not total:
        return 0.0
    return float(BINS[int(np.searchsorted(np.cumsum(counts), share * total)) + 1])


@dataclass
class Meter:
    """Counts of a day. `rows` has a line for each minute: calls/s, ready, replicas, p95, lost/s."""

    levels: Levels
    lost: float = 0.0
    counts: Floats = field(init=False)
    rows: list[tuple[float, int, int, float, float]] = field(default_factory=list)
    _at_level: list[float] = field(init=False)
    _queued: Floats = field(init=False)
    _calls: float = 0.0
    _lost: float = 0.0

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(BINS) - 1)
        self._begin_minute()

    def answered(self, level: int, calls: float) -> None:
        """Calls of a second in which replicas were at this level of load."""
        self._at_level[level] += calls
        self._calls += calls

    def queued(self, latency: float, calls: float) -> None:
        """Calls that waited in queues which do not empty."""
        place = min(max(bisect_right(_EDGES, latency) - 1, 0), len(self._queued) - 1)
        self._queued[place] += calls
        self._calls += calls

    def refused(self, calls: float) -> None:
        self._lost += calls

    def end_minute(self, ready: int, replicas: int) -> None:
        minute = np.array(self._at_level) @ self.levels.latencies + self._queued
        self.counts += minute
        self.lost += self._lost
        p95 = quantile(minute, 0.95)
        self.rows.append((self._calls / 60, ready, replicas, p95, self._lost / 60))
        self._begin_minute()

    def _begin_minute(self) -> None:
        self._at_level = [0.0] * len(self.levels.busy)
        self._queued = np.zeros(len(BINS) - 1)
        self._calls = self._lost = 0.0
