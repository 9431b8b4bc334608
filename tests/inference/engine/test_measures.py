"""What is counted of predictions, and that it stays bounded."""

import pytest

from bench.metrics_cost import costs
from inference.engine.measures import (
    FORGET_EVERY,
    OTHER,
    SECONDS,
    SIZES,
    Bounded,
    Count,
    Form,
    Histogram,
    Measures,
)

FORM = ("pets", "1.0.0", "reference")


def test_a_value_falls_into_the_bucket_that_it_does_not_exceed() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert (histogram.buckets, histogram.sum) == ([2, 1, 1], 12.0)


def test_the_buckets_fit_what_is_measured() -> None:
    assert (SECONDS[0], SECONDS[-1]) == (0.00025, 30.0)
    assert list(SIZES) == [2**power for power in range(11)]


def test_answers_count_by_model_and_by_what_answered() -> None:
    measures = Measures()
    measures.answered("pets", FORM, "ok", 200, 0.003)
    measures.answered("pets", FORM, "timeout", 504, 5.0)
    assert [(key, count.value) for key, count in measures.requests.items()] == [
        (("pets", "200"), 1),
        (("pets", "504"), 1),
    ]
    [(_, latency)] = measures.latencies.items()
    assert (sum(latency.buckets), latency.sum) == (1, 0.003)
    [(key, form)] = measures.forms.items()
    assert (key, sum(form.total.buckets)) == (FORM, 1)


@pytest.mark.parametrize(
    ("waits", "rows", "sizes"),
    [([0.1, 0.2], 6, [6]), ([0.1], 4, [4]), ([0.1], 10, [4, 4, 2]), ([0.1], 8, [4, 4])],
)
def test_a_run_counts_each_call_and_each_batch(
    waits: list[float], rows: int, sizes: list[int]
) -> None:
    measures = Measures()
    measures.ran(FORM, waits, 0.5, rows, 4)
    [(_, form)] = measures.forms.items()
    assert form.queue.sum == pytest.approx(sum(waits))
    assert (sum(form.compute.buckets), form.compute.sum) == (len(waits), 0.5 * len(waits))
    assert (sum(form.sizes.buckets), form.sizes.sum) == (len(sizes), sum(sizes))


class TestBounded:
    def bounded(self) -> Bounded[Count]:
        self.alive, self.now = {"a", "b", "c"}, 1000.0
        return Bounded(
            Count, lambda key: (OTHER,), lambda key: key[0] in self.alive, 2, lambda: self.now
        )

    def test_what_is_too_much_shares_one(self) -> None:
        counts = self.bounded()
        for name in ("a", "b", "c", "d", "c"):
            counts.of((name,)).value += 1
        assert {key[0]: count.value for key, count in counts.items()} == {"a": 1, "b": 1, OTHER: 3}

    def test_what_leads_nowhere_makes_room(self) -> None:
        counts = self.bounded()
        for name in ("a", "b"):
            counts.of((name,)).value += 1
        self.alive.remove("a")
        counts.of(("c",)).value += 1
        assert {key[0] for key, _ in counts.items()} == {"b", "c"}

    def test_room_is_not_looked_for_at_every_call(self) -> None:
        counts = self.bounded()
        for name in ("a", "b", "c"):
            counts.of((name,))
        self.alive.remove("a")
        counts.of(("d",))
        assert {key[0] for key, _ in counts.items()} == {"a", "b", OTHER}
        self.now += FORGET_EVERY
        counts.of(("d",))
        assert {key[0] for key, _ in counts.items()} == {"b", "d"}


def test_a_thousand_label_sets_are_the_most() -> None:
    measures = Measures(most=100)
    for number in range(300):
        form = (f"model-{number}", "1.0.0", "reference")
        measures.answered(form[0], form, "ok", 200, 0.001)
    for family in (measures.requests, measures.latencies, measures.outcomes):
        assert len(family.items()) == 101
    assert len(measures.forms.items()) == 26
    shared = {key: form for key, form in measures.forms.items() if key[0] == OTHER}
    assert isinstance(shared[OTHER, "", ""], Form)
    assert sum(shared[OTHER, "", ""].total.buckets) == 275


def test_counting_a_prediction_takes_next_to_no_time() -> None:
    assert costs(rounds=100)[0] < 20  # µs; docs/metrics.md says how little it is
