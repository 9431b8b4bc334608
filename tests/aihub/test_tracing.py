"""Tracing within one process: what is off, what leaves, and a collector that does not answer."""

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import opentelemetry
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from aihub import tracing
from aihub.env import BASE_DIR
from aihub.tracing.exporting import CollectorExporter, harmless
from aihub.tracing.serving import route_of
from tests.otlp import collecting
from tests.ports import free_port

MODULES = """
import sys
import aihub.asgi, aihub.celery, registry.tasks
from django.conf import settings
from aihub import tracing
assert tracing.start(settings.ENV) is None
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
TRACED = """
from django.conf import settings
from aihub import logs, tracing
tracing.start(settings.ENV)
for number in range(3000):
    with tracing.span(f"work {number}", ""):
        pass
"""
SAID = """
import logging
from django.conf import settings
from aihub import tracing
settings.ENV
tracing.start(settings.ENV)
logging.getLogger("tests").info("outside")
with tracing.span("work", ""):
    logging.getLogger("tests").info("inside")
    print(tracing.traceparent())
"""


def run(script: str, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIHUB_")}
    given = {"AIHUB_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "aihub.settings", **environ}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=BASE_DIR,
        env=kept | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_nothing_of_it_is_imported_unless_it_is_on(tmp_path: Path) -> None:
    done = run(MODULES, tmp_path, DATABASE_URL="")
    assert done.stdout.strip() == "[]", done.stderr


def test_what_is_off_is_empty_and_costs_no_span() -> None:
    assert (tracing.traceparent(), tracing.trace_ids()) == ("", {})
    with tracing.span("work", "") as span, tracing.untraced() as nothing:
        assert (span, nothing) == (None, None)
        assert tracing.traceparent() == ""


@pytest.mark.slow
def test_it_is_refused_where_its_packages_are_not(tmp_path: Path) -> None:
    """An environment like the laptop's: everything but OpenTelemetry."""
    (installed,) = {Path(path).parent for path in opentelemetry.__path__}
    for entry in installed.iterdir():
        if not entry.name.startswith("opentelemetry"):
            (tmp_path / entry.name).symlink_to(entry)
    script = "from aihub import env; env.read()"
    command = [sys.executable, "-S", "-c", script]
    environ = {"PYTHONPATH": str(tmp_path), "AIHUB_TRACE_ENDPOINT": "http://collector:4318"}
    done = subprocess.run(
        command, cwd=BASE_DIR, env=environ, capture_output=True, text=True, check=False
    )
    assert "AIHUB_TRACE_ENDPOINT is set, and OpenTelemetry is not installed" in done.stderr


@pytest.mark.slow
def test_a_collector_that_is_away_costs_one_line_and_no_time(tmp_path: Path) -> None:
    away = f"http://user:hunter2@127.0.0.1:{free_port()}"
    done = run(
        *(TRACED, tmp_path),
        AIHUB_TRACE_ENDPOINT=away,
        AIHUB_TRACE_SAMPLE="1",
        OTEL_BSP_SCHEDULE_DELAY="10",
        DATABASE_URL="",
    )
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == [
        "the trace collector at 127.0.0.1 takes nothing: spans are lost"
    ]


def test_a_collector_that_comes_back_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port, span = free_port(), finished("work")
    exporter = CollectorExporter(f"http://127.0.0.1:{port}/", timeout=0.5)
    for _ in range(2):
        assert exporter.export([span]) is SpanExportResult.FAILURE
    with collecting(port) as collector:
        for _ in range(2):
            assert exporter.export([span]) is SpanExportResult.SUCCESS
    assert [span.name for span in collector.spans] == ["work", "work"]
    assert [record.getMessage() for record in caplog.records] == [
        "the trace collector at 127.0.0.1 takes nothing: spans are lost",
        "the trace collector at 127.0.0.1 takes spans again",
    ]
    exporter.shutdown()


def test_queries_and_what_exceptions_say_do_not_leave() -> None:
    given = {
        "url.query": "token=hunter2",
        "url.full": "http://hub/files?token=hunter2",
        "http.target": "/files?token=hunter2",
        "http.url": "http://hub/files",
        "url.path": "/files",
    }
    sent = harmless(finished("work", given, ValueError("hunter2")))
    assert "hunter2" not in sent.to_json()
    assert sent.attributes == {
        "url.full": "http://hub/files",
        "http.target": "/files",
        "http.url": "http://hub/files",
        "url.path": "/files",
        "error.type": "ValueError",
    }
    assert sent.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/models/cats/predict/", "/api/v1/models/{model}/predict/"),
        ("/v1/models/cats:predict", "/v1/models/{model}:predict"),
        ("/v2/models/cats/versions/1/infer", "/v2/models/{model}/versions/{version}/infer"),
        ("/v2/repository/models/cats/load", "/v2/repository/models/{model}/load"),
        ("/v2/models/cats/dogs", ""),
        ("/v2/whatever", ""),
    ],
)
def test_a_route_has_no_name_of_a_model_in_it(path: str, route: str) -> None:
    assert route_of(path) == route


def finished(
    name: str, attributes: dict[str, str] | None = None, error: Exception | None = None
) -> ReadableSpan:
    """A span that has ended, of a tracer of its own."""
    spans = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "aihub", "aihub.role": "tests"}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("tests")
    with suppress(ValueError), tracer.start_as_current_span(name, attributes=attributes):
        if error:
            raise error
    (span,) = spans.get_finished_spans()
    return span


@pytest.mark.slow
def test_lines_of_the_log_name_their_span(tmp_path: Path) -> None:
    done = run(
        *(SAID, tmp_path),
        AIHUB_TRACE_ENDPOINT=f"http://127.0.0.1:{free_port()}",
        AIHUB_TRACE_SAMPLE="1",
        DATABASE_URL="",
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    outside, inside = (line for line in lines if line["log"]["logger"] == "tests")
    trace, span = done.stdout.strip().split("-")[1:3]
    assert (inside["trace"], inside["span"]) == ({"id": trace}, {"id": span})
    assert "trace" not in outside
