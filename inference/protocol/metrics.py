"""What Prometheus reads of the engine, at the moment at which it asks."""

from collections.abc import Callable, Iterator
from itertools import accumulate, islice, product

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from inference.engine.breaker import CLOSED, HALF_OPEN, OPEN
from inference.engine.engine import Engine
from inference.engine.handle import Handle
from inference.engine.measures import MOST, Bounded, Count, Histogram, Key

MODEL = ("model_name",)
VERSION = ("model_name", "version")
FORM = ("model_name", "version", "variant")
FAILURES = ("500", "503", "504")  # the statuses that objectives count as bad
_STATES = {CLOSED: 0, HALF_OPEN: 1, OPEN: 2}


class EngineCollector:
    """Everything of one engine. `age` is in seconds, of what it answers by."""

    def __init__(self, engine: Engine, age: Callable[[], float]) -> None:
        self._engine = engine
        self._age = age

    def describe(self) -> list[Metric]:
        """prometheus_client's protocol: what registering it asks for in place of all numbers."""
        return []

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol, in any thread."""
        yield from self._of_calls()
        yield from self._of_forms()
        yield from self._of_loaded()
        yield from self._of_memory()
        yield self._of_breakers()
        yield GaugeMetricFamily(
            "inference_snapshot_age_seconds",
            "Since routes and identities were last read from the database",
            self._age(),
        )

    def _of_calls(self) -> Iterator[Metric]:
        measures = self._engine.measures
        yield _answers(measures.requests)
        yield _counter(
            "inference_requests",
            "Predictions by what became of them",
            (*FORM, "outcome"),
            measures.outcomes,
        )
        yield _counter(
            "inference_fallbacks",
            "Answers that another version or model gave",
            MODEL,
            measures.fallbacks,
        )
        latencies = HistogramMetricFamily(
            "inference_request_latency_seconds",
            "From the head of a prediction to its answer, of those that succeeded",
            labels=MODEL,
        )
        for key, latency in measures.latencies.items():
            _add(latencies, key, latency)
        yield latencies

    def _of_forms(self) -> Iterator[Metric]:
        stages = HistogramMetricFamily(
            "inference_stage_seconds",
            "Stages of predictions that succeeded",
            labels=(*FORM, "stage"),
        )
        sizes = HistogramMetricFamily("inference_batch_size", "Items of one run", labels=FORM)
        for key, form in self._engine.measures.forms.items():
            for name, stage in form.stages():
                _add(stages, (*key, name), stage)
            _add(sizes, key, form.sizes)
        yield stages
        yield sizes

    def _of_loaded(self) -> Iterator[Metric]:
        handles = self._engine.pool.handles()
        loaded = GaugeMetricFamily(
            "inference_model_loaded_bytes", "Memory of each loaded model", labels=FORM
        )
        waiting = GaugeMetricFamily("inference_queue_depth", "Calls that wait", labels=FORM)
        for handle in handles:
            loaded.add_metric(handle.form, handle.size)
            waiting.add_metric(handle.form, handle.waiting)
        yield loaded
        yield waiting
        yield _in_flight(handles)
        yield GaugeMetricFamily(
            "inference_in_flight_requests",
            "Calls of this replica under way or waiting, also for a model to be loaded",
            self._engine.pool.calls,
        )

    def _of_memory(self) -> Iterator[Metric]:
        pool = self._engine.pool
        yield GaugeMetricFamily(
            "inference_model_memory_bytes", "Bytes that loaded models take", pool.used
        )
        yield GaugeMetricFamily(
            "inference_model_memory_budget_bytes", "Bytes that they may take", pool.budget
        )
        yield CounterMetricFamily("inference_model_loads", "Models loaded", pool.counters.loads)
        yield CounterMetricFamily(
            "inference_model_load_seconds", "Seconds spent loading", pool.counters.load_seconds
        )
        yield CounterMetricFamily(
            "inference_model_evictions", "Models that left for others", pool.counters.evictions
        )

    def _of_breakers(self) -> Metric:
        states = GaugeMetricFamily(
            "inference_breaker_state", "0 closed, 1 half open, 2 open", labels=VERSION
        )
        for model, version, breaker in islice(self._engine.breakers(), MOST):
            states.add_metric((model, version), _STATES[breaker.state])
        return states


def _in_flight(handles: list[Handle]) -> Metric:
    """By version: one that is swapped is loaded in two forms for a while."""
    calls: dict[Key, int] = {}
    for handle in handles:
        key = handle.form[:2]
        calls[key] = calls.get(key, 0) + handle.calls
    family = GaugeMetricFamily("inference_in_flight", "Calls under way or waiting", labels=VERSION)
    for key, count in calls.items():
        family.add_metric(key, count)
    return family


def _answers(counts: Bounded[Count]) -> Metric:
    """The first failure is seen as a growth: a model that answers at all has failures, if of 0."""
    found = {key: count.value for key, count in counts.items()}
    family = CounterMetricFamily(
        "inference_request_count",
        "Predictions by model and HTTP status",
        labels=(*MODEL, "status"),
    )
    for model, status in product({model for model, _ in found}, FAILURES):
        found.setdefault((model, status), 0)
    for key, value in found.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Bounded[Count]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in counts.items():
        family.add_metric(key, count.value)
    return family


def _add(family: HistogramMetricFamily, key: Key, histogram: Histogram) -> None:
    names = (*map(str, histogram.bounds), "+Inf")
    sums = zip(names, accumulate(list(histogram.buckets)), strict=True)
    family.add_metric(key, list(sums), histogram.sum)
