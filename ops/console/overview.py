"""The first page: what there is, what is going on, and how to call it."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest

from inference.batch.selectors import jobs_visible
from inference.models.batch import UNFINISHED
from ops.console.caller import may_publish, principal_of
from registry import selectors
from registry.models import Alias, ModelVersion
from registry.models.versions import State

LATEST = 8


def overview(request: HttpRequest) -> dict[str, Any]:
    """The context of the page."""
    principal = principal_of(request)
    versions = selectors.versions_visible(principal)
    rows = versions.order_by().values_list("state").annotate(Count("pk"))
    counts: dict[str, int] = dict(rows)
    return {
        "models_count": selectors.models_visible(principal).count(),
        "ready_count": counts.get(State.READY, 0),
        "busy_count": counts.get(State.PROCESSING, 0) + counts.get(State.UPLOADING, 0),
        "rejected_count": counts.get(State.REJECTED, 0),
        "jobs_count": jobs_visible(principal).filter(state__in=UNFINISHED).count(),
        "latest": selectors.versions_newest(versions, LATEST),
        "example": _example(versions),
        "may_publish": may_publish(request),
        "hub_url": request.build_absolute_uri("/").rstrip("/"),
    }


def _example(versions: QuerySet[ModelVersion]) -> ModelVersion | None:
    """A version to call: what is in production, else the newest that is ready."""
    ready = versions.filter(state=State.READY)
    pointed_at = Alias.objects.filter(name="production").values("version_id")
    production = selectors.versions_newest(ready.filter(pk__in=pointed_at), 1).first()
    return production or selectors.versions_newest(ready, 1).first()
