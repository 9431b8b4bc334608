"""The models in memory: each is loaded once, however many callers wait, within a budget of bytes.

Whoever was not called for the longest time leaves first; a model with calls under way never does.
All of it belongs to one event loop; loading happens in threads.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from aihub.problems import N_, Problem
from inference.engine.batching import BatchLimits
from inference.engine.handle import Handle
from inference.engine.loads import Plan, measured
from inference.engine.measures import Measures
from inference.routing import VersionRoute
from inference.spec import VariantSpec
from registry.refusals import Refused
from registry.serving import Serving

logger = logging.getLogger(__name__)

BACKOFF = 2.0  # seconds that a failure is believed before loading is tried again
ROOM_WITHIN = 30.0  # seconds that a load waits for others to leave
_FETCHERS = 2  # downloads at a time: a slow one must not hold up every other model


class Key(NamedTuple):
    """What is in memory: a version in one form (empty for its reference)."""

    version_id: int
    variant: str


def key_of(version: VersionRoute) -> Key:
    """Where a version is kept in the form in which it serves."""
    return Key(version.id, version.variant.name if version.variant else "")


Prepare = Callable[[int, VariantSpec | None], Plan]  # by version id; blocks


@dataclass(slots=True)
class Counters:
    """What the pool did so far; seconds are those that loading took."""

    loads: int = 0
    load_seconds: float = 0.0
    evictions: int = 0


@dataclass(slots=True)
class _Entry:
    """A load under way or done; `failed_at` is its clock time if it failed."""

    task: "asyncio.Task[Handle]"
    handle: Handle | None = None
    failed_at: float | None = None
    waiters: int = 0  # callers who asked for it and did not get it yet

    @property
    def is_idle(self) -> bool:
        return self.handle is not None and self.handle.idle and not self.waiters


class Pool:
    """Loads on first use and keeps what the budget allows. `used` and `budget` are bytes."""

    def __init__(
        self,
        prepare: Prepare,
        *,
        budget: int,
        limits: BatchLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = budget
        self.used = 0  # what is loaded, being loaded, or not given back yet
        self.counters = Counters()
        self.measures = Measures()
        self._prepare = prepare
        self._limits = limits
        self._clock = clock
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()  # the last used comes last
        self._leaving: set[asyncio.Task[None]] = set()
        self._leaving_bytes = 0
        self._fetchers = ThreadPoolExecutor(_FETCHERS, "model-fetcher")
        self._loader = ThreadPoolExecutor(1, "model-loader")  # one at a time, to measure each
        self._queue = asyncio.Lock()  # those who need room get it in turn
        self._changed = asyncio.Event()

    def ready(self, version: VersionRoute) -> Handle | None:
        """The loaded model, or None where it has to be loaded first. Never waits."""
        key = key_of(version)
        entry = self._entries.get(key)
        if entry is None or entry.handle is None or not entry.handle.alive:
            return None
        self._entries.move_to_end(key)
        return entry.handle

    async def get(self, version: VersionRoute, serving: Serving | None = None) -> Handle:
        """The loaded model; Problem 409 where it cannot be served, 503 where it may later."""
        found = self.ready(version)
        if found is not None:
            return found
        key = key_of(version)
        entry = self._entries.get(key)
        if entry is None or self._is_stale(entry):
            entry = self._entries[key] = self._start(key, version, serving or Serving())
        entry.waiters += 1
        try:
            # Shielded: the load goes on for the others when one caller leaves.
            return await asyncio.shield(entry.task)
        finally:
            entry.waiters -= 1

    def handles(self) -> list[Handle]:
        """Everything that is loaded, for any thread."""
        return [entry.handle for entry in list(self._entries.values()) if entry.handle is not None]

    @property
    def calls(self) -> int:
        """Calls under way or waiting, also for a model that is being loaded; for any thread."""
        loading = sum(entry.waiters for entry in list(self._entries.values()))
        return loading + sum(handle.calls for handle in self.handles())

    def evict(self, key: Key) -> bool:
        """Take a model out of memory if it is idle; False where it is in use."""
        entry = self._entries.get(key)
        if entry is None:
            return True
        if entry.is_idle:
            self.retire(key)
        return entry.is_idle

    def retire(self, key: Key) -> None:
        """Let a model go once its last call is done: nobody will ask for it again."""
        entry = self._entries.pop(key, None)
        if entry is not None and entry.handle is not None:
            self._let_go(entry.handle)

    async def close(self) -> None:
        """Wait for loads and calls under way, then forget every model."""
        entries = list(self._entries.values())
        await asyncio.gather(*(entry.task for entry in entries), return_exceptions=True)
        for key in list(self._entries):
            self.retire(key)
        await asyncio.gather(*self._leaving)
        self._fetchers.shutdown(wait=False)
        self._loader.shutdown(wait=False)

    # --- loading ---

    def _start(self, key: Key, version: VersionRoute, serving: Serving) -> _Entry:
        entry = _Entry(asyncio.create_task(self._loaded(key, version, serving)))
        entry.task.add_done_callback(lambda task: self._note(entry, task))
        return entry

    async def _loaded(self, key: Key, version: VersionRoute, serving: Serving) -> Handle:
        loop = asyncio.get_running_loop()
        try:
            plan = await loop.run_in_executor(
                self._fetchers, self._prepare, version.id, version.variant
            )
            await self._make_room(plan)
            return await self._load(key, version, plan, serving)
        except Problem:
            raise
        except Refused as refused:
            raise Problem(409, refused.message, **refused.values) from refused
        except Exception as error:
            logger.exception("loading version %s failed", version.id)
            raise _try_later() from error

    async def _load(self, key: Key, version: VersionRoute, plan: Plan, serving: Serving) -> Handle:
        """Load into the room that was made; what it really takes is counted from then on."""
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(self._loader, measured, plan)
        except BaseException:
            self._count(-plan.estimate)
            raise
        self._count(loaded.size - plan.estimate)
        self.counters.loads += 1
        self.counters.load_seconds += loaded.seconds
        handle = Handle(
            loaded,
            version,
            self._limits.narrowed(serving),
            self.measures,
            on_idle=self._changed.set,
            on_death=lambda: self.retire(key),
        )
        logger.info(
            "%s %s is loaded as %s (%.1f s, %.0f MB)",
            *(plan.spec.model, plan.spec.version, key.variant or "its reference"),
            *(loaded.seconds, loaded.size / 1e6),
        )
        return handle

    def _note(self, entry: _Entry, task: "asyncio.Task[Handle]") -> None:
        if task.cancelled() or task.exception() is not None:
            entry.failed_at = self._clock()
        else:
            entry.handle = task.result()
            self._shrink(self.used - self.budget)

    def _is_stale(self, entry: _Entry) -> bool:
        if entry.failed_at is not None:
            return self._clock() - entry.failed_at >= BACKOFF
        return entry.handle is not None and not entry.handle.alive

    # --- the budget ---

    async def _make_room(self, plan: Plan) -> None:
        """Wait until the model fits, while idle ones leave; Problem 503 where it never will."""
        if plan.estimate > self.budget:
            raise _too_large(plan, self.budget)
        try:
            async with asyncio.timeout(ROOM_WITHIN), self._queue:
                while (missing := self.used + plan.estimate - self.budget) > 0:
                    self._changed.clear()
                    self._shrink(missing)
                    await self._changed.wait()
                self.used += plan.estimate
        except TimeoutError:
            raise _try_later() from None

    def _shrink(self, missing: int) -> None:
        """Let idle models go, the longest unused first, until so many bytes will be free."""
        for key, entry in list(self._entries.items()):
            if missing <= self._leaving_bytes:
                break
            if entry.is_idle:
                self.counters.evictions += 1
                self.retire(key)

    def _let_go(self, handle: Handle) -> None:
        self._leaving_bytes += handle.size
        task = asyncio.create_task(self._closed(handle))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _closed(self, handle: Handle) -> None:
        try:
            await handle.drained()
            await asyncio.to_thread(handle.close)
        finally:
            self._leaving_bytes -= handle.size
            self._count(-handle.size)

    def _count(self, change: int) -> None:
        self.used += change
        self._changed.set()


def _too_large(plan: Plan, budget: int) -> Problem:
    return Problem(
        503,
        N_("“%(model)s” takes about %(needed)s MB, and this replica may use %(budget)s MB."),
        model=plan.spec.model,
        needed=round(plan.estimate / 1e6),
        budget=round(budget / 1e6),
        headers={"Retry-After": "60"},
    )


def _try_later() -> Problem:
    return Problem(
        503,
        N_("The model cannot be loaded at the moment."),
        headers={"Retry-After": str(round(BACKOFF))},
    )
