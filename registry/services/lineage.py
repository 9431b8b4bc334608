"""What a version was made from: another version, which may be of another model."""

from collections.abc import Mapping
from typing import Any

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from registry import semver
from registry.models import ModelVersion, RegisteredModel
from registry.models.revision import Revision
from registry.refusals import Refused

LONGEST_LINE = 1000  # ancestors
PARENT = "parent"


def lineage_resolve(
    *, principal: Principal, model: RegisteredModel, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Fields whose `parent`, a text, is now the version that it names.

    Raises `Problem` 400 where that is none which the principal may read.
    """
    resolved = dict(fields)
    if PARENT in fields:
        text = fields[PARENT]
        resolved[PARENT] = _version_of(principal, model, text) if text else None
    return resolved


def lineage_check(version: ModelVersion, parent: ModelVersion | None) -> None:
    """Raise `Problem` 400 where the parent descends from the version, or is it.

    Holds a lock that serialises changes of lineage until the transaction ends: two of them at once
    could close a circle that neither sees.
    """
    if parent is None:
        return
    Revision.objects.select_for_update().filter(pk=1).first()
    above: int | None = parent.pk
    for _ in range(LONGEST_LINE):
        if above is None:
            return
        if above == version.pk:
            raise _wrong(N_("A version cannot descend from itself."))
        found = ModelVersion.everything.filter(pk=above)
        above = found.values_list("parent_id", flat=True).first()
    raise _wrong(N_("The chain of parent versions is too long."))


def _version_of(principal: Principal, model: RegisteredModel, text: str) -> ModelVersion:
    name, _, number = text.rpartition("/")
    try:
        key = semver.parse(number).key
    except Refused as refused:
        raise _wrong(refused.message, **refused.values) from None
    if name and name.lower() != model.name_key:
        versions = ModelVersion.objects.filter(model__name_key=name.lower())
    else:
        versions = ModelVersion.objects.filter(model=model)
    found = versions.select_related("model").filter(version_key=key).first()
    if found is None or found.model.deleted_at or not _may_read(principal, model, found.model):
        raise _wrong(N_("There is no version “%(parent)s” to descend from."), parent=text[:200])
    return found


def _may_read(principal: Principal, own: RegisteredModel, other: RegisteredModel) -> bool:
    return own.pk == other.pk or principal.may(Action.READ, other)


def _wrong(message: str, **values: Any) -> Problem:
    return Problem(400, message, errors=[{"field": PARENT, "detail": message % values}], **values)
