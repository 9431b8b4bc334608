"""The audit trail: one event for each change, by whom and from where, with the change or not."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from aihub.access import Principal
from aihub.events import SYSTEM, Event, emit
from ops.models import ApiKey, AuditEvent
from registry.models import RegisteredModel, Team
from tests import hostile
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
API = "/api/v1/"
AUDIT = f"{API}audit/"


@pytest.fixture
def client(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


def happen(name: str = "model.updated", subject: str = "digits", team: Team | None = None) -> None:
    emit(Event(name, subject, SYSTEM, team_id=team and team.pk))


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_every_change_leaves_its_event(client: APIClient, alpha: Team, tmp_path: Path) -> None:
    weights = hostile.torch_file(tmp_path / "w.pth", hostile.tensor("0", 1, (1,), (1,)))
    client.post(f"{API}models/", {"name": "digits", "team": "alpha"})
    client.patch(f"{API}models/digits/", {"description": "new"})
    form = {"version": "1.0.0", "file": BytesIO(weights.read_bytes())}
    client.post(f"{API}models/digits/versions/", form, format="multipart")
    client.patch(f"{API}models/digits/versions/1.0.0/", {"description": "new"})
    make_ready(RegisteredModel.objects.get().versions.get())
    client.put(f"{API}models/digits/aliases/production/", {"version": "1.0.0"})
    client.delete(f"{API}models/digits/aliases/production/")
    client.delete(f"{API}models/digits/versions/1.0.0/")
    client.delete(f"{API}models/digits/")
    client.post(f"{API}api-keys/", {"name": "app", "team": "alpha", "actions": ["read"]})
    client.delete(f"{API}api-keys/{ApiKey.objects.get().prefix}/")
    assert actions() == [
        *("model.created", "model.updated", "version.created", "version.updated"),
        *("alias.moved", "alias.removed", "version.deleted", "model.deleted"),
        *("api_key.created", "api_key.revoked"),
    ]
    assert set(AuditEvent.objects.values_list("actor_name", "team__name")) == {("owner", "alpha")}


def test_an_event_tells_who_and_from_where(client: APIClient, owner: User, alpha: Team) -> None:
    headers = {"X-Request-ID": "request-1", "X-Forwarded-For": "6.6.6.6"}
    client.post(f"{API}models/", {"name": "digits", "team": "alpha"}, headers=headers)
    told = AuditEvent.objects.get()
    assert (told.actor, told.actor_name) == (f"user:{owner.pk}", "owner")
    assert (told.request_id, told.address) == ("request-1", "127.0.0.1")
    assert (told.action, told.subject) == ("model.created", "digits")


def test_what_is_refused_leaves_no_event(client: APIClient, alpha: Team, beta: Team) -> None:
    make_model(beta, "secret")
    AuditEvent.objects.all().delete()
    for body in ({"name": "secret", "team": "alpha"}, {"name": "x", "team": "beta"}, {}):
        assert client.post(f"{API}models/", body).status_code in (400, 403, 409)
    assert client.delete(f"{API}models/secret/").status_code == 404
    assert actions() == []


def test_reading_leaves_no_event(client: APIClient, alpha: Team) -> None:
    make_model(alpha)
    AuditEvent.objects.all().delete()
    for path in ("models/", "models/digits/", "models/digits/versions/", "audit/"):
        assert client.get(API + path).status_code == 200
    assert actions() == []


def test_an_event_goes_with_its_change() -> None:
    with transaction.atomic():
        happen()
        transaction.set_rollback(True)
    assert actions() == []


def test_a_long_subject_is_cut() -> None:
    happen(subject="x" * 300)
    assert len(AuditEvent.objects.get().subject) == 255


def test_the_longest_names_fit(alpha: Team) -> None:
    principal = Principal("key:12345678", "n" * 150, is_admin=True)
    emit(Event("version.created", "m" * 100 + "/" + "1" * 64, principal, team_id=alpha.pk))
    assert AuditEvent.objects.count() == 1


@pytest.fixture
def trail(alpha: Team, beta: Team) -> None:
    happen("model.created", "digits", alpha)
    happen("model.deleted", "digits", alpha)
    happen("model.created", "weather", beta)
    happen("user.created", "someone")


@pytest.mark.parametrize(
    ("person", "count"),
    [("owner", 2), ("developer", 0), ("viewer", 0), ("outsider", 1), ("admin", 4)],
)
def test_each_sees_the_trail_of_the_teams_they_manage(
    trail: None, person: str, count: int, request: pytest.FixtureRequest, client_of: Any
) -> None:
    client = client_of(request.getfixturevalue(person))
    assert client.get(AUDIT).json()["count"] == count


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("action=model.created", 2),
        ("subject=digits", 2),
        ("actor=system", 4),
        ("team=beta", 1),
        ("since=2020-01-01T00:00:00Z", 4),
        ("until=2020-01-01T00:00:00Z", 0),
        ("since=2020-01-01", 4),
        ("action=model.created&team=alpha", 1),
    ],
)
def test_it_filters(trail: None, admin: User, client_of: Any, query: str, count: int) -> None:
    answer = client_of(admin).get(f"{AUDIT}?{query}")
    assert answer.status_code == 200
    assert answer.json()["count"] == count


@pytest.mark.parametrize(
    "query",
    [
        *("since=yesterday", "until=%00", "action=%00", "since=99999-01-01T00:00:00Z"),
        *("since=0001-01-01T00:00:00%2B23:59", "until=9999-12-31T23:59:59-23:59"),
    ],
)
def test_a_filter_that_does_not_fit_is_a_400_or_finds_nothing(
    trail: None, admin: User, client_of: Any, query: str
) -> None:
    assert client_of(admin).get(f"{AUDIT}?{query}").status_code in (200, 400)


def test_the_newest_comes_first(trail: None, admin: User, client_of: Any) -> None:
    results = client_of(admin).get(AUDIT).json()["results"]
    assert results[0]["action"] == "user.created"
    assert results[0]["team"] is None


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_trail_cannot_be_changed(admin: User, client_of: Any, method: str) -> None:
    assert getattr(client_of(admin), method)(AUDIT, {}).status_code == 405


def test_a_list_costs_the_same_queries_however_long_it_is(
    admin: User, client_of: Any, alpha: Team
) -> None:
    client = client_of(admin)

    def queries(count: int) -> int:
        for number in range(AuditEvent.objects.count(), count):
            happen(subject=f"model-{number}", team=alpha)
        with CaptureQueriesContext(connection) as captured:
            assert len(client.get(AUDIT).json()["results"]) == count
        return len(captured)

    assert queries(3) == queries(30) <= 6


def test_processing_is_in_the_trail_as_the_systems(alpha: Team) -> None:
    version = publish(make_model(alpha))
    assert AuditEvent.objects.filter(actor="system", subject=str(version)).exists()
