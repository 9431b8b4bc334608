"""How the calls of the last seconds went, in bounded memory."""

from typing import NamedTuple

BUCKETS = 10


class Counts(NamedTuple):
    """Calls that ended, and how many of them failed or were slow."""

    calls: int = 0
    errors: int = 0
    slow: int = 0


class Window:
    """A sliding window of `length` seconds that forgets a tenth at a time.

    `calls`, `errors` and `slow` are the sums as of the last `add`; adding costs the same however
    many calls there were.
    """

    __slots__ = ("_buckets", "_newest", "_width", "calls", "errors", "slow")

    def __init__(self, length: float) -> None:
        self._width = length / BUCKETS
        self.clear()

    def clear(self) -> None:
        """Forget every call."""
        self._newest = 0  # buckets are numbered from the clock's zero
        self._buckets = [[0, 0, 0] for _ in range(BUCKETS)]
        self.calls = self.errors = self.slow = 0

    def add(self, now: float, failed: bool, slow: bool) -> None:
        """Count a call that ended at `now` seconds."""
        number = int(now / self._width)
        if number > self._newest:
            self._advance(number)
        bucket = self._buckets[self._newest % BUCKETS]
        bucket[0] += 1
        self.calls += 1
        if failed:
            bucket[1] += 1
            self.errors += 1
        if slow:
            bucket[2] += 1
            self.slow += 1

    def counts(self, now: float) -> Counts:
        """What the window holds at `now`; changes nothing, so that any thread may ask."""
        oldest = int(now / self._width) - BUCKETS + 1
        newest = self._newest
        numbers = range(max(oldest, newest - BUCKETS + 1), newest + 1)
        live = [self._buckets[number % BUCKETS] for number in numbers]
        return Counts(*(sum(bucket[field] for bucket in live) for field in range(3)))

    def _advance(self, number: int) -> None:
        """Empty the buckets that `number` pushes out of the window."""
        for old in range(self._newest + 1, min(number, self._newest + BUCKETS) + 1):
            bucket = self._buckets[old % BUCKETS]
            self.calls -= bucket[0]
            self.errors -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = 0, 0, 0
        self._newest = number
