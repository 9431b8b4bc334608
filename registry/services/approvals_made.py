"""Asking for a protected alias to be moved, inside the transaction that found it protected."""

from aihub.access import Principal
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import Approval, ModelVersion, RegisteredModel


def approval_request(
    *,
    principal: Principal,
    model: RegisteredModel,
    alias: str,
    present: ModelVersion | None,
    version: ModelVersion,
    comment: str = "",
    allow_incompatible: bool = False,
) -> Approval:
    """Ask an owner; `Problem` 409 where the same was asked and nobody has decided.

    The caller holds the model's lock and has checked the version.
    """
    pending = Approval.objects.filter(model=model, version=version, state=Approval.States.PENDING)
    for earlier in pending:
        if earlier.alias == alias:
            raise Problem(
                409,
                N_("Moving “%(alias)s” to %(version)s awaits a decision already: approval %(id)s."),
                alias=alias,
                version=version.version,
                id=earlier.pk,
            )
    approval = Approval.objects.create(
        model=model,
        alias=alias,
        version=version,
        from_text=present.version if present else "",
        comment=comment,
        allow_incompatible=allow_incompatible,
        requested_by=principal.id,
        requested_by_name=principal.name,
        requested_for=principal.person,
    )
    approval_emit("requested", approval, principal, comment=comment)
    return approval


def approval_emit(what: str, approval: Approval, principal: Principal, *, comment: str) -> None:
    """Tell what became of an approval."""
    model = approval.model
    data = {
        "id": approval.pk,
        "alias": approval.alias,
        "from": approval.from_text or None,
        "to": approval.version.version,
        "comment": comment,
    }
    emit(Event(f"approval.{what}", model.name, principal, team_id=model.team_id, data=data))
