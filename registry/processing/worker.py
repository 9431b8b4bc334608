"""What a worker process does: take work while there is any, and say that it is alive.

Work lies in queues. A queue has kinds of jobs, and may have sources of work beside the job table.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from django.db import DatabaseError, close_old_connections, connection
from django.db.models import QuerySet
from django.utils import timezone

from aihub import __version__, request_context, tracing
from registry.file_cache import kept
from registry.models import WorkerHeartbeat
from registry.processing import counting, jobs, leases, pipeline
from registry.processing.jobs import Lease

PROCESSING = "celery"  # the name that Celery gives to what it is not told otherwise
BATCH = "batch"
QUEUES = (PROCESSING, BATCH)
ALIVE_FOR = timedelta(seconds=15)
LOOK_EVERY = 2.0  # seconds between two looks for work
SWEEP_EVERY = 30  # looks between two sweeps

Handler = Callable[[Lease], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Work beside the job table: `run_one` does a piece, `waits` says cheaply whether any is free.

    `run_one` answers False where there was none.
    """

    run_one: Callable[[], bool]
    waits: Callable[[], bool]


HANDLERS: dict[str, dict[str, Handler]] = {
    PROCESSING: {pipeline.KIND: pipeline.process},
    BATCH: {},
}
SOURCES: dict[str, list[Source]] = {PROCESSING: [], BATCH: []}


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def add_handler(kind: str, run: Handler, queue: str = PROCESSING) -> None:
    """Have a queue's workers take jobs of a kind; other apps add theirs at start."""
    HANDLERS[queue][kind] = run


def add_source(queue: str, run_one: Callable[[], bool], waits: Callable[[], bool]) -> None:
    """Have a queue's workers look for work there too, after the job table."""
    SOURCES[queue].append(Source(run_one, waits))


def run_one(queue: str = PROCESSING) -> bool:
    """Do the most urgent piece of work of a queue that is free; False where there is none."""
    return _run_job(HANDLERS[queue]) or any(source.run_one() for source in SOURCES[queue])


def waits(queue: str) -> bool:
    """Whether a queue has work that a worker could take."""
    return jobs.has_claimable(HANDLERS[queue]) or any(source.waits() for source in SOURCES[queue])


def _run_job(handlers: dict[str, Handler]) -> bool:
    lease = jobs.claim(worker_name(), handlers)
    if lease is None:
        return False
    with (
        request_context.use(lease.request_id),
        request_context.about(job_id=lease.pk, job_kind=lease.kind),
        _traced(lease),
        kept_alive(lease),
        kept(),
        _recorded(lease),
    ):
        handlers[lease.kind](lease)
    return True


def _traced(lease: Lease) -> AbstractContextManager[None]:
    return tracing.span(
        f"job {lease.kind}",
        lease.traceparent,
        job__id=lease.pk,
        job__subject=lease.subject_id,
        job__attempt=lease.attempt,
    )


@contextmanager
def _recorded(lease: Lease) -> Iterator[None]:
    """Say in the log that the work begins and how long it took, and count how the attempt ended."""
    said = {"event.action": "job", "aihub.job.attempt": lease.attempt}
    logger.info("job %s (%s) begins", lease.pk, lease.kind, extra={"ecs": said})
    started = time.monotonic_ns()
    try:
        yield
    finally:
        took = time.monotonic_ns() - started
        outcome = lease.ended[-1] if lease.ended else counting.LOST
        counting.attempt_ended(lease.kind, outcome, took / 1e9)
        ended = {**said, "event.duration": took}
        logger.info("job %s (%s) is left", lease.pk, lease.kind, extra={"ecs": ended})


class Renewable(Protocol):
    """What is held only as long as it is renewed: False says that somebody else has it."""

    def renew(self) -> bool: ...


class Keeper(threading.Thread):
    """Renews a lease; `lost` once another has it."""

    def __init__(self, lease: Renewable) -> None:
        super().__init__(name="lease", daemon=True)
        self.lost = False
        self._lease = lease
        self._stopped = threading.Event()
        self._context = copy_context()  # so that its lines say whose lease it is

    def run(self) -> None:
        self._context.run(self._renew)

    def _renew(self) -> None:
        while not self.lost and not self._stopped.wait(leases.RENEW_EVERY):
            try:
                self.lost = not self._lease.renew()
            except DatabaseError:
                logger.warning("cannot renew %s", self._lease, exc_info=True)
                close_old_connections()
        close_connection()

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@contextmanager
def kept_alive(lease: Renewable) -> Iterator[Keeper]:
    """Renew a lease in a thread of its own for as long as the block runs."""
    keeper = Keeper(lease)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def close_connection() -> None:
    """Close this thread's database connection."""
    connection.close()


class Housekeeper(threading.Thread):
    """Runs beside a worker: heartbeat, a hint when a queue of its has work, sweeping.

    Any number of them may run at once: all they do is safe to repeat. `hint` asks a queue's
    workers to look for work. It has no connection to the database between two looks: a process
    that is forked meanwhile, to replace one that was killed, would end it.
    """

    def __init__(
        self,
        hint: Callable[[str], object],
        sweep: Callable[[], object],
        queues: Collection[str] = (PROCESSING,),
    ) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self.hint = hint
        self.sweep = sweep
        self.queues = queues
        self.stopped = threading.Event()
        self.looked_at = time.monotonic()  # when it last began to look, whatever came of it

    def run(self) -> None:
        looks = 0
        while True:
            self.looked_at = time.monotonic()
            try:
                self._look(sweep=looks % SWEEP_EVERY == 0)
            except Exception:  # the thread must outlive a database or broker that is away
                logger.warning("housekeeping failed; it will try again", exc_info=True)
            close_connection()
            looks += 1
            if self.stopped.wait(LOOK_EVERY):
                break

    def stop(self) -> None:
        self.stopped.set()

    def _look(self, *, sweep: bool) -> None:
        for queue in self.queues:
            beat(worker_name(), queue)
            if waits(queue):
                self.hint(queue)
        if sweep:
            self.sweep()


def beat(name: str, queue: str = PROCESSING) -> None:
    """Write down that this worker is alive, and forget those that have long been gone."""
    now = timezone.now()
    said = {"at": now, "version": __version__}
    WorkerHeartbeat.objects.update_or_create(name=name, queue=queue, defaults=said)
    WorkerHeartbeat.objects.filter(at__lt=now - timedelta(days=1)).delete()


def workers_alive(queue: str = PROCESSING) -> int:
    """How many workers of a queue gave a sign of life within the last 15 s."""
    return heartbeats().filter(queue=queue).count()


def heartbeats() -> QuerySet[WorkerHeartbeat]:
    """Those of the last 15 s, of every queue."""
    return WorkerHeartbeat.objects.filter(at__gte=timezone.now() - ALIVE_FOR)
