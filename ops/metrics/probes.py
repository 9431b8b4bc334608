"""Looks at what may be slow or away, off the way of whoever asks what they found."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PAUSES = 20  # times as long as a look took, at least: looking takes a twentieth of the time at most

logger = logging.getLogger(__name__)


class Probe(Generic[T]):
    """What a look last found; it is looked again once that is `every` seconds old, by one thread.

    `failed` is what a look found that raised, or that has been taking more than `within` seconds.
    """

    def __init__(
        self,
        look: Callable[[], T],
        failed: T,
        *,
        every: float,
        within: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._failed = failed
        self._every = every
        self._within = within
        self._clock = clock
        self._lock = threading.Lock()
        self._found: T | None = None
        self._fails = False
        self._due = clock()
        self._began: float | None = None
        self._resting = threading.Event()  # while nobody looks
        self._resting.set()

    def begin(self) -> None:
        """Look, unless somebody does or what is known is new enough."""
        with self._lock:
            if self._began is not None or self._clock() < self._due:
                return
            self._began = self._clock()
            self._resting.clear()
        threading.Thread(target=self._work, name="probe", daemon=True).start()

    def found(self, patience: float = 0.0) -> T | None:
        """What was found, after waiting for a look at most so long; None where nothing is known."""
        self.begin()
        if patience > 0:
            self._resting.wait(patience)
        with self._lock:
            hangs = self._began is not None and self._clock() - self._began > self._within
            return self._failed if hangs else self._found

    def _work(self) -> None:
        try:
            found, fails = self._look(), False
        except Exception as error:
            found, fails = self._failed, True
            if not self._fails:
                logger.warning("%s fails: %s", self._look.__name__, error)
        with self._lock:
            assert self._began is not None
            took = self._clock() - self._began
            self._found, self._fails, self._began = found, fails, None
            self._due = self._clock() + max(self._every, PAUSES * took)
        self._resting.set()
