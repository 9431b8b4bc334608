"""The worker's job that sends one delivery, and tries again until it arrives or is given up.

A worker that dies while it sends has written nothing: its lease ends, and another sends the same
delivery again, under the same id. So a receiver may see a delivery twice, and never none.
"""

import logging
import random
import time
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from aihub import __version__
from aihub.events import SYSTEM
from ops.models import Delivery, Webhook
from ops.notifications.mails import mail_send
from ops.notifications.outbox import KIND, PRIORITY_AGAIN
from ops.notifications.outcome import Errors, Outcome
from ops.notifications.posting import post
from ops.notifications.signing import secret_of, signature
from ops.notifications.webhooks import emit_of
from registry.processing import worker
from registry.processing.jobs import Lease

MINUTE, HOUR = 60.0, 3600.0
PAUSES = (10.0, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
JITTER = 0.2
HELD = timedelta(seconds=30)  # for which a receiver that did not answer in time is left alone
GIVEN_UP = timedelta(days=5)  # of failures only, after which a webhook is turned off
States = Delivery.States

logger = logging.getLogger(__name__)


def register() -> None:
    """Have this process's workers deliver."""
    worker.add_handler(KIND, deliver)


def deliver(lease: Lease) -> None:
    """Send a claimed delivery once, and write down how it went."""
    waiting = Delivery.objects.select_related("webhook").filter(state=States.PENDING)
    delivery = waiting.filter(pk=lease.subject_id).first()
    if delivery is None:
        lease.succeed()
        return
    webhook, now = delivery.webhook, timezone.now()
    if webhook and webhook.held_until and webhook.held_until > now:
        _postpone(lease, webhook.held_until - now)
        return
    outcome = _attempt(delivery)
    try:
        _record(delivery, outcome, lease)
    except DatabaseError:
        logger.exception("delivery %s is not written down; it will be sent again", delivery.uuid)


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
    return {
        "Content-Type": "application/json",
        "User-Agent": f"AIHub/{__version__}",
        "X-AIHub-Event": delivery.event,
        "X-AIHub-Delivery": uuid,
        "X-AIHub-Timestamp": str(now),
        "X-AIHub-Signature": signature(secret_of(webhook.salt), now, uuid, delivery.body),
    }


@transaction.atomic
def _record(delivery: Delivery, outcome: Outcome, lease: Lease) -> None:
    """Write an attempt down, if the lease is still ours."""
    if not lease.held():
        return
    now = timezone.now()
    delivery.attempts += 1
    delivery.attempted_at = now
    delivery.status, delivery.response = outcome.status, outcome.response
    delivery.error, delivery.error_detail = outcome.error, outcome.detail
    delivery.duration_ms = outcome.duration_ms
    pause = None if outcome.final else pause_after(delivery.attempts)
    if outcome.error and pause:
        delivery.next_attempt_at = now + pause
        _postpone(lease, pause, outcome.error)
    else:
        _finish(delivery, outcome, lease)
    delivery.save(force_update=True)  # gone, where its webhook was deleted meanwhile
    if delivery.webhook and not outcome.final:
        _judge(delivery.webhook, outcome)


def _finish(delivery: Delivery, outcome: Outcome, lease: Lease) -> None:
    delivery.state = States.FAILED if outcome.error else States.SUCCEEDED
    delivery.finished_at, delivery.next_attempt_at = timezone.now(), None
    if outcome.error:
        logger.warning("delivery %s is given up: %s", delivery.uuid, outcome.error)
        lease.fail(outcome.error)
    else:
        lease.succeed()


def _postpone(lease: Lease, pause: timedelta, error: str = "") -> None:
    """Let the job be claimed later, and then after everything that did not fail."""
    lease.rows().update(priority=PRIORITY_AGAIN)
    lease.give_back(error, pause)


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
