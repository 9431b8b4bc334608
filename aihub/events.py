"""Events: how an app tells the rest of the hub what happened without knowing who listens.

Receivers run at once, in the caller's transaction: what they write commits or rolls back with
the change itself.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction

from aihub.access import Principal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is noun and participle (`version.created`), `subject` a name (`imagenet/1.0.0`)."""

    name: str
    subject: str
    actor: Principal
    team_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


Receiver = Callable[[Event], None]
_receivers: list[Receiver] = []


def subscribe(receiver: Receiver) -> None:
    """Have `receiver` called with every event from now on (once, however often it is asked)."""
    if receiver not in _receivers:
        _receivers.append(receiver)


def emit(event: Event) -> None:
    """Hand an event to every receiver, and write a line of it once it is committed."""
    for receiver in _receivers:
        receiver(event)
    transaction.on_commit(partial(_log, event))


def _log(event: Event) -> None:
    said = {
        "event.dataset": "aihub.events",
        "event.action": event.name,
        "user.id": event.actor.id,
        "aihub.subject": event.subject[:255],
    }
    logger.info("%s %s", event.name, event.subject[:255], extra={"ecs": said})


SYSTEM = Principal(id="system", name="system", is_admin=True)
