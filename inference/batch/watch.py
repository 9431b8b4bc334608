"""Runs that do not come back: interrupted first, then given up."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inference.runtimes.base import RUN_LIMIT, LoadedModel

_LOOK = 1.0  # seconds between two looks


class Watch:
    """Looks after runs: one that takes too long is interrupted, one that goes on is given up.

    There is one thread for the process, as a timer for each run would cost as much as a small run.
    """

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._give_up = give_up
        self._running: tuple[LoadedModel, float] | None = None
        threading.Thread(target=self._look, name="batch watch", daemon=True).start()

    @contextmanager
    def over(self, model: LoadedModel) -> Iterator[None]:
        self._running = (model, time.monotonic())
        try:
            yield
        finally:
            self._running = None

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK)
            running = self._running
            if running is None:
                continue
            model, since = running
            if time.monotonic() - since > 2 * RUN_LIMIT:
                self._give_up()
            elif time.monotonic() - since > RUN_LIMIT:
                model.interrupt()
