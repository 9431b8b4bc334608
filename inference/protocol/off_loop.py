"""Work that would hold up the event loop, given to the threads that also decode pictures."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from inference.protocol.types import Services

INLINE = 64 * 1024  # bytes that are worked on faster than another thread is asked
T = TypeVar("T")


async def off_loop(
    services: Services, size: int, function: Callable[..., T], *arguments: object
) -> T:
    """Call the function; in a worker thread, if more than a few bytes are to be worked on."""
    if size <= INLINE:
        return function(*arguments)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(services.workers, function, *arguments)
