"""What long lists share: an order without ties, and pages that cost the same however deep."""

from collections.abc import Sequence
from typing import Any, cast

from django.core.paginator import Page, Paginator
from django.utils.functional import cached_property
from rest_framework.filters import OrderingFilter
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from aihub.api import Pagination
from registry.api.searching import PARAMETER

MOST_FOUND = 10_000  # rows of a search


class Ordering(OrderingFilter):
    """`?ordering=`, rows that are equal by it in the order of their keys."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Sequence[str]:
        given = tuple(super().get_ordering(request, queryset, view) or ())
        tie = "-pk" if given and given[0].startswith("-") else "pk"
        return given if given[-1:] in (("pk",), ("-pk",)) else (*given, tie)


class FoundPaginator(Paginator):
    """Pages of what a search found: keys of the first `MOST_FOUND` rows, found in one go."""

    @cached_property
    def keys(self) -> list[int]:
        return list(self.object_list[:MOST_FOUND])

    @cached_property
    def count(self) -> int:
        return len(self.keys)

    def page(self, number: int | str) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        return Page(self.keys[first : first + self.per_page], number, self)


class KeyedPagination(Pagination):
    """Finds the keys of a page first and only then its rows, by the view's `rows_of(keys)`.

    What a database sorts and skips on the way to a deep page is keys, not whole rows. What a search
    finds is not counted beyond `MOST_FOUND`.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        searched = request.query_params.get(PARAMETER, "").strip()
        self.django_paginator_class = FoundPaginator if searched else Paginator
        found = queryset.values_list("pk", flat=True)
        keys = cast(list[int], super().paginate_queryset(found, request, view))
        rows = {row.pk: row for row in view.rows_of(keys)}
        return [rows[key] for key in keys if key in rows]


class OneFormat(DefaultContentNegotiation):
    """Answers in the view's only format, whatever `?format=` says."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type
