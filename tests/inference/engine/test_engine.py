"""The way through the engine: full queues, deadlines, callers who leave, models that fail."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from aihub.problems import Problem
from inference.engine import engine as engines
from inference.engine.batching import BatchLimits
from inference.engine.engine import Engine, Gone, Ticket
from inference.engine.pool import Pool
from inference.engine.watch import Watch
from inference.routing import ModelRoute, Routes
from registry.serving import ERROR_COUNT, Fallback, Rule, Serving
from tests.inference.engine.models import DEADLY, POISON, rows
from tests.inference.engine.test_live import ONE, TWO, model
from tests.inference.engine.test_pool import MB, Sized

BRITTLE = Serving(
    rules=(Rule(ERROR_COUNT, threshold=2, min_calls=2),), fallback=Fallback("previous")
)


class Stand:
    """An engine with one model of two versions."""

    def __init__(self, serving: Serving | None = None, queue: int = 4) -> None:
        self.sized = Sized(1 * MB)
        self.route = replace(model({"production": 2}, ONE, TWO), serving=serving or Serving())
        self.routes = Routes({"m": self.route})
        self.pool = Pool(self.sized, budget=10 * MB, limits=BatchLimits(queue=queue))
        self.engine = Engine(self.pool, lambda: self.routes)

    async def enter(self, route: ModelRoute | None = None) -> Ticket:
        return await self.engine.enter(route or self.route, TWO)

    async def call(self, first: float, **more: Any) -> float:
        ticket = await self.enter()
        try:
            return float((await ticket.run(rows(first), **more))["y"][0, 0])
        finally:
            ticket.leave()


@asynccontextmanager
async def standing(**more: Any) -> AsyncIterator[Stand]:
    stand = Stand(**more)
    try:
        yield stand
    finally:
        for made in stand.sized.models.values():
            made.gate.set()
        await stand.engine.stop()


async def held(stand: Stand) -> "asyncio.Task[float]":
    """A call that the model does not come back from until its gate opens."""
    await stand.call(1)
    doubler = stand.sized.models[TWO.id]
    doubler.gate.clear()
    doubler.entered.clear()
    task = asyncio.create_task(stand.call(1))
    await asyncio.to_thread(doubler.entered.wait)
    return task


def test_it_answers() -> None:
    async def scenario() -> None:
        async with standing() as stand:
            assert await stand.call(21) == 42

    asyncio.run(scenario())


def test_a_full_queue_turns_callers_away_and_recovers() -> None:
    async def scenario() -> None:
        async with standing(queue=2) as stand:
            first = await held(stand)
            second = asyncio.create_task(stand.call(2))
            await asyncio.sleep(0)
            with pytest.raises(Problem) as problem:
                await stand.enter()
            assert (problem.value.status, problem.value.headers) == (503, {"Retry-After": "1"})
            stand.sized.models[TWO.id].gate.set()
            assert await asyncio.gather(first, second) == [2, 4]
            assert await stand.call(3) == 6

    asyncio.run(scenario())


def test_a_deadline_is_kept_while_the_model_hangs() -> None:
    async def scenario() -> None:
        async with standing() as stand:
            first = await held(stand)
            started = time.monotonic()
            with pytest.raises(Problem) as problem:
                await stand.call(2, deadline=started + 0.05)
            assert problem.value.status == 504
            stand.sized.models[TWO.id].gate.set()
            assert await first == 2

    asyncio.run(scenario())


def test_a_caller_who_leaves_while_waiting_is_dropped() -> None:
    async def scenario() -> None:
        async with standing() as stand:
            first = await held(stand)
            gone = asyncio.Event()

            async def receive() -> dict[str, str]:
                await gone.wait()
                return {"type": "http.disconnect"}

            leaving = asyncio.create_task(stand.call(2, receive=receive))
            gone.set()
            with pytest.raises(Gone):
                await leaving
            stand.sized.models[TWO.id].gate.set()
            assert await first == 2
            assert stand.sized.models[TWO.id].batches[-1] == 1

    asyncio.run(scenario())


def test_a_model_that_hangs_is_given_up_and_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "Watch", lambda: Watch(run_limit=0.05))

    async def scenario() -> None:
        async with standing() as stand:
            first = await held(stand)
            with pytest.raises(Problem) as problem:
                await first
            assert problem.value.status == 504
            hung = stand.sized.models[TWO.id]
            assert await stand.call(3) == 6
            hung.gate.set()
            assert stand.sized.models[TWO.id] is not hung

    asyncio.run(scenario())


def test_a_dead_thread_is_a_503_and_then_started_again() -> None:
    async def scenario() -> None:
        async with standing() as stand:
            with pytest.raises(Problem) as problem:
                await stand.call(DEADLY)
            assert problem.value.status == 503
            assert await stand.call(3) == 6

    asyncio.run(scenario())


async def fail(stand: Stand, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Problem) as problem:
            await stand.call(POISON)
        assert problem.value.status == 422


def test_an_open_breaker_lets_the_version_before_answer() -> None:
    async def scenario() -> None:
        async with standing(serving=BRITTLE) as stand:
            await fail(stand, 2)
            ticket = await stand.enter()
            assert (ticket.version, ticket.degraded) == (ONE, True)
            ticket.leave()

    asyncio.run(scenario())


def test_an_open_breaker_without_a_fallback_is_a_503() -> None:
    async def scenario() -> None:
        async with standing(serving=replace(BRITTLE, fallback=Fallback())) as stand:
            await fail(stand, 2)
            with pytest.raises(Problem) as problem:
                await stand.enter()
            assert problem.value.status == 503
            assert int(problem.value.headers["Retry-After"]) >= 1

    asyncio.run(scenario())


def test_an_operator_forces_a_breaker() -> None:
    async def scenario() -> None:
        async with standing() as stand:
            await stand.call(1)
            forced = replace(
                stand.route,
                versions={**stand.route.versions, "2.0.0": replace(TWO, forced="open")},
            )
            stand.routes = Routes({"m": forced})
            stand.engine.routes()
            with pytest.raises(Problem) as problem:
                await stand.enter()
            assert problem.value.status == 503
            stand.engine.start()
            while not stand.engine.report()["breakers"]:
                await asyncio.sleep(0)
            (state,) = stand.engine.report()["breakers"]
            assert (state["version"], state["state"]) == ("2.0.0", "open")

    asyncio.run(scenario())


def test_one_model_that_hangs_leaves_another_alone() -> None:
    async def scenario() -> None:
        async with standing() as stand:
            hanging = await held(stand)
            ticket = await stand.engine.enter(stand.route, ONE)
            outputs = await ticket.run(rows(5))
            ticket.leave()
            assert outputs["y"][0, 0] == 10
            assert not hanging.done()
            stand.sized.models[TWO.id].gate.set()
            await hanging

    asyncio.run(scenario())
