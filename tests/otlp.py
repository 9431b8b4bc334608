"""A collector of traces on this machine: a real HTTP server that reads OTLP."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Span:
    """What a collector is told of one span; `role` is that of the process."""

    trace: str
    id: str
    parent: str
    name: str
    role: str
    start: int  # nanoseconds since 1970
    end: int
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """The spans that came so far."""

    url: str
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, holds: Callable[[list[Span]], bool], timeout: float = 20) -> None:
        """Return once it holds of all spans; AssertionError with their names if it never does."""
        with self.came:
            if not self.came.wait_for(lambda: holds(self.spans), timeout):
                raise AssertionError([(span.role, span.name) for span in self.spans])

    def named(self, name: str, trace: str = "") -> list[Span]:
        return [s for s in self.spans if s.name == name and trace in ("", s.trace)]

    def one(self, name: str, trace: str = "") -> Span:
        """The only span of that name (of a trace), once it has come."""
        self.wait_for(lambda spans: bool(self.named(name, trace)))
        (found,) = self.named(name, trace)
        return found

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self.came:
            self.raw.append(body)
            self.spans += _spans_of(request)
            self.came.notify_all()


def _spans_of(request: Any) -> Iterator[Span]:
    for group in request.resource_spans:
        resource = _values(group.resource.attributes)
        assert resource["service.name"] == "aihub"
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    resource["aihub.role"],
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == 2,
                    _values(span.attributes),
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
