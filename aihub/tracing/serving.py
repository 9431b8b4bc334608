"""The spans of predictions: a raw ASGI application has no instrumentation of its own."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import grpc
from grpc import aio
from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode

from aihub.bridge import App, Receive, Scope, Send
from aihub.stages import Stages, of_call
from aihub.tracing import trace_ids
from aihub.tracing.spans import Spans

Log = Callable[[str, str, Mapping[str, Any]], None]
_PATH = re.compile(
    r"(?P<before>(/api/v1|/v1|/v2|/v2/repository)/models/)[^/:]+(?P<version>/versions/[^/]+)?"
    r"(?P<after>/?|/predict/?|:predict|/infer|/ready|/config|/stats|/load|/unload)"
)
_STAGES = (
    ("preprocess", "read", "waiting"),
    ("queue", "waiting", "running"),
    ("compute", "running", "done"),
)
_SAID = ("model", "version", "variant", "items")  # of an event, as attributes of the span


class Serving:
    """Makes spans of predictions, over HTTP and over gRPC."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def http(self, app: App, handles: Callable[[str], bool]) -> "TracedPredictions":
        return TracedPredictions(app, handles, self._spans)

    def grpc(self) -> "TracedCalls":
        return TracedCalls(self._spans)

    def noting(self, log: Log) -> Log:
        """The log of predictions: the present span says what a line does, the line names it."""

        def note(message: str, request_id: str, event: Mapping[str, Any]) -> None:
            span = trace.get_current_span()
            if span.is_recording():
                _describe(span, event)
                if stages := of_call.get():
                    self._spans.past(_ended(stages))
            log(message, request_id, {**event, **trace_ids()})

        return note


def _ended(stages: Stages) -> Iterator[tuple[str, float, float]]:
    """The stages that a prediction went through, up to where it failed."""
    for name, begun, over in _STAGES:
        start, end = getattr(stages, begun), getattr(stages, over)
        if start and end:
            yield name, start, end


def _describe(span: Span, event: Mapping[str, Any]) -> None:
    span.set_attributes({f"aihub.{name}": event[name] for name in _SAID if event.get(name)})
    span.set_attribute("http.response.status_code", event["status"])
    if event["status"] >= 500:
        span.set_status(StatusCode.ERROR)


class TracedPredictions:
    """The application for predictions; what is asked of a model is a span."""

    def __init__(self, app: App, handles: Callable[[str], bool], spans: Spans) -> None:
        self.handles = handles
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        route = route_of(path)
        if not route:
            await self._app(scope, receive, send)
            return
        given = next((v for n, v in scope["headers"] if n == b"traceparent"), b"")
        said = {"http.request.method": method, "http.route": route, "url.path": path}
        with self._spans.serving(f"{method} {route}", given.decode("latin-1"), said):
            await self._app(scope, receive, send)


class TracedCalls(aio.ServerInterceptor):
    """Calls over gRPC; an inference is a span, but for a stream's, which may last for days."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        handler = await continuation(details)
        service, _, method = details.method[1:].partition("/")
        if handler is None or method != "ModelInfer":
            return handler
        said = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}

        async def traced(messages: Any, context: Any) -> bytes:
            given = dict(context.invocation_metadata()).get("traceparent", "")
            with self._spans.serving(details.method[1:], given, said):
                answer: bytes = await handler.stream_unary(messages, context)
                return answer

        return grpc.stream_unary_rpc_method_handler(traced)


def route_of(path: str) -> str:
    """The path with names in place of its model and version; empty where it leads nowhere."""
    found = _PATH.fullmatch(path)
    if found is None:
        return ""
    version = "/versions/{version}" if found["version"] else ""
    return f"{found['before']}{{model}}{version}{found['after']}"
