"""What a worker process does: take jobs while there are any, and say that it is alive."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from aihub import request_context
from registry.file_cache import kept
from registry.models import WorkerHeartbeat
from registry.processing import jobs, pipeline
from registry.processing.jobs import Lease

ALIVE_FOR = timedelta(seconds=15)
LOOK_EVERY = 2.0  # seconds between two looks at the job table
SWEEP_EVERY = 30  # looks between two sweeps

Handler = Callable[[Lease], None]
HANDLERS: dict[str, Handler] = {pipeline.KIND: pipeline.process}

logger = logging.getLogger(__name__)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def add_handler(kind: str, run: Handler) -> None:
    """Have this process's workers take jobs of a kind; other apps add theirs at start."""
    HANDLERS[kind] = run


def run_one() -> bool:
    """Run the most urgent job that is free and of a kind known here; False where there is none."""
    lease = jobs.claim(worker_name(), HANDLERS)
    if lease is None:
        return False
    with kept_alive(lease), kept(), request_context.use(lease.request_id):
        HANDLERS[lease.kind](lease)
    return True


@contextmanager
def kept_alive(lease: Lease) -> Iterator[None]:
    """Renew a lease in a thread of its own for as long as the block runs."""
    stopped = threading.Event()
    thread = threading.Thread(target=_renew, args=(lease, stopped), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _renew(lease: Lease, stopped: threading.Event) -> None:
    while not stopped.wait(jobs.RENEW_EVERY):
        try:
            if not lease.renew():
                break
        except DatabaseError:
            logger.warning("cannot renew the lease of job %s", lease.job_id, exc_info=True)
            close_old_connections()
    close_connection()


def close_connection() -> None:
    """Close this thread's database connection."""
    connection.close()


class Housekeeper(threading.Thread):
    """Runs beside a worker: heartbeat, a hint when the job table has work, sweeping.

    Any number of them may run at once: all they do is safe to repeat. `hint` asks the workers to
    look at the job table.
    """

    def __init__(self, hint: Callable[[], None], sweep: Callable[[], object]) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self.hint = hint
        self.sweep = sweep
        self.stopped = threading.Event()

    def run(self) -> None:
        looks = 0
        while True:
            try:
                self._look(sweep=looks % SWEEP_EVERY == 0)
            except Exception:  # the thread must outlive a database or broker that is away
                logger.warning("housekeeping failed; it will try again", exc_info=True)
                close_old_connections()
            looks += 1
            if self.stopped.wait(LOOK_EVERY):
                break
        close_connection()

    def stop(self) -> None:
        self.stopped.set()

    def _look(self, *, sweep: bool) -> None:
        beat(worker_name())
        if jobs.has_claimable(HANDLERS):
            self.hint()
        if sweep:
            self.sweep()


def beat(name: str) -> None:
    """Write down that this worker is alive, and forget those that have long been gone."""
    now = timezone.now()
    WorkerHeartbeat.objects.update_or_create(name=name, defaults={"at": now})
    WorkerHeartbeat.objects.filter(at__lt=now - timedelta(days=1)).delete()


def workers_alive() -> int:
    """How many workers gave a sign of life within the last 15 s."""
    return WorkerHeartbeat.objects.filter(at__gte=timezone.now() - ALIVE_FOR).count()
