"""Moving aliases, back and forth, and removing them; each move stays in their history."""

from typing import Any

from django.db import transaction

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import Alias, AliasMove, Approval, ModelVersion, RegisteredModel
from registry.services.approvals_made import approval_request
from registry.services.fitness import require_fit, require_ready
from registry.services.locks import lock_model, lock_version
from registry.services.moves import alias_now, move, move_back, move_head

Kinds = AliasMove.Kinds


@retry_deadlocks
def alias_set(
    *,
    principal: Principal,
    model: RegisteredModel,
    name: str,
    version: ModelVersion,
    comment: str = "",
    allow_incompatible: bool = False,
    ask: bool = False,
) -> Alias | Approval:
    """Point an alias at a ready version, in one step; where it is protected, ask for that.

    Nothing happens where it points there already. `Problem` 409 where the version is not ready,
    does not fit those who call the present one, or was asked for already; with `ask`, also where
    there is nothing to ask for.
    """
    with transaction.atomic():
        locked = lock_model(model.pk)
        target = lock_version(version.pk)
        require_ready(target)
        alias = alias_now(locked, name)
        if ask:
            _require_question(locked, name, alias, target)
        if alias and alias.version_id == target.pk:
            return alias
        present = alias.version if alias else None
        require_fit(present, target, allowed=allow_incompatible)
        if name in locked.protected_aliases:
            return approval_request(
                principal=principal,
                model=locked,
                alias=name,
                present=present,
                version=target,
                comment=comment,
                allow_incompatible=allow_incompatible,
            )
        moved = move(locked, name, alias, target, principal=principal, comment=comment)
        emit_moved("alias.moved", moved, principal)
        return alias_of(moved)


@retry_deadlocks
def alias_rollback(
    *, principal: Principal, model: RegisteredModel, name: str, comment: str = ""
) -> Alias:
    """Point an alias at the version before, and further back each time; itself a move.

    What has been removed comes back. `Problem` 404 for an alias that never was, 409 where there
    is no earlier version that is still ready.
    """
    with transaction.atomic():
        locked = lock_model(model.pk)
        head = move_head(locked, name)
        if head is None:
            raise alias_missing(locked, name)
        alias = alias_now(locked, name)
        moved = move_back(locked, head, alias, principal=principal, comment=comment)
        emit_moved("alias.rolled_back", moved, principal)
        return alias_of(moved)


@retry_deadlocks
def alias_delete(alias: Alias, *, principal: Principal) -> None:
    """Remove an alias; the version and the history stay. `Problem` 409 while it is protected."""
    with transaction.atomic():
        model = lock_model(alias.model_id)
        present = alias_now(model, alias.name)
        if present is None:
            raise alias_missing(model, alias.name)
        if alias.name in model.protected_aliases:
            raise Problem(
                409,
                N_("“%(alias)s” is protected; take its protection away before you remove it."),
                alias=alias.name,
            )
        move(model, alias.name, present, None, principal=principal)
        data = {"alias": alias.name, "from": present.version.version}
        emit(Event("alias.removed", model.name, principal, team_id=model.team_id, data=data))


def _require_question(
    model: RegisteredModel, name: str, alias: Alias | None, target: ModelVersion
) -> None:
    if name not in model.protected_aliases:
        text = N_("“%(alias)s” is not protected: move it, nobody has to approve.")
        raise Problem(409, text, alias=name)
    if alias and alias.version_id == target.pk:
        text = N_("“%(alias)s” points at %(version)s already.")
        raise Problem(409, text, alias=name, version=target.version)


def emit_moved(name: str, moved: AliasMove, principal: Principal, **more: Any) -> None:
    """Tell of a move, in its transaction."""
    data = {
        "alias": moved.alias,
        "from": moved.from_text or None,
        "to": moved.to_text,
        "comment": moved.comment,
        **more,
    }
    model = moved.model
    emit(Event(name, model.name, principal, team_id=model.team_id, data=data))


def alias_of(moved: AliasMove) -> Alias:
    """The alias after a move."""
    return Alias.objects.select_related("model", "version").get(
        model_id=moved.model_id, name=moved.alias
    )


def alias_missing(model: RegisteredModel, name: str) -> Problem:
    return Problem(
        404, N_("“%(model)s” has no alias “%(alias)s”."), model=model.name, alias=name[:80]
    )
