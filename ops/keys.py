"""Making and revoking API keys."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from aihub.access import Principal
from aihub.events import Event, emit
from ops.identity.credentials import KEY_PREFIX, digest_of
from ops.models import ApiKey
from registry.models import Team


def key_create(
    *,
    principal: Principal,
    team: Team,
    name: str,
    actions: Sequence[str],
    models: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; the second value is the key itself, which is kept nowhere."""
    prefix = secrets.token_hex(4)
    secret = f"{KEY_PREFIX}{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        key = ApiKey.objects.create(
            team=team,
            name=name,
            prefix=prefix,
            digest=digest_of(secret),
            actions=sorted(set(actions)),
            model_names=sorted(set(models)),
            expires_at=expires_at,
            created_by=principal.name,
        )
        _emit("api_key.created", key, principal)
    return key, secret


def key_revoke(key: ApiKey, *, principal: Principal) -> None:
    """End a key for good; replicas know within 2 s."""
    with transaction.atomic():
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            _emit("api_key.revoked", key, principal)


def _emit(name: str, key: ApiKey, principal: Principal) -> None:
    data = {"name": key.name, "actions": key.actions, "models": key.model_names}
    emit(Event(name, key.prefix, principal, team_id=key.team_id, data=data))
