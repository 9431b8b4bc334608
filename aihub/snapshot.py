"""A value that replicas hold in memory, rebuilt when the revision grows, kept on disk.

With the database away a snapshot stays as it is; a process that starts then reads the last one
from disk.
"""

import asyncio
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from django.db import close_old_connections, connection

T = TypeVar("T")

POLL_EVERY = 0.5  # seconds
FRESHEN_EVERY = 0.05  # seconds

logger = logging.getLogger(__name__)


@dataclass
class Snapshot(Generic[T]):
    """`load` reads the value from the database; `dump` and `parse` are its JSON form."""

    load: Callable[[], T]
    dump: Callable[[T], Any]
    parse: Callable[[Any], T]
    path: Path
    empty: T
    loaded: bool = False
    value: T = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.empty

    def current(self) -> T:
        """The value now; never blocks."""
        return self.value

    def refresh(self) -> None:
        """Read the value anew and keep it on disk."""
        self.value, self.loaded = self.load(), True
        _write(self.path, json.dumps(self.dump(self.value)))

    def restore(self) -> None:
        """Take the value from disk where there is one."""
        try:
            self.value = self.parse(json.loads(self.path.read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.loaded = True


class Poller(threading.Thread):
    """Keeps snapshots fresh. `ticks` are called once a second or so beside it."""

    def __init__(
        self,
        snapshots: Sequence[Snapshot[Any]],
        revision: Callable[[], int],
        ticks: Sequence[Callable[[], None]] = (),
    ) -> None:
        super().__init__(name="snapshot", daemon=True)
        self.snapshots = snapshots
        self.revision = revision
        self.ticks = ticks
        self.seen = -1
        self.failing = False
        self.looked_at = time.monotonic()  # when the database last answered; at first, now
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    def run(self) -> None:
        while not self.stopped.wait(POLL_EVERY):
            self.poll()
        connection.close()

    def stop(self) -> None:
        self.stopped.set()
        self.join()

    def age(self) -> float:
        """Seconds since the snapshots were last as the database has them, or since the start."""
        return time.monotonic() - self.looked_at

    def poll(self) -> None:
        """Look once; a database that is away is logged once and asked again later."""
        with self.lock:
            self._try_to_look()

    def _try_to_look(self) -> None:
        try:
            close_old_connections()  # nobody else does, outside of a request
            self._look()
            self.looked_at, self.failing = time.monotonic(), False
        except Exception:  # whatever fails, loaded models go on answering from what is known
            if not self.failing:
                logger.exception("snapshots are old: the database does not answer")
            self.failing = True
            close_old_connections()
            for snapshot in self.snapshots:
                if not snapshot.loaded:
                    snapshot.restore()

    def _look(self) -> None:
        revision = self.revision()
        if revision != self.seen:
            for snapshot in self.snapshots:
                snapshot.refresh()
            self.seen = revision
        for tick in self.ticks:
            self._try(tick)

    @staticmethod
    def _try(tick: Callable[[], None]) -> None:
        """A tick that fails is tried again at the next look; it holds nothing else up."""
        try:
            tick()
        except Exception:
            logger.warning("%r failed; it will be tried again", tick, exc_info=True)
            close_old_connections()


class Freshener:
    """Looks at once, for a caller whom the snapshot would turn away.

    What was committed before a call came is seen by it: a version that just became ready, a key
    that was just made. Callers share looks, of which there are at most 20 a second.
    """

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._thread = ThreadPoolExecutor(1, "freshen")
        self._next: asyncio.Task[None] | None = None
        self._started = 0.0

    async def __call__(self) -> None:
        """Return once the snapshots are at least as new as this call; at once if they cannot be."""
        if self._poller.failing:
            return
        if self._next is None:
            self._next = asyncio.create_task(self._look())
        await asyncio.shield(self._next)

    async def _look(self) -> None:
        await asyncio.sleep(max(0.0, self._started + FRESHEN_EVERY - time.monotonic()))
        self._next, self._started = None, time.monotonic()  # who comes now needs another look
        await asyncio.get_running_loop().run_in_executor(self._thread, self._poller.poll)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).replace(path)
