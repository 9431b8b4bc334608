"""The API of webhooks: who may, what is refused, and what is shown once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from ops.keys import key_create
from ops.models import AuditEvent, Delivery, Webhook
from ops.notifications.webhooks import MOST
from registry.models import Team
from tests.ops.making import URL, deliver_to, make_webhook

pytestmark = pytest.mark.django_db
HOOKS = "/api/v1/webhooks/"
SENT = {"name": "chat", "team": "alpha", "url": URL, "events": ["version.ready"]}


@pytest.fixture
def client(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


def test_an_owner_makes_one_and_sees_the_secret_once(client: APIClient, alpha: Team) -> None:
    answer = client.post(HOOKS, {**SENT, "models": ["digits"]})
    assert answer.status_code == 201
    body = answer.json()
    assert body["secret"].startswith("whsec_")
    assert (body["team"], body["events"], body["models"]) == (
        "alpha",
        ["version.ready"],
        ["digits"],
    )
    assert (body["active"], body["created_by"], body["last_state"]) == (True, "owner", None)
    for shown in (client.get(HOOKS), client.get(f"{HOOKS}{body['id']}/")):
        assert shown.status_code == 200
        assert body["secret"] not in shown.content.decode()
        assert "salt" not in shown.content.decode()


def test_it_can_be_changed(client: APIClient, alpha: Team) -> None:
    path = f"{HOOKS}{make_webhook(alpha).pk}/"
    changes = {"name": "talk", "events": ["batch.failed"], "models": ["digits"], "active": False}
    body = client.patch(path, changes).json()
    assert {name: body[name] for name in changes} == changes
    assert client.patch(path, {}).status_code == 200
    assert [e.action for e in AuditEvent.objects.all()] == ["webhook.updated", "webhook.created"]
    assert AuditEvent.objects.first().data["changed"] == [  # type: ignore[union-attr]
        *("active", "events", "model_names", "name")
    ]


def test_a_new_secret_is_shown_once(client: APIClient, alpha: Team) -> None:
    path = f"{HOOKS}{make_webhook(alpha).pk}/"
    secrets = {client.post(f"{path}rotate/").json()["secret"] for _ in range(2)}
    assert len(secrets) == 2
    assert "secret" not in client.get(path).json()


def test_deleting_removes_its_deliveries(client: APIClient, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    deliver_to(webhook)
    assert client.delete(f"{HOOKS}{webhook.pk}/").status_code == 204
    assert not Delivery.objects.exists()
    assert client.get(f"{HOOKS}{webhook.pk}/").status_code == 404


def test_deliveries_are_listed_shown_and_replayed(client: APIClient, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    path = f"{HOOKS}{webhook.pk}/deliveries/"
    first = deliver_to(webhook, state="failed", status=500, response="<b>no</b>")
    deliver_to(webhook, event="ping")
    assert [row["event"] for row in client.get(path).json()["results"]] == ["ping", "version.ready"]
    assert client.get(path, {"state": "failed"}).json()["count"] == 1
    assert client.get(path, {"event": "ping"}).json()["count"] == 1
    assert client.get(path, {"state": "lost"}).status_code == 400
    whole = client.get(f"{path}{first.uuid}/").json()
    assert (whole["body"], whole["response"], whole["status"]) == ("{}", "<b>no</b>", 500)
    again = client.post(f"{path}{first.uuid}/replay/")
    assert again.status_code == 202
    assert again.json()["replay_of"] == str(first.uuid)
    assert again.json()["state"] == "pending"


def test_a_test_sends_a_ping(client: APIClient, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    answer = client.post(f"{HOOKS}{webhook.pk}/test/")
    assert (answer.status_code, answer.json()["event"]) == (202, "ping")
    assert client.get(f"{HOOKS}{webhook.pk}/").json()["last_state"] == "pending"


def test_one_that_is_off_sends_nothing(client: APIClient, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    delivery = deliver_to(webhook)
    client.patch(f"{HOOKS}{webhook.pk}/", {"active": False})
    assert client.post(f"{HOOKS}{webhook.pk}/test/").status_code == 409
    path = f"{HOOKS}{webhook.pk}/deliveries/{delivery.uuid}/replay/"
    assert client.post(path).status_code == 409


@pytest.mark.parametrize("person", ["developer", "viewer", "outsider"])
def test_who_does_not_manage_the_team_can_do_nothing(
    person: str, request: pytest.FixtureRequest, alpha: Team, client_of: Any
) -> None:
    webhook = make_webhook(alpha)
    delivery = deliver_to(webhook)
    client = client_of(request.getfixturevalue(person))
    assert client.post(HOOKS, SENT).status_code == 403
    assert client.get(HOOKS).json()["count"] == 0
    one = f"{HOOKS}{webhook.pk}/"
    log = f"{one}deliveries/"
    calls = (
        *(client.get(one), client.patch(one, {"name": "x"}), client.delete(one)),
        *(client.post(f"{one}rotate/"), client.post(f"{one}test/"), client.get(log)),
        *(client.get(f"{log}{delivery.uuid}/"), client.post(f"{log}{delivery.uuid}/replay/")),
    )
    assert {answer.status_code for answer in calls} == {404}
    assert Webhook.objects.get().name == "chat"


def test_those_of_every_team_are_the_administrators(
    client: APIClient, admin: User, client_of: Any, alpha: Team
) -> None:
    assert client.post(HOOKS, {**SENT, "team": None}).status_code == 403
    made = client_of(admin).post(HOOKS, {**SENT, "team": None})
    assert (made.status_code, made.json()["team"]) == (201, None)
    assert client.get(HOOKS).json()["count"] == 0
    assert client_of(admin).get(HOOKS).json()["count"] == 1


def test_a_key_manages_no_webhooks(alpha: Team, admin: User) -> None:
    actions = ["read", "predict", "publish"]
    _, secret = key_create(principal=SYSTEM, team=alpha, name="app", actions=actions)
    webhook, client = make_webhook(alpha), APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert client.post(HOOKS, SENT).status_code == 403
    assert client.post(HOOKS, {**SENT, "team": None}).status_code == 403
    assert client.get(HOOKS).json()["count"] == 0
    assert client.get(f"{HOOKS}{webhook.pk}/").status_code == 404


def test_a_delivery_is_found_with_its_own_webhook_alone(client: APIClient, alpha: Team) -> None:
    delivery, other = deliver_to(make_webhook(alpha)), make_webhook(alpha)
    path = f"{HOOKS}{other.pk}/deliveries/{delivery.uuid}/"
    assert client.get(path).status_code == 404
    assert client.post(f"{path}replay/").status_code == 404


WRONG: dict[str, list[Any]] = {
    "name": ["", None, 1, [], "\0", "x" * 101],
    "team": ["", 1, [], "\0"],
    "url": [
        *("", None, 1, [], "\0", "x", "http://", "http:///x", "ftp://93.184.216.34/", "//x/y"),
        *("http://93.184.216.34:99999/", "http://[::1", "http://93.184.216.34/ x", "http://ü.de/"),
        *("http://user@93.184.216.34/", "http://:secret@93.184.216.34/", "http://nobody.invalid/"),
        *("http://localhost/", "http://127.0.0.1:8000/", "http://2130706433/", "http://0x7f.1/"),
        *("http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/"),
        *("http://0/", f"http://{'x' * 70}.example/", "http://93.184.216.34/" + "x" * 1000),
        "http://loc\talhost/",
    ],
    "events": [[], None, "version.ready", {}, ["ping"], ["model.created"], [1], [None], [["x"]]],
    "models": [None, "digits", {}, [1], [""], ["a b"], [None]],
    "active": [None, 1, "true", []],
    "unknown": [1],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
)
def test_a_field_that_does_not_fit_is_named(
    client: APIClient, alpha: Team, field: str, value: Any
) -> None:
    answer = client.post(HOOKS, {**SENT, field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert not Webhook.objects.exists()


def test_why_a_url_is_refused_is_said(client: APIClient, alpha: Team) -> None:
    answer = client.post(HOOKS, {**SENT, "url": "http://localhost:8000/"})
    [error] = answer.json()["errors"]
    assert "localhost" in error["detail"]
    assert "operator" in error["detail"]


def test_the_operator_can_allow_private_addresses(
    client: APIClient, alpha: Team, settings: Any
) -> None:
    settings.ENV = replace(settings.ENV, AIHUB_WEBHOOK_PRIVATE=True)
    assert client.post(HOOKS, {**SENT, "url": "http://localhost:8000/"}).status_code == 201


def test_a_team_has_no_end_of_webhooks(client: APIClient, alpha: Team) -> None:
    Webhook.objects.bulk_create(
        Webhook(team=alpha, name=str(n), url=URL, salt="", created_by="") for n in range(MOST)
    )
    assert client.post(HOOKS, SENT).status_code == 409


@pytest.mark.parametrize("pk", [0, 10**9, 10**30])
def test_no_such_webhook_is_a_404(client: APIClient, pk: int) -> None:
    assert client.get(f"{HOOKS}{pk}/").status_code == 404
    assert client.get(f"{HOOKS}{pk}/deliveries/").status_code == 404


@pytest.fixture
def asked(client: APIClient) -> Iterator[Callable[[str], int]]:
    def count(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    return count  # type: ignore[return-value]


def test_lists_cost_the_same_queries_however_long(asked: Callable[[str], int], alpha: Team) -> None:
    webhook, counts = make_webhook(alpha), []
    for _ in range(3):
        for number in range(5):
            deliver_to(make_webhook(alpha, str(number)))
            deliver_to(webhook, replay_of=deliver_to(webhook))
        counts.append((asked(HOOKS), asked(f"{HOOKS}{webhook.pk}/deliveries/")))
    assert counts[0] == counts[1] == counts[2]
    assert max(counts[0]) <= 6
