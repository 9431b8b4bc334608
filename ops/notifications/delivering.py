"""Sending one delivery: it is tried again until it arrives or is given up.

A worker that dies while it sends has written nothing: its lease ends, and another sends the same
delivery again, under the same id. So a receiver may see a delivery twice, and never none.
"""

import logging
import random
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from aihub import __version__, request_context
from aihub.db import retry_deadlocks
from aihub.events import SYSTEM
from ops.models import Delivery, Webhook
from ops.notifications.claims import DeliveryLease
from ops.notifications.counting import attempt_ended
from ops.notifications.mails import mail_send
from ops.notifications.outcome import Errors, Outcome
from ops.notifications.posting import post
from ops.notifications.signing import secret_of, signature
from ops.notifications.webhooks import emit_of

MINUTE, HOUR = 60.0, 3600.0
PAUSES = (10.0, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
JITTER = 0.2
HELD = timedelta(seconds=30)  # for which a receiver that did not answer in time is left alone
GIVEN_UP = timedelta(days=5)  # of failures only, after which a webhook is turned off
States = Delivery.States

logger = logging.getLogger(__name__)


def deliver(lease: DeliveryLease) -> bool:
    """Send a claimed delivery once, and write down how it went; whether it arrived."""
    delivery = Delivery.objects.select_related("webhook").filter(pk=lease.pk).first()
    if delivery is None:  # its webhook was deleted meanwhile
        return False
    with (
        request_context.use(delivery.request_id),
        request_context.about(delivery_id=str(delivery.uuid)),
    ):
        return _delivered(delivery, lease)


def _delivered(delivery: Delivery, lease: DeliveryLease) -> bool:
    outcome = _attempt(delivery)
    attempt_ended(webhook=delivery.webhook is not None, arrived=not outcome.error)
    _tell(delivery, outcome)
    try:
        _record(delivery, outcome, lease)
    except DatabaseError:
        logger.exception("delivery %s is not written down; it will be sent again", delivery.uuid)
    return not outcome.error


def _tell(delivery: Delivery, outcome: Outcome) -> None:
    """A line of each attempt: how it went, never what was sent or answered, nor to whom."""
    said = {
        "event.action": "delivery",
        "event.outcome": "failure" if outcome.error else "success",
        "http.response.status_code": outcome.status,
        "event.duration": outcome.duration_ms and outcome.duration_ms * 1_000_000,
    }
    known = {name: value for name, value in said.items() if value is not None}
    how = outcome.error or "sent"
    logger.info("delivery %s of %s: %s", delivery.uuid, delivery.event, how, extra={"ecs": known})


def pause_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts, give or take a fifth; None to give up."""
    if attempts > len(PAUSES):
        return None
    return timedelta(seconds=PAUSES[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER))


def _attempt(delivery: Delivery) -> Outcome:
    webhook = delivery.webhook
    if webhook is None:
        return mail_send(delivery)
    if not webhook.active:
        return Outcome(Errors.DISABLED, final=True)
    private = settings.ENV.AIHUB_WEBHOOK_PRIVATE
    return post(webhook.url, headers_of(delivery, webhook), delivery.body, private=private)


def headers_of(delivery: Delivery, webhook: Webhook) -> dict[str, str]:
    """The headers of an attempt that is made now."""
    now, uuid = int(time.time()), str(delivery.uuid)
    secret = secret_of(webhook.salt, webhook.key_id)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"AIHub/{__version__}",
        "X-AIHub-Event": delivery.event,
        "X-AIHub-Delivery": uuid,
        "X-AIHub-Timestamp": str(now),
        "X-AIHub-Signature": signature(secret, now, uuid, delivery.body),
    }


@retry_deadlocks
@transaction.atomic
def _record(delivery: Delivery, outcome: Outcome, lease: DeliveryLease) -> None:
    """Write an attempt down, if the lease is still ours."""
    now = timezone.now()
    written = lease.rows().update(
        **_after(delivery, outcome, now),
        attempted_at=now,
        status=outcome.status,
        response=outcome.response,
        error=outcome.error,
        error_detail=outcome.detail,
        duration_ms=outcome.duration_ms,
        lease_owner="",
        lease_expires_at=None,
    )
    if written and delivery.webhook and not outcome.final:
        _judge(delivery.webhook, outcome)


def _after(delivery: Delivery, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """What a delivery is after an attempt: to be sent again, or at its end."""
    pause = None if outcome.final else pause_after(delivery.attempts)
    if outcome.error and pause:
        return {"next_attempt_at": now + pause}
    if outcome.error:
        logger.warning("delivery %s is given up: %s", delivery.uuid, outcome.error)
    state = States.FAILED if outcome.error else States.SUCCEEDED
    return {"state": state, "finished_at": now, "next_attempt_at": None}


def _judge(webhook: Webhook, outcome: Outcome) -> None:
    """Keep since when a webhook only fails; one that did for long is turned off."""
    this, now = Webhook.objects.filter(pk=webhook.pk), timezone.now()
    if not outcome.error:
        if webhook.failing_since or webhook.held_until:
            this.update(failing_since=None, held_until=None)
        return
    this.filter(failing_since=None).update(failing_since=now)
    if outcome.error == Errors.TIMEOUT:
        this.update(held_until=now + HELD)
    old = this.filter(active=True, failing_since__lt=now - GIVEN_UP)
    if old.update(active=False, disabled_at=now):
        emit_of("webhook.disabled", webhook, SYSTEM, reason=outcome.error)
