"""Which settings are tried, and which of them is best."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from bench.capacity.hpa import Behaviour, Policy, Rules
from bench.capacity.simulation import Day, Outcome, Setting, played
from inference.cores import available_cores

IN_FLIGHT = (1, 2, 4, 6, 8, 12, None)  # calls under way on a replica
CPU = (50, 60, 70, 80, None)  # percent of what a replica asks for
LEAST = (8, 12, 16)
MOST = 120
POOLED = 8  # settings; fewer are not worth processes of their own

_DOUBLE = Policy("Percent", 100, 15)
UP = {
    "100 % or 4 in 15 s": (_DOUBLE, Policy("Pods", 4, 15)),
    "50 % or 2 in 15 s": (Policy("Percent", 50, 15), Policy("Pods", 2, 15)),
    "200 % or 8 in 15 s": (Policy("Percent", 200, 15), Policy("Pods", 8, 15)),
}
DOWN = {
    "100 % in 15 s": (_DOUBLE,),
    "10 % in 60 s": (Policy("Percent", 10, 60),),
    "50 % in 60 s": (Policy("Percent", 50, 60),),
}
WINDOWS = (120, 300, 600)  # seconds to look back on before there are fewer


@dataclass(frozen=True, slots=True)
class Objective:
    """Of those that lose no more, and whose callers wait no longer, on every ordinary day, and that
    cost as good as the least: the one that loses the fewest calls on a hard day.
    """

    lost: float = 0.0001
    p95: float = 0.1  # seconds
    near: float = 0.1  # a share of the cost

    def holds(self, outcome: Outcome) -> bool:
        return outcome.lost <= self.lost and outcome.p95 <= self.p95

    def best(self, outcomes: Iterable[Outcome], ordinary: Sequence[Day], hard: Day) -> Outcome:
        good = sorted(filter(self.holds, outcomes), key=lambda outcome: outcome.cost)
        for day in ordinary:
            good = good[: sum(o.cost <= (1 + self.near) * good[0].cost for o in good)]
            again = all_played(day, [outcome.setting for outcome in good])
            good = [o for o, other in zip(good, again, strict=True) if self.holds(other)]
        good = good[: sum(o.cost <= (1 + self.near) * good[0].cost for o in good)]
        lost = [outcome.lost for outcome in all_played(hard, [o.setting for o in good])]
        return good[lost.index(min(lost))]


def targets(behaviour: Behaviour) -> Iterator[Setting]:
    """Every pair of targets, and every least number of replicas."""
    for in_flight, cpu, least in product(IN_FLIGHT, CPU, LEAST):
        if in_flight or cpu:
            yield Setting(least, MOST, in_flight, cpu, behaviour)


def behaviours(chosen: Setting) -> Iterator[tuple[dict[str, Any], Setting]]:
    """How fast there are more and fewer, with what was chosen; each with its words."""
    for (up, more), (down, fewer), window in product(UP.items(), DOWN.items(), WINDOWS):
        behaviour = Behaviour(Rules(0, more), Rules(window, fewer))
        words = {"up": up, "down": down, "window": window}
        yield words, replace(chosen, behaviour=behaviour)


def all_played(day: Day, settings: list[Setting]) -> list[Outcome]:
    """The day by each of them; many of them on every core."""
    if len(settings) < POOLED:
        return [played(day, setting) for setting in settings]
    with ProcessPoolExecutor(available_cores()) as pool:
        return list(pool.map(partial(played, day), settings, chunksize=4))
