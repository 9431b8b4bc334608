"""`?search=` in the language of `registry.searching`."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from aihub.problems import Problem
from registry.searching.lexer import SearchRefused

PARAMETER = "search"
_HELP = (
    "Words, and terms such as `tag:vision and metrics.accuracy >= 0.9 and not state:rejected`; "
    "see docs/search.md."
)


class Search(BaseFilterBackend):
    """Keeps what the search finds; the view says by `search_where` what terms mean for its rows."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        text = request.query_params.get(PARAMETER, "")
        return queryset.filter(searched(view.search_where, text)) if text.strip() else queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        schema = {"type": "string", "maxLength": 1000}
        shared = {"required": False, "in": "query", "description": _HELP}
        return [{"name": PARAMETER, **shared, "schema": schema}]


def searched(where: Callable[[str], Q], text: str) -> Q:
    """The condition of a search; `Problem` 400 tells where it cannot be read, and why."""
    try:
        return where(text)
    except SearchRefused as refused:
        detail = gettext(refused.message) % refused.values
        entry = {"field": PARAMETER, "detail": detail, "position": refused.position}
        raise Problem(400, refused.message, errors=[entry], **refused.values) from None
