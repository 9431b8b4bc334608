"""Reads: what versions descend from, as far as the reader may know it."""

from django.db.models import Q, QuerySet

from aihub.access import Action, Principal
from registry.models import ModelVersion
from registry.selectors.catalogue import models_visible

MOST_CHILDREN = 20


def parent_of(version: ModelVersion, principal: Principal | None) -> str | None:
    """The parent as text, where there is one that the reader may read."""
    if version.parent_id is None:
        return None
    found = ModelVersion.objects.select_related("model").filter(pk=version.parent_id).first()
    if found is None or not _readable(found, version, principal):
        return None
    return told(found, version)


def children_of(version: ModelVersion, principal: Principal | None) -> list[str]:
    """The newest of those that descend from it directly and that the reader may read."""
    children = _visible(version, principal).order_by("-pk")[:MOST_CHILDREN]
    return [told(child, version) for child in children]


def told(version: ModelVersion, beside: ModelVersion) -> str:
    """`1.0.0` beside a version of the same model, else `other-model/1.0.0`."""
    return version.version if version.model_id == beside.model_id else str(version)


def _visible(version: ModelVersion, principal: Principal | None) -> QuerySet[ModelVersion]:
    seen = Q(model=version.model_id)
    if principal:
        seen |= Q(model__in=models_visible(principal).order_by().values("pk"))
    found = ModelVersion.objects.filter(seen, parent=version.pk, model__deleted_at=None)
    return found.select_related("model").only("version", "model_id", "model__name")


def _readable(found: ModelVersion, version: ModelVersion, principal: Principal | None) -> bool:
    if found.model_id == version.model_id:
        return True
    readable = principal is not None and principal.may(Action.READ, found.model)
    return readable and found.model.deleted_at is None
