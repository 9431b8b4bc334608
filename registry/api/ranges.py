"""`?version=`: the versions of a range."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from registry.selectors.ranged import versions_within

PARAMETER = "version"


class VersionRange(BaseFilterBackend):
    """Keeps the versions of a range such as `^1.2`, or the one of that number."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        text = request.query_params.get(PARAMETER, "")
        return versions_within(queryset, text) if text else queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        text = "A range such as `^1.2`, `>=1.0 <2.0` or `latest`, or one version; see docs."
        schema = {"type": "string", "maxLength": 80}
        shared = {"required": False, "in": "query", "description": text}
        return [{"name": PARAMETER, **shared, "schema": schema}]
