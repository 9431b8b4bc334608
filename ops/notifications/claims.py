"""What is due to whom: receivers that have something to be sent, and its lease."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db.models import OuterRef, Q, QuerySet
from django.utils import timezone

from aihub.db import has_row
from ops.models import Delivery, Webhook
from registry.models import Leased
from registry.processing.leases import Claim, lease_take

LOOKED_AT = 10  # deliveries of one receiver, where other workers are quicker


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook by its key, or the mail server (None). `doubtful`: it failed when last tried."""

    webhook: int | None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryLease(Claim):
    """The right to send a delivery once."""

    table: ClassVar[type[Leased]] = Delivery


def receivers_due() -> list[Receiver]:
    """Everyone to whom something could be sent now; not those that are left alone for a while."""
    due = _due(timezone.now())
    held = Q(held_until__gt=timezone.now())
    webhooks = Webhook.objects.filter(has_row(due.filter(webhook=OuterRef("pk")))).exclude(held)
    found = webhooks.order_by("pk").values_list("pk", "failing_since")
    receivers = [Receiver(pk, doubtful=since is not None) for pk, since in found]
    return [*receivers, Receiver(None)] if due.filter(webhook=None).exists() else receivers


def delivery_claim(webhook: int | None, worker: str) -> DeliveryLease | None:
    """Take what has been due to a receiver for longest, or None."""
    due = _due(timezone.now()).filter(webhook=webhook)
    for delivery in due.order_by("next_attempt_at", "pk").only("attempts")[:LOOKED_AT]:
        if owner := lease_take(due, delivery, worker):
            return DeliveryLease(delivery.pk, owner)
    return None


def _due(now: datetime) -> QuerySet[Delivery]:
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=now)
    return Delivery.objects.filter(free, state=Delivery.States.PENDING, next_attempt_at__lte=now)
