"""What Prometheus learns of predictions: their number by outcome, and how long they took."""

from collections.abc import Iterator
from functools import cache

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from inference.engine.pool import Pool

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_COUNT = Counter(
    "inference_request_count", "Predictions by model and HTTP status", ["model_name", "status"]
)
_LATENCY = Histogram(
    "inference_request_latency_seconds",
    "Seconds from a prediction's head to its answer",
    ["model_name"],
    buckets=_BUCKETS,
)


def observe(model: str, status: int, seconds: float) -> None:
    """One prediction was answered; `model` is empty where there is none of that name."""
    _count(model, status).inc()
    if status < 400:
        _latency(model).observe(seconds)


@cache
def _count(model: str, status: int) -> Counter:
    return _COUNT.labels(model, status)


@cache
def _latency(model: str) -> Histogram:
    return _LATENCY.labels(model)


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
