"""What is counted and timed of predictions, by one event loop: no lock, and little for each.

Whoever reads it from another thread sees each number as it was a moment ago.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from inference.routing import VersionRoute

MOST = 1000  # label sets of one kind
OTHER = "other"  # the model that what is beyond them is counted for
FORGET_EVERY = 60.0  # seconds between two looks for what is not routed any more
REFERENCE = "reference"
SECONDS = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
SIZES = tuple(float(2**power) for power in range(11))
QUEUE, PREPROCESS, COMPUTE, TOTAL = STAGES = ("queue", "preprocess", "compute", "total")
OK, LEFT = "ok", "left"  # outcomes, beside those of `inference.protocol.asked`

Key = tuple[str, ...]  # values of labels, the model's name first
NOTHING: Key = ("", "", "")  # where no model, version and form are known
IsRouted = Callable[[str, str | None], bool]  # a model, and a version of it where one is meant
V = TypeVar("V")


class Count:
    """So many."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Histogram:
    """How many values fell into each bucket (the last is open), and their sum."""

    __slots__ = ("bounds", "buckets", "sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one more value."""
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Form:
    """One version in one form: seconds of each stage of calls that succeeded, rows of its runs."""

    __slots__ = ("compute", "preprocess", "queue", "sizes", "total")

    def __init__(self) -> None:
        self.queue = Histogram()
        self.preprocess = Histogram()
        self.compute = Histogram()
        self.total = Histogram()
        self.sizes = Histogram(SIZES)

    def stages(self) -> tuple[tuple[str, Histogram], ...]:
        """Each stage with its name."""
        return tuple((name, getattr(self, name)) for name in STAGES)


class Bounded(Generic[V]):
    """Values by label sets, made when first asked for, `most` of them.

    Beyond that those that lead nowhere any more are forgotten; what is still too much shares one.
    """

    def __init__(
        self,
        make: Callable[[], V],
        shared: Callable[[Key], Key],
        is_alive: Callable[[Key], bool],
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._shared = shared
        self._is_alive = is_alive
        self._most = most
        self._clock = clock
        self._values: dict[Key, V] = {}
        self._look_at = 0.0

    def of(self, key: Key) -> V:
        """What is counted under these labels, or under those that it shares."""
        found = self._values.get(key)
        return self._new(key) if found is None else found

    def items(self) -> list[tuple[Key, V]]:
        """Everything that there is, for any thread."""
        return list(self._values.items())

    def _new(self, key: Key) -> V:
        if len(self._values) >= self._most:
            self._forget()
        if len(self._values) >= self._most:
            key = self._shared(key)
        return self._values.setdefault(key, self._make())

    def _forget(self) -> None:
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + FORGET_EVERY
        self._values = {key: value for key, value in self._values.items() if self._is_alive(key)}


class Measures:
    """All that one engine counts. `is_routed` says what may still be called."""

    def __init__(self, most: int = MOST) -> None:
        self.is_routed: IsRouted = lambda model, version: True
        of_model, of_version = self._model_is_alive, self._version_is_alive
        self.requests = Bounded(Count, lambda key: (OTHER, key[1]), of_model, most)
        self.latencies = Bounded(Histogram, lambda key: (OTHER,), of_model, most)
        self.fallbacks = Bounded(Count, lambda key: (OTHER,), of_model, most)
        self.outcomes = Bounded(Count, lambda key: (OTHER, "", "", key[3]), of_version, most)
        self.forms = Bounded(Form, lambda key: (OTHER, "", ""), of_version, most // len(STAGES))

    def answered(self, model: str, form: Key, outcome: str, status: int, seconds: float) -> None:
        """A prediction of a model was answered, by this form; empty where there is none."""
        self.outcomes.of((*form, outcome)).value += 1
        self.requests.of((model, str(status))).value += 1
        if outcome == OK:
            self.latencies.of((model,)).observe(seconds)
            self.forms.of(form).total.observe(seconds)

    def left(self, form: Key) -> None:
        """The caller of a prediction left before it was answered."""
        self.outcomes.of((*form, LEFT)).value += 1

    def ran(self, form: Key, waits: Sequence[float], seconds: float, rows: int, most: int) -> None:
        """A model ran for so many seconds, for calls that had waited, `most` rows at a time."""
        found = self.forms.of(form)
        for wait in waits:
            found.queue.observe(wait)
            found.compute.observe(seconds)
        whole, rest = divmod(rows, most) if len(waits) == 1 else (0, rows)
        for _ in range(whole):
            found.sizes.observe(most)
        if rest:
            found.sizes.observe(rest)

    def _model_is_alive(self, key: Key) -> bool:
        return key[0] == OTHER or self.is_routed(key[0], None)

    def _version_is_alive(self, key: Key) -> bool:
        return key[0] == OTHER or self.is_routed(key[0], key[1])


def form_key(model: str, version: VersionRoute) -> Key:
    """The labels of a version in the form in which it serves."""
    return (model, version.version, version.variant.name if version.variant else REFERENCE)
