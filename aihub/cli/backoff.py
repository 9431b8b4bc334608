"""Waiting between attempts: longer each time, and not for ever."""

import random
import threading
import time

FIRST, LONGEST = 0.3, 15.0  # seconds


class Backoff:
    """Attempts at one thing, within `patience` seconds from the first failure on."""

    def __init__(self, patience: float, stop: threading.Event | None = None) -> None:
        self.patience = patience
        self._stop = stop or threading.Event()
        self._delay = FIRST
        self._deadline: float | None = None

    def wait(self, at_least: float = 0.0) -> bool:
        """Wait for the next attempt; False where patience ends before it, or all has stopped."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self.patience
        pause = max(at_least, self._delay * random.uniform(0.75, 1.25))
        self._delay = min(2 * self._delay, LONGEST)
        if now + pause > self._deadline:
            return False
        return not self._stop.wait(pause)
