"""Pods on nodes: how long until one serves, what is paid for, and what a spot market takes away."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Assumed:
    """What cannot be measured here. Prices are relative: an hour of a node on demand is 1.

    A node of 8 cores holds three Pods of two, since its own processes take some.
    """

    pods_a_node: int = 3
    node_seconds: float = 120.0  # from asking for a node to a Pod that starts on it
    idle_seconds: float = (
        600.0  # the cluster autoscaler's default until an empty node is given back
    )
    spot_price: float = 0.35
    interruptions: float = 0.05  # of a spot node in an hour
    unannounced: float = 0.05  # the share of them that comes without the two minutes' notice


@dataclass
class Nodes:
    """Machines of one kind; they are asked for at once and given back after a while."""

    assumed: Assumed
    price: float
    hours: float = 0.0
    _there_at: list[float] = field(default_factory=list)  # when each is, or was, there
    _spare_since: float | None = None

    @property
    def count(self) -> int:
        return len(self._there_at)

    def place(self, pod: int, now: float) -> float:
        """When the Pod of that number, from 1, can start: its node may have to be asked for."""
        number = (pod - 1) // self.assumed.pods_a_node
        while number >= self.count:
            self._there_at.append(now + self.assumed.node_seconds)
        return max(now, self._there_at[number])

    def pass_time(self, now: float, seconds: float, pods: int) -> None:
        needed = math.ceil(pods / self.assumed.pods_a_node)
        self.hours += self.count * seconds / 3600
        if needed >= self.count:
            self._spare_since = None
        elif self._spare_since is None:
            self._spare_since = now
        elif now - self._spare_since >= self.assumed.idle_seconds:
            del self._there_at[needed:]
            self._spare_since = None

    @property
    def cost(self) -> float:
        return self.hours * self.price


@dataclass
class Cluster:
    """Replicas of `infer`: the first `on_demand` of them on nodes that stay, the others on spot.

    `start` is the measured time from a process's start to a replica that answers.
    """

    assumed: Assumed
    start: float
    on_demand: int
    random: np.random.Generator
    ready: int = 0
    started: int = 0  # Pods in all
    _coming: list[tuple[float, float]] = field(default_factory=list)  # runs at, ready at
    kinds: tuple[Nodes, Nodes] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = (Nodes(self.assumed, 1.0), Nodes(self.assumed, self.assumed.spot_price))

    @property
    def replicas(self) -> int:
        return self.ready + len(self._coming)

    def starting(self, now: float) -> int:
        """Pods that run and do not serve yet; the others that come wait for a node."""
        return sum(runs <= now for runs, _ in self._coming)

    def scale(self, now: float, wanted: int) -> None:
        """Add Pods, or end some: first those that do not serve yet."""
        while self.replicas < wanted:
            self._add(now)
        surplus = self.replicas - wanted
        self._coming = self._coming[: max(0, len(self._coming) - surplus)]
        self.ready = min(self.ready, wanted)

    def pass_time(self, now: float, seconds: float) -> int:
        """Pods become ready, nodes are paid for; Pods that end without notice are told."""
        self.ready += sum(ready <= now for _, ready in self._coming)
        self._coming = [coming for coming in self._coming if coming[1] > now]
        lost = sum(self._interruptions(now, seconds))
        for nodes, pods in zip(self.kinds, self._spread(self.replicas), strict=True):
            nodes.pass_time(now, seconds, pods)
        return lost

    def _interruptions(self, now: float, seconds: float) -> Iterator[int]:
        """Each takes a node's Pods away, which start anew on another; how many were not told."""
        spot = self.kinds[1]
        chance = self.assumed.interruptions * seconds / 3600
        for _ in range(self.random.binomial(spot.count, chance) if spot.count else 0):
            gone = min(self.assumed.pods_a_node, self.ready)
            self.ready -= gone
            runs = now + self.assumed.node_seconds
            self._coming += [(runs, runs + self.start)] * gone
            self.started += gone
            yield gone if self.random.random() < self.assumed.unannounced else 0

    def _add(self, now: float) -> None:
        pods = self.replicas + 1
        kind = 0 if pods <= self.on_demand else 1
        runs = self.kinds[kind].place(self._spread(pods)[kind], now)
        self._coming.append((runs, runs + self.start))
        self.started += 1

    def _spread(self, pods: int) -> tuple[int, int]:
        return min(pods, self.on_demand), max(0, pods - self.on_demand)
