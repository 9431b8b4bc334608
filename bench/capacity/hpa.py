"""The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2), without a cluster.

It follows pkg/controller/podautoscaler: what one metric proposes, the largest of the proposals,
stabilisation, then the policies of behaviour. Times are in seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

TOLERANCE = 0.1
SYNC = 15  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric: its mean over the `ready` Pods that report it, and what is wanted of each.

    `unready` Pods are not looked at, or as if they did nothing; `missing` ones report no value.
    """

    mean: float
    target: float
    ready: int
    unready: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """At most so much in a period: a number of Pods, or a percentage."""

    kind: str  # Pods or Percent
    value: int
    period: int


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction: the window to look back on, and policies of which the widest counts."""

    window: int
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class Behaviour:
    up: Rules
    down: Rules


DEFAULT = Behaviour(
    Rules(0, (Policy("Percent", 100, 15), Policy("Pods", 4, 15))),
    Rules(300, (Policy("Percent", 100, 15),)),
)


def proposed(reading: Reading, current: int) -> int:
    """How many replicas one metric asks for."""
    if not reading.ready:
        return current
    ratio = reading.mean / reading.target
    up_beside_unready = reading.unready > 0 and ratio > 1
    if not up_beside_unready and not reading.missing:
        return current if _tolerable(ratio) else math.ceil(ratio * reading.ready)
    total, count = reading.mean * reading.ready, reading.ready + reading.missing
    if ratio < 1:  # what is not known must not make fewer of them
        total += reading.missing * reading.target
    elif up_beside_unready:  # they will help soon
        count += reading.unready
    again = total / count / reading.target
    if _tolerable(again) or (ratio < 1 < again) or (again < 1 < ratio):
        return current
    wanted = math.ceil(again * count)
    turned = (again < 1 and wanted > current) or (again > 1 and wanted < current)
    return current if turned else wanted


def _tolerable(ratio: float) -> bool:
    return abs(ratio - 1) <= TOLERANCE


@dataclass
class Autoscaler:
    """One autoscaler and what it remembers."""

    least: int
    most: int
    behaviour: Behaviour = DEFAULT
    _wanted: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)  # above 0 were added

    def decide(self, now: float, current: int, readings: Sequence[Reading]) -> int:
        """How many replicas there shall be from now on."""
        asked = max(proposed(reading, current) for reading in readings)
        decided = self._within_policies(now, current, self._stabilised(now, current, asked))
        if decided != current:
            self._changes.append((now, decided - current))
        return decided

    def _stabilised(self, now: float, current: int, asked: int) -> int:
        """Up to the least that was asked for in the window of going up, down to the most."""
        up, down = self.behaviour.up.window, self.behaviour.down.window
        kept = [(at, n) for at, n in self._wanted if at > now - max(up, down)]
        lowest = min([asked, *(n for at, n in kept if at > now - up)])
        highest = max([asked, *(n for at, n in kept if at > now - down)])
        self._wanted = [*kept, (now, asked)]
        return min(max(current, lowest), highest)

    def _within_policies(self, now: float, current: int, asked: int) -> int:
        if asked > current:
            limits = [self._highest(policy, now, current) for policy in self.behaviour.up.policies]
            return min(asked, self.most, max(*limits, current))
        if asked < current:
            limits = [self._lowest(policy, now, current) for policy in self.behaviour.down.policies]
            return max(asked, self.least, min(*limits, current))
        return min(max(asked, self.least), self.most)

    def _highest(self, policy: Policy, now: float, current: int) -> int:
        began = current - self._changed(policy, now)
        if policy.kind == "Pods":
            return began + policy.value
        return math.ceil(began * (1 + policy.value / 100))

    def _lowest(self, policy: Policy, now: float, current: int) -> int:
        began = current - self._changed(policy, now)
        if policy.kind == "Pods":
            return began - policy.value
        return int(began * (1 - policy.value / 100))

    def _changed(self, policy: Policy, now: float) -> int:
        """By how many there are more than when the period began."""
        return sum(change for at, change in self._changes if at > now - policy.period)
