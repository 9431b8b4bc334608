"""Measures every list, search and history page over the database of its environment.

    python -m bench.registry_pages --models 1000 --calls 100

Run by `bench.registry_scale` as a process of its own: Django reads its settings when it starts.
Fills the database where it is empty, and prints what it found as JSON.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")

API, MODEL = "/api/v1", "model-0008"
SENT = f"{API}/webhooks/{{webhook}}/deliveries/"
# The parameter of the console's search is `q`, that of its pages `p`.
API_PAGES = {
    "models": f"{API}/models/",
    "models, last page": f"{API}/models/?page={{last_model_page}}",
    "models by change": f"{API}/models/?ordering=-updated_at",
    "models, words": f"{API}/models/?search=grain vision",
    "models, tag": f"{API}/models/?search=tag:tag-77 or tag:vision",
    "models, team and task": f"{API}/models/?search=team:team-02 task:image-classification",
    "models, metrics": f"{API}/models/?search=metrics.accuracy >= 0.9 and tag:vision",
    "models, rare metrics": f"{API}/models/?search=metrics.accuracy >= 0.9999",
    "models, label": f'{API}/models/?search=label:"class 7 7"',
    "models, label and metrics": f"{API}/models/?search=label:background metrics.loss < 0.001",
    "models, state": f"{API}/models/?search=state:rejected and alias:production",
    "models, no such version": f"{API}/models/?search=not metrics.accuracy > 0.99",
    "model": f"{API}/models/{MODEL}/",
    "versions": f"{API}/versions/",
    "versions, page 1000": f"{API}/versions/?page={{deep}}",
    "versions by size": f"{API}/versions/?ordering=-size",
    "versions by size, page 1000": f"{API}/versions/?ordering=-size&page={{deep}}",
    "versions of a team": f"{API}/versions/?team=team-02&state=ready",
    "versions, words": f"{API}/versions/?search=grain ship",
    "versions, a word of few": f"{API}/versions/?search=model-0444",
    "versions, words of none": f"{API}/versions/?search=unheard",
    "versions, tag": f"{API}/versions/?search=tag:vision",
    "versions, state": f"{API}/versions/?search=state:ready",
    "versions, rejected": f"{API}/versions/?search=state:rejected",
    "versions, format": f"{API}/versions/?search=format:onnx size < 10MB",
    "versions, metrics": f"{API}/versions/?search=metrics.accuracy >= 0.9 and tag:vision",
    "versions, most metrics": f"{API}/versions/?search=metrics.accuracy >= 0.1",
    "versions, most metrics, deep": f"{API}/versions/?search=metrics.loss > 0.1&page={{found}}",
    "versions, label": f'{API}/versions/?search=label:"class 7 7"',
    "versions, common label": f"{API}/versions/?search=label:background and state:ready",
    "versions, alias": f"{API}/versions/?search=alias:production",
    "versions, owner": f"{API}/versions/?search=owner:person-7",
    "versions, moment": f"{API}/versions/?search=created > 2026-01-01",
    "versions, everything": f"{API}/versions/?search=(tag:vision or team:team-04) and "
    "metrics.accuracy > 0.5 and not state:rejected and size < 100MB and grain",
    "versions of a model": f"{API}/models/{MODEL}/versions/",
    "versions of a model, search": f"{API}/models/{MODEL}/versions/?search=metrics.accuracy > 0.5",
    "version": f"{API}/models/{MODEL}/versions/1.5.5/",
    "aliases": f"{API}/models/{MODEL}/aliases/",
    "history": f"{API}/models/{MODEL}/aliases/production/history/",
    "history, page 30": f"{API}/models/{MODEL}/aliases/production/history/?page=30",
    "history at a moment": f"{API}/models/{MODEL}/aliases/production/history/?at=2025-02-01T12:00Z",
    "approvals": f"{API}/approvals/",
    "trash": f"{API}/trash/",
    "uploads": f"{API}/uploads/",
    "uploads, page 10": f"{API}/uploads/?page=10",
    "compare": f"{API}/models/{MODEL}/versions/1.5.5/compare/?with=1.6.0",
    "audit trail": f"{API}/audit/",
    "webhooks": f"{API}/webhooks/",
    "webhooks, deliveries": SENT,
    "webhooks, deliveries, last page": f"{SENT}?page={{deliveries}}",
    "webhooks, deliveries, failed": f"{SENT}?state=failed",
    "webhooks, deliveries, pending": f"{SENT}?state=pending",
    "webhooks, deliveries, event": f"{SENT}?event=ping",
    "batch jobs": f"{API}/batch-jobs/",
    "batch jobs, last page": f"{API}/batch-jobs/?page={{jobs}}",
    "batch jobs, running": f"{API}/batch-jobs/?state=queued&state=running",
    "batch jobs, failed": f"{API}/batch-jobs/?state=failed",
    "batch jobs, model": f"{API}/batch-jobs/?model={MODEL}",
    "batch jobs, version": f"{API}/batch-jobs/?version=1.5.5",
    "batch jobs, team": f"{API}/batch-jobs/?team=team-02",
    "batch jobs, team and state": f"{API}/batch-jobs/?team=team-02&state=failed",
    "batch jobs, maker": f"{API}/batch-jobs/?created_by=developer",
    "batch jobs, input": f"{API}/batch-jobs/?input=photos-19",
    "batch jobs, schedule": f"{API}/batch-jobs/?schedule={{schedule}}",
    "batch jobs by end": f"{API}/batch-jobs/?ordering=-finished_at",
    "batch jobs by start": f"{API}/batch-jobs/?ordering=created_at",
    "batch job": f"{API}/batch-jobs/{{job}}/",
    "schedules": f"{API}/batch-schedules/",
    "schedules, filters": f"{API}/batch-schedules/?active=true&team=team-02&model={MODEL}",
    "schedules by next run": f"{API}/batch-schedules/?ordering=next_run_at",
}
CONSOLE_PAGES = {
    "console, overview": "/",
    "console, models": "/models/",
    "console, models, search": "/models/?q=tag:vision metrics.accuracy > 0.9",
    "console, versions": "/versions/",
    "console, versions, page 1000": "/versions/?p={deep}",
    "console, versions, search": "/versions/?q=tag:vision metrics.accuracy > 0.9",
    "console, versions, words": "/versions/?q=grain ship",
    **{f"console, models, column {n}": f"/models/?o=-{n}" for n in (0, 1, 2, 5)},
    **{f"console, versions, column {n}": f"/versions/?o={n}" for n in (4, 6)},
    **{f"console, versions, column {n} from below": f"/versions/?o=-{n}" for n in (4, 6)},
    "console, versions, team and state": "/versions/?state=ready&team=team-02",
    "console, trash": "/trash/",
    "console, model": f"/models/{MODEL}/",
    "console, version": f"/models/{MODEL}/versions/1.5.5/",
    "console, compare": f"/models/{MODEL}/versions/1.5.5/compare/?with=1.6.0",
    "console, approvals": "/approvals/",
    "console, teams": "/teams/",
    "console, users": "/users/",
    "console, API keys": "/api-keys/",
    "console, webhooks": "/webhooks/",
    "console, batch jobs": "/batch-jobs/",
    "console, webhook": "/webhooks/{webhook}/",
    "console, webhook, last page": "/webhooks/{webhook}/?page=9999",
    "console, webhook, filters": "/webhooks/{webhook}/?state=failed&event=alias.moved",
    "console, batch jobs, last page": "/batch-jobs/?p={jobs}",
    "console, batch jobs, search": "/batch-jobs/?q=photos-19&state=running",
    "console, batch jobs, search of none": "/batch-jobs/?q=unheard",
    "console, batch jobs, filters": f"/batch-jobs/?state=failed&team=team-02&model={MODEL}",
    "console, batch jobs, mine": "/batch-jobs/?made=me",
    "console, batch job": "/batch-jobs/{job}/",
    "console, schedule": "/batch-schedules/{schedule}/",
    "console, schedules, search": "/batch-schedules/?q=nightly&team=team-02",
    "console, new batch job": "/batch-jobs/new/",
    "console, schedules": "/batch-schedules/",
    "console, serving": "/serving/",
    "console, audit": "/audit/",
}

# To a developer; what begins so.
OF_MANAGERS = ("audit", "trash", "users", "API keys", "webhook", "serving")
DENIED = ("webhooks, deliveries", *(f"console, {page}" for page in OF_MANAGERS))


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    who: str
    get: Callable[[], tuple[int, bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--only", default="", help="pages whose name contains this")
    given = parser.parse_args()
    import django

    django.setup()
    filled = _filled(given.models)
    pages = [page for page in _pages() if given.only in page.name]
    found = [_measured(page, given.calls) for page in pages]
    print(json.dumps({"rows": _rows(), "filled_s": filled, "pages": found}))


def _filled(count: int) -> float:
    from django.core.management import call_command
    from django.db import connection

    from bench import registry_jobs, registry_rows
    from registry.models import RegisteredModel

    started = time.monotonic()
    call_command("migrate", verbosity=0)
    if not RegisteredModel.objects.exists():
        registry_rows.fill(count)
        registry_jobs.fill(count / 1000)
        tables = ", ".join(connection.introspection.table_names())
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE TABLE {tables}" if connection.vendor == "mysql" else "ANALYZE")
    return round(time.monotonic() - started, 1)


def _rows() -> dict[str, int]:
    from inference.models import BatchChunk, BatchJob, BatchSchedule
    from ops.models import Delivery, Webhook
    from registry import models

    names = ("RegisteredModel", "ModelVersion", "ModelTag", "VersionMetric", "Label", "AliasMove")
    tables = [getattr(models, name) for name in names]
    tables += [BatchJob, BatchChunk, BatchSchedule, Webhook, Delivery]
    return {table.__name__: table._default_manager.count() for table in tables}


def _pages() -> list[Page]:
    """As a developer of half of the teams, and as an administrator."""
    from django.contrib.auth.models import User
    from django.test import Client, RequestFactory
    from rest_framework_simplejwt.tokens import AccessToken

    from inference.models import BatchJob, BatchSchedule
    from ops.models import Webhook
    from registry.models import ModelVersion, RegisteredModel

    models, versions = RegisteredModel.objects.count(), ModelVersion.objects.count()
    busy, theirs = Webhook.objects.earliest("pk"), {"team__name": "team-02"}
    places = {
        "webhook": busy.pk,
        "deliveries": max(1, busy.deliveries.count() // 50),
        "schedule": BatchSchedule.objects.filter(**theirs).earliest("pk").pk,
        "job": BatchJob.objects.filter(**theirs).latest("pk").pk,
        "jobs": max(1, BatchJob.objects.count() // 110),
        "last_model_page": max(1, models // 100),
        "deep": max(1, min(1000, versions // 110)),
        "found": max(1, min(200, versions // 250)),
    }
    found = []
    for name in ("developer", "admin"):
        user = User.objects.get(username=name)
        api = RequestFactory(headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"})
        browser, console = Client(), RequestFactory()
        browser.force_login(user)
        console.cookies = browser.cookies
        for client, pages in ((api, API_PAGES), (console, CONSOLE_PAGES)):
            for page, path in pages.items():
                if name == "developer" and page.startswith(DENIED):
                    continue
                found.append(Page(page, name, _getter(client, path.format(**places))))
    return found


def _getter(factory: Any, path: str) -> Callable[[], tuple[int, bytes]]:
    """Calls the hub's own WSGI application; status and body."""
    from aihub.wsgi import application

    path, _, query = path.partition("?")
    parameters = dict(part.split("=", 1) for part in _parts(query))

    def get() -> tuple[int, bytes]:
        environ = factory.get(path, parameters, headers={"Host": "localhost"}).environ
        begun: list[str] = []
        answer = application(environ, lambda status, headers: begun.append(status))
        try:
            return int(begun[0].split()[0]), b"".join(answer)
        finally:
            answer.close()

    return get


def _parts(query: str) -> list[str]:
    """`search=a >= 1&page=2` at its ampersands."""
    return [part for part in query.split("&") if part]


def _measured(page: Page, calls: int) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(2):
        status, body = page.get()
        assert status == 200, (page.name, status, body[:500])
    with CaptureQueriesContext(connection) as captured:
        page.get()
    queries = captured.captured_queries  # a later request empties the log
    times = sorted(_took(page.get) for _ in range(calls))
    found = {
        "page": page.name,
        "who": page.who,
        "queries": len(queries),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
    }
    print(found, file=sys.stderr, flush=True)
    if os.environ.get("BENCH_SHOW_SQL"):
        for query in queries:
            print("   ", query["time"], query["sql"][:3000], file=sys.stderr)
    return found


def _took(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
