"""An operator's hand on a version's circuit breaker."""

from django.db import transaction

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import ModelVersion
from registry.models.versions import State
from registry.services.locks import lock_version


@retry_deadlocks
def breaker_force(version: ModelVersion, *, principal: Principal, to: str) -> None:
    """Hold a version's breaker `open` or `closed` on every replica; empty, it decides itself.

    `Problem` 409 where the version is not ready.
    """
    with transaction.atomic():
        now = lock_version(version.pk)
        if now.state != State.READY:
            raise Problem(
                409,
                N_("Version %(version)s is %(state)s; only a ready version has a breaker."),
                version=version.version,
                state=now.state,
            )
        before, version.breaker_forced = now.breaker_forced, to
        if before == to:
            return
        version.save(update_fields=["breaker_forced", "updated_at"])
        data = {"from": before or None, "to": to or None}
        emit(Event("breaker.forced", str(version), principal, version.model.team_id, data))
