"""Models in memory: one load for many, and failures that pass."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from aihub.problems import Problem
from inference.engine.pool import BACKOFF, Loaded, Pool
from inference.routing import VersionRoute
from registry.refusals import Refused
from tests.inference import samples
from tests.inference.door import Published, processed

ROUTE = VersionRoute(1, "1.0.0", "ready", "1")


class Loader:
    """Loads a real small model, after the failures that it was given."""

    def __init__(self, folder: Path, *failures: Exception) -> None:
        self.files = {"m.onnx": samples.linear_onnx(folder / "m.onnx")}
        self.failures = list(failures)
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, version_id: int) -> Loaded:
        self.calls += 1
        self.gate.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        spec = samples.spec_for(self.files, format="onnx", task="tensor")
        return processed(Published(spec, self.files))


def test_many_callers_wait_for_one_load(tmp_path: Path) -> None:
    loader = Loader(tmp_path)

    async def scenario() -> None:
        pool = Pool(loader)
        loader.gate.clear()
        waiting = [asyncio.create_task(pool.get(ROUTE)) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        loader.gate.set()
        handles = await asyncio.gather(*waiting[1:])
        assert len(set(map(id, handles))) == 1
        assert await pool.get(ROUTE) is handles[0]
        await pool.close()

    asyncio.run(scenario())
    assert loader.calls == 1


def test_it_runs_the_model(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, ...]:
        pool = Pool(Loader(tmp_path))
        handle = await pool.get(ROUTE)
        outputs = await handle.run({"x": np.ones((2, 4), np.float32)})
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
        pool = Pool(loader, clock=lambda: now)
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
        pool = Pool(loader)
        loader.gate.clear()
        waiting = asyncio.create_task(pool.get(ROUTE))
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0)
        assert not closing.done()
        loader.gate.set()
        await asyncio.gather(waiting, closing)

    asyncio.run(scenario())
