"""The spans of predictions: a raw ASGI application has no instrumentation of its own."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import context as contexts, trace
from opentelemetry.trace import SpanKind, StatusCode

from aihub.bridge import App, Receive, Scope, Send
from aihub.tracing import trace_ids
from aihub.tracing.spans import Spans

Log = Callable[[str, str, Mapping[str, Any]], None]
_PATH = re.compile(
    r"(?P<before>(/api/v1|/v1|/v2|/v2/repository)/models/)[^/:]+(?P<version>/versions/[^/]+)?"
    r"(?P<after>/?|/predict/?|:predict|/infer|/ready|/config|/stats|/load|/unload)"
)
_SAID = ("model", "version", "variant", "items")  # of an event, as attributes of the span


class TracedPredictions:
    """The application for predictions, each of which is a span."""

    def __init__(self, app: App, handles: Callable[[str], bool], spans: Spans) -> None:
        self.handles = handles
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((v for n, v in scope["headers"] if n == b"traceparent"), b"")
        parent = self._spans.continued(given.decode("latin-1"))
        span = self._spans.tracer.start_span(
            _name(scope), parent, SpanKind.SERVER, _attributes(scope)
        )
        token = contexts.attach(trace.set_span_in_context(span, parent))
        try:
            await self._app(scope, receive, send)
        finally:
            contexts.detach(token)
            span.end()


def noting(log: Log) -> Log:
    """The log of predictions: the present span says what the line says, the line names the span."""

    def note(message: str, request_id: str, event: Mapping[str, Any]) -> None:
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes({f"aihub.{name}": event[name] for name in _SAID if event.get(name)})
            span.set_attribute("http.response.status_code", event["status"])
            if event["status"] >= 500:
                span.set_status(StatusCode.ERROR)
        log(message, request_id, {**event, **trace_ids()})

    return note


def _name(scope: Scope) -> str:
    """The method, and the path without what varies in it where it is one of ours."""
    route = route_of(scope["path"])
    return f"{scope['method']} {route}" if route else scope["method"]


def route_of(path: str) -> str:
    """The path with names in place of its model and version; empty where it leads nowhere."""
    found = _PATH.fullmatch(path)
    if found is None:
        return ""
    version = "/versions/{version}" if found["version"] else ""
    return f"{found['before']}{{model}}{version}{found['after']}"


def _attributes(scope: Scope) -> dict[str, str]:
    return {
        "http.request.method": scope["method"],
        "http.route": route_of(scope["path"]),
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
    }
