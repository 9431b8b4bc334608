"""How a job goes, as server-sent events; each stream holds a thread, so there are only so many."""

import json
import threading
import time
from collections.abc import Iterator

from django.db import close_old_connections
from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer

from inference.api.batch_serializers import BatchJobSummary
from inference.batch.selectors import LARGE, stall_teller
from inference.models import BatchJob

STREAMS = 8  # of one process, each a thread
LOOK_EVERY = 1.0  # seconds
BEAT_EVERY = 10.0  # seconds after which a line is sent though nothing changed
LASTS = 30.0  # seconds; then the browser asks again: one that has left holds its place no longer
AGAIN_MS = 2000  # after which a browser asks again where its stream ended


class EventStreamRenderer(JSONRenderer):
    """What browsers ask for, who take a stream of events and nothing else; problems stay JSON."""

    media_type = "text/event-stream"
    format = "events"


_free = threading.BoundedSemaphore(STREAMS)


def progress_stream(pk: int) -> StreamingHttpResponse:
    """A stream of one job; where there are too many, it has one event and ends, which makes the
    browser ask again and again."""
    streamed = _free.acquire(blocking=False)
    events = _Stream(pk, lasts=LASTS if streamed else 0.0, release=streamed)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(events, content_type="text/event-stream", headers=headers)


class _Stream:
    """The events of one stream; closing it, which Django does in any case, frees its place."""

    def __init__(self, pk: int, *, lasts: float, release: bool) -> None:
        self._events = _events(pk, lasts)
        self._release = release

    def __iter__(self) -> Iterator[bytes]:
        return self._events

    def close(self) -> None:
        if self._release:
            self._release = False
            _free.release()


def _events(pk: int, lasts: float) -> Iterator[bytes]:
    yield f"retry: {AGAIN_MS}\n\n".encode()
    until, beat, last = time.monotonic() + lasts, time.monotonic(), b""
    while True:
        close_old_connections()
        job = BatchJob.objects.select_related("team").defer(*LARGE).filter(pk=pk).first()
        if job is None:
            return
        told = json.dumps(BatchJobSummary(job, context={"stalled": stall_teller()}).data).encode()
        if told != last:
            yield b"event: progress\ndata: " + told + b"\n\n"
            last, beat = told, time.monotonic()
        elif time.monotonic() - beat > BEAT_EVERY:
            yield b": still here\n\n"
            beat = time.monotonic()
        if job.is_finished or time.monotonic() > until:
            return
        time.sleep(LOOK_EVERY)
