"""The routes that are live: new before old.

When an alias, the default, what a range means or a chosen variant moves, what answered before goes
on answering until what is wanted now is loaded and warm; then the routes change in one step.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from inference.engine.pool import Pool, key_of
from inference.routing import ModelRoute, Routes, VersionRoute

logger = logging.getLogger(__name__)

RETRY_EVERY = 1.0  # seconds between two looks while something is held back
LOOK_EVERY = 0.1  # seconds between two looks for new routes

Wanted = tuple[ModelRoute, VersionRoute]
IsLoaded = Callable[[VersionRoute], bool]


def reconciled(desired: Routes, live: Routes, is_loaded: IsLoaded) -> tuple[Routes, list[Wanted]]:
    """The routes to use now, and what to load so that they can become the desired ones.

    Pure. Every route is either as desired, or as it was live and still loaded and ready.
    """
    models: dict[str, ModelRoute] = {}
    wanted: list[Wanted] = []
    for name, model in desired.models.items():
        before = live.models.get(name)
        if before is None or before == model or before.id != model.id:
            models[name] = before if before == model else model
            continue
        changes = [*_reformed(model, before), *_moves(model, before)]
        ranges = [c for c in _ranges(model, before) if c.must_wait(model, is_loaded)]
        changes += ranges
        wanted += [(model, change.new) for change in changes if not is_loaded(change.new)]
        models[name] = _holding(model, [c for c in changes if c.must_wait(model, is_loaded)])
    return Routes(models), wanted


@dataclass(frozen=True, slots=True)
class _Change:
    """`alias` (None: the default), the version of `key`, or `range` is to be answered by `new`,
    not `old`.
    """

    new: VersionRoute
    old: VersionRoute | None
    alias: str | None = None
    key: str = ""
    range: str = ""

    def must_wait(self, model: ModelRoute, is_loaded: IsLoaded) -> bool:
        if self.old is None or is_loaded(self.new):
            return False
        return model.has_ready(self.old) and is_loaded(self.old)


def _reformed(model: ModelRoute, before: ModelRoute) -> Iterator[_Change]:
    """Versions that are to serve in another form."""
    for key, new in model.versions.items():
        old = before.versions.get(key)
        if old is not None and old.id == new.id and old.variant != new.variant:
            yield _Change(new, old, key=key)


def _moves(model: ModelRoute, before: ModelRoute) -> Iterator[_Change]:
    """What points at another version, or at the same one in another form."""
    for alias in model.aliases:
        old, new = before.aliased(alias), model.aliased(alias)
        if new is not None and (old is None or key_of(old) != key_of(new)):
            yield _Change(new, old, alias)
    old, new = before.default, model.default
    if new is not None and old is not None and key_of(old) != key_of(new):
        yield _Change(new, old)


def _ranges(model: ModelRoute, before: ModelRoute) -> Iterator[_Change]:
    """Ranges that were asked for and mean another version now, or the same one in another form."""
    for text, old in before.ranges.items():
        new = model.newest_ready(text)
        if new is not None and key_of(old) != key_of(new):
            yield _Change(new, old, range=text)


def _holding(model: ModelRoute, held: list[_Change]) -> ModelRoute:
    """The model with what was live in place of what is not loaded yet."""
    if not held:
        return model
    old = [(change, change.old) for change in held if change.old is not None]
    forms = {change.key: version for change, version in old if change.key}
    ranges = {change.range: version for change, version in old if change.range}
    targets = {c.alias: version for c, version in old if not (c.key or c.range)}
    versions = {**model.versions, **forms}
    return replace(model, versions=versions, held=targets, held_ranges=ranges)


class LiveRoutes:
    """Follows the desired routes; `current` never waits. Belongs to one event loop."""

    def __init__(self, desired: Callable[[], Routes], pool: Pool) -> None:
        self._desired = desired
        self._pool = pool
        self._seen: Routes | None = None
        self._live = Routes()
        self._wanted: list[Wanted] = []
        self._loads: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def current(self) -> Routes:
        """The routes to answer by now."""
        if self._desired() is not self._seen:
            self._follow()
        return self._live

    def start(self) -> None:
        """Follow changes without being asked, too."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._loads) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        loop, next_try = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.current()
            if self._wanted and loop.time() > next_try:
                next_try = loop.time() + RETRY_EVERY
                self._follow()

    def _follow(self) -> None:
        self._seen = self._desired()
        first = not self._live.models
        self._live, wanted = reconciled(self._seen, self._live, self._is_loaded)
        self._forget_the_gone()
        self._wanted = [] if first else wanted
        for model, version in self._wanted:
            self._load(model, version)

    def _is_loaded(self, version: VersionRoute) -> bool:
        return self._pool.ready(version) is not None

    def _load(self, model: ModelRoute, version: VersionRoute) -> None:
        task = asyncio.create_task(self._loaded(model, version))
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)

    async def _loaded(self, model: ModelRoute, version: VersionRoute) -> None:
        try:
            await self._pool.get(version, model.serving)
        except Exception as error:  # what serves goes on serving; loading is tried again
            logger.warning("%s %s cannot be loaded: %s", model.name, version.version, error)
            return
        self._follow()

    def _forget_the_gone(self) -> None:
        """Drop from memory what no route can lead to any more."""
        alive = {
            key_of(version)
            for model in self._live.models.values()
            for version in (
                *model.versions.values(),
                *model.held.values(),
                *model.held_ranges.values(),
            )
        }
        for handle in self._pool.handles():
            if (key := key_of(handle.version)) not in alive:
                self._pool.retire(key)
