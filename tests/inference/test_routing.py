"""Which version answers."""

import pytest

from aihub.problems import Problem
from inference.routing import RANGES, ModelRoute, Routes, VersionRoute
from registry import semver


def route(states: dict[str, str], aliases: dict[str, str] | None = None) -> ModelRoute:
    versions = {}
    for number, (text, state) in enumerate(states.items()):
        parsed = semver.parse(text)
        versions[parsed.key] = VersionRoute(number, parsed.text, state, parsed.sort_key)
    return ModelRoute(1, "Cats", 1, False, "tensor", versions, aliases or {})


CATS = route({"1.2.0": "ready", "1.10.0": "ready", "2.0.0": "processing", "1.0.0-RC.1": "ready"})


def test_the_newest_ready_version_answers() -> None:
    assert CATS.resolve().version == "1.10.0"


def test_the_alias_production_comes_before_the_newest() -> None:
    pointed = route({"1.0.0": "ready", "2.0.0": "ready"}, {"production": "1.0.0"})
    assert pointed.resolve().version == "1.0.0"


def test_an_alias_may_be_named() -> None:
    pointed = route({"1.0.0": "ready", "2.0.0": "ready"}, {"staging": "1.0.0"})
    assert pointed.resolve(alias="staging").version == "1.0.0"


@pytest.mark.parametrize("text", ["1.2.0", "v1.2.0", "V1.2.0"])
def test_a_version_may_be_named_with_a_v(text: str) -> None:
    assert CATS.resolve(version=text).version == "1.2.0"


def test_a_version_may_be_named_in_any_case() -> None:
    assert CATS.resolve(version="1.0.0-rc.1").version == "1.0.0-RC.1"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("latest", "1.10.0"),
        ("^1.2", "1.10.0"),
        ("~1.2", "1.2.0"),
        ("1.x", "1.10.0"),
        ("<1.5", "1.2.0"),
        (">=1.0.0-rc.0 <1.1.0", "1.0.0-RC.1"),
        ("^9 || ^1", "1.10.0"),
    ],
)
def test_a_range_is_answered_by_its_newest_ready_version(text: str, version: str) -> None:
    for _ in range(2):
        assert CATS.resolve(text).version == version


@pytest.mark.parametrize("text", ["^2", "~1.3", ">1.10.0", "<1.2.0"])
def test_a_range_without_a_ready_version_is_a_404(text: str) -> None:
    with pytest.raises(Problem, match="that is ready") as problem:
        CATS.resolve(text)
    assert problem.value.status == 404


def test_what_ranges_mean_is_remembered_within_limits() -> None:
    cats = route({"1.2.0": "ready"})
    for number in range(RANGES + 50):
        assert cats.resolve(f"<={number + 2}.0.0").version == "1.2.0"
    assert len(cats.ranges) == RANGES


@pytest.mark.parametrize(
    ("version", "alias", "status"),
    [
        ("1", None, 404),
        ("1.2", None, 404),
        ("^", None, 404),
        (">=1.0.0 " * 20, None, 404),
        ("9.9.9", None, 404),
        ("newest", None, 404),
        ("", None, 404),
        (None, "nobody", 404),
        ("2.0.0", None, 409),
        ("1.2.0", "production", 400),
    ],
)
def test_it_says_why_none_answers(version: str | None, alias: str | None, status: int) -> None:
    with pytest.raises(Problem) as problem:
        CATS.resolve(version, alias)
    assert problem.value.status == status


def test_it_names_the_state_of_one_not_ready() -> None:
    with pytest.raises(Problem, match="it is processing"):
        CATS.resolve("2.0.0")


def test_none_may_be_ready() -> None:
    with pytest.raises(Problem) as problem:
        route({"1.0.0": "rejected"}).resolve()
    assert problem.value.status == 409


def test_names_are_found_in_any_case() -> None:
    assert Routes({"cats": CATS}).get("CATS") is CATS


def test_routes_survive_json() -> None:
    routes = Routes({"cats": CATS})
    assert Routes.from_json(routes.as_json()) == routes
