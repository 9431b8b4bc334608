"""What Prometheus learns of predictions: their number by outcome, and how long they took."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from inference.engine.pool import Pool

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_NAMES = (*(str(float(bound)) for bound in _BUCKETS), "+Inf")


class _Latency:
    """The predictions of one model that succeeded, by bucket, and their seconds together."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(_NAMES)
        self.seconds = 0.0


class PredictionCollector:
    """Counts for one event loop, read when Prometheus asks, from whatever thread.

    The client library's own counters take a lock for each number that they change; here a
    prediction changes three.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._latencies: dict[str, _Latency] = {}

    def observe(self, model: str, status: int, seconds: float) -> None:
        """One prediction was answered; `model` is empty where there is none of that name."""
        key = (model, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        if status < 400:
            latency = self._latencies.get(model)
            if latency is None:
                latency = self._latencies[model] = _Latency()
            latency.buckets[bisect_left(_BUCKETS, seconds)] += 1
            latency.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol."""
        counts = CounterMetricFamily(
            "inference_request_count",
            "Predictions by model and HTTP status",
            labels=("model_name", "status"),
        )
        for (model, status), count in list(self._counts.items()):
            counts.add_metric((model, str(status)), count)
        yield counts
        latencies = HistogramMetricFamily(
            "inference_request_latency_seconds",
            "Seconds from a prediction's head to its answer",
            labels=("model_name",),
        )
        for model, latency in list(self._latencies.items()):
            sums = zip(_NAMES, accumulate(latency.buckets), strict=True)
            latencies.add_metric((model,), list(sums), latency.seconds)
        yield latencies


predictions = PredictionCollector()
REGISTRY.register(predictions)


class PoolCollector:
    """What a pool holds and did, read when Prometheus asks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol."""
        pool = self._pool
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
        yield from _of_models(pool)


def _of_models(pool: Pool) -> Iterator[Metric]:
    """What is known of each loaded model."""
    labels = ("model_name", "version")
    calls = GaugeMetricFamily("inference_in_flight", "Calls under way or waiting", labels=labels)
    runs = CounterMetricFamily("inference_model_runs", "Runs, of a batch each", labels=labels)
    for handle in pool.handles():
        named = (handle.spec.model, handle.spec.version)
        calls.add_metric(named, handle.calls)
        runs.add_metric(named, handle.batches)
    yield calls
    yield runs
