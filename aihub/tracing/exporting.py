"""What leaves for the collector, and what is said when it does not arrive."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

TIMEOUT = 3.0  # seconds for one batch of spans, with whatever is tried again
_WITH_QUERY: Final = frozenset({"http.url", "http.target", "url.full"})
_NEVER: Final = frozenset({"url.query"})
# They would say the same every few seconds: `CollectorExporter` says it once.
_CHATTY: Final = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")

logger = logging.getLogger(__name__)


class CollectorExporter(SpanExporter):
    """Sends spans over OTLP/HTTP. A collector that is away costs the spans, and one line."""

    def __init__(self, endpoint: str, timeout: float = TIMEOUT) -> None:
        self._host = urlsplit(endpoint).hostname or ""
        url = endpoint.rstrip("/") + "/v1/traces"
        self._inner: SpanExporter = OTLPSpanExporter(url, timeout=timeout)
        self._away = self._ending = False
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._ending and self._away:
            return SpanExportResult.FAILURE
        result = self._inner.export([harmless(span) for span in spans])
        away = result is not SpanExportResult.SUCCESS
        if away and not self._away:
            logger.warning("the trace collector at %s takes nothing: spans are lost", self._host)
        elif self._away and not away:
            logger.info("the trace collector at %s takes spans again", self._host)
        self._away = away
        return result

    def end(self) -> None:
        """From now on try nothing again: once something does not arrive, the rest is dropped."""
        self._ending = True

    def shutdown(self) -> None:
        self._inner.shutdown()


def harmless(span: ReadableSpan) -> ReadableSpan:
    """The span without what may hold a secret or somebody's data: queries of URLs, and what
    exceptions say; their class is kept as `error.type`."""
    return ReadableSpan(
        span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_clean(span.attributes or {}) | _errors(span.events),
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.partition("?")[0] if name in _WITH_QUERY else value
        for name, value in attributes.items()
        if name not in _NEVER
    }


def _errors(events: Sequence[Event]) -> dict[str, Any]:
    kinds = [(event.attributes or {}).get("exception.type") for event in events]
    return dict([("error.type", kind) for kind in kinds if kind][-1:])
