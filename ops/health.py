"""`/livez` and `/readyz`: whether this process lives, and whether what its role needs answers."""

import logging
from collections.abc import Callable, Mapping

from django.db import connection
from django.http import HttpRequest, JsonResponse

from registry.processing.worker import BATCH, PROCESSING, workers_alive

Check = Callable[[], bool]

logger = logging.getLogger(__name__)


def database_answers() -> bool:
    """Whether the database answers a query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() is not None


def worker_is_alive() -> bool:
    """Whether any worker that processes versions gave a sign of life lately."""
    return workers_alive(PROCESSING) > 0


def batch_worker_is_alive() -> bool:
    """Whether any worker of batch jobs gave a sign of life lately."""
    return workers_alive(BATCH) > 0


def run(checks: Mapping[str, Check]) -> tuple[int, dict[str, object]]:
    """Run checks; answers 200 or 503, and which of them hold."""
    results = {name: _holds(name, check) for name, check in checks.items()}
    ready = all(results.values())
    return (200 if ready else 503), {
        "status": "ok" if ready else "unavailable",
        "checks": results,
    }


def livez(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """The `web` role needs its database."""
    status, body = run({"database": database_answers})
    return JsonResponse(body, status=status)


def _holds(name: str, check: Check) -> bool:
    try:
        return check()
    except Exception:  # a check that fails in any way does not hold
        logger.warning("readiness: %s does not answer", name, exc_info=True)
        connection.close()
        return False
