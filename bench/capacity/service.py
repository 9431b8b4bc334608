"""One replica under load, from measured service times: how long callers wait, how busy it is."""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.places import RESULTS

Floats = npt.NDArray[np.float64]
SOURCE = "compare.json"
MAX_BATCH, QUEUE = 16, 256  # AIHUB_MAX_BATCH, AIHUB_QUEUE
STEP = 0.02  # between two levels of load that are looked at, as shares of the most
CALLS = 20_000  # at each level
BINS = np.geomspace(1e-4, 30, 1000)  # seconds; latencies are counted between two of them


@dataclass(frozen=True, slots=True)
class Service:
    """A batch of n takes `fixed + each · n` seconds."""

    fixed: float
    each: float

    def seconds(self, items: int) -> float:
        return self.fixed + self.each * items

    @property
    def most(self) -> float:
        """Calls a second that one replica answers at the most."""
        return MAX_BATCH / self.seconds(MAX_BATCH)


def measured(server: str, model: str) -> Service:
    """From the rates of one caller and of as many as a batch holds (`found.rows[].rate`)."""
    one = 1 / rate_of(server, model, 1)
    full = MAX_BATCH / rate_of(server, model, MAX_BATCH)
    each = (full - one) / (MAX_BATCH - 1)
    return Service(one - each, each)


def rate_of(server: str, model: str, connections: int) -> float:
    """Answers a second, as the benchmark found them on two cores."""
    rows: list[dict[str, Any]] = json.loads((RESULTS / SOURCE).read_text())["found"]["rows"]
    wanted = (server, model, connections)
    (rate,) = (
        row["rate"] for row in rows if (row["server"], row["model"], row["connections"]) == wanted
    )
    return float(rate)


@dataclass(frozen=True)
class Levels:
    """What a replica does at each level of load, in steps of `STEP` of its most.

    `latencies[level]` is the share of calls in each of `BINS`; `in_flight` and its deviation are of
    calls, `busy` is a share of time.
    """

    latencies: Floats
    in_flight: Floats
    deviation: Floats
    busy: Floats

    def level(self, share: float) -> int:
        return min(int(share / STEP), len(self.busy) - 1)


def levels_of(service: Service, random: np.random.Generator, calls: int = CALLS) -> Levels:
    """Each level played through, with callers that know nothing of each other."""
    rows = [_played(service, share, random, calls) for share in _shares()]
    latencies, in_flight, deviation, busy = zip(*rows, strict=True)
    return Levels(np.array(latencies), np.array(in_flight), np.array(deviation), np.array(busy))


def _shares() -> Iterator[float]:
    return ((number + 0.5) * STEP for number in range(round(1 / STEP)))


def _played(
    service: Service, share: float, random: np.random.Generator, calls: int
) -> tuple[Floats, float, float, float]:
    arrivals = np.cumsum(random.exponential(1 / (share * service.most), calls))
    ends, busy = _answered(service, arrivals)
    counts, _ = np.histogram(ends - arrivals, BINS)
    moments = random.uniform(arrivals[0], arrivals[-1], 4000)
    under_way = np.searchsorted(arrivals, moments) - np.searchsorted(np.sort(ends), moments)
    lasted = float(ends[-1] - arrivals[0])
    return counts / calls, float(under_way.mean()), float(under_way.std()), busy / lasted


def _answered(service: Service, arrivals: Floats) -> tuple[Floats, float]:
    """When each call is answered: whatever waits is one batch, and nothing waits for another."""
    at: list[float] = arrivals.tolist()
    ends: list[float] = []
    free, busy, first = 0.0, 0.0, 0
    while first < len(at):
        start = max(free, at[first])
        batch = min(MAX_BATCH, bisect_right(at, start, first) - first)
        took = service.seconds(batch)
        free, busy, first = start + took, busy + took, first + batch
        ends += [free] * batch
    return np.array(ends), busy
