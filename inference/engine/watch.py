"""Calls under way, looked at together a few times a second.

Per call this costs two dictionary operations. A call that takes longer than a moment is watched:
its client leaving, its deadline, and a model that does not come back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from inference.engine.batching import DeadlinePassed
from inference.engine.handle import Handle
from inference.runtimes.base import RUN_LIMIT, Arrays

EVERY = 0.02  # seconds between two looks

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Waiting:
    """One call that waits for its outputs."""

    __slots__ = ("deadline", "future", "handle", "listener", "receive")

    def __init__(
        self,
        handle: Handle,
        future: "asyncio.Future[Arrays]",
        deadline: float | None,
        receive: Receive | None,
    ) -> None:
        self.handle = handle
        self.future = future
        self.deadline = deadline
        self.receive = receive
        self.listener: asyncio.Task[None] | None = None


class Watch:
    """Looks after the calls of one event loop; it rests while there are none."""

    def __init__(self, *, run_limit: float = RUN_LIMIT) -> None:
        self._run_limit = run_limit
        self._calls: set[Waiting] = set()
        self._task: asyncio.Task[None] | None = None

    async def outputs(
        self,
        handle: Handle,
        inputs: Arrays,
        deadline: float | None = None,
        receive: Receive | None = None,
    ) -> Arrays:
        """Outputs of a call, raising what `Batcher.submit` says, or CancelledError.

        `deadline` is a time of `time.monotonic`; `receive` is ASGI's, of a request whose body was
        read: it tells when the client leaves.
        """
        future = handle.submit(inputs, deadline)
        call = Waiting(handle, future, deadline, receive)
        self._calls.add(call)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_after())
        try:
            return await future
        finally:
            self._calls.discard(call)
            if call.listener is not None:
                call.listener.cancel()

    async def _look_after(self) -> None:
        before: set[Waiting] = set()
        while self._calls:
            await asyncio.sleep(EVERY)
            now = time.monotonic()
            lasting = before & self._calls  # those of the last look: they are no short calls
            for call in lasting:
                self._look_at(call, now)
            before = set(self._calls)

    def _look_at(self, call: Waiting, now: float) -> None:
        if call.deadline is not None and now > call.deadline and not call.future.done():
            call.future.set_exception(DeadlinePassed())
        call.handle.check(self._run_limit)
        if call.listener is None and call.receive is not None:
            call.listener = asyncio.create_task(_listen(call.receive, call.future))


async def _listen(receive: Receive, future: "asyncio.Future[Arrays]") -> None:
    """Cancel the call once its client is gone; whatever else it sends is of no interest."""
    while (await receive())["type"] != "http.disconnect":
        pass
    future.cancel()
