"""Tracing by OpenTelemetry: off, and nothing of it imported, unless AIHUB_TRACE_ENDPOINT is set.

Work is owned by rows of the database, and messages of the broker are hints that may be lost: a row
keeps the trace of whoever made it (`traceparent`), and whoever does the work continues that one.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from aihub import logs
from aihub.env import Env

if TYPE_CHECKING:
    from aihub.tracing.serving import Serving
    from aihub.tracing.spans import Spans

_spans: "Spans | None" = None


def start(env: Env) -> "Spans | None":
    """Trace this process from now on, where the environment says so. After forks, not before."""
    global _spans
    if _spans is None and env.AIHUB_TRACE_ENDPOINT:
        from aihub.tracing.spans import Spans

        _spans = Spans(env)
        logs.add_source(trace_ids)
        Finalize(None, stop, exitpriority=0)  # unlike `atexit`, in a server's child processes too
    return _spans


def serving(env: Env) -> "Serving | None":
    """As `start`, for a process that answers predictions: what makes spans of them."""
    spans = start(env)
    if spans is None:
        return None
    from aihub.tracing.serving import Serving

    return Serving(spans)


def stop() -> None:
    """Send what has not been sent, and trace no more. Takes seconds at most."""
    global _spans
    stopped, _spans = _spans, None
    if stopped is not None:
        stopped.stop()


def traceparent() -> str:
    """The present span as W3C's header has it, to be kept with work; empty where there is none."""
    return _spans.traceparent() if _spans else ""


def trace_ids() -> Mapping[str, str]:
    """`trace.id` and `span.id` of the present span, as ECS has them; empty where there is none."""
    return _spans.ids() if _spans else {}


def span(
    name: str, parent: str | None = None, **attributes: str | int
) -> AbstractContextManager[None]:
    """A span around the block: of the trace that `parent` names (a new one where it is empty), or
    of the present one. A keyword's `__` is a dot of the attribute's name."""
    return _spans.span(name, parent, attributes) if _spans else nullcontext()


def untraced() -> AbstractContextManager[None]:
    """Whatever the block does, and has others do, belongs to no trace."""
    return _spans.untraced() if _spans else nullcontext()
