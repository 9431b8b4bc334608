"""API keys: made by owners, shown once, narrowed, expiring, revocable."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from aihub.access import Action
from aihub.events import SYSTEM
from ops.identity.credentials import Authenticator, digest_of
from ops.identity.directory import DatabaseDirectory, dump, identities_load, parse
from ops.keys import key_create, key_revoke
from ops.models import ApiKey, AuditEvent
from registry.models import Team
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/api-keys/"
MODELS = "/api/v1/models/"


@pytest.fixture
def client(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


def with_key(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def make(team: Team, *actions: str, **fields: Any) -> str:
    """A key's secret."""
    _, secret = key_create(principal=SYSTEM, team=team, name="app", actions=actions, **fields)
    return secret


def test_an_owner_makes_a_key_that_is_shown_once(client: APIClient, alpha: Team) -> None:
    sent = {"name": "app", "team": "alpha", "actions": ["read", "predict"], "models": ["Digits"]}
    answer = client.post(KEYS, sent)
    assert answer.status_code == 201
    body = answer.json()
    assert re.fullmatch(r"aihub_[0-9a-f]{8}_[\w-]{43}", body["key"])
    assert body["actions"] == ["predict", "read"]
    assert (body["team"], body["models"], body["created_by"]) == ("alpha", ["Digits"], "owner")
    for shown in (client.get(KEYS), client.get(f"{KEYS}{body['prefix']}/")):
        assert shown.status_code == 200
        assert body["key"] not in shown.content.decode()
        assert "digest" not in shown.content.decode()


def test_only_its_digest_is_kept(alpha: Team) -> None:
    secret = make(alpha, "read")
    row = ApiKey.objects.values().get()
    assert row["digest"] == digest_of(secret)
    assert secret.split("_", 2)[2] not in repr(row)  # it may hold underscores itself
    assert secret not in repr(list(AuditEvent.objects.values()))


@pytest.mark.parametrize("person", ["developer", "viewer", "outsider"])
def test_who_does_not_manage_the_team_can_do_nothing(
    person: str, request: pytest.FixtureRequest, alpha: Team, client_of: Any
) -> None:
    make(alpha, "read")
    prefix = ApiKey.objects.get().prefix
    client = client_of(request.getfixturevalue(person))
    sent = {"name": "app", "team": "alpha", "actions": ["read"]}
    assert client.post(KEYS, sent).status_code == 403
    assert client.get(KEYS).json()["count"] == 0
    assert client.get(f"{KEYS}{prefix}/").status_code == 404
    assert client.delete(f"{KEYS}{prefix}/").status_code == 404
    assert ApiKey.objects.get().revoked_at is None


def test_a_key_manages_no_keys(alpha: Team) -> None:
    client = with_key(make(alpha, "read", "predict", "publish"))
    sent = {"name": "app", "team": "alpha", "actions": ["read"]}
    assert client.post(KEYS, sent).status_code == 403
    assert client.get(KEYS).json()["count"] == 0
    assert client.get("/api/v1/audit/").json()["count"] == 0


@pytest.mark.parametrize(
    ("actions", "statuses"),
    [
        (["read"], (200, 403, 403)),
        (["predict"], (403, 403, 403)),
        (["publish"], (403, 200, 403)),
        (["read", "predict", "publish"], (200, 200, 403)),
    ],
)
def test_a_key_may_do_what_it_was_given(
    actions: list[str], statuses: tuple[int, ...], alpha: Team
) -> None:
    make_model(alpha)
    client = with_key(make(alpha, *actions))
    calls = (
        client.get(f"{MODELS}digits/"),
        client.patch(f"{MODELS}digits/", {"description": "new"}),
        client.delete(f"{MODELS}digits/"),
    )
    assert tuple(answer.status_code for answer in calls) == statuses
    assert client.get(MODELS).json()["count"] == ("read" in actions)


def test_a_key_sees_its_models_alone(alpha: Team, beta: Team) -> None:
    for name in ("digits", "letters"):
        make_model(alpha, name, shared=True)
    make_model(beta, "weather", shared=True)
    client = with_key(make(alpha, "read", "publish", models=["Digits"]))
    assert [model["name"] for model in client.get(MODELS).json()["results"]] == ["digits"]
    assert client.get(f"{MODELS}DIGITS/").status_code == 200
    assert client.get(f"{MODELS}letters/").status_code == 404
    assert client.get(f"{MODELS}weather/").status_code == 404
    assert client.post(MODELS, {"name": "new", "team": "alpha"}).status_code == 403


def test_a_key_that_may_only_predict_downloads_nothing(alpha: Team) -> None:
    make_ready(publish(make_model(alpha)))
    client = with_key(make(alpha, "predict"))
    assert client.get(f"{MODELS}digits/versions/1.0.0/download/").status_code == 403


def test_an_expired_key_is_a_401(alpha: Team) -> None:
    secret = make(alpha, "read", expires_at=timezone.now() + timedelta(hours=1))
    assert with_key(secret).get(MODELS).status_code == 200
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert with_key(secret).get(MODELS).status_code == 401


def test_a_revoked_key_is_a_401(client: APIClient, alpha: Team) -> None:
    secret = make(alpha, "read")
    key = ApiKey.objects.get()
    assert client.delete(f"{KEYS}{key.prefix}/").status_code == 204
    assert with_key(secret).get(MODELS).status_code == 401
    assert client.get(f"{KEYS}{key.prefix}/").json()["revoked_at"]


def test_revoking_again_changes_nothing(alpha: Team) -> None:
    make(alpha, "read")
    key = ApiKey.objects.get()
    key_revoke(key, principal=SYSTEM)
    revoked_at = key.revoked_at
    key_revoke(key, principal=SYSTEM)
    assert ApiKey.objects.get().revoked_at == revoked_at
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


@pytest.mark.parametrize("end", [slice(-1), slice(1, None), slice(0, 15)])
def test_a_part_of_a_key_is_a_401(alpha: Team, end: slice) -> None:
    assert with_key(make(alpha, "read")[end]).get(MODELS).status_code == 401


def test_its_last_use_is_known(client: APIClient, alpha: Team) -> None:
    with_key(make(alpha, "read")).get(MODELS)
    assert client.get(KEYS).json()["results"][0]["last_used_at"]


WRONG = {
    "name": ["", None, 1, [], {}, "\0", "x" * 101],
    "team": ["", None, 1, [], "\0"],
    "actions": [[], None, "read", {}, ["delete"], ["manage"], [1], [None], [["read"]], ["READ"]],
    "models": [None, "digits", {}, [1], [""], ["a b"], ["../x"], [None], [["x"]], ["é"]],
    "expires_at": ["soon", 1, True, [], {}, "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00"],
    "unknown": [1],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
)
def test_a_field_that_does_not_fit_is_named(
    client: APIClient, alpha: Team, field: str, value: Any
) -> None:
    sent = {"name": "app", "team": "alpha", "actions": ["read"], field: value}
    answer = client.post(KEYS, sent)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z"])
def test_the_end_of_time_is_no_error_of_ours(client: APIClient, alpha: Team, moment: str) -> None:
    sent = {"name": "app", "team": "alpha", "actions": ["read"], "expires_at": moment}
    answer = client.post(KEYS, sent)
    assert answer.status_code in (201, 400)
    if answer.status_code == 201:
        assert with_key(answer.json()["key"]).get(MODELS).status_code == 200


@pytest.mark.parametrize("prefix", ["none", "%00", "%ff", "x" * 500, "💥"])
def test_no_such_key_is_a_404(client: APIClient, prefix: str) -> None:
    assert client.get(f"{KEYS}{prefix}/").status_code == 404


def test_a_list_costs_the_same_queries_however_long_it_is(client: APIClient, alpha: Team) -> None:
    def queries(count: int) -> int:
        for _ in range(ApiKey.objects.count(), count):
            make(alpha, "read")
        with CaptureQueriesContext(connection) as captured:
            assert len(client.get(KEYS).json()["results"]) == count
        return len(captured)

    assert queries(3) == queries(30) <= 7


def test_a_snapshot_knows_who_the_database_knows(
    alpha: Team, owner: User, viewer: User, admin: User
) -> None:
    secret = make(alpha, "read", "predict", models=["Digits"])
    make(alpha, "read", expires_at=timezone.now() + timedelta(hours=1))
    revoked = make(alpha, "read")
    key_revoke(ApiKey.objects.get(digest=digest_of(revoked)), principal=SYSTEM)
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    known = identities_load()
    assert parse(dump(known)) == known
    assert secret not in repr(dump(known))
    direct = DatabaseDirectory()
    for user in (owner, viewer, admin):
        assert known.user(user.pk) == direct.user(user.pk)
    assert known.user(viewer.pk) is None
    for key in (secret, revoked, "x"):
        assert known.key(digest_of(key)) == direct.key(digest_of(key))
    assert known.key(digest_of(revoked)) is None


def test_a_snapshot_authenticates_without_a_query(
    alpha: Team, owner: User, django_assert_num_queries: Any
) -> None:
    secret, known, used = make(alpha, "predict"), identities_load(), list[int]()
    authenticator = Authenticator(lambda: known, on_key=used.append)
    with django_assert_num_queries(0):
        principal = authenticator.authenticate(f"api-key {secret}")
    assert principal.scope
    assert principal.scope.actions == {Action.PREDICT}
    assert used == [ApiKey.objects.get().pk]
