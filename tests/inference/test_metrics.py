"""What Prometheus reads of predictions."""

from prometheus_client import CollectorRegistry, generate_latest

from inference.protocol.metrics import PredictionCollector


def exposed(collector: PredictionCollector) -> list[str]:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode().splitlines()


def test_predictions_are_counted_by_model_and_status() -> None:
    collector = PredictionCollector()
    for status in (200, 200, 503):
        collector.observe("pets", status, 0.5)
    collector.observe("", 404, 0.5)
    lines = exposed(collector)
    assert 'inference_request_count_total{model_name="pets",status="200"} 2.0' in lines
    assert 'inference_request_count_total{model_name="pets",status="503"} 1.0' in lines
    assert 'inference_request_count_total{model_name="",status="404"} 1.0' in lines


def test_latencies_of_what_succeeded_fill_cumulative_buckets() -> None:
    collector = PredictionCollector()
    for seconds in (0.0005, 0.001, 0.03, 99.0):
        collector.observe("pets", 200, seconds)
    collector.observe("pets", 504, 5.0)
    lines = exposed(collector)
    name = "inference_request_latency_seconds"
    for bound, count in (("0.001", 2), ("0.025", 2), ("0.05", 3), ("30.0", 3), ("+Inf", 4)):
        assert f'{name}_bucket{{le="{bound}",model_name="pets"}} {count}.0' in lines
    assert f'{name}_count{{model_name="pets"}} 4.0' in lines
    assert f'{name}_sum{{model_name="pets"}} 99.0315' in lines


def test_nothing_is_said_of_models_that_nobody_called() -> None:
    assert not [line for line in exposed(PredictionCollector()) if not line.startswith("#")]
