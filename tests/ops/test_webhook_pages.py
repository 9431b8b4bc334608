"""Webhooks in the console: made, read, tried and ended; and a person's own address."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from ops.models import AuditEvent, Delivery, Profile, Webhook
from registry.models import Team
from tests.ops.making import URL, deliver_to, make_webhook

pytestmark = pytest.mark.django_db
SENT = {"name": "chat", "url": URL, "events": ["version.ready", "batch.failed"], "models": "digits"}


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def audited() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_a_secret_is_shown_once(as_owner: Client, alpha: Team) -> None:
    answer = as_owner.post("/webhooks/new/", {**SENT, "team": alpha.pk})
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    webhook = Webhook.objects.get()
    assert (webhook.team, webhook.model_names) == (alpha, ["digits"])
    assert webhook.events == ["batch.failed", "version.ready"]
    for path in ("/webhooks/", f"/webhooks/{webhook.pk}/", f"/webhooks/{webhook.pk}/edit/"):
        assert secret not in as_owner.get(path).content.decode()
    again = as_owner.post(f"/webhooks/{webhook.pk}/rotate/")
    assert again.context["secret"] != secret
    assert "no-store" in again["Cache-Control"]
    assert audited() == ["webhook.created", "webhook.rotated"]


HELPED = ("name", "url", "models")  # fields that have a hint too


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", ""), ("url", "http://localhost/"), ("url", "x"), ("url", ""), ("events", [])),
        *(("events", ["ping"]), ("models", "a/b"), ("team", "")),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(
    as_owner: Client, alpha: Team, field: str, value: Any
) -> None:
    answer = as_owner.post("/webhooks/new/", {**SENT, "team": alpha.pk, field: value})
    assert list(answer.context["form"].errors) == [field]
    described = f"id_{field}_helptext id_{field}_error" if field in HELPED else f"id_{field}_error"
    assert f'aria-describedby="{described}"' in answer.content.decode()
    assert f'<div id="id_{field}_error" role="alert">' in answer.content.decode()
    assert not Webhook.objects.exists()


def test_one_of_another_team_cannot_be_made(as_owner: Client, beta: Team) -> None:
    answer = as_owner.post("/webhooks/new/", {**SENT, "team": beta.pk})
    assert answer.context["form"].errors["team"]


def test_an_administrator_makes_one_of_every_team(client: Client, admin: User) -> None:
    client.force_login(admin)
    client.post("/webhooks/new/", {**SENT, "team": ""})
    webhook = Webhook.objects.get()
    assert webhook.team is None
    assert "Every team" in client.get("/webhooks/").content.decode()
    assert client.get(f"/webhooks/{webhook.pk}/").status_code == 200


def test_it_is_edited(as_owner: Client, alpha: Team) -> None:
    webhook = make_webhook(alpha, url="http://was.resolved.before.example/")
    sent = {**SENT, "url": webhook.url, "name": "talk", "models": "", "events": ["alias.moved"]}
    as_owner.post(f"/webhooks/{webhook.pk}/edit/", sent)
    webhook.refresh_from_db()
    assert (webhook.name, webhook.events, webhook.model_names) == ("talk", ["alias.moved"], [])
    assert webhook.team == alpha


def test_the_log_shows_what_was_sent_and_answered(as_owner: Client, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    path = f"/webhooks/{webhook.pk}/"
    assert "Nothing was sent yet" in as_owner.get(path).content.decode()
    delivery = deliver_to(webhook, body='{"a": "鸟"}', state="failed", status=500, error="status")
    Delivery.objects.update(response="<script>alert(1)</script>", attempts=3)
    text = as_owner.get(path).content.decode()
    assert "&quot;a&quot;: &quot;鸟&quot;" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "HTTP 500" in text
    assert str(delivery.uuid) in text


def test_the_log_is_filtered_and_paged(as_owner: Client, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    for _ in range(26):
        deliver_to(webhook, event="ping")
    deliver_to(webhook, state="failed")
    path = f"/webhooks/{webhook.pk}/"

    def shown(query: str) -> int:
        return len(as_owner.get(f"{path}?{query}").context["deliveries"])

    counts = [shown(query) for query in ("", "page=2", "state=failed", "event=ping&page=2")]
    assert counts == [25, 2, 1, 1]
    assert shown("state=lost&event=x&page=zzz") == 25
    assert "event=ping&amp;page=2" in as_owner.get(f"{path}?event=ping").content.decode()


def test_it_is_tried_and_replayed(as_owner: Client, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    as_owner.post(f"/webhooks/{webhook.pk}/test/")
    ping = Delivery.objects.get()
    as_owner.post(f"/webhooks/{webhook.pk}/deliveries/{ping.uuid}/replay/")
    assert Delivery.objects.get(replay_of=ping).body == ping.body


def test_it_is_turned_off_and_on(as_owner: Client, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    path = f"/webhooks/{webhook.pk}/"
    as_owner.post(f"{path}off/")
    assert not Webhook.objects.get().active
    assert "Send a test" not in as_owner.get(path).content.decode()
    as_owner.post(f"{path}test/")
    assert not Delivery.objects.exists()
    as_owner.post(f"{path}on/")
    assert Webhook.objects.get().active


def test_that_the_hub_turned_it_off_is_said(as_owner: Client, alpha: Team) -> None:
    webhook = make_webhook(alpha)
    Webhook.objects.update(active=False, disabled_at=timezone.now())
    assert "The hub turned it off" in as_owner.get(f"/webhooks/{webhook.pk}/").content.decode()
    assert "turned off" in as_owner.get("/webhooks/").content.decode()


def test_it_is_deleted_after_a_question(as_owner: Client, alpha: Team) -> None:
    path = f"/webhooks/{make_webhook(alpha).pk}/delete/"
    assert "Delete the webhook" in as_owner.get(path).content.decode()
    assert Webhook.objects.exists()
    assert as_owner.post(path)["Location"] == "/webhooks/"
    assert not Webhook.objects.exists()


def test_a_person_says_where_and_how_they_are_written_to(as_owner: Client, owner: User) -> None:
    said = {"email": "owner@example.com", "language": "zh-hans"}
    as_owner.post("/account/", said)
    owner.refresh_from_db()
    assert (owner.email, Profile.objects.get(user=owner).language) == tuple(said.values())
    assert as_owner.get("/account/").context["form"].initial == said
    answer = as_owner.post("/account/", {"email": "nobody", "language": "xx"})
    assert list(answer.context["form"].errors) == ["email", "language"]
    assert audited() == ["user.updated"]


def test_the_language_offered_is_the_one_the_page_is_read_in(client: Client, owner: User) -> None:
    client.force_login(owner)
    answer = client.get("/account/", headers={"Accept-Language": "zh-CN"})
    assert answer.context["form"].initial["language"] == "zh-hans"
