"""Traces of a running hub, as a collector receives them from its processes."""

import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from tests.contract.batching import json_lines, started, succeeded
from tests.contract.calls import API, predict_json, publish, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub, hub_environ
from tests.otlp import Collector, collecting
from tests.stack import Stack

pytestmark = pytest.mark.slow

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROWS = [[float(n), 0.0, 0.0, 1.0] for n in range(250)]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(stack: Stack, collector: Collector) -> Iterator[Hub]:
    """A hub that traces what its callers have traced, and nothing by itself."""
    environ = hub_environ(
        stack,
        "traced",
        AIHUB_TRACE_ENDPOINT=collector.url,
        AIHUB_TRACE_SAMPLE="0",
        OTEL_BSP_SCHEDULE_DELAY="100",  # milliseconds between two batches of spans
    )
    hub = Hub(environ)
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def tiny(traced: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = unique("traced")
    file = tiny_onnx(tmp_path_factory.mktemp("traced") / "tiny.onnx")
    answer = publish(_sampled(traced), name, "1.0.0", file, task="tensor")
    assert answer.status_code == 202, answer.text
    traced.wait_ready(name, "1.0.0")
    return name


def _sampled(hub: Hub, trace: str = TRACE) -> httpx.Client:
    """The administrator, whose calls belong to a trace that is kept."""
    client = hub.client()
    client.headers["traceparent"] = f"00-{trace}-{CALLER}-01"
    return client


def test_a_publication_is_one_trace_from_the_web_to_the_worker(
    traced: Hub, collector: Collector, tiny: str
) -> None:
    request = collector.one("POST api/v1/models/<str:name>/versions/", TRACE)
    assert (request.role, request.parent) == ("all", CALLER)
    assert request.attributes["http.response.status_code"] == 202
    job = collector.one("job process-version", TRACE)
    assert (job.role, job.parent) == ("worker", request.id)
    sent = collector.one("apply_async/registry.run_jobs", TRACE)
    taken = collector.one("run/registry.run_jobs", TRACE)
    assert (sent.role, sent.parent) == ("all", request.id)
    assert (taken.role, taken.parent) == ("worker", sent.id)
    steps = [span for span in collector.spans if span.parent == job.id]
    assert {"step checksum", "step scan", "step load"} <= {step.name for step in steps}
    assert all(job.start <= step.start <= step.end <= job.end for step in steps)


def test_a_prediction_is_a_span_of_its_callers_trace(
    traced: Hub, collector: Collector, tiny: str
) -> None:
    trace = "1" * 32
    answer = predict_json(_sampled(traced, trace), tiny, [[1.0, 2.0, 3.0, 4.0]], version="1.0.0")
    assert answer.status_code == 200
    span = collector.one("POST /api/v1/models/{model}/predict/", trace)
    assert (span.role, span.parent, span.failed) == ("all", CALLER, False)
    assert span.attributes["aihub.model"] == tiny
    assert span.attributes["aihub.version"] == "1.0.0"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["url.path"] == f"{API}/models/{tiny}/predict/"
    assert span.attributes["aihub.variant"] == "reference"
    preprocess, queue, compute = (
        collector.one(stage, trace) for stage in ("preprocess", "queue", "compute")
    )
    assert {stage.parent for stage in (preprocess, queue, compute)} == {span.id}
    times = [span.start, preprocess.start, queue.start, compute.start, compute.end, span.end]
    assert times == sorted(times)
    assert (preprocess.end, queue.end) == (queue.start, compute.start)


def test_an_inference_over_grpc_is_a_span_too(traced: Hub, collector: Collector, tiny: str) -> None:
    trace, headers = "7" * 32, dict(_sampled(traced, "7" * 32).headers)
    with InferenceServerClient(f"127.0.0.1:{traced.env.AIHUB_GRPC_PORT}") as client:
        given = InferInput("x", [1, 4], "FP32")
        given.set_data_from_numpy(np.ones((1, 4), dtype=np.float32))
        said = {name: headers[name] for name in ("authorization", "traceparent")}
        client.infer(tiny, [given], headers=said)
    span = collector.one("inference.GRPCInferenceService/ModelInfer", trace)
    assert (span.role, span.parent) == ("all", CALLER)
    assert span.attributes["aihub.model"] == tiny


def test_lines_of_the_log_name_their_trace(traced: Hub, collector: Collector, tiny: str) -> None:
    trace = "6" * 32
    client = _sampled(traced, trace)
    assert predict_json(client, tiny, [[1.0, 2.0, 3.0, 4.0]]).status_code == 200
    assert client.get(f"{API}/models/{tiny}/").status_code == 200
    spans = [
        collector.one("POST /api/v1/models/{model}/predict/", trace),
        collector.one("GET api/v1/models/<str:name>/", trace),
        collector.one("job process-version", TRACE),
    ]
    wanted = {(span.trace, span.id) for span in spans}
    traced.wait_until(lambda: wanted <= _logged(traced), "lines with all three spans", 20)


def _logged(hub: Hub) -> set[tuple[str, str]]:
    """Trace and span of every line that has them."""
    files = (hub.env.AIHUB_HOME / "logs").glob("*.log")
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {(line["trace"]["id"], line["span"]["id"]) for line in lines if "trace" in line}


def test_a_batch_job_is_one_trace_with_all_its_chunks(
    traced: Hub, collector: Collector, tiny: str
) -> None:
    trace = "2" * 32
    job = started(_sampled(traced, trace), tiny, "rows.jsonl", json_lines(ROWS), chunk_rows="100")
    succeeded(traced, job["id"])
    request = collector.one("POST api/v1/batch-jobs/", trace)
    plan = collector.one("job batch-plan", trace)
    finish = collector.one("job batch-finish", trace)
    chunks = collector.named("batch chunk", trace)
    assert {span.role for span in (plan, finish, *chunks)} == {"batch"}
    assert sorted(span.attributes["aihub.rows"] for span in chunks) == [50, 100, 100]
    assert {span.attributes["aihub.batch_job"] for span in chunks} == {job["id"]}
    assert {span.parent for span in (plan, *chunks)} == {request.id}
    assert finish.parent in {span.id for span in chunks}


def test_what_nobody_has_traced_is_not_sent(traced: Hub, collector: Collector, tiny: str) -> None:
    trace, client = "3" * 32, traced.client()
    for parent in ("", f"00-{trace}-{CALLER}-00", "no traceparent at all"):
        client.headers["traceparent"] = parent
        assert predict_json(client, tiny, [[0.0] * 4]).status_code == 200
        assert client.get(f"{API}/models/{tiny}/").status_code == 200
    last = "4" * 32
    assert _sampled(traced, last).get(f"{API}/models/{tiny}/").status_code == 200
    collector.one("GET api/v1/models/<str:name>/", last)
    assert {span.trace for span in collector.spans} <= {c * 32 for c in "12467"} | {TRACE}


def test_no_span_holds_a_secret(traced: Hub, collector: Collector, tiny: str) -> None:
    trace = "5" * 32
    client = _sampled(traced, trace)
    secret, token = "hunter2", client.headers["Authorization"].removeprefix("Bearer ")
    login = {"username": "admin", "password": secret}
    assert client.post(f"{API}/auth/token/?note={secret}", json=login).status_code == 401
    assert client.get(f"{API}/models/?search={secret}").status_code == 200
    assert predict_json(client, tiny, [[secret] * 4], top=secret).status_code == 400
    collector.wait_for(lambda spans: len([s for s in spans if s.trace == trace]) >= 3)
    sent = b"".join(collector.raw)
    assert secret.encode() not in sent
    assert token.encode() not in sent
