"""Lists that understand the search language, and keep a user's searches."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy as _

from aihub.paging import FoundPaginator, KeyedPaginator
from aihub.problems import Problem
from ops.console.lists import ListAdmin
from ops.console.saved_searches import searches_shown
from registry.api.searching import searched

EXAMPLES = (
    ("photo 2026", _("words anywhere in names, descriptions and tags")),
    ("tag:vision", _("a tag; “team”, “task”, “label”, “owner” and others go the same way")),
    ("metrics.accuracy >= 0.9", _("a metric of a version, by its name")),
    ("state:ready", _("ready, processing or rejected")),
    ("alias:production", _("what the alias points at")),
    ("version >= 2.0.0", _("semantic versions, in their order")),
    ("created > 2026-05-01", _("a day; “updated” too")),
    ("size > 100MB", _("the size of all files")),
    ("tag:vision and not (state:rejected or team:beta)", _("“and”, “or”, “not”, parentheses")),
)


class SearchedList(ListAdmin):
    """`search_where` is what a search means for its rows, `route` the page of saved searches."""

    search_where: Callable[[str], Q]
    search_fields = ("pk",)  # there is a search; what it means is `search_where`'s
    list_before_template = "console/searches.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """What the search finds; nothing where it cannot be read, which the page then tells."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(searched(self.search_where, search_term)), False
        except Problem as problem:
            request.search_problem = problem.detail(gettext)  # type: ignore[attr-defined]
            return queryset.none(), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, which knows why a search cannot be read."""
        found = super().get_changelist_instance(request)
        found.search_problem = getattr(request, "search_problem", "")
        return found

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> KeyedPaginator:
        searched = request.GET.get(SEARCH_VAR, "").strip()
        return (FoundPaginator if searched else KeyedPaginator)(*args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        own = {**searches_shown(request, self.route), "search_examples": EXAMPLES}
        return super().changelist_view(request, {**own, **(extra_context or {})})
