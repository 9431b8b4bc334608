"""What every move of an alias is made of; whoever calls this holds the model's lock."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from aihub.access import Principal
from aihub.problems import N_, Problem
from registry.models import Alias, AliasMove, ModelVersion, RegisteredModel
from registry.models.versions import State
from registry.services.locks import lock_version

TICK = timedelta(microseconds=1)


class Step(NamedTuple):
    """A move as a rollback looks at it."""

    before: int | None
    version: int | None
    state: str | None
    deleted_at: datetime | None


def alias_now(model: RegisteredModel, name: str) -> Alias | None:
    """The alias with its version; None where there is none of exactly this name."""
    found = Alias.objects.filter(model=model, name=name).select_related("version__model").first()
    return found if found and found.name == name else None


def move_head(model: RegisteredModel, name: str) -> AliasMove | None:
    """The last move of an alias."""
    found = AliasMove.objects.filter(model=model, alias=name).order_by("-at", "-pk").first()
    return found if found and found.alias == name else None


def move(
    model: RegisteredModel,
    name: str,
    alias: Alias | None,
    version: ModelVersion | None,
    *,
    principal: Principal,
    comment: str = "",
) -> AliasMove:
    """Move an alias, or remove it where there is no version, and keep that."""
    head = move_head(model, name)
    kind = AliasMove.Kinds.MOVE if version else AliasMove.Kinds.REMOVAL
    made = _made(model, name, alias, version, kind, head, head)
    return _done(made, principal, comment, alias)


def move_back(
    model: RegisteredModel,
    head: AliasMove,
    alias: Alias | None,
    *,
    principal: Principal,
    comment: str = "",
) -> AliasMove:
    """Move an alias back along the chain of `before`; `Problem` 409 where nothing is left."""
    present = alias.version_id if alias else None
    pk, version = _earlier(head, present)
    before = AliasMove.objects.get(pk=pk).before
    kind = AliasMove.Kinds.ROLLBACK
    made = _made(model, head.alias, alias, lock_version(version), kind, head, before)
    return _done(made, principal, comment, alias)


def _earlier(head: AliasMove, present: int | None) -> tuple[int, int]:
    """The nearest earlier move to another version that may serve, and that version."""
    steps = _steps(head)
    pk = head.before_id
    while pk is not None and pk in steps:
        step = steps[pk]
        usable = step.state == State.READY and step.deleted_at is None
        if step.version is not None and usable and step.version != present:
            return pk, step.version
        pk = step.before
    raise Problem(
        409,
        N_("“%(alias)s” has no earlier version that is still ready; point it at one by name."),
        alias=head.alias,
    )


def _steps(head: AliasMove) -> dict[int, Step]:
    rows = AliasMove.objects.filter(model=head.model_id, alias=head.alias).order_by()
    values = rows.values_list(
        "pk", "before_id", "to_version_id", "to_version__state", "to_version__deleted_at"
    )
    return {pk: Step(before, to, state, gone) for pk, before, to, state, gone in values}


def _made(
    model: RegisteredModel,
    name: str,
    alias: Alias | None,
    version: ModelVersion | None,
    kind: AliasMove.Kinds,
    head: AliasMove | None,
    before: AliasMove | None,
) -> AliasMove:
    present = alias.version if alias else None
    return AliasMove(
        model=model,
        alias=name,
        kind=kind,
        from_version=present,
        from_text=present.version if present else "",
        to_version=version,
        to_text=version.version if version else "",
        before=before,
        at=_moment(head),
    )


def _moment(head: AliasMove | None) -> datetime:
    """Now, but after the last move even where the clock went back."""
    now = timezone.now()
    return max(now, head.at + TICK) if head else now


def _done(made: AliasMove, principal: Principal, comment: str, alias: Alias | None) -> AliasMove:
    made.comment, made.actor, made.actor_name = comment, principal.id, principal.name
    made.save()
    if made.to_version is None:
        if alias:
            alias.delete()
        return made
    Alias.objects.update_or_create(
        model=made.model,
        name=made.alias,
        defaults={
            "version": made.to_version,
            "comment": comment,
            "updated_by": principal.name,
        },
    )
    return made
