"""Deciding on protected aliases: an owner approves or rejects, the requester may take back."""

from django.db import transaction
from django.utils import timezone

from aihub.access import Action, Principal
from aihub.db import retry_deadlocks
from aihub.problems import N_, Problem
from registry.models import Approval, RegisteredModel
from registry.services.aliases import emit_moved
from registry.services.approvals_made import approval_emit
from registry.services.fitness import require_fit, require_ready
from registry.services.locks import lock_model, lock_version
from registry.services.models import denied
from registry.services.moves import alias_now, move

States = Approval.States


@retry_deadlocks
def approval_approve(approval: Approval, *, principal: Principal, comment: str = "") -> Approval:
    """Move the alias, in the transaction of the decision; `Problem` 409 where it may not be."""
    with transaction.atomic():
        model, found = _undecided(approval)
        _require_decider(principal, found)
        target = lock_version(found.version_id)
        require_ready(target)
        alias = alias_now(model, found.alias)
        present = alias.version if alias else None
        require_fit(present, target, allowed=found.allow_incompatible)
        found.from_text = present.version if present else ""
        _decide(found, States.APPROVED, principal, comment)
        if alias is None or alias.version_id != target.pk:
            said = " · ".join(_said(found, principal, comment))
            moved = move(model, found.alias, alias, target, principal=principal, comment=said)
            emit_moved("alias.moved", moved, principal, approval=found.pk)
    return found


@retry_deadlocks
def approval_reject(approval: Approval, *, principal: Principal, comment: str = "") -> Approval:
    """Decide against it; the alias stays."""
    with transaction.atomic():
        model, found = _undecided(approval)
        _require_decider(principal, found)
        _close(model, found, States.REJECTED, principal, comment)
    return found


@retry_deadlocks
def approval_cancel(approval: Approval, *, principal: Principal, comment: str = "") -> Approval:
    """Take the request back: who asked may, and who manages the team."""
    with transaction.atomic():
        model, found = _undecided(approval)
        if not may_cancel(principal, found):
            raise denied(Action.MANAGE, model.team)
        _close(model, found, States.CANCELLED, principal, comment)
    return found


def may_decide(principal: Principal, approval: Approval) -> bool:
    """Whether a caller may approve or reject this now: an owner who is not who asked."""
    return (
        approval.state == States.PENDING
        and principal.may(Action.MANAGE, approval.model)
        and not asked_by(principal, approval)
    )


def may_cancel(principal: Principal, approval: Approval) -> bool:
    """Whether a caller may take the request back."""
    return approval.state == States.PENDING and (
        principal.may(Action.MANAGE, approval.model) or asked_by(principal, approval)
    )


def asked_by(principal: Principal, approval: Approval) -> bool:
    """Whether it was this caller who asked, in person or by an API key of theirs."""
    person = principal.person
    return principal.id == approval.requested_by or (
        bool(person) and person == approval.requested_for
    )


def _said(approval: Approval, principal: Principal, comment: str) -> list[str]:
    """What both said, for the alias's history."""
    both = ((approval.requested_by_name, approval.comment), (principal.name, comment))
    return [f"{name}: {said}" if said else name for name, said in both]


def _undecided(approval: Approval) -> tuple[RegisteredModel, Approval]:
    """The approval as it is now, under its model's lock; `Problem` 409 where it is decided."""
    model = lock_model(approval.model_id)
    found = Approval.objects.select_for_update().filter(pk=approval.pk).first()
    if found is None:
        raise Problem(404, N_("The version was deleted meanwhile."))
    found.model = model
    if found.state != States.PENDING:
        raise Problem(
            409,
            N_("Approval %(id)s is decided: it was %(state)s by %(name)s."),
            id=found.pk,
            state=found.get_state_display(),
            name=found.decided_by_name,
        )
    return model, found


def _require_decider(principal: Principal, approval: Approval) -> None:
    if not principal.may(Action.MANAGE, approval.model):
        raise denied(Action.MANAGE, approval.model.team)
    if asked_by(principal, approval):
        raise Problem(403, N_("Who asked does not decide: another owner has to."))


def _close(
    model: RegisteredModel, approval: Approval, state: States, principal: Principal, comment: str
) -> None:
    alias = alias_now(model, approval.alias)
    approval.from_text = alias.version.version if alias else ""
    _decide(approval, state, principal, comment)


def _decide(approval: Approval, state: States, principal: Principal, comment: str) -> None:
    approval.state = state
    approval.decided_by, approval.decided_by_name = principal.id, principal.name
    approval.decided_at, approval.decision = timezone.now(), comment
    approval.save()
    approval_emit(state.value, approval, principal, comment=comment)
