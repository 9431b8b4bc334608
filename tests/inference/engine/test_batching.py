"""Batches: what waits runs together, and each caller gets what is theirs."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inference.engine.batching import Batcher, BatchLimits, DeadlinePassed, RunnerDied
from inference.runtimes.base import Arrays, TooSlow, Unfit
from tests.inference.engine.models import DEADLY, POISON, Doubler, Summary, rows

Scenario = Callable[[Batcher, Doubler], Awaitable[None]]


@asynccontextmanager
async def batcher(
    model: Doubler, limits: BatchLimits | None = None, *, by_rows: bool = True
) -> AsyncIterator[Batcher]:
    made = Batcher(model, limits or BatchLimits(max_batch=8), by_rows=by_rows)
    try:
        yield made
    finally:
        model.gate.set()
        await asyncio.to_thread(made.close)


async def held(model: Doubler, batch: Batcher) -> "asyncio.Future[Arrays]":
    """A call that is stopped at the gate, so that others have to wait."""
    model.gate.clear()
    model.entered.clear()
    first = batch.submit(rows(0))
    await asyncio.to_thread(model.entered.wait)
    return first


def test_an_idle_model_does_not_wait_for_company() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            for number in range(3):
                outputs = await batch.submit(rows(number))
                assert outputs["y"].tolist() == [[number * 2, 2]]

    asyncio.run(scenario())
    assert model.batches == [1, 1, 1]


def test_what_waits_runs_together_up_to_the_limit() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            waiting = [batch.submit(rows(number)) for number in range(1, 11)]
            model.gate.set()
            answers = await asyncio.gather(first, *waiting)
            assert [a["y"][0, 0] for a in answers] == [n * 2 for n in range(11)]

    asyncio.run(scenario())
    assert model.batches == [1, 8, 2]


def test_a_delay_gathers_what_comes_late() -> None:
    model = Doubler()

    async def scenario() -> None:
        limits = BatchLimits(max_batch=2, max_delay=30)
        async with batcher(model, limits) as batch:
            first = batch.submit(rows(1))
            await asyncio.sleep(0)
            await asyncio.gather(first, batch.submit(rows(2)))

    asyncio.run(scenario())
    assert model.batches == [2]


def test_shapes_do_not_mix() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            waiting = [batch.submit(rows(n, length=2 + n % 2)) for n in range(6)]
            model.gate.set()
            answers = await asyncio.gather(first, *waiting)
            assert [a["y"].shape for a in answers[1:]] == [(1, 2), (1, 3)] * 3

    asyncio.run(scenario())
    assert model.batches == [1, 3, 3]


def test_a_poisoned_input_fails_alone() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            waiting = [batch.submit(rows(number)) for number in (1, POISON, 3)]
            model.gate.set()
            results = await asyncio.gather(first, *waiting, return_exceptions=True)
            assert isinstance(results[2], Unfit)
            good = [r for r in results if not isinstance(r, BaseException)]
            assert [r["y"][0, 0] for r in good] == [0, 2, 6]

    asyncio.run(scenario())


def test_a_caller_who_left_costs_no_run() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            left, stayed = batch.submit(rows(1)), batch.submit(rows(2))
            left.cancel()
            model.gate.set()
            await asyncio.gather(first, stayed)

    asyncio.run(scenario())
    assert model.batches == [1, 1]


def test_a_running_batch_goes_on_when_one_of_its_callers_leaves() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model, BatchLimits(max_batch=2, max_delay=30)) as batch:
            model.gate.clear()
            left, stayed = batch.submit(rows(1)), batch.submit(rows(2))
            await asyncio.to_thread(model.entered.wait)
            left.cancel()
            model.gate.set()
            assert (await stayed)["y"][0, 0] == 4

    asyncio.run(scenario())


def test_a_call_past_its_deadline_is_not_run() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            late = batch.submit(rows(1), deadline=time.monotonic())
            model.gate.set()
            await first
            with pytest.raises(DeadlinePassed):
                await late

    asyncio.run(scenario())
    assert model.batches == [1]


def test_a_dead_thread_fails_everybody() -> None:
    model = Doubler()
    deaths: list[str] = []

    async def scenario() -> None:
        batch = Batcher(model, BatchLimits(), by_rows=True, on_death=lambda: deaths.append("died"))
        calls = [batch.submit(rows(DEADLY)), batch.submit(rows(1))]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, RunnerDied) for result in results)
        with pytest.raises(RunnerDied):
            await batch.submit(rows(1))

    asyncio.run(scenario())
    assert deaths == ["died"]


def test_a_run_that_takes_too_long_is_given_up() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            running = await held(model, batch)
            waiting = batch.submit(rows(1))
            assert batch.running_for() > 0
            batch.give_up()
            results = await asyncio.gather(running, waiting, return_exceptions=True)
            assert [type(result) for result in results] == [TooSlow, RunnerDied]
            assert not batch.alive

    asyncio.run(scenario())


def test_a_run_that_lasts_goes_on_behind_the_others() -> None:
    model = Doubler()

    async def scenario() -> int:
        async with batcher(model) as batch:
            running = await held(model, batch)
            batch.step_back()
            thread = batch.thread_id
            assert thread is not None
            priority = os.getpriority(os.PRIO_PROCESS, thread)
            model.gate.set()
            await running
            return priority

    assert asyncio.run(scenario()) == 19


def test_a_model_that_does_not_answer_by_rows_runs_each_call_alone() -> None:
    model = Summary()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            waiting = [batch.submit(rows(n, n)) for n in (1, 2)]
            model.gate.set()
            answers = await asyncio.gather(first, *waiting)
            assert [float(a["y"][0]) for a in answers] == [2, 8, 12]

    asyncio.run(scenario())


def test_a_call_of_more_rows_than_a_batch_is_run_in_parts() -> None:
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            outputs = await batch.submit(rows(*range(20)))
            assert outputs["y"][:, 0].tolist() == [n * 2 for n in range(20)]

    asyncio.run(scenario())
    assert model.batches == [8, 8, 4]


@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([2, 3]), st.booleans()), max_size=20
    )
)
def test_everybody_gets_what_is_theirs(calls: list[tuple[int, int, bool]]) -> None:
    """Any mix of sizes, shapes and poison: each answer is its own input's, each run in bounds."""
    model = Doubler()

    async def scenario() -> None:
        async with batcher(model) as batch:
            first = await held(model, batch)
            inputs = [
                rows(*([POISON] if poisoned else [float(index)]), *range(1, size), length=length)
                for index, (size, length, poisoned) in enumerate(calls)
            ]
            futures = [batch.submit(given_rows) for given_rows in inputs]
            model.gate.set()
            await first
            results = await asyncio.gather(*futures, return_exceptions=True)
            for given_rows, (_, _, poisoned), result in zip(inputs, calls, results, strict=True):
                if poisoned:
                    assert isinstance(result, Unfit)
                else:
                    assert not isinstance(result, BaseException)
                    np.testing.assert_array_equal(result["y"], given_rows["x"] * 2)

    asyncio.run(scenario())
    assert max(model.batches) <= 8


class TestOnTheEventLoop:
    """Calls of a quick model run there, those of one turn together."""

    def test_calls_of_one_turn_run_together_up_to_the_limit(self) -> None:
        model = Doubler()

        async def scenario() -> None:
            async with batcher(model) as batch:
                calls = [batch.submit_here(rows(number), 1) for number in range(10)]
                wide = batch.submit_here({"x": np.ones((1, 5), np.float32)}, 1)
                answers = await asyncio.gather(*calls)
                assert [a["y"][0, 0] for a in answers] == [n * 2 for n in range(10)]
                assert (await wide)["y"].shape == (1, 5)
                assert batch.idle

        asyncio.run(scenario())
        assert model.batches == [8, 2, 1]

    def test_a_call_without_rows_is_answered(self) -> None:
        async def scenario() -> None:
            async with batcher(Doubler()) as batch:
                assert (await batch.submit_here(rows(), 0))["y"].shape == (0, 2)

        asyncio.run(scenario())

    def test_a_poisoned_call_fails_alone(self) -> None:
        model = Doubler()

        async def scenario() -> None:
            async with batcher(model) as batch:
                calls = [batch.submit_here(rows(number), 1) for number in (1, POISON, 3)]
                first, poisoned, last = await asyncio.gather(*calls, return_exceptions=True)
                assert isinstance(poisoned, Unfit)
                assert isinstance(first, dict)
                assert isinstance(last, dict)
                assert (first["y"][0, 0], last["y"][0, 0]) == (2, 6)

        asyncio.run(scenario())

    def test_who_left_is_not_computed_for(self) -> None:
        model = Doubler()

        async def scenario() -> None:
            async with batcher(model) as batch:
                gone, stays = batch.submit_here(rows(1), 1), batch.submit_here(rows(2), 1)
                gone.cancel()
                assert (await stays)["y"][0, 0] == 4

        asyncio.run(scenario())
        assert model.batches == [1]

    def test_the_models_thread_takes_them_when_it_got_a_call_meanwhile(self) -> None:
        model = Doubler()

        async def scenario() -> None:
            async with batcher(model) as batch:
                model.gate.clear()
                here = batch.submit_here(rows(1), 1)
                first = batch.submit(rows(0))
                assert model.entered.wait(30)  # its thread uses it before the loop turns
                await asyncio.sleep(0)
                assert not here.done()
                model.gate.set()
                assert (await here)["y"][0, 0] == 2
                await first

        asyncio.run(scenario())
        assert model.batches == [1, 1]

    def test_a_run_that_breaks_leaves_nobody_waiting(self) -> None:
        async def scenario() -> None:
            async with batcher(Doubler()) as batch:
                calls = [batch.submit_here(rows(number), 1) for number in (1, DEADLY)]
                told = await asyncio.gather(*calls, return_exceptions=True)
                assert [type(error) for error in told] == [RunnerDied, RunnerDied]
                assert not batch.alive  # and is loaded again

        asyncio.run(scenario())
