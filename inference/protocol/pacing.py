"""Turning callers away at a measured pace.

Who is refused at once asks again at once, and a crowd of them would take the processor from those
who are served. So the first are refused at once, and a crowd waits a moment for its refusal.
"""

import asyncio

from aihub.metrics import limit_hit

AT_ONCE = 200.0  # refusals a second
LONGEST = 0.5  # seconds that a refusal waits at most


class Pace:
    """The pace of one event loop."""

    def __init__(self) -> None:
        self._next = 0.0

    async def wait(self) -> None:
        """Return when this caller may be refused."""
        now = asyncio.get_running_loop().time()
        delay = min(max(0.0, self._next - now), LONGEST)
        self._next = now + delay + 1 / AT_ONCE
        if delay > 1 / AT_ONCE:
            limit_hit("pace")
            await asyncio.sleep(delay)
