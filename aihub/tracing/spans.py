"""The spans of a process that is traced; imported only there."""

import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as contexts, propagate, trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from aihub import __version__
from aihub.env import Env
from aihub.stages import Stages, of_call
from aihub.tracing.exporting import CollectorExporter

_HEADER = "traceparent"
_NO_TRACE = SpanContext(1, 1, is_remote=True)  # a parent that is not sampled, nor are its children
_UNTRACED_PATHS = "/livez$,/readyz$,/metrics$,/static/"


class Spans:
    """Makes spans, and sends those that are sampled to the collector by a thread of its own."""

    def __init__(self, env: Env) -> None:
        # What the instrumentations write is then named as `aihub.tracing.serving` names it.
        os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
        self._exporter = CollectorExporter(env.AIHUB_TRACE_ENDPOINT)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(env.AIHUB_TRACE_SAMPLE)),
            resource=_resource(env.AIHUB_ROLE),
            shutdown_on_exit=False,  # `aihub.tracing.stop` does that, in time
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._propagator = TraceContextTextMapPropagator()
        propagate.set_global_textmap(self._propagator)
        self._tracer = self._provider.get_tracer("aihub", __version__)
        instrumentor = CeleryInstrumentor()  # type: ignore[no-untyped-call]
        instrumentor.instrument(tracer_provider=self._provider)

    def trace_django(self, *, after: str) -> None:
        """Have Django's requests be spans, from behind this middleware on; before it is loaded."""
        from django.conf import settings

        DjangoInstrumentor().instrument(
            tracer_provider=self._provider,
            excluded_urls=_UNTRACED_PATHS,
            middleware_position=settings.MIDDLEWARE.index(after) + 1,
        )

    def stop(self) -> None:
        self._exporter.end()
        self._provider.shutdown()

    def traceparent(self) -> str:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_HEADER, "")

    def ids(self) -> Mapping[str, str]:
        found = trace.get_current_span().get_span_context()
        if not found.is_valid:
            return {}
        return {
            "trace.id": trace.format_trace_id(found.trace_id),
            "span.id": trace.format_span_id(found.span_id),
        }

    def continued(self, traceparent: str) -> Context:
        """The trace that a header names, or none."""
        return self._propagator.extract({_HEADER: traceparent}, Context())

    @contextmanager
    def span(
        self, name: str, parent: str | None, attributes: Mapping[str, str | int]
    ) -> Iterator[None]:
        """See `aihub.tracing.span`."""
        begun = self._tracer.start_as_current_span(
            name,
            context=None if parent is None else self.continued(parent),
            kind=SpanKind.INTERNAL if parent is None else SpanKind.CONSUMER,
            attributes={f"aihub.{n.replace('__', '.')}": v for n, v in attributes.items()},
        )
        with begun:
            yield

    @contextmanager
    def serving(self, name: str, traceparent: str, attributes: Mapping[str, str]) -> Iterator[None]:
        """The span of a call from outside, of its caller's trace where that is said."""
        parent = self.continued(traceparent)
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        token = contexts.attach(trace.set_span_in_context(span, parent))
        stages = of_call.set(Stages() if span.is_recording() else None)
        try:
            yield
        finally:
            of_call.reset(stages)
            contexts.detach(token)
            span.end()

    def past(self, ended: Iterable[tuple[str, float, float]]) -> None:
        """Spans in the present one that have ended: names, and times of `time.monotonic`."""
        epoch = time.time_ns() - time.monotonic_ns()
        for name, start, end in ended:
            span = self._tracer.start_span(name, start_time=epoch + int(start * 1e9))
            span.end(epoch + int(end * 1e9))

    @contextmanager
    def untraced(self) -> Iterator[None]:
        """See `aihub.tracing.untraced`."""
        token = contexts.attach(trace.set_span_in_context(NonRecordingSpan(_NO_TRACE)))
        try:
            yield
        finally:
            contexts.detach(token)


def _resource(role: str) -> Resource:
    """Who speaks, as the log has it."""
    return Resource.create(
        {
            "service.name": "aihub",
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "aihub.role": role,
        }
    )
