"""Refusals: the first at once, a crowd of them at a measured pace."""

import asyncio

from inference.protocol.pacing import LONGEST, Pace


def test_a_crowd_waits_and_a_single_caller_does_not() -> None:
    async def scenario() -> tuple[float, float]:
        pace, loop = Pace(), asyncio.get_running_loop()
        started = loop.time()
        await pace.wait()
        alone = loop.time() - started
        await asyncio.gather(*(pace.wait() for _ in range(40)))
        return alone, loop.time() - started

    alone, crowd = asyncio.run(scenario())
    assert alone < crowd
    assert 0.1 < crowd < LONGEST + 1
