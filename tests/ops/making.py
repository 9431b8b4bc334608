"""Webhooks and deliveries for tests; nothing is sent to them."""

from typing import Any

from aihub.events import SYSTEM
from ops.models import Delivery, Webhook
from ops.notifications.outbox import delivery_queue
from ops.notifications.webhooks import webhook_create
from registry.models import Team

URL = "http://93.184.216.34/hook"  # public, and needs no resolver


def make_webhook(team: Team | None, name: str = "chat", url: str = URL) -> Webhook:
    events = ["version.ready"]
    return webhook_create(principal=SYSTEM, team=team, name=name, url=url, events=events)[0]


def deliver_to(webhook: Webhook, **fields: Any) -> Delivery:
    given = {"webhook": webhook, "event": "version.ready", "body": "{}"}
    return delivery_queue(Delivery(**{**given, **fields}))
