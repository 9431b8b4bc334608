"""`/livez` and `/readyz`: whether this process lives, and whether what its role needs answers."""

import logging
from collections.abc import Callable, Mapping

from django.db import connection
from django.http import HttpRequest, JsonResponse

from ops.metrics.broker import queue_lengths
from ops.metrics.probes import Probe
from ops.metrics.storage import storage_answers as storage_check
from registry.processing.worker import BATCH, PROCESSING, workers_alive

Check = Callable[[], bool]

PATIENCE = 4.0  # seconds

_broker: Probe[dict[str, int]] = Probe(queue_lengths, {}, every=2.0, within=PATIENCE)
_storage = Probe(storage_check, False, every=2.0, within=PATIENCE)
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


def broker_answers() -> bool:
    """Whether the broker answers; it has a few seconds."""
    return bool(_broker.found(PATIENCE))


def storage_answers() -> bool:
    """Whether the file storage answers; it has a few seconds."""
    return bool(_storage.found(PATIENCE))


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
    """The `web` role needs its database, and nothing else: without broker or storage the console
    and most of the API go on answering, and to take every replica away would end that too."""
    status, body = run({"database": database_answers})
    return JsonResponse(body, status=status)


def _holds(name: str, check: Check) -> bool:
    try:
        return check()
    except Exception:  # a check that fails in any way does not hold
        logger.warning("readiness: %s does not answer", name, exc_info=True)
        connection.close()
        return False
