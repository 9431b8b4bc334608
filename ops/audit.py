"""The audit trail: every event of the hub, written in the transaction of the change."""

from aihub import request_context
from aihub.events import Event
from ops.models import AuditEvent


def record(event: Event) -> None:
    """Write an event down."""
    context = request_context.current()
    AuditEvent.objects.create(
        actor=event.actor.id,
        actor_name=event.actor.name,
        action=event.name,
        subject=event.subject[:255],
        team_id=event.team_id,
        data=dict(event.data),
        request_id=context.request_id,
        address=context.address,
    )
