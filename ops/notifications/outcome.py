"""How one attempt to deliver something went."""

import time
from dataclasses import dataclass

from ops.models import Delivery

Errors = Delivery.Errors


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` is empty where it succeeded; `response` is the beginning of what was answered."""

    error: str = ""
    detail: str = ""
    status: int | None = None
    response: str = ""
    duration_ms: int = 0
    final: bool = False  # trying again would change nothing


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)
