"""A day of autoscaling, played on from measured service times: `make bench SCENARIOS=capacity`.

    .venv/bin/python -m bench.capacity

How long a replica starts is measured; how fast it answers comes from the last `compare`. Then a
day with a peak, a night and a spike is tried with every setting of the autoscaler.
"""

import math
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from bench.capacity import service, sweep, traffic
from bench.capacity.cluster import Assumed
from bench.capacity.hpa import DEFAULT, Behaviour
from bench.capacity.simulation import Day, Outcome, Setting, played
from bench.capacity.starting import start_seconds
from bench.environments import python_of
from bench.places import BENCH, RESULTS, ROOT
from bench.report import table
from bench.running import Run

SERVER, MODEL = "AIHub, int8", "resnet50"
PEAK = 1000.0  # calls a second
PICTURE = ROOT / "docs" / "images" / "capacity.png"
OBJECTIVE = sweep.Objective()
SEEDS = (2, 3)  # of other days that it has to hold on
NOON = 12.0
SPIKES = (3.5, 7.0, NOON, 19.0)  # hours at which the best is met by the spike
EVERY = 5  # minutes between two points of the picture


def run(run: Run) -> dict[str, Any]:
    """What is best for the day, and what it would be otherwise."""
    return simulated(start_seconds(run))


def simulated(start: dict[str, float]) -> dict[str, Any]:
    """The same for a known time to start."""
    day = day_of(start["answers"])
    others = [day_of(start["answers"], seed) for seed in SEEDS]
    tried = sweep.all_played(day, list(sweep.targets(DEFAULT)))
    hard = day_of(start["answers"], hour=NOON)
    chosen = OBJECTIVE.best(tried, others, hard).setting
    words, settings = zip(*sweep.behaviours(chosen), strict=True)
    outcomes = sweep.all_played(day, list(settings))
    best = OBJECTIVE.best(outcomes, others, hard)
    spikes = [played(day_of(start["answers"], hour=hour), best.setting) for hour in SPIKES]
    noon = spikes[SPIKES.index(NOON)]
    blind = played(hard, replace(best.setting, in_flight=None))
    return {
        "inputs": _inputs(day, start),
        "objective": asdict(OBJECTIVE),
        "targets": [outcome.told() for outcome in tried],
        "behaviours": [w | o.told() for w, o in zip(words, outcomes, strict=True)],
        "best": best.told() | {"behaviour": _behaviour(best.setting.behaviour)},
        "other_days": [played(other, best.setting).told() for other in others],
        "spikes": [
            {"hour": hour} | outcome.told()
            for hour, outcome in zip((*SPIKES, NOON), (*spikes, blind), strict=True)
        ],
        "bought": [{"how": how} | outcome.told() for how, outcome in _bought(day, best)],
        "drawn": {
            "minutes": EVERY,
            "spike at night": _drawn(best),
            "spike at noon": _drawn(noon),
        },
    }


def day_of(start: float, seed: int = 1, hour: float = SPIKES[0]) -> Day:
    """A day whose spike begins at this hour."""
    random = np.random.default_rng(seed)
    measured = service.measured(SERVER, MODEL)
    levels = service.levels_of(measured, random)
    calls = traffic.calls(PEAK, traffic.Spike(at=hour * 3600), random)
    return Day(calls, measured, levels, start, seed=seed)


def _bought(day: Day, best: Outcome) -> Iterator[tuple[str, Outcome]]:
    """The best on other machines; and without an autoscaler, as many as the peak needs."""
    mixed = replace(best.setting, on_demand=best.setting.least)
    peak = math.ceil(PEAK / day.service.most / 0.7)
    yield "on demand", best
    yield "the least on demand, the others on spot", played(day, mixed)
    yield "all on spot", played(day, replace(best.setting, on_demand=0))
    yield "no autoscaler, for the peak", played(day, Setting(peak, peak))


def _inputs(day: Day, start: dict[str, float]) -> dict[str, Any]:
    return {
        "source": f"{service.SOURCE}: found.rows[].rate of “{SERVER}”, {MODEL}, "
        f"connections 1 and {service.MAX_BATCH}",
        "batch_seconds": {"fixed": day.service.fixed, "each": day.service.each},
        "most_calls_a_second": round(day.service.most, 1),
        "queue": service.QUEUE,
        "start_seconds": start,
        "peak": PEAK,
        "calls": sum(day.calls),
        "profile": traffic.PROFILE,
        "spike": asdict(traffic.Spike()),
        "assumed": asdict(Assumed()),
    }


def _behaviour(behaviour: Behaviour) -> dict[str, Any]:
    """As it stands in a manifest."""
    return {
        f"scale{name}": {
            "stabilizationWindowSeconds": rules.window,
            "policies": [
                {"type": p.kind, "value": p.value, "periodSeconds": p.period}
                for p in rules.policies
            ],
        }
        for name, rules in (("Up", behaviour.up), ("Down", behaviour.down))
    }


def _drawn(outcome: Outcome) -> list[list[float]]:
    """Of each few minutes: calls/s, ready, replicas (means), p95 and lost/s (the worst)."""
    rows = np.array(outcome.rows).reshape(-1, EVERY, 5)
    means, worst = rows.mean(axis=1)[:, :3], rows.max(axis=1)[:, 3:]
    drawn: list[list[float]] = np.hstack([means, worst]).round(4).tolist()
    return drawn


def draw() -> None:
    """The picture of the documents, from the last result."""
    script = BENCH / "capacity" / "plot.py"
    command = [python_of("plot"), script, RESULTS / "capacity.json", PICTURE]
    subprocess.run(command, check=True)


def report(found: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    inputs, objective = found["inputs"], found["objective"]
    aim = f"lost ≤ {100 * objective['lost']:g} %, p95 ≤ {1000 * objective['p95']:g} ms"
    cheapest = [row for row in found["targets"] if row["least"] == found["best"]["least"]]
    behaviours = sorted(found["behaviours"], key=lambda row: row["cost"])[:8]
    return "\n\n".join(
        [
            "### Autoscaling, a simulated day",
            f"Peak {inputs['peak']:g}/s, {inputs['calls']:,} calls, a spike ×5 at night; a replica "
            f"answers {inputs['most_calls_a_second']}/s and starts in "
            f"{inputs['start_seconds']['answers']} s. Wanted: {aim}.",
            _table(cheapest, ("in_flight", "cpu")),
            _table(behaviours, ("up", "down", "window")),
            _table(found["bought"], ("how",)),
            _table(found["spikes"], ("hour", "in_flight")),
        ]
    )


def _table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    figures = ("lost_percent", "p50_ms", "p95_ms", "p99_ms", "cost", "replica_hours", "starts")
    head = tuple(name.replace("_", " ") for name in (*names, *figures))
    return table(head, [[row[name] for name in (*names, *figures)] for row in rows])
