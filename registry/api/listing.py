"""What long lists share: an order without ties, and pages that cost the same however deep."""

from collections.abc import Sequence
from typing import Any, cast

from rest_framework.filters import OrderingFilter
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from aihub.api import Pagination
from aihub.paging import FoundPaginator, KeyedPaginator
from registry.api.searching import PARAMETER


class Ordering(OrderingFilter):
    """`?ordering=`, rows that are equal by it in the order of their keys."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Sequence[str]:
        given = tuple(super().get_ordering(request, queryset, view) or ())
        tie = "-pk" if given and given[0].startswith("-") else "pk"
        return given if given[-1:] in (("pk",), ("-pk",)) else (*given, tie)


class KeyedPagination(Pagination):
    """As `aihub.paging` does it; the view's `rows_of(keys)` gives the rows."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        searched = request.query_params.get(PARAMETER, "").strip()
        self.django_paginator_class = _Found if searched else _Keyed
        keys = cast(list[int], super().paginate_queryset(queryset, request, view))
        rows = {row.pk: row for row in view.rows_of(keys)}
        return [rows[key] for key in keys if key in rows]


class _KeysAlone:
    """Pages of keys: the view brings the rows."""

    def rows(self: Any, keys: list[int]) -> list[int]:
        return keys


class _Keyed(_KeysAlone, KeyedPaginator):
    pass


class _Found(_KeysAlone, FoundPaginator):
    pass


class OneFormat(DefaultContentNegotiation):
    """Answers in the view's only format, whatever `?format=` says."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type
