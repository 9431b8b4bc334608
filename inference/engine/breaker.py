"""Circuit breaking by Sentinel's rules: a version that fails or is slow is left alone for a while.

Closed, calls pass and are watched. A rule that is met opens the breaker, which then admits
nothing for the rule's `open_s`. Half-open, it admits the rule's `probes` calls: all of them good
close it, one bad opens it again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from inference.engine.window import Counts, Window
from registry.serving import ERROR_COUNT, SLOW_RATIO, Rule

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
WHILE_PROBING = 1.0  # seconds after which to try again while probes are under way
WHILE_FORCED = 5.0  # and while an operator holds it open: nobody knows how long

Clock = Callable[[], float]


class _Watch:
    """A rule and what it has seen."""

    __slots__ = ("_slow_s", "rule", "window")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.window = Window(rule.window_s)
        self._slow_s = rule.slow_ms / 1000

    def add(self, now: float, seconds: float, failed: bool) -> None:
        self.window.add(now, failed, seconds > self._slow_s)

    def met(self) -> bool:
        """Whether there were calls enough, and too many of them bad."""
        rule, window = self.rule, self.window
        bad = window.slow if rule.strategy == SLOW_RATIO else window.errors
        if not bad or window.calls < rule.min_calls:
            return False
        return (bad if rule.strategy == ERROR_COUNT else bad / window.calls) >= rule.threshold


class Breaker:
    """One version's breaker. All calls but `as_json` and `state` come from one thread.

    `admits` hands out a ticket, which goes back with `record` or `release`: by it a call that was
    admitted before the breaker opened is known, and taken neither for a probe nor for news.
    """

    def __init__(self, rules: Sequence[Rule], clock: Clock = time.monotonic) -> None:
        self.forced = ""
        self._clock = clock
        self._watches: list[_Watch] = []
        self._rule: Rule | None = None  # the one that opened it
        self._until = 0.0  # when open ends
        self._ticket = 0
        self._enter(CLOSED)
        self.follow(rules)

    def admits(self) -> int:
        """A call's ticket, 0 where it is turned away; in half-open it takes a probe's place."""
        return self._ticket if self._state == CLOSED else self._probe()

    def record(self, ticket: int, seconds: float, failed: bool) -> None:
        """An admitted call came to its end after so many seconds."""
        if ticket != self._ticket:
            return
        if self._state == CLOSED:
            self._count(seconds, failed)
        else:
            self._judge_probe(seconds, failed)

    def release(self, ticket: int) -> None:
        """An admitted call ended without telling anything: its client left, its input was bad."""
        if ticket == self._ticket and self._state == HALF_OPEN:
            self._probing -= 1

    def force(self, state: str) -> None:
        """Hold it `open` or `closed`; with an empty `state` it starts closed and decides itself."""
        if state != self.forced:
            self.forced = state
            self._rule = None
            self._enter(OPEN if state == OPEN else CLOSED)
            self._until = float("inf")

    def follow(self, rules: Sequence[Rule]) -> None:
        """Go by these rules: what equal ones have seen stays, and what one of them opened."""
        unique = tuple(dict.fromkeys(rules))
        known = {watch.rule: watch for watch in self._watches}
        if unique == tuple(known):
            return
        self._watches = [known.get(rule) or _Watch(rule) for rule in unique]
        if self._rule is not None and self._rule not in unique:
            self._enter(CLOSED)

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        if self._state == OPEN and self._clock() >= self._until:
            return HALF_OPEN  # the next call is a probe
        return self._state

    def retry_after(self) -> float:
        """In how many seconds a call that was turned away may try again."""
        if self._state == CLOSED:
            return 0.0
        if self.forced:
            return WHILE_FORCED
        left = self._until - self._clock()
        return left if self._state == OPEN and left > 0 else WHILE_PROBING

    def as_json(self) -> dict[str, Any]:
        """Its state and for how many `seconds`, the most that a rule's window holds, and which
        rule opened it."""
        now, rule = self._clock(), self._rule
        seen = [watch.window.counts(now) for watch in self._watches]
        most = Counts(*map(max, zip(*seen, strict=True))) if seen else Counts()
        return {
            "state": self.state,
            "forced": self.forced,
            "seconds": max(0.0, now - self._since),
            **most._asdict(),
            "rule": asdict(rule) if rule else None,
        }

    def _count(self, seconds: float, failed: bool) -> None:
        now = self._clock()
        for watch in self._watches:
            watch.add(now, seconds, failed)
            if watch.met() and not self.forced:
                self._open(watch.rule)
                return

    def _probe(self) -> int:
        """A probe's ticket, where one may be sent."""
        rule = self._rule
        if rule is None:  # held open
            return 0
        if self._state == OPEN and self._clock() >= self._until:
            self._enter(HALF_OPEN)
        if self._state == OPEN or self._probing + self._passed >= rule.probes:
            return 0
        self._probing += 1
        return self._ticket

    def _judge_probe(self, seconds: float, failed: bool) -> None:
        rule = self._rule
        assert rule is not None
        self._probing -= 1
        if failed or (rule.strategy == SLOW_RATIO and seconds * 1000 > rule.slow_ms):
            self._open(rule)
            return
        self._passed += 1
        if self._passed == rule.probes:
            self._enter(CLOSED)

    def _open(self, rule: Rule) -> None:
        self._rule = rule
        self._enter(OPEN)
        self._until = self._since + rule.open_s

    def _enter(self, state: str) -> None:
        """Begin a state: tickets of the one before are void."""
        self._state = state
        self._ticket += 1
        self._since = self._clock()
        self._probing = self._passed = 0
        if state == CLOSED:
            self._rule = None
            for watch in self._watches:
                watch.window.clear()
