"""How many parts are under way at once: one, and more only where more are faster."""

import threading
import time
from collections.abc import Callable

MIB = 1024 * 1024
SETTLE, LOOK = 0.5, 1.0  # seconds
LEAST = 4 * MIB  # of each connection in a look: bytes are told of in lumps


class Pace:
    """The `width` at a moment, `most` at the most; `add` is told of every byte that goes out.

    A part under way is lost by a kill, since a store keeps no half of one. So there is one at
    first. Twice as many are tried then, and stay where they bring at least half of what they could:
    they do on a line whose delay is the limit, and do not on one that is full already.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.width = 1
        self._most, self._clock, self._lock = most, clock, threading.Lock()
        self._narrower, self._slower = 0, 0.0  # the width before, and its bytes a second
        self._found = most == 1
        self._begin(settled=False)

    def add(self, count: int) -> None:
        """So many bytes went out; from any thread."""
        with self._lock:
            if self._found:
                return
            self._moved += count
            took = self._clock() - self._since
            if took < (LOOK if self._settled else SETTLE) or self._moved < self._least():
                return
            if self._settled:
                self._judge(self._moved / took)
            self._begin(settled=not self._settled)

    def _judge(self, rate: float) -> None:
        if rate < self._slower * (1 + self.width / max(1, self._narrower)) / 2:
            self.width, self._found = self._narrower, True
        elif self.width == self._most:
            self._found = True
        else:
            self._narrower, self._slower = self.width, rate
            self.width = min(2 * self.width, self._most)

    def _begin(self, *, settled: bool) -> None:
        self._settled, self._moved, self._since = settled, 0, self._clock()

    def _least(self) -> int:
        return self.width * LEAST if self._settled else 0
