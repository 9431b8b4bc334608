"""Warming and measuring what was loaded."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from inference.engine import memory
from inference.engine.batching import BatchLimits
from inference.engine.handle import AT_ONCE, Handle
from inference.engine.loads import Loaded, Plan, Source, measured
from inference.engine.measures import Measures
from inference.routing import VersionRoute
from inference.runtimes.base import Arrays, Unfit
from tests.inference import samples
from tests.inference.door import Published, processed
from tests.inference.engine.models import POISON, Doubler, rows

ROUTE = VersionRoute(1, "1.0.0", "ready", "1")


def loaded(path: Path, size: int = 1000) -> Loaded:
    files = {path.name: path}
    spec = samples.spec_for(files, format="onnx", task="tensor")
    return measured(Plan(spec, size, 0, lambda: processed(Published(spec, files))))


class Averaging(Doubler):
    """Subtracts the mean of all rows: a row's answer depends on its company."""

    def predict(self, inputs: Arrays) -> Arrays:
        answer = super().predict(inputs)["y"]
        return {"y": answer - answer.mean(axis=0, keepdims=True)}


def warmed(model: Doubler) -> Loaded:
    spec = samples.spec_for({}, format="onnx", task="tensor")
    return measured(Plan(spec, 10, 0, lambda: Source(spec, model)))


def test_what_is_loaded_counts_at_least_as_its_files(tmp_path: Path) -> None:
    size = 10**12
    assert loaded(samples.linear_onnx(tmp_path / "m.onnx"), size).size == size


def test_every_batch_size_that_will_come_is_run_before() -> None:
    model = Doubler(2)
    assert warmed(model).by_rows
    assert {1, 2, 3, 4, 8, 16} <= set(model.batches)


def test_rows_that_influence_each_other_are_not_put_together() -> None:
    assert not warmed(Averaging(2)).by_rows


def test_a_model_of_one_row_is_not_batched(tmp_path: Path) -> None:
    assert not loaded(samples.linear_onnx(tmp_path / "m.onnx", batch=1)).by_rows


def test_a_small_graph_is_quick_and_one_with_a_loop_never(tmp_path: Path) -> None:
    small = loaded(samples.linear_onnx(tmp_path / "small.onnx"))
    loop = loaded(samples.endless_onnx(tmp_path / "loop.onnx", rounds=1))
    assert small.source.model.bounded
    assert not loop.source.model.bounded
    assert not loop.quick


@pytest.mark.parametrize(("quick", "count", "here"), [(True, 1, True), (True, AT_ONCE + 1, False)])
def test_a_few_rows_of_a_quick_model_are_run_here(quick: bool, count: int, here: bool) -> None:
    async def scenario() -> None:
        model = Doubler(2)
        source = Source(samples.spec_for({}, format="onnx", task="tensor"), model)
        loaded = Loaded(source, 1, by_rows=True, quick=quick)
        handle = Handle(loaded, ROUTE, BatchLimits(), Measures())
        found = handle.at_once(rows(*[3.0] * count))
        assert (found is not None) == here
        if found is not None:
            assert (await found)["y"][0, 0] == 6
            poisoned = handle.at_once(rows(POISON))
            assert poisoned is not None
            with pytest.raises(Unfit):
                await poisoned
            waiting = handle.submit(rows(1), None)
            assert handle.at_once(rows(2)) is None  # the model's thread has it
            await waiting
        await asyncio.to_thread(handle.close)

    asyncio.run(scenario())


def test_memory_is_counted_and_given_back() -> None:
    before = memory.resident()
    block = np.ones(50_000_000, np.uint8)
    assert memory.resident() - before > 40_000_000
    del block
    memory.give_back()
    assert memory.resident() - before < 40_000_000
    assert memory.available_memory() > memory.resident()
