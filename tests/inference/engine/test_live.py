"""New before old: routes change once what they lead to is loaded."""

import asyncio
from collections.abc import Mapping

from hypothesis import given, settings, strategies as st

from inference.engine.batching import BatchLimits
from inference.engine.live import LiveRoutes, reconciled
from inference.engine.pool import Pool, key_of
from inference.routing import ModelRoute, Routes, VersionRoute
from inference.spec import VariantSpec
from registry import semver
from tests.inference.engine.test_pool import MB, Sized

FAST = VariantSpec("openvino-bf16", "openvino", "bf16")


def version(number: int, variant: VariantSpec | None = None, state: str = "ready") -> VersionRoute:
    return VersionRoute(number, f"{number}.0.0", state, f"{number:04}", variant)


def model(aliases: Mapping[str, int], *versions: VersionRoute) -> ModelRoute:
    keys = {alias: f"{number}.0.0" for alias, number in aliases.items()}
    return ModelRoute(1, "m", 1, False, "tensor", {v.version: v for v in versions}, keys)


def routes(aliases: Mapping[str, int], *versions: VersionRoute) -> Routes:
    return Routes({"m": model(aliases, *versions)})


def answering(live: Routes, alias: str | None = None) -> tuple[int, str]:
    found = live.models["m"].resolve(alias=alias)
    return key_of(found)


ONE, TWO = version(1), version(2)


def test_an_alias_moves_once_the_new_version_is_loaded() -> None:
    before, after = routes({"production": 1}, ONE, TWO), routes({"production": 2}, ONE, TWO)
    live, wanted = reconciled(after, before, lambda v: v.id == 1)
    assert answering(live) == answering(live, "production") == (1, "")
    assert {v.id for _, v in wanted} == {2}
    live, wanted = reconciled(after, live, lambda v: True)
    assert (answering(live), answering(live, "production"), wanted) == ((2, ""), (2, ""), [])


def test_where_nothing_is_loaded_nothing_is_held_back() -> None:
    before, after = routes({"production": 1}, ONE, TWO), routes({"production": 2}, ONE, TWO)
    live, wanted = reconciled(after, before, lambda v: False)
    assert answering(live) == (2, "")
    assert {v.id for _, v in wanted} == {2}


def test_a_newer_version_waits_until_it_is_loaded() -> None:
    live, _ = reconciled(routes({}, ONE, TWO), routes({}, ONE), lambda v: v.id == 1)
    assert answering(live) == (1, "")


def test_a_faster_form_takes_over_once_it_is_loaded() -> None:
    before, after = routes({"production": 1}, ONE), routes({"production": 1}, version(1, FAST))
    live, wanted = reconciled(after, before, lambda v: v.variant is None)
    assert answering(live) == (1, "")
    assert live.models["m"].resolve("1.0.0").variant is None
    assert all(v.variant == FAST for _, v in wanted)
    live, _ = reconciled(after, live, lambda v: True)
    assert answering(live) == (1, "openvino-bf16")
    assert live.models["m"].resolve("1.0.0").variant == FAST


def test_a_version_that_is_gone_holds_nothing_back() -> None:
    before, after = routes({"production": 1}, ONE, TWO), routes({"production": 2}, TWO)
    live, _ = reconciled(after, before, lambda v: v.id == 1)
    assert answering(live) == (2, "")


def test_a_second_move_before_the_first_is_loaded_goes_to_the_latest() -> None:
    three = version(3)
    first = routes({"production": 1}, ONE, TWO, three)
    second = routes({"production": 2}, ONE, TWO, three)
    third = routes({"production": 3}, ONE, TWO, three)
    live, _ = reconciled(second, first, lambda v: v.id == 1)
    live, wanted = reconciled(third, live, lambda v: v.id == 1)
    assert answering(live) == (1, "")
    assert {v.id for _, v in wanted} == {3}
    live, _ = reconciled(third, live, lambda v: v.id != 2)
    assert answering(live) == (3, "")


def test_a_range_means_a_newer_version_once_that_is_loaded() -> None:
    live = routes({}, ranged("1.0.0"))
    live.models["m"].resolve("^1.0")
    both = routes({}, ranged("1.0.0"), ranged("1.1.0"))
    live, wanted = reconciled(both, live, lambda v: v.version == "1.0.0")
    assert live.models["m"].resolve("^1.0").version == "1.0.0"
    assert "1.1.0" in {v.version for _, v in wanted}
    live, _ = reconciled(both, live, lambda v: True)
    assert live.models["m"].resolve("^1.0").version == "1.1.0"


def test_a_range_that_nobody_uses_loads_nothing() -> None:
    live = routes({"production": 1}, ranged("1.0.0"))
    live.models["m"].resolve("^1.0")
    both = routes({"production": 1}, ranged("1.0.0"), ranged("1.1.0"))
    live, wanted = reconciled(both, live, lambda v: False)
    assert live.models["m"].resolve("^1.0").version == "1.1.0"
    assert wanted == []


def ranged(text: str) -> VersionRoute:
    parsed = semver.parse(text)
    return VersionRoute(hash(text), text, "ready", parsed.sort_key)


numbers = st.integers(1, 4)
moves = st.lists(st.tuples(numbers, numbers, st.sets(numbers)), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(moves=moves)
def test_it_never_answers_by_what_is_neither_wanted_nor_was_live(
    moves: list[tuple[int, int, set[int]]],
) -> None:
    versions = [version(number) for number in range(1, 5)]
    live = routes({"production": 1, "staging": 1}, *versions)
    for production, staging, loaded in moves:
        desired = routes({"production": production, "staging": staging}, *versions)
        before = {alias: answering(live, alias)[0] for alias in ("production", "staging")}
        live, wanted = reconciled(desired, live, lambda v, loaded=loaded: v.id in loaded)  # type: ignore[misc]
        for alias, number in (("production", production), ("staging", staging)):
            now = answering(live, alias)[0]
            assert now in (number, before[alias])
            if now != number:  # held back: the old is in memory, and the new is being loaded
                assert now in loaded
                assert number in {v.id for _, v in wanted}
        settled, _ = reconciled(desired, live, lambda v: True)
        assert answering(settled, "production")[0] == production
        assert answering(settled, "staging")[0] == staging


def test_it_loads_what_is_wanted_and_forgets_what_is_gone() -> None:
    async def scenario() -> None:
        pool = Pool(Sized(1 * MB), budget=100 * MB, limits=BatchLimits())
        desired = routes({"production": 1}, ONE, TWO)
        live = LiveRoutes(lambda: desired, pool)
        live.current()
        await pool.get(ONE)
        live.start()
        desired = routes({"production": 2}, ONE, TWO)
        while answering(live.current())[0] != 2:
            await asyncio.sleep(0.001)
        assert {handle.version.id for handle in pool.handles()} == {1, 2}
        desired = routes({"production": 2}, TWO)
        live.current()
        assert {handle.version.id for handle in pool.handles()} == {2}
        await live.stop()
        await pool.close()

    asyncio.run(scenario())
