"""The circuit breaker: what opens it, what closes it, and what never happens."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from inference.engine.breaker import CLOSED, HALF_OPEN, OPEN, WHILE_FORCED, Breaker
from inference.engine.window import BUCKETS, Counts, Window
from registry.serving import ERROR_COUNT, ERROR_RATIO, SLOW_RATIO, Rule

ERRORS = Rule(ERROR_RATIO, threshold=0.5, min_calls=4, window_s=10, open_s=5, probes=2)
SLOW = Rule(SLOW_RATIO, threshold=0.5, slow_ms=100, min_calls=4, window_s=10, open_s=5, probes=2)
COUNT = Rule(ERROR_COUNT, threshold=3, min_calls=1, window_s=10, open_s=5, probes=2)


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def call(breaker: Breaker, *, failed: bool = False, seconds: float = 0.01) -> bool:
    """One call, start to end; False where it was turned away."""
    ticket = breaker.admits()
    if ticket:
        breaker.record(ticket, seconds, failed)
    return bool(ticket)


def opened(clock: Clock, rule: Rule = ERRORS) -> Breaker:
    breaker = Breaker([rule], clock)
    while call(breaker, failed=True, seconds=1):
        pass
    return breaker


class TestWhatOpensIt:
    def test_a_ratio_of_errors(self, clock: Clock) -> None:
        breaker = Breaker([ERRORS], clock)
        for failed in (True, False, False, True):
            assert breaker.state == CLOSED
            call(breaker, failed=failed)
        assert breaker.state == OPEN
        assert not breaker.admits()

    def test_a_ratio_of_slow_calls(self, clock: Clock) -> None:
        breaker = Breaker([SLOW], clock)
        for seconds in (0.1, 0.1, 0.101, 0.2):
            assert breaker.state == CLOSED
            call(breaker, seconds=seconds)
        assert breaker.state == OPEN

    def test_a_number_of_errors(self, clock: Clock) -> None:
        breaker = Breaker([COUNT], clock)
        for failed in (True, *[False] * 50, True):
            call(breaker, failed=failed)
        assert breaker.state == CLOSED
        call(breaker, failed=True)
        assert breaker.state == OPEN

    def test_errors_do_not_count_as_slow_nor_slow_calls_as_errors(self, clock: Clock) -> None:
        slow, errors = Breaker([SLOW], clock), Breaker([ERRORS, COUNT], clock)
        for _ in range(20):
            call(slow, failed=True)
            call(errors, seconds=9)
        assert (slow.state, errors.state) == (CLOSED, CLOSED)

    def test_the_first_rule_that_is_met_is_named(self, clock: Clock) -> None:
        breaker = Breaker([SLOW, COUNT], clock)
        for _ in range(3):
            call(breaker, failed=True)
        said = breaker.as_json()
        assert said["rule"]["strategy"] == ERROR_COUNT
        assert (said["state"], said["calls"], said["errors"], said["slow"]) == (OPEN, 3, 3, 0)

    def test_nothing_without_rules(self, clock: Clock) -> None:
        breaker = Breaker([], clock)
        assert all(call(breaker, failed=True, seconds=60) for _ in range(100))
        assert breaker.as_json()["calls"] == 0

    def test_a_threshold_of_nothing_takes_one_bad_call(self, clock: Clock) -> None:
        breaker = Breaker([replace(ERRORS, threshold=0)], clock)
        assert all(call(breaker) for _ in range(20))
        call(breaker, failed=True)
        assert breaker.state == OPEN

    def test_what_ended_without_telling_anything_counts_for_nothing(self, clock: Clock) -> None:
        breaker = Breaker([ERRORS], clock)
        for _ in range(20):
            breaker.release(breaker.admits())
        assert breaker.as_json()["calls"] == 0

    def test_what_is_older_than_the_window_is_forgotten(self, clock: Clock) -> None:
        breaker = Breaker([COUNT], clock)
        for _ in range(20):
            call(breaker, failed=True)
            call(breaker, failed=True)
            clock.now += COUNT.window_s
        assert breaker.state == CLOSED


class TestWhatClosesIt:
    def test_it_stays_open_for_its_time(self, clock: Clock) -> None:
        breaker = opened(clock)
        clock.now += 4.75
        assert not breaker.admits()
        assert breaker.retry_after() == 0.25
        clock.now += 0.25
        assert breaker.state == HALF_OPEN
        assert breaker.admits()

    def test_good_probes_close_it_with_an_empty_window(self, clock: Clock) -> None:
        breaker = opened(clock)
        clock.now += 5
        assert call(breaker)
        assert breaker.state == HALF_OPEN
        assert call(breaker)
        assert breaker.state == CLOSED
        assert breaker.as_json()["calls"] == 0
        assert breaker.retry_after() == 0

    def test_one_bad_probe_opens_it_again(self, clock: Clock) -> None:
        breaker = opened(clock)
        clock.now += 5
        assert call(breaker)
        assert call(breaker, failed=True)
        assert breaker.state == OPEN
        assert breaker.retry_after() == 5

    def test_a_slow_probe_is_bad_where_slowness_opened_it(self, clock: Clock) -> None:
        slow, errors = opened(clock, SLOW), opened(clock)
        clock.now += 5
        assert call(slow, seconds=1)
        assert call(errors, seconds=1)
        assert (slow.state, errors.state) == (OPEN, HALF_OPEN)

    def test_no_more_probes_than_the_rule_says(self, clock: Clock) -> None:
        breaker = opened(clock)
        clock.now += 5
        first, second = breaker.admits(), breaker.admits()
        assert first
        assert second
        assert not breaker.admits()
        breaker.record(first, 0.01, False)
        assert not breaker.admits(), "two are enough, and the second is under way"

    def test_a_probe_that_told_nothing_gives_its_place_back(self, clock: Clock) -> None:
        breaker = opened(clock)
        clock.now += 5
        tickets = [breaker.admits(), breaker.admits()]
        breaker.release(tickets[0])
        assert breaker.admits()
        assert not breaker.admits()

    def test_a_call_from_before_is_no_probe(self, clock: Clock) -> None:
        """A model hangs, the breaker opens, and what hung ends when it is being tried again."""
        breaker = Breaker([ERRORS], clock)
        hanging = [breaker.admits() for _ in range(3)]
        while call(breaker, failed=True):
            pass
        clock.now += 5
        probes = [breaker.admits(), breaker.admits()]
        breaker.record(hanging[0], 30, True)
        breaker.release(hanging[1])
        assert (breaker.state, breaker.admits()) == (HALF_OPEN, 0)
        for probe in probes:
            breaker.record(probe, 0.01, False)
        breaker.record(hanging[2], 30, True)
        assert (breaker.state, breaker.as_json()["calls"]) == (CLOSED, 0)


class TestAnOperator:
    def test_forced_open_admits_nothing_for_as_long_as_it_is(self, clock: Clock) -> None:
        breaker = Breaker([ERRORS], clock)
        breaker.force("open")
        clock.now += 10_000
        assert not breaker.admits()
        assert (breaker.state, breaker.retry_after()) == (OPEN, WHILE_FORCED)
        assert breaker.as_json()["forced"] == "open"

    def test_forced_closed_admits_everything_and_goes_on_counting(self, clock: Clock) -> None:
        breaker = opened(clock)
        breaker.force("closed")
        assert all(call(breaker, failed=True) for _ in range(50))
        said = breaker.as_json()
        assert (said["state"], said["errors"], said["rule"]) == (CLOSED, 50, None)

    @pytest.mark.parametrize("forced", ["open", "closed"])
    def test_let_go_it_starts_anew(self, clock: Clock, forced: str) -> None:
        breaker = opened(clock)
        breaker.force(forced)
        call(breaker, failed=True)
        breaker.force("")
        assert (breaker.state, breaker.as_json()["calls"]) == (CLOSED, 0)
        assert all(call(breaker, failed=True) for _ in range(4))
        assert not call(breaker)

    def test_saying_the_same_again_changes_nothing(self, clock: Clock) -> None:
        breaker = opened(clock)
        breaker.force("")
        assert breaker.state == OPEN


class TestNewRules:
    def test_equal_ones_change_nothing(self, clock: Clock) -> None:
        breaker = opened(clock)
        breaker.follow([replace(ERRORS)])
        assert breaker.state == OPEN

    def test_one_that_stays_keeps_what_it_saw(self, clock: Clock) -> None:
        breaker = Breaker([ERRORS], clock)
        for _ in range(3):
            call(breaker, failed=True)
        breaker.follow([SLOW, ERRORS])
        call(breaker, failed=True)
        assert breaker.as_json()["rule"]["strategy"] == ERROR_RATIO

    def test_an_open_one_stays_open_while_its_rule_does(self, clock: Clock) -> None:
        breaker = opened(clock)
        breaker.follow([SLOW, ERRORS])
        assert breaker.state == OPEN
        breaker.follow([SLOW])
        assert breaker.state == CLOSED

    def test_one_that_comes_twice_counts_once(self, clock: Clock) -> None:
        breaker = Breaker([COUNT, COUNT], clock)
        call(breaker, failed=True)
        assert breaker.as_json()["calls"] == 1

    def test_what_is_held_open_stays_open(self, clock: Clock) -> None:
        breaker = Breaker([ERRORS], clock)
        breaker.force("open")
        breaker.follow([])
        assert not breaker.admits()


def test_a_window_forgets_a_tenth_at_a_time() -> None:
    window = Window(10)
    for second in range(20):
        window.add(100 + second, failed=True, slow=second % 2 == 0)
    assert (window.calls, window.errors, window.slow) == (10, 10, 5)
    assert window.counts(119) == Counts(10, 10, 5)
    assert window.counts(124) == Counts(5, 5, 2)
    assert window.counts(1e9) == Counts()
    assert (window.calls, window.errors) == (10, 10), "asking changes nothing"


RULES = st.builds(
    Rule,
    strategy=st.sampled_from([SLOW_RATIO, ERROR_RATIO, ERROR_COUNT]),
    threshold=st.sampled_from([0.25, 0.5, 1.0]),
    slow_ms=st.just(100.0),
    window_s=st.sampled_from([5.0, 10.0, 40.0]),
    min_calls=st.integers(1, 6),
    open_s=st.sampled_from([0.5, 5.0, 20.0]),
    probes=st.integers(1, 3),
).map(lambda r: replace(r, threshold=r.threshold * 4) if r.strategy == ERROR_COUNT else r)
SECONDS = st.sampled_from([0.01, 0.1, 0.5])


class Breaking(RuleBasedStateMachine):
    """Calls come, end, are slow, fail or vanish, time passes, operators and owners interfere.

    Beside the breaker every call that ended while it was closed is remembered, by which each of
    its decisions is checked the slow way.
    """

    @initialize(rules=st.lists(RULES, min_size=1, max_size=2))
    def begin(self, rules: list[Rule]) -> None:
        self.clock = Clock()
        self.rules = rules
        self.breaker = Breaker(rules, self.clock)
        self.flying: list[int] = []  # tickets
        self.ended: list[tuple[float, float, bool]] = []  # when, seconds, failed
        self.passed: Counter[int] = Counter()  # good probes by ticket
        self.tried = Rule()  # the one that opened it last

    @rule(seconds=st.sampled_from([0.125, 1.0, 4.5, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.breaker.state == OPEN and not self.breaker.forced)
    @rule()
    def open_ends(self) -> None:
        self.clock.now += self.tried.open_s
        assert self.breaker.state == HALF_OPEN

    @rule(count=st.integers(1, 8), failed=st.booleans(), seconds=SECONDS)
    def calls_come_and_end(self, count: int, failed: bool, seconds: float) -> None:
        for _ in range(count):
            if self.come():
                self.end(self.flying.pop(), failed, seconds)

    @rule(count=st.integers(1, 4))
    def calls_come(self, count: int) -> None:
        for _ in range(count):
            self.come()

    def come(self) -> int:
        state, probing = self.breaker.state, self.probing()
        ticket = self.breaker.admits()
        if state == CLOSED:
            assert ticket
        if state == OPEN:
            assert not ticket
            assert self.breaker.retry_after() > 0
        if state == HALF_OPEN:
            room = self.tried.probes - probing - self.passed[self.breaker._ticket]
            assert bool(ticket) == (room > 0)
        if ticket:
            self.flying.append(ticket)
        return ticket

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), failed=st.booleans(), seconds=SECONDS)
    def a_call_ends(self, data: st.DataObject, failed: bool, seconds: float) -> None:
        self.end(self.land(data), failed, seconds)

    def end(self, ticket: int, failed: bool, seconds: float) -> None:
        before, current = self.breaker.state, ticket == self.breaker._ticket
        self.breaker.record(ticket, seconds, failed)
        after = self.breaker.state
        if not current:
            assert after == before, "a call from before decides nothing"
        elif before == CLOSED:
            self.ended.append((self.clock.now, seconds, failed))
            assert after == (OPEN if self.should_open() else CLOSED)
            self.remember()
        elif before == HALF_OPEN:
            assert (after == OPEN) == self.is_bad(seconds, failed)
            self.passed[ticket] += after != OPEN
        if before != CLOSED and after == CLOSED:
            assert self.passed[ticket] == self.tried.probes
            self.ended.clear()

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def a_caller_leaves(self, data: st.DataObject) -> None:
        before = self.breaker.state
        self.breaker.release(self.land(data))
        assert self.breaker.state == before

    @rule(to=st.sampled_from(["", "", "", "open", "closed"]))
    def an_operator_decides(self, to: str) -> None:
        changed = to != self.breaker.forced
        self.breaker.force(to)
        assert not changed or self.breaker.state == (OPEN if to == "open" else CLOSED)
        if changed and to != "open":
            self.ended.clear()

    @precondition(lambda self: self.breaker.state == CLOSED)
    @rule(rules=st.lists(RULES, max_size=3))
    def the_owner_changes_every_rule(self, rules: list[Rule]) -> None:
        self.breaker.follow([])
        self.breaker.follow(rules)
        self.rules, self.ended = rules, []

    @precondition(lambda self: self.breaker.state != CLOSED and not self.breaker.forced)
    @rule()
    def the_model_is_well_again(self) -> None:
        """Whatever happened, so many good calls in time close it."""
        for ticket in self.flying:
            self.breaker.release(ticket)
        self.flying.clear()
        self.clock.now += self.tried.open_s
        while self.breaker.state != CLOSED:
            assert call(self.breaker)
        self.ended.clear()

    @invariant()
    def remember(self) -> None:
        opener = self.breaker.as_json()["rule"]
        self.tried = Rule(**opener) if opener else self.tried

    @invariant()
    def no_more_probes_than_allowed(self) -> None:
        if self.breaker.state == HALF_OPEN:
            assert self.probing() <= self.tried.probes

    @invariant()
    def what_it_says_fits(self) -> None:
        said = self.breaker.as_json()
        assert said["errors"] <= said["calls"] <= len(self.ended)
        assert said["seconds"] >= 0
        if said["forced"]:
            assert said["state"] == said["forced"]
        assert (said["rule"] is None) == (bool(said["forced"]) or said["state"] == CLOSED)

    def land(self, data: st.DataObject) -> int:
        return self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))

    def probing(self) -> int:
        """Probes under way; a half-open breaker that was not asked yet has none."""
        return self.flying.count(self.breaker._ticket)

    def is_bad(self, seconds: float, failed: bool) -> bool:
        slow = self.tried.strategy == SLOW_RATIO
        return failed or (slow and seconds * 1000 > self.tried.slow_ms)

    def should_open(self) -> bool:
        return not self.breaker.forced and any(map(self.is_met, self.rules))

    def is_met(self, rule: Rule) -> bool:
        width = rule.window_s / BUCKETS
        oldest = int(self.clock.now / width) - BUCKETS + 1
        seen = [(s, failed) for at, s, failed in self.ended if int(at / width) >= oldest]
        slow = rule.strategy == SLOW_RATIO
        bad = sum(s * 1000 > rule.slow_ms if slow else failed for s, failed in seen)
        if not bad or len(seen) < rule.min_calls:
            return False
        return (bad if rule.strategy == ERROR_COUNT else bad / len(seen)) >= rule.threshold


Breaking.TestCase.settings = settings(
    max_examples=400, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestBreaking = Breaking.TestCase
