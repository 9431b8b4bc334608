"""The hub's state, from its tables: one cheap query a family."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import InterfaceError, OperationalError
from django.db.models import Count, Manager, QuerySet, Sum
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from inference.batch.claims import chunks_waiting
from inference.batch.ends import FINISHING, PLANNING
from inference.models import BatchJob
from inference.models.batch import JobState
from inference.replicas import replicas_alive
from ops.models import Delivery
from registry.models import Blob, Job, ModelVersion, Upload, WorkerHeartbeat
from registry.models.versions import State
from registry.processing.counting import kind_of
from registry.processing.jobs import jobs_waiting
from registry.processing.worker import (
    ALIVE_FOR,
    BATCH,
    HANDLERS,
    PROCESSING,
    QUEUES,
    close_connection,
)
from registry.services.holding import KIND as HOLD

logger = logging.getLogger(__name__)


def hub_state() -> list[Metric]:
    """Every family that can be read; raises where the database does not answer."""
    families: list[Metric] = []
    try:
        for read in _READS:
            try:
                families += read()
            except (OperationalError, InterfaceError):
                raise
            except Exception:  # of that one alone: the others still hold
                logger.warning("%s cannot be read", read.__name__, exc_info=True)
    finally:
        close_connection()
    return families


def versions() -> list[Metric]:
    counts = _by(ModelVersion.objects, "state")
    return [_gauge("aihub_versions", "Versions of models", ("state",), counts, _ones(State))]


def uploads() -> list[Metric]:
    counts = _by(Upload.objects, "state")
    return [_gauge("aihub_uploads", "Uploads", ("state",), counts, _ones(Upload.States))]


def jobs() -> list[Metric]:
    """Also kinds of which there is no job."""
    counts: dict[tuple[str, ...], float] = {}
    for (kind, state), count in _by(Job.objects, "kind", "state").items():
        key = (kind_of(kind), state)
        counts[key] = counts.get(key, 0) + count
    kinds = sorted({kind_of(kind) for queue in QUEUES for kind in HANDLERS[queue]})
    known = [(kind, str(state)) for kind in kinds for state in Job.States.values]
    return [_gauge("aihub_jobs", "Background work", ("kind", "state"), counts, known)]


def batch_jobs() -> list[Metric]:
    counts = _by(BatchJob.objects, "state")
    return [_gauge("aihub_batch_jobs", "Batch jobs", ("state",), counts, _ones(JobState))]


def waiting() -> list[Metric]:
    """Pieces of work that no worker took yet, and for how long the oldest waits."""
    counts, since = dict.fromkeys(QUEUES, 0), dict[str, datetime | None](dict.fromkeys(QUEUES))
    for kind, (count, oldest) in jobs_waiting().items():
        if kind == HOLD:  # of a backup that was killed: no worker takes it up
            continue
        queue = BATCH if kind in (PLANNING, FINISHING) else PROCESSING
        counts[queue] += count
        since[queue] = _earlier(since[queue], oldest)
    chunks, oldest = chunks_waiting()
    counts[BATCH] += chunks
    since[BATCH] = _earlier(since[BATCH], oldest)
    now = timezone.now()
    ages = {queue: (now - at).total_seconds() if at else 0.0 for queue, at in since.items()}
    return [
        _gauge(name, text, ("queue",), {(queue,): value for queue, value in values.items()})
        for name, text, values in (
            ("aihub_queue_waiting", "Pieces of work that wait for a worker", counts),
            ("aihub_queue_oldest_seconds", "How long the oldest of them waits", ages),
        )
    ]


def workers() -> list[Metric]:
    alive = WorkerHeartbeat.objects.filter(at__gte=timezone.now() - ALIVE_FOR)
    known = [(queue,) for queue in QUEUES]
    return [_gauge("aihub_workers", "Workers that live", ("queue",), _by(alive, "queue"), known)]


def replicas() -> list[Metric]:
    counts = _by(replicas_alive(), "pool")
    return [_gauge("aihub_replicas", "Replicas of infer that live", ("pool",), counts, [("",)])]


def deliveries() -> list[Metric]:
    counts, states = _by(Delivery.objects, "state"), _ones(Delivery.States)
    return [_gauge("aihub_deliveries", "Webhooks and e-mail", ("state",), counts, states)]


def storage() -> list[Metric]:
    total = Blob.objects.aggregate(total=Sum("size"))["total"] or 0
    return [GaugeMetricFamily("aihub_storage_bytes", "Bytes of all stored files", total)]


_READS: tuple[Callable[[], list[Metric]], ...] = (
    *(workers, replicas, waiting, batch_jobs),
    *(jobs, versions, uploads, deliveries, storage),
)


def _by(rows: "QuerySet | Manager", *names: str) -> dict[tuple[str, ...], float]:
    """How many rows there are of each value of these columns."""
    counted = rows.order_by().values_list(*names).annotate(Count("pk"))
    return {tuple(key): count for *key, count in counted}


def _ones(states: Iterable[object]) -> list[tuple[str, ...]]:
    return [(str(state),) for state in states]


def _gauge(
    name: str,
    text: str,
    labels: Sequence[str],
    values: Mapping[tuple[str, ...], float],
    known: Iterable[tuple[str, ...]] = (),
) -> Metric:
    """A family of these values, and zero for what is known beside them."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in {**dict.fromkeys(known, 0.0), **values}.items():
        family.add_metric(key, value)
    return family


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at), default=None)
