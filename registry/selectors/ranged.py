"""Reads: the versions of a range, found by the database."""

from django.db.models import Q, QuerySet

from aihub.problems import N_, Problem
from registry import semver, version_ranges
from registry.models import ModelVersion, RegisteredModel
from registry.models.versions import State
from registry.refusals import Refused
from registry.version_ranges import Range, Span

RELEASES = Q(sort_key__endswith="f")  # see registry.semver


def version_named(model: RegisteredModel, text: str) -> str:
    """The number that a text means: itself, or the newest ready version where it is a range.

    Raises `Problem` 404 where no ready version is in the range.
    """
    try:
        wanted = version_ranges.parse(text)
    except Refused:
        return text
    found = _newest(model.versions.filter(state=State.READY), wanted)
    if found is None:
        raise Problem(
            404,
            N_("“%(model)s” has no version in “%(range)s” that is ready."),
            model=model.name,
            range=text[:80],
        )
    return found.version


def versions_within(versions: QuerySet[ModelVersion], text: str) -> QuerySet[ModelVersion]:
    """Those of one model's versions that are in a range, or the one of that number.

    `latest` is one version. `Problem` 400 for what is neither.
    """
    try:
        return versions.filter(version_key=semver.parse(text).key)
    except Refused:
        pass
    try:
        wanted = version_ranges.parse(text)
    except Refused as refused:
        raise Problem(400, refused.message, **refused.values) from None
    if not wanted.latest:
        return versions.filter(_condition(wanted))
    newest = _newest(versions.filter(state=State.READY), wanted)
    return versions.filter(pk__in=[newest.pk] if newest else [])


def _newest(versions: QuerySet[ModelVersion], wanted: Range) -> ModelVersion | None:
    light = versions.only("model", "version").order_by("-sort_key")
    if wanted.latest:
        return light.filter(RELEASES).first() or light.first()
    return light.filter(_condition(wanted)).first()


def _condition(wanted: Range) -> Q:
    found = Q(pk__in=[])
    for span in wanted.spans:
        found |= _within(span)
    return found


def _within(span: Span) -> Q:
    counted = RELEASES
    for core in span.pre:
        counted |= Q(sort_key__startswith=core)
    return Q(sort_key__gte=span.low, sort_key__lt=span.high) & counted
