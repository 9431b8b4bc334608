"""What Prometheus reads of predictions, through every door."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from inference.engine.engine import Gone
from inference.protocol.grpc.calls import Call, outcome
from inference.protocol.metrics import EngineCollector
from tests.inference.door import Door
from tests.inference.grpc_door import GrpcDoor, tensor
from tests.inference.samples import photo

ROWS = [[1, 2, 3, 4], [0, 0, 0, 0]]
FORM = {"version": "1.0.0", "variant": "reference"}
V2 = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 4], "data": ROWS}]}


class Read:
    """The numbers of a page at one moment, by name and labels."""

    def __init__(self, door: Door) -> None:
        registry = CollectorRegistry()
        registry.register(EngineCollector(door.services.engine, lambda: 7.0))
        self.values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(generate_latest(registry).decode())
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        """0 where it is not there."""
        return self.values.get((name, frozenset(labels.items())), 0.0)


class Change:
    """How much each number grew between its making and the first question."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._before = Read(door)

    def of(self, name: str, **labels: str) -> float:
        return Read(self._door).of(name, **labels) - self._before.of(name, **labels)


@pytest.fixture
def change(door: Door) -> Change:
    return Change(door)


@pytest.fixture
def grpc_door(door: Door) -> Iterator[GrpcDoor]:
    with GrpcDoor(door) as opened:
        yield opened


def ok(change: Change, model: str) -> float:
    return change.of("inference_requests_total", model_name=model, outcome="ok", **FORM)


def test_every_protocol_counts(door: Door, grpc_door: GrpcDoor, change: Change) -> None:
    door.predict("rows", json={"inputs": ROWS})
    door.request("POST", "/v1/models/rows:predict", json={"instances": ROWS})
    door.request("POST", "/v2/models/rows/infer", json=V2)
    grpc_door.infer("rows", tensor("x", np.array(ROWS, np.float32)))
    assert ok(change, "rows") == 4
    assert change.of("inference_request_count_total", model_name="rows", status="200") == 4
    assert change.of("inference_request_latency_seconds_count", model_name="rows") == 4
    assert change.of("inference_batch_size_sum", model_name="rows", **FORM) == 8
    assert change.of("inference_batch_size_bucket", model_name="rows", le="1.0", **FORM) == 0
    for stage in ("queue", "preprocess", "compute", "total"):
        labels = {"model_name": "rows", "stage": stage, **FORM}
        assert change.of("inference_stage_seconds_count", **labels) == 4, stage
        assert change.of("inference_stage_seconds_bucket", le="+Inf", **labels) == 4, stage


def test_failures_of_a_model_that_answers_begin_at_none(door: Door) -> None:
    door.predict("rows", json={"inputs": ROWS})
    for status in ("500", "503", "504"):
        labels = frozenset({"model_name": "rows", "status": status}.items())
        assert ("inference_request_count_total", labels) in Read(door).values


def test_the_stages_of_a_call_are_parts_of_it(door: Door, change: Change) -> None:
    assert door.predict("Lite", files=[("image", photo("coffee.png"))]).status_code == 200
    seconds = {
        stage: change.of("inference_stage_seconds_sum", model_name="Lite", stage=stage, **FORM)
        for stage in ("queue", "preprocess", "compute", "total")
    }
    assert seconds["preprocess"] > 0.001  # a photograph was decoded
    assert 0 < seconds["compute"] < seconds["total"]
    parts = seconds["queue"] + seconds["preprocess"] + seconds["compute"]
    assert parts < seconds["total"] or parts == pytest.approx(seconds["total"], rel=0.1)


def test_what_is_asked_beside_predictions_is_none(door: Door, change: Change) -> None:
    for path in ("/v2/models/rows", "/v2/health/ready", "/v2/models/rows/stats", "/v1/models"):
        assert door.request("GET", path).status_code == 200
    assert ok(change, "rows") == 0
    assert change.of("inference_request_count_total", model_name="rows", status="200") == 0


@pytest.mark.parametrize(
    ("model", "body", "status", "outcome", "version"),
    [
        ("rows", {"inputs": [[1]]}, 422, "invalid", FORM),
        ("waiting", {"inputs": ROWS}, 409, "invalid", None),
        ("lost", {"inputs": ROWS}, 503, "unavailable", FORM),
    ],
)
def test_failures_are_told_apart(
    door: Door,
    change: Change,
    model: str,
    body: object,
    status: int,
    outcome: str,
    version: dict[str, str] | None,
) -> None:
    assert door.predict(model, json=body).status_code == status
    labels = {"model_name": model, **(version or {"version": "", "variant": ""})}
    if version is None:  # it was not found out which one would answer
        labels["model_name"] = ""
    assert change.of("inference_requests_total", outcome=outcome, **labels) == 1
    counted = {"model_name": labels["model_name"], "status": str(status)}
    assert change.of("inference_request_count_total", **counted) == 1


def test_what_a_limit_refuses_is_told_apart(door: Door, change: Change) -> None:
    images = [("image", photo("coffee.png"))] * (door.services.limits.items + 1)
    assert door.predict("Lite", files=images).status_code == 400
    assert change.of("inference_requests_total", model_name="Lite", outcome="refused", **FORM) == 1


def test_a_full_queue_refuses(door: Door, change: Change) -> None:
    door.predict("rows", json={"inputs": ROWS})
    [handle] = [h for h in door.pool.handles() if h.form[0] == "rows"]
    handle.calls, calls = handle.limits.queue, handle.calls
    read = Read(door)
    try:
        assert door.predict("rows", json={"inputs": ROWS}).status_code == 503
    finally:
        handle.calls = calls
    assert change.of("inference_requests_total", model_name="rows", outcome="refused", **FORM) == 1
    assert read.of("inference_in_flight", model_name="rows", version="1.0.0") == calls + 64
    assert read.of("inference_in_flight_requests") >= 64


def test_names_that_no_model_has_become_no_labels(door: Door, change: Change) -> None:
    for number in range(3):
        assert door.predict(f"unknown-{number}", json={"inputs": ROWS}).status_code == 404
    assert not [key for key in Read(door).values if "unknown" in str(key)]
    assert change.of("inference_request_count_total", model_name="", status="404") == 3


def test_a_caller_who_leaves_is_counted(door: Door, change: Change) -> None:
    async def leave() -> None:
        messages = iter([{"type": "http.disconnect"}])
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/v1/models/rows/predict/",
            "query_string": b"",
            "headers": [(b"authorization", b"viewer"), (b"content-type", b"application/json")],
        }

        async def receive() -> dict[str, str]:
            return next(messages)

        async def send(message: object) -> None:
            pytest.fail("nobody is there to be answered")

        await door.app(scope, receive, send)

    door.run(leave())
    assert change.of("inference_requests_total", model_name="rows", outcome="left", **FORM) == 1


def test_a_caller_over_grpc_who_leaves_is_counted_once(door: Door, change: Change) -> None:
    call = Call(*("ModelInfer", door.services, lambda *line: None, {}, "127.0.0.1"), predicts=True)
    call.form = ("rows", "1.0.0", "reference")

    async def leave() -> None:
        async def gone() -> None:
            raise Gone

        with pytest.raises(asyncio.CancelledError):
            await outcome(call, outcome(call, gone()))

    door.run(leave())
    assert change.of("inference_requests_total", model_name="rows", outcome="left", **FORM) == 1


def test_what_is_loaded_is_shown(door: Door) -> None:
    door.predict("rows", json={"inputs": ROWS})
    read = Read(door)
    loaded = read.of("inference_model_loaded_bytes", model_name="rows", **FORM)
    assert 0 < loaded <= read.of("inference_model_memory_bytes")
    assert read.of("inference_model_memory_budget_bytes") == 4_000_000_000
    assert read.of("inference_model_loads_total") >= len(door.pool.handles())
    assert read.of("inference_queue_depth", model_name="rows", **FORM) == 0
    assert read.of("inference_snapshot_age_seconds") == 7


def test_breakers_are_shown_by_number(door: Door) -> None:
    door.predict("rows", json={"inputs": ROWS})
    [breaker] = [b for model, _, b in door.services.engine.breakers() if model == "rows"]
    labels = {"model_name": "rows", "version": "1.0.0"}
    assert Read(door).of("inference_breaker_state", **labels) == 0
    breaker.force("open")
    try:
        assert Read(door).of("inference_breaker_state", **labels) == 2
    finally:
        breaker.force("")
