"""What a search may compare, and the condition that it makes.

A field is of models, of versions, or of whatever is searched (`Of.ROW`). Conditions are on the
field's own table, for fields of models under a prefix, and never join to many rows: a row is found
once, and `not` means what it says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

from django.db.models import Q

from registry import semver
from registry.models import Alias, Label, ModelTag, VersionMetric
from registry.models.registered import Task
from registry.models.versions import Format, State
from registry.refusals import N_, Refused
from registry.searching import values
from registry.searching.language import Term
from registry.searching.lexer import SearchRefused

METRICS = "metrics."
_EQUAL = (":", "=", "!=")
_ORDERED = (*_EQUAL, "<", "<=", ">", ">=")
_LOOKUPS = {":": "", "=": "", "<": "__lt", "<=": "__lte", ">": "__gt", ">=": "__gte"}


class Of(Enum):
    MODEL = auto()
    VERSION = auto()
    ROW = auto()


Make = Callable[[Term, str], Q]


@dataclass(frozen=True, slots=True)
class Field:
    """`make(term, prefix)` gives the condition; `operators` are those it understands."""

    of: Of
    operators: tuple[str, ...]
    make: Make

    def condition(self, term: Term, prefix: str = "") -> Q:
        if term.operator not in self.operators:
            raise SearchRefused(
                term.position,
                N_("“%(field)s” at %(position)s is compared by: %(operators)s."),
                field=term.name,
                operators=" ".join(self.operators),
            )
        found = self.make(term, prefix)
        return ~found if term.operator == "!=" and self.operators == _EQUAL else found


def field_of(term: Term) -> Field:
    """The field that a term names."""
    if term.name.startswith(METRICS) and len(term.name) > len(METRICS):
        return _METRIC
    field = FIELDS.get(term.name)
    if field is None:
        raise SearchRefused(
            term.position,
            N_("There is no “%(field)s” to search at %(position)s; there are: %(known)s."),
            field=term.name[:80],
            known=", ".join([*FIELDS, f"{METRICS}…"]),
        )
    return field


def _text(column: str, term: Term, prefix: str) -> Q:
    """`:` finds a part of the text, `=` the whole."""
    lookup = "icontains" if term.operator == ":" else "iexact"
    return Q(**{f"{prefix}{column}__{lookup}": term.value})


def _whole(column: str, term: Term, prefix: str) -> Q:
    return Q(**{f"{prefix}{column}__iexact": term.value})


def _choice(column: str, known: tuple[str, ...], term: Term, prefix: str) -> Q:
    return Q(**{f"{prefix}{column}": values.choice(term, known)})


def _compared(column: str, term: Term, value: Any) -> Q:
    """A column held against a value by the operator of the term."""
    if term.operator == "!=":
        return ~Q(**{column: value})
    return Q(**{column + _LOOKUPS[term.operator]: value})


def _tag(term: Term, prefix: str) -> Q:
    found = ModelTag.objects.filter(name__iexact=term.value)
    return Q(**{f"{prefix}pk__in": found.values("model_id")})


def _label(term: Term, prefix: str) -> Q:
    found = Label.objects.filter(text=term.value.lower())
    return Q(label_set__in=found.values("label_set_id"))


def _alias(term: Term, prefix: str) -> Q:
    return Q(pk__in=Alias.objects.filter(name=term.value.lower()).values("version_id"))


def _metric(term: Term, prefix: str) -> Q:
    name = term.name.removeprefix(METRICS)
    found = VersionMetric.objects.filter(
        _compared("value", term, values.number(term)), name=name[:100]
    )
    return Q(pk__in=found.values("version_id"))


def _size(term: Term, prefix: str) -> Q:
    return _compared("size", term, values.size(term))


def _version(term: Term, prefix: str) -> Q:
    try:
        version = semver.parse(term.value)
    except Refused as refused:
        raise SearchRefused(term.value_position, refused.message, **refused.values) from None
    return _compared("sort_key", term, version.sort_key)


def _moment(column: str, term: Term, prefix: str) -> Q:
    """A day stands for all of itself: after it means after its end."""
    first, after = values.moments(term)
    match term.operator:
        case "<":
            return Q(**{f"{column}__lt": first})
        case "<=":
            return Q(**{f"{column}__lt": after})
        case ">":
            return Q(**{f"{column}__gte": after})
        case ">=":
            return Q(**{f"{column}__gte": first})
    within = Q(**{f"{column}__gte": first, f"{column}__lt": after})
    return ~within if term.operator == "!=" else within


FIELDS: Mapping[str, Field] = {
    "name": Field(Of.MODEL, _EQUAL, partial(_text, "name")),
    "team": Field(Of.MODEL, _EQUAL, partial(_whole, "team__name")),
    "task": Field(Of.MODEL, _EQUAL, partial(_choice, "task", tuple(Task.values))),
    "tag": Field(Of.MODEL, _EQUAL, _tag),
    "description": Field(Of.ROW, _EQUAL, partial(_text, "description")),
    "owner": Field(Of.ROW, _EQUAL, partial(_whole, "created_by")),
    "created_by": Field(Of.ROW, _EQUAL, partial(_whole, "created_by")),
    "created": Field(Of.ROW, _ORDERED, partial(_moment, "created_at")),
    "updated": Field(Of.ROW, _ORDERED, partial(_moment, "updated_at")),
    "version": Field(Of.VERSION, _ORDERED, _version),
    "state": Field(Of.VERSION, _EQUAL, partial(_choice, "state", tuple(State.values))),
    "format": Field(Of.VERSION, _EQUAL, partial(_choice, "format", tuple(Format.values))),
    "architecture": Field(Of.VERSION, _EQUAL, partial(_text, "architecture")),
    "alias": Field(Of.VERSION, _EQUAL, _alias),
    "label": Field(Of.VERSION, _EQUAL, _label),
    "size": Field(Of.VERSION, _ORDERED, _size),
}
_METRIC = Field(Of.VERSION, _ORDERED, _metric)
