"""A loaded model that answers: who is with it, and what it is."""

import asyncio
from collections.abc import Callable

from inference.engine import memory
from inference.engine.batching import Batcher, BatchLimits
from inference.engine.loads import Encoder, Loaded
from inference.engine.measures import Measures, form_key
from inference.routing import VersionRoute
from inference.runtimes.base import Arrays
from inference.signature import Signature
from inference.spec import ModelSpec

LASTS = 1.0  # seconds
AT_ONCE = 4  # rows of a call that a quick model may be given on the event loop


class Handle:
    """One loaded model and its callers. All of it belongs to the event loop.

    Whoever calls it enters first and leaves at the end; a model with callers is not taken away.
    """

    def __init__(
        self,
        loaded: Loaded,
        version: VersionRoute,
        limits: BatchLimits,
        measures: Measures,
        *,
        on_idle: Callable[[], None] = lambda: None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec: ModelSpec = loaded.source.spec
        self.signature: Signature = loaded.source.model.signature
        self.encoder: Encoder | None = loaded.source.encoder
        self.version = version
        self.variant = version.variant
        self.form = form_key(self.spec.model, version)
        self.size = loaded.size
        self.calls = 0
        self.limits = limits
        self._measures = measures
        self._model = loaded.source.model
        self._quick = loaded.quick
        self._on_idle = on_idle
        self._drained = asyncio.Event()
        self._drained.set()
        self._batcher = Batcher(
            loaded.source.model,
            limits,
            by_rows=loaded.by_rows,
            name=f"{self.spec.model} {self.spec.version}",
            on_death=on_death,
            on_run=self._count_run,
        )

    @property
    def alive(self) -> bool:
        """Whether it can answer; one that died is loaded again."""
        return self._batcher.alive

    @property
    def idle(self) -> bool:
        return not self.calls

    @property
    def full(self) -> bool:
        """Whether as many calls are under way or waiting as may be."""
        most = self.limits.queue
        return self.calls >= most or self._batcher.waiting >= most

    @property
    def waiting(self) -> int:
        """Calls that no run took yet."""
        return self._batcher.waiting

    def enter(self) -> None:
        """Be a caller, until `leave`."""
        self.calls += 1
        if self.calls == 1:
            self._drained.clear()

    def leave(self) -> None:
        """No longer be a caller."""
        self.calls -= 1
        if not self.calls:
            self._drained.set()
            self._on_idle()

    def at_once(self, inputs: Arrays) -> "asyncio.Future[Arrays] | None":
        """The outputs to come, where running the model on the event loop is sooner done than
        asking its thread; None where it is not."""
        if not self._quick or not self._batcher.idle:
            return None
        rows = len(next(iter(inputs.values())))
        return self._batcher.submit_here(inputs, rows) if rows <= AT_ONCE else None

    def submit(self, inputs: Arrays, deadline: float | None) -> "asyncio.Future[Arrays]":
        """The outputs to come for a batch of inputs by name; see `Batcher.submit`."""
        return self._batcher.submit(inputs, deadline)

    def check(self, run_limit: float) -> None:
        """Give up a run that has taken longer than `run_limit` seconds.

        One that lasts goes on behind everybody else's, so that it leaves their latency alone.
        """
        seconds = self._batcher.running_for()
        if not self._batcher.alive or seconds < LASTS:
            return
        self._batcher.step_back()
        if seconds > run_limit:
            self._batcher.give_up()

    async def drained(self) -> None:
        """Return once nobody is with it."""
        await self._drained.wait()

    def close(self) -> None:
        """Wait for what runs, then give the model back. Blocks."""
        if self._batcher.close():
            self._model.close()
        memory.give_back()

    def _count_run(self, waits: list[float], seconds: float, rows: int) -> None:
        self._measures.ran(self.form, waits, seconds, rows, self.limits.max_batch)
