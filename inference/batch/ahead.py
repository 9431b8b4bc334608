"""Stages that work at the same time: each a thread of its own, a little ahead of the next."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK = 0.1  # seconds between two looks whether anybody still wants what is ready


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a source, or what it raised."""

    error: BaseException | None = None


class _Stage(Generic[T]):
    """Runs a source in a thread, `depth` items ahead."""

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._source = source
        self._ready: queue.Queue[T | _End] = queue.Queue(depth)
        self._stopped = threading.Event()
        run = copy_context().run  # its lines are about the same work
        self._thread = threading.Thread(
            target=run, args=(self._work,), name="batch stage", daemon=True
        )
        self._thread.start()

    def next(self) -> T | _End:
        return self._ready.get()

    def stop(self) -> None:
        """End the thread; the source is closed in it."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        end = _End()
        try:
            for item in self._source:
                if not self._put(item):
                    break
                del item  # which may be large, while the next is made
        except BaseException as error:
            end = _End(error)
        finally:
            if isinstance(self._source, Generator):
                self._source.close()
        self._put(end)

    def _put(self, item: T | _End) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return True
        return False


def ahead(source: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The items of `source`, made in a thread of its own up to `depth` ahead; what it raises is
    raised here. Closing this closes the source."""
    stage = _Stage(source, depth)
    try:
        while not isinstance(item := stage.next(), _End):
            ready = [item]
            del item  # it is the caller's now, and may be large
            yield ready.pop()
        if item.error is not None:
            raise item.error
    finally:
        stage.stop()
