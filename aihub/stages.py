"""When the stages of the prediction at hand began and ended, where somebody traces it."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Stages:
    """Times of `time.monotonic`; 0 for what has not come to be.

    From `read` on its inputs are made, from `waiting` on they wait for a run, which lasts from
    `running` to `done`.
    """

    read: float = 0.0
    waiting: float = 0.0
    running: float = 0.0
    done: float = 0.0

    def ran(self, waiting: float, running: float, seconds: float) -> None:
        self.waiting, self.running, self.done = waiting, running, running + seconds


of_call: ContextVar[Stages | None] = ContextVar("stages", default=None)
