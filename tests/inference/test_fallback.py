"""What answers in place of a version whose breaker is open."""

from dataclasses import replace
from typing import Any

import pytest

from inference.engine.fallback import fallback_of
from inference.routing import ModelRoute, Routes, VersionRoute
from registry import semver
from registry.serving import Fallback, Serving


def route(name: str, kind: str = "none", *, to: str = "", **fields: Any) -> ModelRoute:
    """A model of team 1 whose versions are ready but for the newest."""
    versions = {}
    for text in ("1.10.0", "1.2.0", "1.9.0-rc.1", "2.0.0"):
        parsed = semver.parse(text)
        state = "rejected" if text == "2.0.0" else "ready"
        versions[parsed.key] = VersionRoute(hash((name, text)), text, state, parsed.sort_key)
    serving = Serving(fallback=Fallback(kind, to))
    made = ModelRoute(1, name, 1, False, "tensor", versions, serving=serving)
    return replace(made, **fields)


def answering(model: ModelRoute, version: str, *others: ModelRoute) -> tuple[str, str] | None:
    routes = Routes({m.name.lower(): m for m in (model, *others)})
    found = fallback_of(model, model.versions[version], routes)
    return (found[0].name, found[1].version) if found else None


@pytest.mark.parametrize(
    ("version", "before"), [("1.10.0", "1.9.0-rc.1"), ("1.9.0-rc.1", "1.2.0"), ("2.0.0", "1.10.0")]
)
def test_the_version_before_it_in_semantic_order(version: str, before: str) -> None:
    assert answering(route("Cats", "previous"), version) == ("Cats", before)


def test_before_the_lowest_there_is_none() -> None:
    assert answering(route("Cats", "previous"), "1.2.0") is None


def test_nothing_unless_the_owner_says_so() -> None:
    assert answering(route("Cats"), "1.10.0") is None


def test_another_models_default_in_whatever_case_it_is_named() -> None:
    dogs = route("Dogs", "model", to="cats", aliases={"production": "1.2.0"})
    cats = route("Cats", "model", to="DOGS")
    assert answering(cats, "1.10.0", dogs) == ("Dogs", "1.2.0"), "and not what Dogs falls back to"


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"team_id": 2}, False),
        ({"team_id": 2, "shared": True}, True),
        ({"task": "text-embedding"}, False),
        ({"pool": "gpu"}, False),
        ({"versions": {}}, False),
    ],
)
def test_another_model_must_be_one_that_the_owner_may_name_and_that_fits(
    fields: dict[str, Any], may: bool
) -> None:
    cats, dogs = route("Cats", "model", to="dogs"), route("Dogs", **fields)
    assert (answering(cats, "1.10.0", dogs) is not None) is may


def test_a_model_that_is_gone_answers_nothing() -> None:
    assert answering(route("Cats", "model", to="dogs"), "1.10.0") is None


def test_a_model_may_fall_back_to_its_own_default_but_not_on_itself() -> None:
    cats = route("Cats", "model", to="cats", aliases={"production": "1.2.0"})
    assert answering(cats, "1.10.0") == ("Cats", "1.2.0")
    assert answering(cats, "1.2.0") is None
