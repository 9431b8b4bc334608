"""Models in memory: one load for many, failures that pass, and a budget that is kept."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aihub.problems import Problem
from inference.engine.batching import BatchLimits, RunnerDied
from inference.engine.handle import Handle
from inference.engine.loads import Plan, Source
from inference.engine.pool import BACKOFF, Pool, key_of
from inference.routing import VersionRoute
from inference.spec import VariantSpec
from registry.refusals import Refused
from tests.inference import samples
from tests.inference.door import Published, processed
from tests.inference.engine.models import DEADLY, Doubler, rows

ROUTE = VersionRoute(1, "1.0.0", "ready", "1")
MB = 1_000_000


class Loader:
    """Loads a real small model, after the failures that it was given."""

    def __init__(self, folder: Path, *failures: Exception) -> None:
        self.files = {"m.onnx": samples.linear_onnx(folder / "m.onnx")}
        self.failures = list(failures)
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, version_id: int, variant: VariantSpec | None) -> Plan:
        self.calls += 1
        self.gate.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        spec = samples.spec_for(self.files, format="onnx", task="tensor")
        return Plan(spec, 1000, 0, lambda: processed(Published(spec, self.files)))


class Sized:
    """Doublers that are as large as their version says; remembers what was loaded."""

    def __init__(self, size: int = 40 * MB) -> None:
        self.size = size
        self.loaded: list[int] = []
        self.models: dict[int, Doubler] = {}

    def __call__(self, version_id: int, variant: VariantSpec | None) -> Plan:
        spec = samples.spec_for({}, format="onnx", task="tensor", version_id=version_id)

        def load() -> Source:
            self.loaded.append(version_id)
            model = self.models[version_id] = Doubler(2)
            return Source(spec, model)

        return Plan(spec, self.size, self.size, load)


def pool_of(prepare: Any, budget: int = 100 * MB, **more: Any) -> Pool:
    return Pool(prepare, budget=budget, limits=BatchLimits(), **more)


def route(number: int) -> VersionRoute:
    return VersionRoute(number, f"{number}.0.0", "ready", str(number))


def test_many_callers_wait_for_one_load(tmp_path: Path) -> None:
    loader = Loader(tmp_path)

    async def scenario() -> None:
        pool = pool_of(loader)
        loader.gate.clear()
        waiting = [asyncio.create_task(pool.get(ROUTE)) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        loader.gate.set()
        handles = await asyncio.gather(*waiting[1:])
        assert len(set(map(id, handles))) == 1
        assert pool.ready(ROUTE) is await pool.get(ROUTE) is handles[0]
        await pool.close()

    asyncio.run(scenario())
    assert loader.calls == 1


def test_it_runs_the_model(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, ...]:
        pool = pool_of(Loader(tmp_path))
        handle = await pool.get(ROUTE)
        outputs = await handle.submit({"x": np.ones((2, 4), np.float32)}, None)
        await pool.close()
        shape: tuple[int, ...] = outputs["logits"].shape
        return shape

    assert asyncio.run(scenario()) == (2, 3)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (OSError("storage is away"), 503),
        (Problem(503, "away", headers={"Retry-After": "10"}), 503),
        (Refused("%(x)s does not fit", x="it"), 409),
    ],
)
def test_a_failure_is_told_and_passes(tmp_path: Path, failure: Exception, status: int) -> None:
    now = 100.0
    loader = Loader(tmp_path, failure)

    async def scenario() -> None:
        nonlocal now
        pool = pool_of(loader, clock=lambda: now)
        for _ in range(2):  # the second caller comes too early for another try
            with pytest.raises(Problem) as problem:
                await pool.get(ROUTE)
            assert problem.value.status == status
            assert ("Retry-After" in problem.value.headers) == (status == 503)
        now += BACKOFF
        await pool.get(ROUTE)
        await pool.close()

    asyncio.run(scenario())
    assert loader.calls == 2


def test_closing_waits_for_what_loads(tmp_path: Path) -> None:
    loader = Loader(tmp_path)

    async def scenario() -> None:
        pool = pool_of(loader)
        loader.gate.clear()
        waiting = asyncio.create_task(pool.get(ROUTE))
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0)
        assert not closing.done()
        loader.gate.set()
        await asyncio.gather(waiting, closing)

    asyncio.run(scenario())


def test_the_longest_unused_leaves_first() -> None:
    sized = Sized()

    async def scenario() -> None:
        pool = pool_of(sized)
        for number in (1, 2):
            await pool.get(route(number))
        assert pool.ready(route(1))  # used later than 2
        await pool.get(route(3))
        assert [pool.ready(route(n)) is not None for n in (1, 2, 3)] == [True, False, True]
        assert sized.models[2].closed
        assert (pool.used, pool.counters.evictions) == (80 * MB, 1)
        await pool.close()
        assert pool.used == 0

    asyncio.run(scenario())


def test_a_model_in_use_never_leaves() -> None:
    sized = Sized()

    async def scenario() -> None:
        pool = pool_of(sized)
        handles = [await pool.get(route(number)) for number in (1, 2)]
        for handle in handles:
            handle.enter()
        third = asyncio.create_task(pool.get(route(3)))
        await asyncio.wait([third], timeout=0.05)
        assert not third.done()
        assert not pool.evict(key_of(route(1)))
        handles[1].leave()
        await third
        assert pool.ready(route(2)) is None
        assert pool.ready(route(1)) is handles[0]
        handles[0].leave()
        await pool.close()

    asyncio.run(scenario())


def test_with_a_budget_for_two_all_three_are_answered() -> None:
    sized = Sized()
    most = 0

    async def call(pool: Pool, number: int) -> None:
        nonlocal most
        handle = await entered(lambda: pool.get(route(number)))
        most = max(most, pool.used)
        outputs = await handle.submit(rows(number), None)
        assert outputs["y"][0, 0] == number * 2
        handle.leave()

    async def scenario() -> None:
        pool = pool_of(sized)
        random = np.random.default_rng(0)
        for _ in range(20):
            await asyncio.gather(*(call(pool, int(n)) for n in random.integers(1, 4, 12)))
        await pool.close()

    asyncio.run(scenario())
    assert most <= 100 * MB
    assert len(sized.loaded) > 3


async def entered(get: Callable[[], Any]) -> Handle:
    """As the engine does: a model may leave between its load and its caller."""
    while True:
        handle: Handle = await get()
        if handle.alive:
            handle.enter()
            return handle


def test_what_never_fits_is_refused() -> None:
    async def scenario() -> None:
        pool = pool_of(Sized(200 * MB))
        with pytest.raises(Problem, match="200 MB") as problem:
            await pool.get(ROUTE)
        assert problem.value.status == 503
        assert pool.used == 0
        await pool.close()

    asyncio.run(scenario())


def test_a_model_whose_thread_died_is_loaded_again() -> None:
    sized = Sized()

    async def scenario() -> None:
        pool = pool_of(sized)
        handle = await pool.get(ROUTE)
        with pytest.raises(RunnerDied):
            await handle.submit(rows(DEADLY), None)
        again = await pool.get(ROUTE)
        assert again is not handle
        assert (await again.submit(rows(2), None))["y"][0, 0] == 4
        await pool.close()
        assert pool.used == 0

    asyncio.run(scenario())
    assert sized.loaded == [1, 1]
