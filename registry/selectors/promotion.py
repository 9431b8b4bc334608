"""Reads: where aliases pointed and point, and requests to move them."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from aihub.access import Principal
from aihub.problems import N_, Problem
from registry import semver
from registry.models import Alias, AliasMove, Approval, ModelVersion, RegisteredModel
from registry.selectors.catalogue import models_visible
from registry.services.aliases import alias_missing


def aliases_of(model: RegisteredModel) -> QuerySet[Alias]:
    """The aliases of a model, by name."""
    return model.aliases.select_related("version", "model").order_by("name")


def moves_of(model: RegisteredModel, alias: str) -> QuerySet[AliasMove]:
    """The moves of an alias, the newest first; `Problem` 404 for one that never was."""
    moves = AliasMove.objects.filter(model=model, alias=alias).order_by("-at", "-pk")
    first = moves.values_list("alias", flat=True).first()
    if first != alias:  # some databases ignore case
        raise alias_missing(model, alias)
    return moves


def move_at(model: RegisteredModel, alias: str, at: datetime) -> AliasMove:
    """The move that decided where an alias pointed at a moment; `Problem` 404 where nowhere."""
    found = moves_of(model, alias).filter(at__lte=at).first()
    if found is None or not found.to_text:
        raise Problem(
            404,
            N_("The alias “%(alias)s” of “%(model)s” pointed at nothing then."),
            alias=alias,
            model=model.name,
        )
    return found


def approvals_visible(principal: Principal) -> QuerySet[Approval]:
    """The approvals of models that a principal may read, the newest first."""
    models = models_visible(principal).order_by().values("pk")
    found = Approval.objects.filter(model__in=models)
    return found.select_related("model__team", "version").order_by("-requested_at", "-pk")


def summarised(approvals: QuerySet[Approval]) -> QuerySet[Approval]:
    """Approvals for a list: without what is long of their versions and models."""
    of_version = ("labels", "signature", "report", "manifest", "card", "metrics", "source", "steps")
    return approvals.defer("model__card", *(f"version__{name}" for name in of_version))


def approval_get(principal: Principal, pk: int) -> Approval:
    found = approvals_visible(principal).filter(pk=pk).first()
    if found is None:
        raise Problem(404, N_("There is no approval %(id)s."), id=pk)
    return found


def approvals_with_present(approvals: Iterable[Approval]) -> list[Approval]:
    """Approvals whose `from_text` is where the alias points now, while they are pending; in one
    query.
    """
    rows = list(approvals)
    pending = [row for row in rows if row.state == Approval.States.PENDING]
    places = Q(pk__in=[])
    for row in pending:
        places |= Q(model=row.model_id, name=row.alias)
    now = {
        (model, name): text
        for model, name, text in Alias.objects.filter(places).values_list(
            "model_id", "name", "version__version"
        )
    }
    for row in pending:
        row.from_text = now.get((row.model_id, row.alias), "")
    return rows


def version_before(approval: Approval) -> ModelVersion | None:
    """The version that an approval moves the alias away from, if it is still known."""
    if not approval.from_text:
        return None
    key = semver.parse(approval.from_text).key
    return ModelVersion.everything.filter(model=approval.model_id, version_key=key).first()
