"""Looks at what may be slow or away."""

import threading
from collections.abc import Callable

from ops.metrics.probes import PAUSES, Probe


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Look:
    """Counts looks, and waits while it is held."""

    def __init__(self, found: Callable[[], int] = lambda: 7, takes: float = 0.0) -> None:
        self.count = 0
        self.free = threading.Event()
        self.free.set()
        self.clock = Clock()
        self._found = found
        self._takes = takes
        self.__name__ = "look"

    def __call__(self) -> int:
        self.count += 1
        self.free.wait(10)
        self.clock.now += self._takes
        return self._found()

    def probe(self) -> Probe[int]:
        return Probe(self, -1, every=5.0, within=2.0, clock=self.clock)


def fail() -> int:
    raise OSError("away")


def test_it_is_looked_once_however_often_it_is_asked() -> None:
    look = Look()
    probe = look.probe()
    assert [probe.found(10), probe.found(10), probe.found()] == [7, 7, 7]
    look.clock.now += 4.9
    assert (probe.found(10), look.count) == (7, 1)
    look.clock.now += 0.2
    assert (probe.found(10), look.count) == (7, 2)


def test_what_is_away_is_found_failed_and_asked_no_more_often() -> None:
    look = Look(fail)
    probe = look.probe()
    assert [probe.found(10) for _ in range(5)] == [-1] * 5
    assert look.count == 1


def test_whoever_asks_waits_no_longer_than_they_will() -> None:
    look = Look()
    look.free.clear()
    probe = look.probe()
    assert probe.found() is None  # nothing is known yet
    look.clock.now += 2.1
    assert probe.found() == -1  # it hangs
    assert look.count == 1
    look.free.set()
    assert probe.found(10) == 7


def test_a_look_that_hangs_ends_what_was_known() -> None:
    look = Look()
    probe = look.probe()
    assert probe.found(10) == 7
    look.free.clear()
    look.clock.now += 5.1
    assert probe.found() == 7
    look.clock.now += 2.1
    assert probe.found() == -1
    look.free.set()
    assert probe.found(10) == 7


def test_looking_takes_a_small_part_of_the_time() -> None:
    look = Look(takes=1.0)
    probe = look.probe()
    probe.found(10)
    look.clock.now += PAUSES - 0.1
    assert (probe.found(10), look.count) == (7, 1)
    look.clock.now += 0.2
    assert (probe.found(10), look.count) == (7, 2)
