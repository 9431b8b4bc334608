"""The page of serving: who sees what of the replicas, and forces breakers."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from inference.models import Replica
from ops.models import AuditEvent
from registry.models import ModelVersion, Team
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
FORCE = "/serving/digits/1.0.0/force/"


def entry(model: str) -> dict[str, Any]:
    return {"model": model, "version": "1.0.0", "variant": "", "memory": 2_000_000, "in_flight": 1}


def breaker(model: str, state: str) -> dict[str, Any]:
    return {
        "model": model,
        "version": "1.0.0",
        "state": state,
        "forced": None,
        "since": "2026-01-01T00:00:00+00:00",
        "calls": 20,
        "errors": 12,
        "slow": 0,
        "rule": None if state == "closed" else {"strategy": "error_ratio", "threshold": 0.5},
    }


@pytest.fixture
def digits(alpha: Team, beta: Team) -> ModelVersion:
    """`digits` of alpha, open on a replica, beside `letters` of beta."""
    make_ready(publish(make_model(beta, "letters")))
    now = timezone.now()
    Replica.objects.create(
        name="node-1:7",
        pool="gpu",
        cpu="abc",
        loaded=[entry("digits"), entry("letters"), entry("deleted")],
        breakers=[breaker("digits", "open"), breaker("letters", "half-open")],
        memory=6_000_000,
        started_at=now,
        at=now,
    )
    return make_ready(publish(make_model(alpha)))


def models_on(page: Any) -> tuple[list[str], list[str]]:
    """The models that the page shows as loaded, and those whose breaker it shows."""
    loaded = [e["model"] for r in page.context["replicas"] for e in r["loaded"]]
    return loaded, [row.version.model.name for row in page.context["breakers"]]


@pytest.mark.parametrize(
    ("person", "models"),
    [("owner", ["digits"]), ("outsider", ["letters"]), ("admin", ["digits", "letters"])],
)
def test_owners_see_their_models_and_administrators_all(
    client: Client, digits: ModelVersion, request: Any, person: str, models: list[str]
) -> None:
    client.force_login(request.getfixturevalue(person))
    page = client.get("/serving/")
    assert models_on(page) == (models, models)
    text = page.content.decode()
    assert "node-1:7" in text
    assert "error_ratio" in text


@pytest.mark.parametrize("person", ["developer", "viewer"])
def test_who_manages_nothing_does_not(
    client: Client, digits: ModelVersion, request: Any, person: str
) -> None:
    client.force_login(request.getfixturevalue(person))
    assert client.get("/serving/").status_code == 403
    assert client.post(FORCE, {"to": "open"}).status_code == 403
    assert 'href="/serving/"' not in client.get("/").content.decode()


def test_the_overviews_sidebar_leads_to_it(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert 'href="/serving/"' in client.get("/").content.decode()
    assert "No replica is serving" in client.get("/serving/").content.decode()


def test_an_owner_forces_and_lets_go(client: Client, digits: ModelVersion, owner: User) -> None:
    client.force_login(owner)
    for to in ("open", "closed", ""):
        assert client.post(FORCE, {"to": to})["Location"] == "/serving/"
        digits.refresh_from_db()
        assert digits.breaker_forced == to
        page = client.get("/serving/")
        assert "digits/1.0.0" in str(next(iter(page.context["messages"])))
        offered = [choice.to for choice in page.context["breakers"][0].choices]
        assert sorted(offered) == sorted({"open", "closed", ""} - {to})
    assert AuditEvent.objects.filter(action="breaker.forced").count() == 3


def test_what_is_forced_is_shown_though_no_replica_knows_it(
    client: Client, digits: ModelVersion, owner: User
) -> None:
    Replica.objects.all().delete()
    ModelVersion.objects.filter(pk=digits.pk).update(breaker_forced="open")
    client.force_login(owner)
    page = client.get("/serving/")
    assert models_on(page) == ([], ["digits"])
    assert "forced open" in page.content.decode()


@pytest.mark.parametrize("data", [{}, {"to": "half-open"}])
def test_what_is_no_choice_is_refused(
    client: Client, digits: ModelVersion, owner: User, data: dict[str, str]
) -> None:
    client.force_login(owner)
    assert client.post(FORCE, data).status_code == 400
    assert client.get(FORCE).status_code == 405
