"""The outbox: what an event is to be told to, written in the event's own transaction.

So nothing is announced that did not happen, and nothing that happened is forgotten.
"""

import json
import uuid

from django.db.models import Q
from django.utils import timezone

from aihub import request_context
from aihub.events import Event
from ops.models import Delivery, Webhook
from ops.notifications.catalogue import EVENTS, PING, link_of, model_of
from ops.notifications.mails import mails_for
from registry.models import Team


def record(event: Event) -> None:
    """Queue an event for every webhook that wants it, and the mails that it means."""
    if event.name not in EVENTS:
        return
    webhooks = _subscribed(event)
    body = _body(event, link_of(event)) if webhooks else ""
    for webhook in webhooks:
        delivery_queue(Delivery(webhook=webhook, event=event.name, body=body))
    for mail in mails_for(event):
        delivery_queue(mail)


def ping_queue(webhook: Webhook, event: Event) -> Delivery:
    """Queue a `ping` for one webhook; `event` says who asked."""
    return delivery_queue(Delivery(webhook=webhook, event=PING, body=_body(event, None)))


def delivery_queue(delivery: Delivery) -> Delivery:
    """Save a delivery that is due now, in the caller's transaction."""
    delivery.next_attempt_at = timezone.now()
    delivery.request_id = request_context.kept_id()
    delivery.save()
    return delivery


def _subscribed(event: Event) -> list[Webhook]:
    of_team = Q(team=None) | Q(team=event.team_id) if event.team_id else Q(team=None)
    model = model_of(event).lower()
    return [
        webhook
        for webhook in Webhook.objects.filter(of_team, active=True)
        if event.name in webhook.events and _names(webhook, model)
    ]


def _names(webhook: Webhook, model: str) -> bool:
    return not webhook.model_names or model in (name.lower() for name in webhook.model_names)


def _body(event: Event, link: str | None) -> str:
    team = Team.objects.filter(pk=event.team_id).first() if event.team_id else None
    said = {
        "id": str(uuid.uuid4()),
        "event": event.name,
        "subject": event.subject,
        "team": team.name if team else None,
        "at": timezone.now().isoformat(),
        "actor": event.actor.name,
        "data": dict(event.data),
        "link": link,
    }
    return json.dumps(said, ensure_ascii=False, default=str)
