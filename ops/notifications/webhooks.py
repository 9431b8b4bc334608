"""What people do with webhooks. Neither secrets nor whole URLs, which may hold one, are told."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from aihub.access import Principal
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from ops.models import Delivery, Webhook
from ops.notifications.outbox import delivery_queue, ping_queue
from ops.notifications.signing import key_id, salt_new, secret_of
from registry.models import Team

MOST = 50  # of one team: every event is written once for each


def webhook_create(
    *,
    principal: Principal,
    team: Team | None,
    name: str,
    url: str,
    events: Sequence[str],
    models: Sequence[str] = (),
    active: bool = True,
) -> tuple[Webhook, str]:
    """Make a webhook of a team, or of all (None); the second value is its secret."""
    with transaction.atomic():
        if Webhook.objects.filter(team=team).count() >= MOST:
            raise Problem(409, N_("A team has at most %(most)s webhooks."), most=MOST)
        webhook = Webhook.objects.create(
            team=team,
            name=name,
            url=url,
            salt=salt_new(),
            key_id=key_id(),
            events=sorted(set(events)),
            model_names=sorted(set(models)),
            active=active,
            created_by=principal.name,
        )
        emit_of("webhook.created", webhook, principal)
    return webhook, secret_of(webhook.salt)


def webhook_update(
    webhook: Webhook, *, principal: Principal, changes: Mapping[str, Any]
) -> Webhook:
    """Change what it is called, where it sends, what, and whether; another URL starts afresh."""
    changed = [field for field, value in changes.items() if getattr(webhook, field) != value]
    for field in changed:
        setattr(webhook, field, changes[field])
    afresh = {"active", "url"} & set(changed)
    if afresh:
        webhook.failing_since = webhook.held_until = webhook.disabled_at = None
    if changed:
        with transaction.atomic():
            more = ("failing_since", "held_until", "disabled_at") if afresh else ()
            webhook.save(update_fields=[*changed, *more])
            emit_of("webhook.updated", webhook, principal, changed=sorted(changed))
    return webhook


def webhook_rotate(webhook: Webhook, *, principal: Principal) -> str:
    """Give it another secret; what is sent from now on, also again, is signed with that."""
    webhook.salt, webhook.key_id = salt_new(), key_id()
    with transaction.atomic():
        webhook.save(update_fields=["salt", "key_id"])
        emit_of("webhook.rotated", webhook, principal)
    return secret_of(webhook.salt)


def webhooks_remember_key() -> int:
    """Let those that name no key name the present one; how many there were.

    During an upgrade, code from before webhooks knew their key makes such.
    """
    return Webhook.objects.filter(key_id="").update(key_id=key_id())


def webhook_delete(webhook: Webhook, *, principal: Principal) -> None:
    """Remove it with its deliveries."""
    with transaction.atomic():
        emit_of("webhook.deleted", webhook, principal)
        webhook.delete()


def webhook_test(webhook: Webhook, *, principal: Principal) -> Delivery:
    """Send it a `ping`."""
    _require_active(webhook)
    with transaction.atomic():
        said = Event("ping", webhook.name, principal, webhook.team_id)
        delivery = ping_queue(webhook, said)
        emit_of("webhook.tested", webhook, principal)
    return delivery


def delivery_replay(delivery: Delivery, *, principal: Principal) -> Delivery:
    """Send the same body once more, as a delivery of its own."""
    webhook = delivery.webhook
    if webhook is None:
        raise Problem(404, N_("There is no such delivery."))
    _require_active(webhook)
    with transaction.atomic():
        again = Delivery(
            webhook=webhook, event=delivery.event, body=delivery.body, replay_of=delivery
        )
        delivery_queue(again)
        emit_of("webhook.replayed", webhook, principal, delivery=str(delivery.uuid))
    return again


def emit_of(name: str, webhook: Webhook, principal: Principal, **more: Any) -> None:
    """Tell of something that happened to a webhook."""
    data = {"host": urlsplit(webhook.url).hostname, "events": webhook.events, **more}
    emit(Event(name, webhook.name, principal, team_id=webhook.team_id, data=data))


def _require_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise Problem(409, N_("The webhook is off; turn it on first."))
