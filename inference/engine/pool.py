"""The models in memory: each is loaded once, however many callers wait for it."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aihub.problems import N_, Problem
from inference.routing import VersionRoute
from inference.runtimes.base import Arrays, LoadedModel
from inference.signature import Signature
from inference.spec import ModelSpec
from registry.refusals import Refused

logger = logging.getLogger(__name__)

BACKOFF = 2.0  # seconds that a failure is believed before loading is tried again
_LOADERS = 2  # loads at a time: one slow download must not hold up every other model


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loader gives: the model and what it was made from."""

    spec: ModelSpec
    model: LoadedModel


Load = Callable[[int], Loaded]  # by version id; blocks


class LoadedHandle:
    """A model that is ready to answer; runs one call at a time, in its own thread."""

    def __init__(self, loaded: Loaded) -> None:
        self.spec = loaded.spec
        self._model = loaded.model
        self._thread = ThreadPoolExecutor(1, f"model-{loaded.spec.version_id}")

    @property
    def signature(self) -> Signature:
        return self._model.signature

    async def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name for a batch of inputs by name; raises Unfit."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._model.predict, inputs)

    def close(self) -> None:
        """Wait for what runs, then give the model back. Blocks."""
        self._thread.shutdown(wait=True)
        self._model.close()


@dataclass(slots=True)
class _Entry:
    """A load under way or done; `failed_at` is its clock time if it failed."""

    task: "asyncio.Task[LoadedHandle]"
    failed_at: float | None = None


class Pool:
    """Loads on first use and keeps. All methods belong to one event loop."""

    def __init__(self, load: Load, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._entries: dict[int, _Entry] = {}
        self._loaders = ThreadPoolExecutor(_LOADERS, "model-loader")

    async def get(self, version: VersionRoute) -> LoadedHandle:
        """The loaded model; Problem 409 where it cannot be served, 503 where it may later."""
        entry = self._entries.get(version.id)
        if entry is None or self._is_stale(entry):
            entry = self._entries[version.id] = self._start(version)
        # Shielded: the load goes on for the others when one caller leaves.
        return await asyncio.shield(entry.task)

    async def close(self) -> None:
        """Wait for loads and calls under way, then forget every model."""
        entries, self._entries = list(self._entries.values()), {}
        tasks = (entry.task for entry in entries)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        handles = [result for result in results if isinstance(result, LoadedHandle)]
        await asyncio.gather(*(asyncio.to_thread(handle.close) for handle in handles))
        self._loaders.shutdown(wait=False)

    def _start(self, version: VersionRoute) -> _Entry:
        entry = _Entry(asyncio.create_task(self._loaded(version)))
        entry.task.add_done_callback(lambda task: self._note(entry, task))
        return entry

    async def _loaded(self, version: VersionRoute) -> LoadedHandle:
        loop = asyncio.get_running_loop()
        started = self._clock()
        try:
            loaded = await loop.run_in_executor(self._loaders, self._load, version.id)
        except Problem:
            raise
        except Refused as refused:
            raise _refused(refused) from refused
        except Exception as error:
            logger.exception("loading version %s failed", version.id)
            raise _try_later() from error
        logger.info("%s is loaded (%.1f s)", loaded.spec.model, self._clock() - started)
        return LoadedHandle(loaded)

    def _note(self, entry: _Entry, task: "asyncio.Task[LoadedHandle]") -> None:
        if task.cancelled() or task.exception() is not None:
            entry.failed_at = self._clock()

    def _is_stale(self, entry: _Entry) -> bool:
        return entry.failed_at is not None and self._clock() - entry.failed_at >= BACKOFF


def _refused(refused: Refused) -> Problem:
    values: dict[str, Any] = dict(refused.values)
    return Problem(409, refused.message, **values)


def _try_later() -> Problem:
    return Problem(
        503,
        N_("The model cannot be loaded at the moment."),
        headers={"Retry-After": str(round(BACKOFF))},
    )
