"""The simulation behind docs/capacity.md: HPA's algorithm by hand, and replicas that add up."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml

from aihub.env import BASE_DIR
from bench.capacity import service, traffic
from bench.capacity.cluster import Assumed, Cluster, Nodes
from bench.capacity.hpa import DEFAULT, Autoscaler, Behaviour, Policy, Reading, Rules, proposed
from bench.capacity.scenario import MODEL, SERVER
from bench.capacity.simulation import Day, Outcome, Setting, played
from bench.capacity.sweep import Objective

MANIFEST = BASE_DIR / "k8s" / "components" / "autoscaling" / "infer" / "scaling.yaml"
RESULT = BASE_DIR / "bench" / "results" / "capacity.json"
ALWAYS = Reading(100, 1, 1)  # asks for 100 replicas


@pytest.mark.parametrize(
    ("reading", "current", "wanted"),
    [
        (Reading(6, 4, ready=4), 4, 6),  # 1.5 times as many
        (Reading(6.1, 4, ready=4), 4, 7),  # 6.1, rounded up
        (Reading(2, 4, ready=4), 4, 2),
        (Reading(4.3, 4, ready=4), 4, 4),  # 1.075 is tolerated
        (Reading(3.7, 4, ready=4), 4, 4),
        (Reading(8, 4, ready=2, unready=2), 4, 4),  # 16 over 4 Pods is what is wanted
        (Reading(12, 4, ready=2, unready=2), 4, 6),  # 24 over 4 Pods is 1.5 times
        (Reading(2, 4, ready=2, unready=2), 4, 1),  # unready ones do not count on the way down
        (Reading(1, 4, ready=3, missing=1), 4, 2),  # 3 and a 4 that is assumed: 7 of 16
        (Reading(3, 4, ready=3, missing=3), 6, 6),  # 9 and 12 of 24: 0.875, rounded up
        (Reading(8, 4, ready=2, missing=2), 4, 4),  # missing ones count as idle on the way up
        (Reading(5, 4, ready=2, missing=2), 4, 4),  # or it would turn around
        (Reading(9, 4, ready=0), 3, 3),  # nothing is known
    ],
)
def test_what_one_metric_proposes(reading: Reading, current: int, wanted: int) -> None:
    assert proposed(reading, current) == wanted


def test_the_largest_proposal_counts() -> None:
    scaler = Autoscaler(1, 50)
    assert scaler.decide(0, 4, [Reading(30, 60, 4), Reading(6, 4, 4)]) == 6


def test_it_at_most_doubles_or_adds_four_in_fifteen_seconds() -> None:
    scaler = Autoscaler(1, 50)
    assert scaler.decide(0, 2, [ALWAYS]) == 6  # 2 + 4 is more than 2 · 2
    assert scaler.decide(10, 6, [ALWAYS]) == 6  # still the same period
    assert scaler.decide(15, 6, [ALWAYS]) == 12
    assert scaler.decide(30, 12, [ALWAYS]) == 24
    assert scaler.decide(45, 24, [ALWAYS]) == 48
    assert scaler.decide(60, 48, [ALWAYS]) == 50  # the most there may be


def test_fewer_come_only_after_the_window() -> None:
    scaler = Autoscaler(1, 50)
    assert scaler.decide(0, 10, [Reading(4, 4, 10)]) == 10
    for now in range(15, 300, 15):
        assert scaler.decide(now, 10, [Reading(2, 4, 10)]) == 10
    assert scaler.decide(300, 10, [Reading(2, 4, 10)]) == 5


def test_policies_slow_down_the_way_down() -> None:
    down = Rules(0, (Policy("Percent", 10, 60), Policy("Pods", 1, 60)))
    scaler = Autoscaler(2, 50, Behaviour(DEFAULT.up, down))
    idle = Reading(0.01, 4, 25)
    assert scaler.decide(0, 25, [idle]) == 22  # 22.5, rounded down: more than one Pod
    assert scaler.decide(15, 22, [idle]) == 22
    assert scaler.decide(60, 22, [idle]) == 19
    few = Autoscaler(2, 50, Behaviour(DEFAULT.up, down))
    assert few.decide(0, 3, [idle]) == 2
    assert few.decide(60, 2, [idle]) == 2  # the least there may be


def test_going_up_can_wait_too() -> None:
    scaler = Autoscaler(1, 50, Behaviour(replace(DEFAULT.up, window=60), DEFAULT.down))
    assert scaler.decide(0, 4, [Reading(4, 4, 4)]) == 4
    assert scaler.decide(15, 4, [Reading(8, 4, 4)]) == 4
    assert scaler.decide(60, 4, [Reading(8, 4, 4)]) == 8


def test_a_pod_waits_for_its_node_and_shares_it() -> None:
    nodes = Nodes(Assumed(pods_a_node=3, node_seconds=120), price=1)
    assert [nodes.place(pod, 0) for pod in (1, 2, 3, 4)] == [120, 120, 120, 120]
    assert nodes.count == 2
    assert nodes.place(5, 60) == 120
    assert nodes.place(6, 200) == 200
    for now in (0, 300, 600, 900):
        nodes.pass_time(now, 300, pods=3)
    assert nodes.count == 1
    assert nodes.cost == pytest.approx((2 + 2 + 2 + 1) * 300 / 3600)


def test_an_interruption_takes_a_nodes_pods_which_start_elsewhere() -> None:
    assumed = Assumed(interruptions=1e9, unannounced=1.0)
    cluster = Cluster(assumed, 10, on_demand=0, random=Always())  # type: ignore[arg-type]
    cluster.scale(-1000, 3)
    cluster.ready, cluster._coming = 3, []
    assert cluster.pass_time(0, 1) == 3
    assert (cluster.ready, cluster.replicas) == (0, 3)
    assert cluster.starting(60) == 0
    assert cluster.starting(125) == 3


class Always:
    """Chance, where everything happens."""

    def binomial(self, count: int, chance: float) -> int:
        return 1

    def random(self) -> float:
        return 0.0


def test_a_replica_is_as_fast_as_measured() -> None:
    """Two rates make the model; the third, of more callers, has to come out."""
    found = service.measured(SERVER, MODEL)
    assert 1 / found.seconds(1) == pytest.approx(service.rate_of(SERVER, MODEL, 1))
    assert found.most == pytest.approx(service.rate_of(SERVER, MODEL, 16))
    assert found.most == pytest.approx(service.rate_of(SERVER, MODEL, 64), rel=0.05)


def test_more_load_means_longer_waits() -> None:
    levels = day(20).levels
    assert levels.busy[0] < 0.05
    assert levels.busy[-1] > 0.95
    assert np.all(np.diff(levels.busy[::5]) > 0)
    assert np.all(np.diff(levels.in_flight[::5]) > 0)
    assert levels.latencies.sum(axis=1) == pytest.approx(1, abs=0.01)


def test_what_is_more_than_replicas_answer_is_lost() -> None:
    """But for what their queues hold."""
    assert play(20, Setting(1, 1)).lost == 0
    outcome = play(100, Setting(1, 1))
    most = service.measured(SERVER, MODEL).most
    assert outcome.lost == pytest.approx(1 - most / 100, abs=0.01)
    assert outcome.p50 > 3  # a full queue of 256


@pytest.mark.parametrize("targets", [{"cpu": 70}, {"in_flight": 4.0}, {"cpu": 70, "in_flight": 4}])
def test_an_autoscaler_brings_as_many_as_are_needed(targets: dict[str, Any]) -> None:
    outcome = play(300, Setting(1, 50, **targets))
    assert outcome.lost == 0
    calls, ready, *_ = outcome.rows[-1]
    assert calls == pytest.approx(300, rel=0.05)
    assert 300 / 70.5 < ready < 20


def test_the_same_seed_gives_the_same_day() -> None:
    setting = Setting(1, 50, cpu=70, in_flight=4.0, on_demand=0)
    assert play(300, setting).told() == play(300, setting).told()


def test_spot_is_cheaper_for_the_same_replicas() -> None:
    kept, spot = play(300, Setting(8, 8)), play(300, Setting(8, 8, on_demand=0))
    assert spot.cost == pytest.approx(Assumed().spot_price * kept.cost, rel=0.05)


def test_the_day_has_a_peak_a_night_and_a_spike() -> None:
    spike = traffic.Spike()
    rates = traffic.rates(1000, spike)
    assert rates.max() == pytest.approx(1000, rel=0.01)
    night, within = rates[int(spike.at) - 60], rates[int(spike.at) + 120]
    assert (night, within) == (pytest.approx(150), pytest.approx(750))
    assert rates[int(spike.at) + 60] == pytest.approx(750)


def test_of_what_costs_the_same_the_best_loses_the_fewest_on_a_hard_day() -> None:
    """One replica is too slow; the others lie on two nodes each, so that the most cost no more."""
    outcomes = [play(100, Setting(replicas, replicas)) for replicas in (1, 4, 6, 5)]
    best = Objective().best(outcomes, [day(110)], day(500))
    assert best.setting.least == 6


def test_the_manifest_has_what_was_found_best() -> None:
    best = json.loads(RESULT.read_text())["found"]["best"]
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    cpu, in_flight = spec["metrics"]
    assert cpu["resource"]["target"]["averageUtilization"] == best["cpu"]
    assert in_flight["pods"]["metric"]["name"] == "inference_in_flight_requests"
    assert float(in_flight["pods"]["target"]["averageValue"]) == best["in_flight"]
    for direction, found in best["behaviour"].items():
        written = spec["behavior"][direction]
        assert written["policies"] == found["policies"]
        assert written["stabilizationWindowSeconds"] == found["stabilizationWindowSeconds"]
        assert written.get("selectPolicy", "Max") == "Max"


@cache
def day(calls: int) -> Day:
    """An hour of even traffic."""
    found = service.measured(SERVER, MODEL)
    random = np.random.default_rng(1)
    levels = service.levels_of(found, random, calls=2000)
    return Day(random.poisson(calls, 3600).tolist(), found, levels, start=10)


def play(calls: int, setting: Setting) -> Outcome:
    return played(day(calls), setting)
