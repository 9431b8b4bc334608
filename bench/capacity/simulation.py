"""A day of replicas, second by second: queues, nodes, and every 15 seconds the autoscaler.

Within a second calls come as they like (`service.Levels`); where more come than replicas answer,
queues grow up to their bound and further calls are refused.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.capacity.cluster import Assumed, Cluster
from bench.capacity.hpa import DEFAULT, SYNC, Autoscaler, Behaviour, Reading
from bench.capacity.meter import Meter, quantile
from bench.capacity.service import MAX_BATCH, QUEUE, Levels, Service

TICK = 5  # seconds between two looks at Pods and nodes
SCRAPE = 15  # seconds between two values of a metric; the autoscaler sees the last one
CPU_WINDOW = 30  # seconds that metrics-server averages over
FULL = 0.97  # of what a replica answers at most: above, its queue grows

Metric = tuple[float, float, int]  # calls under way on a replica, its processor's share, replicas


@dataclass(frozen=True)
class Day:
    """What all settings are tried on."""

    calls: list[int]  # of each second
    service: Service
    levels: Levels
    start: float  # seconds until a new process answers
    assumed: Assumed = field(default_factory=Assumed)
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Setting:
    """What an operator sets. Without targets there are always `least` replicas."""

    least: int
    most: int
    in_flight: float | None = None
    cpu: int | None = None
    behaviour: Behaviour = DEFAULT
    on_demand: int = 10_000  # replicas that lie on nodes that stay; the others on spot


@dataclass(frozen=True)
class Outcome:
    setting: Setting
    lost: float  # share of calls
    p50: float  # seconds
    p95: float
    p99: float
    cost: float  # hours of a node on demand
    replica_hours: float
    starts: int  # of replicas
    rows: list[tuple[float, int, int, float, float]]

    def told(self) -> dict[str, Any]:
        return {
            "in_flight": self.setting.in_flight,
            "cpu": self.setting.cpu,
            "least": self.setting.least,
            "lost_percent": round(100 * self.lost, 4),
            "p50_ms": round(1000 * self.p50, 1),
            "p95_ms": round(1000 * self.p95, 1),
            "p99_ms": round(1000 * self.p99, 1),
            "cost": round(self.cost, 1),
            "replica_hours": round(self.replica_hours, 1),
            "starts": self.starts,
        }


def played(day: Day, setting: Setting) -> Outcome:
    """The day by one setting; the same for the same seed."""
    replicas = _Replicas(day, setting)
    for now in range(0, len(day.calls), TICK):
        replicas.pass_time(now)
    return replicas.outcome()


class _Replicas:
    """The replicas, what waits at them, and who decides how many there are."""

    def __init__(self, day: Day, setting: Setting) -> None:
        self.day, self.setting = day, setting
        self.random = np.random.default_rng(day.seed)
        self.cluster = Cluster(day.assumed, day.start, setting.on_demand, self.random)
        self.scaler = Autoscaler(setting.least, setting.most, setting.behaviour)
        self.meter = Meter(day.levels)
        self.waiting = 0.0  # at all replicas together
        self.busy: deque[float] = deque(maxlen=CPU_WINDOW)
        self.metric: Metric = (0.0, 0.0, 0)
        self.hours = 0.0
        self._start_with(max(setting.least, self._enough(day.calls[0])))

    def _start_with(self, replicas: int) -> None:
        self.cluster.scale(-3600, replicas)
        self.cluster.pass_time(0, 0)

    def _enough(self, calls: int) -> int:
        """Replicas that are half busy with so many calls a second, where there is a choice."""
        if self.setting.in_flight is None and self.setting.cpu is None:
            return 0
        return round(calls / (0.5 * self.day.service.most))

    def pass_time(self, now: int) -> None:
        self.meter.refused(self.cluster.pass_time(now, TICK) * self.metric[0])
        self.hours += self.cluster.replicas * TICK / 3600
        for calls in self.day.calls[now : now + TICK]:
            self._second(calls)
        if now % SCRAPE == 0:
            self._scrape()
        if now % SYNC == 10:  # looks at what was read ten seconds ago
            self._decide(now)
        if now % 60 == 60 - TICK:
            self.meter.end_minute(self.cluster.ready, self.cluster.replicas)

    def _second(self, calls: int) -> None:
        ready, most = self.cluster.ready, self.day.service.most
        if self.waiting or calls > FULL * ready * most:
            self._full_second(calls, ready, most)
            return
        level = self.day.levels.level(calls / (ready * most))
        self.meter.answered(level, calls)
        self.busy.append(float(self.day.levels.busy[level]))

    def _full_second(self, calls: int, ready: int, most: float) -> None:
        served = min(self.waiting + calls, ready * most)
        room = ready * (QUEUE - MAX_BATCH)
        left = self.waiting + calls - served
        self.meter.refused(max(0.0, left - room))
        if served:
            turns = 1.5 * self.day.service.seconds(MAX_BATCH)  # what computes, then one's own batch
            self.meter.queued(turns + self.waiting / (ready * most), served)
        self.waiting = min(left, room)
        self.busy.append(min(1.0, served / max(1.0, ready * most)))

    def _scrape(self) -> None:
        """Calls under way are counted at one moment, processor time over a while."""
        ready = self.cluster.ready
        if not ready:
            return
        if self.waiting:
            under_way = MAX_BATCH + self.waiting / ready
        else:
            level = self.day.levels.level(self.busy[-1]) if self.busy else 0
            spread = self.day.levels.deviation[level] / ready**0.5
            under_way = self.day.levels.in_flight[level] + spread * self.random.standard_normal()
        self.metric = (max(0.0, under_way), sum(self.busy) / max(1, len(self.busy)), ready)

    def _decide(self, now: int) -> None:
        cluster, (under_way, busy, seen) = self.cluster, self.metric
        ready = min(seen, cluster.ready)
        starting = cluster.starting(now)
        others = cluster.replicas - ready - starting
        readings = []
        if self.setting.in_flight is not None:
            readings.append(Reading(under_way, self.setting.in_flight, ready, others, starting))
        if self.setting.cpu is not None:
            readings.append(Reading(100 * busy, self.setting.cpu, ready, others + starting))
        if readings:
            cluster.scale(now, self.scaler.decide(now, cluster.replicas, readings))

    def outcome(self) -> Outcome:
        counts, lost = self.meter.counts, self.meter.lost
        return Outcome(
            self.setting,
            float(lost / (counts.sum() + lost)),
            *(quantile(counts, share) for share in (0.5, 0.95, 0.99)),
            cost=sum(nodes.cost for nodes in self.cluster.kinds),
            replica_hours=self.hours,
            starts=self.cluster.started,
            rows=self.meter.rows,
        )
