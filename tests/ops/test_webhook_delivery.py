"""From an event to a receiver: outbox, signature, retries, replay, and being turned off."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from aihub import __version__, request_context
from aihub.env import BASE_DIR
from aihub.events import SYSTEM, Event, emit
from ops.models import AuditEvent, Delivery, Webhook
from ops.notifications import delivering
from ops.notifications.catalogue import EVENTS, Kind
from ops.notifications.claims import delivery_claim, receivers_due
from ops.notifications.delivering import HELD, PAUSES, deliver, pause_after
from ops.notifications.outcome import Outcome
from ops.notifications.posting import post
from ops.notifications.sweeping import deliveries_sweep
from ops.notifications.webhooks import (
    delivery_replay,
    webhook_create,
    webhook_delete,
    webhook_rotate,
    webhook_test,
    webhook_update,
)
from registry.models import Team
from registry.services.aliases import alias_rollback, alias_set
from tests.logged import id_of, logged, of
from tests.ops.receiver import Receiver, answer, receiving
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
States, Errors = Delivery.States, Delivery.Errors


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _private_allowed(settings: Any) -> None:
    settings.ENV = replace(settings.ENV, AIHUB_WEBHOOK_PRIVATE=True)


def make(team: Team | None, url: str, *events: str, **more: Any) -> tuple[Webhook, str]:
    return webhook_create(
        principal=SYSTEM, team=team, name="chat", url=url, events=events or [*EVENTS], **more
    )


def happen(name: str, team: Team | None, subject: str = "digits/1.0.0", **data: Any) -> None:
    emit(Event(name, subject, SYSTEM, team_id=team.pk if team else None, data=data))


def work() -> int:
    """Do all that is due; how many attempts that were."""
    count = 0
    for receiver in receivers_due():
        while lease := delivery_claim(receiver.webhook, "worker"):
            deliver(lease)
            count += 1
    return count


def make_due() -> None:
    """As if the pause were over."""
    Webhook.objects.update(held_until=None)
    Delivery.objects.update(next_attempt_at=timezone.now())


def test_an_event_arrives_signed(receiver: Receiver, alpha: Team) -> None:
    _, secret = make(alpha, receiver.url)
    happen("version.rejected", alpha, reason="不行")
    assert work() == 1
    received, delivery = receiver.next(), Delivery.objects.get()
    headers = received.headers
    assert headers["X-AIHub-Event"] == "version.rejected"
    assert UUID(headers["X-AIHub-Delivery"]) == delivery.uuid
    assert headers["User-Agent"] == f"AIHub/{__version__}"
    assert headers["Content-Type"] == "application/json"
    signed = f"{headers['X-AIHub-Timestamp']}.{headers['X-AIHub-Delivery']}.{received.body}"
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert headers["X-AIHub-Signature"] == f"sha256={expected}"
    assert abs(int(headers["X-AIHub-Timestamp"]) - timezone.now().timestamp()) < 60
    body = json.loads(received.body)
    assert set(body) == {"id", "event", "subject", "team", "at", "actor", "data", "link"}
    assert (body["event"], body["subject"]) == ("version.rejected", "digits/1.0.0")
    assert (body["team"], body["actor"], body["link"]) == ("alpha", "system", None)
    assert body["data"] == {"reason": "不行"}
    assert (delivery.state, delivery.attempts, delivery.status) == (States.SUCCEEDED, 1, 204)
    assert delivery.body == received.body


def test_its_lines_are_of_the_request_that_caused_it(receiver: Receiver, alpha: Team) -> None:
    _, secret = make(alpha, f"{receiver.url}?token=hidden-word")
    with request_context.use("asked-0001"):
        happen("version.rejected", alpha, reason="payload-word")
    with logged() as lines:
        work()
    (line,) = of(lines, "delivery")
    assert id_of(line) == "asked-0001" == AuditEvent.objects.latest("pk").request_id
    assert line["aihub"]["delivery"]["id"] == str(Delivery.objects.get().uuid)
    assert line["event"]["outcome"] == "success"
    assert not [word for word in (secret, "hidden-word", "payload-word") if word in str(lines)]


def test_the_documents_verify_it(receiver: Receiver, alpha: Team) -> None:
    text = (BASE_DIR / "docs" / "webhooks.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    read: dict[str, Any] = {}
    exec(code, read)
    _, secret = make(alpha, receiver.url)
    happen("version.rejected", alpha, reason="不行")
    work()
    headers, body = (received := receiver.next()).headers, received.body.encode()
    assert read["is_genuine"](headers, body, secret)
    assert not read["is_genuine"](headers, body + b" ", secret)
    assert not read["is_genuine"](headers, body, secret[:-1])
    old = {**headers, "X-AIHub-Timestamp": str(int(headers["X-AIHub-Timestamp"]) - 301)}
    assert not read["is_genuine"](old, body, secret)


def test_the_documents_name_every_event() -> None:
    text = (BASE_DIR / "docs" / "webhooks.md").read_text()
    assert [name for name in EVENTS if f"`{name}`" not in text] == []


def test_the_registry_s_events_arrive(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    model = make_model(alpha)
    for number in ("1.0.0", "1.1.0"):
        version = make_ready(publish(model, number, number.encode()))
        alias_set(principal=SYSTEM, model=model, name="production", version=version)
    alias_rollback(principal=SYSTEM, model=model, name="production")
    assert work() == 3
    said = [json.loads(receiver.next().body) for _ in range(3)]
    assert [body["event"] for body in said] == ["alias.moved", "alias.moved", "alias.rolled_back"]
    assert (said[2]["data"]["from"], said[2]["data"]["to"]) == ("1.1.0", "1.0.0")


def test_what_is_rolled_back_is_not_announced(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    with transaction.atomic():
        happen("version.ready", alpha)
        transaction.set_rollback(True)
    assert (Delivery.objects.count(), work()) == (0, 0)


@pytest.mark.parametrize(
    ("events", "models", "name", "model", "wanted"),
    [
        (["version.ready"], [], "version.ready", "digits", True),
        (["version.ready"], [], "version.rejected", "digits", False),
        (["version.ready"], ["Digits"], "version.ready", "digits", True),
        (["version.ready"], ["letters"], "version.ready", "digits", False),
        (["version.ready"], [], "model.created", "digits", False),
    ],
)
def test_it_is_sent_what_it_asked_for(
    alpha: Team, events: list[str], models: list[str], name: str, model: str, wanted: bool
) -> None:
    make(alpha, "http://127.0.0.1:9/", *events, models=models)
    happen(name, alpha, f"{model}/1.0.0")
    assert Delivery.objects.exists() is wanted


def test_it_is_sent_its_team_s_events_alone(alpha: Team, beta: Team) -> None:
    for team in (alpha, beta, None):
        make(team, "http://127.0.0.1:9/")
    happen("version.ready", alpha)
    happen("breaker.opened", None)
    sent = Delivery.objects.order_by("pk").values_list("webhook__team__name", "event")
    assert sorted(sent, key=str) == [
        ("alpha", "version.ready"),
        (None, "breaker.opened"),
        (None, "version.ready"),
    ]


def test_a_failure_is_tried_again_under_the_same_id(
    receiver: Receiver, alpha: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "post", partial(post, seconds=0.5))
    make(alpha, receiver.url)
    receiver.answers = [answer(500, b"out of order"), receiver.never]
    happen("version.ready", alpha)
    assert work() == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status) == (States.PENDING, 500)
    assert (delivery.error, delivery.response) == (Errors.STATUS, "out of order")
    assert delivery.next_attempt_at
    pause = (delivery.next_attempt_at - timezone.now()).total_seconds()
    assert 7 < pause <= 12
    make_due()
    assert work() == 1
    first, second = receiver.next(), receiver.next()
    assert first.body == second.body
    assert first.headers["X-AIHub-Delivery"] == second.headers["X-AIHub-Delivery"]
    delivery.refresh_from_db()
    assert (delivery.attempts, delivery.error) == (2, Errors.TIMEOUT)
    make_due()
    assert work() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error) == (States.SUCCEEDED, 3, "")
    assert not Webhook.objects.get().failing_since


def test_pauses_grow_and_end() -> None:
    for attempts, seconds in enumerate(PAUSES, start=1):
        pause = pause_after(attempts)
        assert pause
        assert 0.8 * seconds <= pause.total_seconds() <= 1.2 * seconds
    assert pause_after(len(PAUSES) + 1) is None


def test_after_the_last_attempt_it_has_failed(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    happen("version.ready", alpha)
    Delivery.objects.update(attempts=len(PAUSES))
    receiver.answers = [answer(503)]
    assert work() == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.next_attempt_at) == (States.FAILED, None)
    assert delivery.finished_at


def test_what_waits_for_longest_comes_first(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    for subject in ("digits/1.0.0", "digits/1.1.0"):
        happen("version.ready", alpha, subject)
    receiver.answers = [answer(500)]
    work()
    Delivery.objects.filter(attempts=1, state="pending").update(next_attempt_at=timezone.now())
    happen("version.ready", alpha, "digits/1.2.0")
    work()
    said = [json.loads(receiver.next().body)["subject"] for _ in range(4)]
    assert said == ["digits/1.0.0", "digits/1.1.0", "digits/1.0.0", "digits/1.2.0"]


def test_a_slow_receiver_is_left_alone_for_a_while(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    Webhook.objects.update(held_until=timezone.now() + HELD)
    happen("version.ready", alpha)
    assert work() == 0
    assert (receiver.count, Delivery.objects.get().attempts) == (0, 0)
    Webhook.objects.update(held_until=timezone.now())
    assert work() == 1


def test_a_lease_that_is_lost_writes_nothing(receiver: Receiver, alpha: Team) -> None:
    """As when a worker stalls: another sends the delivery again."""
    make(alpha, receiver.url)
    happen("version.ready", alpha)
    lease = delivery_claim(Webhook.objects.get().pk, "first")
    assert lease
    Delivery.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert work() == 1
    deliver(lease)
    receiver.next()
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.state) == (2, States.SUCCEEDED)


def test_a_replay_sends_the_same_as_a_delivery_of_its_own(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    happen("version.ready", alpha)
    work()
    again = delivery_replay(Delivery.objects.get(), principal=SYSTEM)
    work()
    first, second = receiver.next(), receiver.next()
    assert first.body == second.body
    assert second.headers["X-AIHub-Delivery"] == str(again.uuid)
    assert first.headers["X-AIHub-Delivery"] != second.headers["X-AIHub-Delivery"]
    assert int(second.headers["X-AIHub-Timestamp"]) >= int(first.headers["X-AIHub-Timestamp"])


def test_a_new_secret_signs_what_is_sent_from_then_on(receiver: Receiver, alpha: Team) -> None:
    webhook, old = make(alpha, receiver.url)
    new = webhook_rotate(webhook, principal=SYSTEM)
    assert new != old
    happen("version.ready", alpha)
    work()
    received = receiver.next()
    names = ("X-AIHub-Timestamp", "X-AIHub-Delivery")
    signed = ".".join([*(received.headers[name] for name in names), received.body])
    expected = hmac.new(new.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert received.headers["X-AIHub-Signature"] == f"sha256={expected}"


def test_five_days_of_failures_turn_it_off(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    receiver.answers = [answer(500), answer(500)]
    happen("version.ready", alpha)
    work()
    assert Webhook.objects.get().active
    Webhook.objects.update(failing_since=timezone.now() - timedelta(days=5, minutes=1))
    make_due()
    work()
    webhook = Webhook.objects.get()
    assert (webhook.active, bool(webhook.disabled_at)) == (False, True)
    assert AuditEvent.objects.get(action="webhook.disabled").team == alpha
    make_due()
    work()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == (States.FAILED, Errors.DISABLED)
    webhook_update(webhook, principal=SYSTEM, changes={"active": True})
    assert not Webhook.objects.get().failing_since


def test_what_is_off_is_told_nothing(alpha: Team) -> None:
    make(alpha, "http://127.0.0.1:9/", active=False)
    happen("version.ready", alpha)
    assert not Delivery.objects.exists()


def test_one_that_is_deleted_is_not_called(receiver: Receiver, alpha: Team) -> None:
    webhook, _ = make(alpha, receiver.url)
    happen("version.ready", alpha)
    webhook_delete(webhook, principal=SYSTEM)
    assert work() == 0
    assert (receiver.count, Delivery.objects.count()) == (0, 0)


def test_one_that_is_deleted_while_it_is_called_stays_deleted(
    receiver: Receiver, alpha: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, _ = make(alpha, receiver.url)
    happen("version.ready", alpha)

    def post_and_delete(*args: Any, **kwargs: Any) -> Outcome:
        outcome = post(*args, **kwargs)
        webhook_delete(webhook, principal=SYSTEM)
        return outcome

    monkeypatch.setattr(delivering, "post", post_and_delete)
    assert work() == 1
    assert receiver.count == 1
    assert not Delivery.objects.exists()


def test_a_ping_needs_no_subscription(receiver: Receiver, alpha: Team) -> None:
    webhook, _ = make(alpha, receiver.url, "version.ready")
    webhook_test(webhook, principal=SYSTEM)
    work()
    received = receiver.next()
    assert received.headers["X-AIHub-Event"] == "ping"
    assert json.loads(received.body)["subject"] == "chat"


def test_it_is_refused_at_the_attempt_too(receiver: Receiver, alpha: Team, settings: Any) -> None:
    make(alpha, receiver.url)
    settings.ENV = replace(settings.ENV, AIHUB_WEBHOOK_PRIVATE=False)
    happen("version.ready", alpha)
    work()
    assert (receiver.count, Delivery.objects.get().error) == (0, Errors.ADDRESS)


def test_secrets_and_urls_stand_nowhere(alpha: Team) -> None:
    webhook, secret = make(alpha, "http://127.0.0.1:9/hook/in-the-path", "version.ready")
    new = webhook_rotate(webhook, principal=SYSTEM)
    written = repr([*AuditEvent.objects.values(), *Delivery.objects.values()])
    assert "in-the-path" not in written
    for text in (secret, new):
        assert text not in written + repr(list(Webhook.objects.values()))


def test_deliveries_are_kept_for_thirty_days(receiver: Receiver, alpha: Team) -> None:
    make(alpha, receiver.url)
    for _ in range(2):
        happen("version.ready", alpha)
    work()
    old, new = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=31))
    assert deliveries_sweep() == 1
    assert list(Delivery.objects.all()) == [new]


@pytest.mark.parametrize(("name", "kind"), EVENTS.items())
def test_every_event_has_a_page(
    name: str, kind: Kind, settings: Any, alpha: Team, resolves: Callable[[str], bool]
) -> None:
    settings.ENV = replace(settings.ENV, AIHUB_PUBLIC_URL="https://hub.example.com/")
    make(alpha, "http://127.0.0.1:9/")
    subject = "12" if name.startswith("batch.") else "digits/1.0.0"
    happen(name, alpha, "digits" if name.startswith("alias.") else subject, alias="production")
    link = json.loads(Delivery.objects.get().body)["link"]
    base, _, path = link.partition("example.com")
    assert base == "https://hub."
    assert resolves(path)


@pytest.fixture
def resolves() -> Callable[[str], bool]:
    from django.urls import Resolver404, resolve

    def found(path: str) -> bool:
        try:
            resolve(path)
        except Resolver404:
            return path.startswith("/batch-jobs/")
        return True

    return found
