"""What must hold of every overlay and example, and each rule seen to notice where it does not."""

from collections.abc import Callable

import pytest

from tests.k8s import broken
from tests.k8s.manifests import OVERLAYS, Manifests, objects_of
from tests.k8s.rules import RULES, Rule


def name_of(thing: object) -> str:
    return getattr(thing, "__name__", str(thing))


@pytest.mark.parametrize("rule", RULES, ids=name_of)
@pytest.mark.parametrize("folder", OVERLAYS)
def test_it_holds(folder: str, rule: Rule) -> None:
    assert list(rule(objects_of(folder))) == []


@pytest.mark.parametrize("spoil", broken.WAYS, ids=name_of)
def test_what_breaks_it_is_seen(spoil: Callable[[Manifests], Rule]) -> None:
    manifests = objects_of("overlays/production")
    rule = spoil(manifests)
    assert list(rule(manifests))


def test_every_rule_is_seen_to_notice() -> None:
    spoilt = {spoil(objects_of("overlays/production")) for spoil in broken.WAYS}
    assert spoilt == set(RULES)
