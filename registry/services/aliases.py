"""Moving and removing aliases."""

from django.db import transaction

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import Alias, ModelVersion, RegisteredModel
from registry.models.versions import State
from registry.services.locks import lock_model, lock_version


@retry_deadlocks
def alias_set(
    *,
    principal: Principal,
    model: RegisteredModel,
    name: str,
    version: ModelVersion,
    comment: str = "",
) -> Alias:
    """Point an alias at a ready version, in one step; `Problem` 409 where it is not ready."""
    with transaction.atomic():
        lock_model(model.pk)
        _require_ready(lock_version(version.pk))
        before = Alias.objects.filter(model=model, name=name).select_related("version").first()
        alias, _ = Alias.objects.update_or_create(
            model=model,
            name=name,
            defaults={"version": version, "comment": comment, "updated_by": principal.name},
        )
        data = {
            "alias": name,
            "from": before.version.version if before else None,
            "to": version.version,
            "comment": comment,
        }
        emit(Event("alias.moved", model.name, principal, team_id=model.team_id, data=data))
    return alias


def alias_delete(alias: Alias, *, principal: Principal) -> None:
    """Remove an alias; the version stays."""
    with transaction.atomic():
        model = alias.model
        data = {"alias": alias.name, "from": alias.version.version}
        emit(Event("alias.removed", model.name, principal, team_id=model.team_id, data=data))
        alias.delete()


def _require_ready(version: ModelVersion) -> None:
    if version.state != State.READY:
        raise Problem(
            409,
            N_("Version %(version)s is %(state)s; an alias points at ready versions only."),
            version=version.version,
            state=version.state,
        )
