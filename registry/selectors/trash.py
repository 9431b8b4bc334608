"""Reads: what lies in the trash, for those who may delete it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, Exists, F, OuterRef, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from aihub.access import ALLOWED, Action, Principal
from aihub.problems import N_, Problem
from registry.models import ModelVersion, RegisteredModel
from registry.services.models import denied
from registry.services.taken import sees

MODEL, VERSION = "model", "version"
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Trashed:
    """An entry of the trash; `id` is `model-3` or `version-12`. A model's `size` counts what
    comes back with it.
    """

    id: str
    kind: str
    model: str
    version: str | None
    team: str
    size: int
    deleted_at: datetime
    deleted_by: str
    expires_at: datetime | None


def trash_rows(principal: Principal) -> QuerySet[Any, dict[str, Any]]:
    """Kind, key and moment of what a principal may delete for good, the newest first.

    A version that went with its model is part of the model's entry.
    """
    with_its_model = RegisteredModel.everything.filter(
        pk=OuterRef("model_id"), deleted_at=OuterRef("deleted_at")
    )
    versions = _deletable(principal, ModelVersion.everything.all(), "model__")
    alone = versions.exclude(Exists(with_its_model))
    models = _deletable(principal, RegisteredModel.everything.all(), "")
    return _row(models, MODEL).union(_row(alone, VERSION), all=True).order_by("-moment", "-key")


def trash_entries(rows: Iterable[dict[str, Any]]) -> list[Trashed]:
    """The entries of one page of rows, in their order, in two queries."""
    rows = list(rows)
    found = {**_models(_keys(rows, MODEL)), **_versions(_keys(rows, VERSION))}
    ids = (entry_id(row["kind"], row["key"]) for row in rows)
    return [found[pk] for pk in ids if pk in found]


def trashed_get(principal: Principal, entry: str) -> tuple[str, int]:
    """Kind and key of an entry: `Problem` 404 where it is not to be seen, 403 without the right."""
    kind, _, number = entry.partition("-")
    model = _model_of(kind, int(number)) if _NUMBER.fullmatch(number) else None
    if model is None or not sees(principal, model):
        raise Problem(404, N_("There is no “%(id)s” in the trash."), id=entry[:40])
    if not principal.may(Action.DELETE, model):
        raise denied(Action.DELETE, model.team)
    return kind, int(number)


def entry_id(kind: str, key: int) -> str:
    return f"{kind}-{key}"


def _deletable(principal: Principal, rows: QuerySet[Any], path: str) -> QuerySet[Any]:
    trashed = rows.exclude(deleted_at=None)
    if principal.scope is not None:
        return trashed.none()  # keys do not delete
    if principal.is_admin:
        return trashed
    teams = [team for team, role in principal.roles.items() if Action.DELETE in ALLOWED[role]]
    return trashed.filter(**{f"{path}team__in": teams})


def _row(rows: QuerySet[Any], kind: str) -> QuerySet[Any, dict[str, Any]]:
    named = rows.order_by().annotate(kind=Value(kind), key=F("pk"), moment=F("deleted_at"))
    return named.values("kind", "key", "moment")


def _keys(rows: Sequence[dict[str, Any]], kind: str) -> list[int]:
    return [row["key"] for row in rows if row["kind"] == kind]


def _models(keys: list[int]) -> dict[str, Trashed]:
    gone_with = ModelVersion.everything.filter(
        model=OuterRef("pk"), deleted_at=OuterRef("deleted_at")
    )
    total = gone_with.order_by().values("model").annotate(total=Sum("size")).values("total")
    rows = RegisteredModel.everything.filter(pk__in=keys).select_related("team")
    sized = rows.annotate(total=Coalesce(total, 0, output_field=BigIntegerField()))
    return {entry_id(MODEL, row.pk): _entry(MODEL, row, row, None, row.total) for row in sized}


def _versions(keys: list[int]) -> dict[str, Trashed]:
    rows = ModelVersion.everything.filter(pk__in=keys).select_related("model__team")
    light = rows.only("version", "size", "deleted_at", "deleted_by", "model__name", "model__team")
    return {
        entry_id(VERSION, row.pk): _entry(VERSION, row, row.model, row.version, row.size)
        for row in light
    }


def _entry(
    kind: str,
    row: RegisteredModel | ModelVersion,
    model: RegisteredModel,
    version: str | None,
    size: int,
) -> Trashed:
    assert row.deleted_at is not None
    days = settings.ENV.AIHUB_TRASH_DAYS
    return Trashed(
        id=entry_id(kind, row.pk),
        kind=kind,
        model=model.name,
        version=version,
        team=model.team.name,
        size=size,
        deleted_at=row.deleted_at,
        deleted_by=row.deleted_by,
        expires_at=row.deleted_at + timedelta(days=days) if days else None,
    )


def _model_of(kind: str, key: int) -> RegisteredModel | None:
    """The model of an entry that is in the trash."""
    if kind == MODEL:
        models = RegisteredModel.everything.exclude(deleted_at=None).select_related("team")
        return models.filter(pk=key).first()
    if kind == VERSION:
        versions = ModelVersion.everything.exclude(deleted_at=None)
        found = versions.select_related("model__team").filter(pk=key).first()
        return found.model if found else None
    return None
