"""What a worker and beat have beside their work: counts, and a port for their health."""

import os
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from django.conf import settings
from prometheus_client import REGISTRY, ProcessCollector
from prometheus_client.registry import Collector

from aihub import metrics
from inference.batch import counting as chunks
from ops import health
from ops.health import Check
from ops.health_port import HealthPort
from ops.metrics.folders import FolderCollector
from ops.metrics.own import OwnCollector
from ops.metrics.page import Page
from ops.notifications import counting as deliveries
from registry.processing import counting as jobs
from registry.processing.worker import BATCH, HANDLERS, PROCESSING, Housekeeper

LIVES_WITHIN = 600.0  # seconds: one look sweeps too, and may wait for a store that is slow


class WorkerHealth:
    """Whether a worker's parent does what it does beside its children.

    What they do is none of its business: one that hangs loses its lease, and others go on.
    """

    def __init__(self) -> None:
        self.housekeeper: Housekeeper | None = None  # until the broker has answered
        self.port: HealthPort | None = None

    def lives(self) -> bool:
        keeper = self.housekeeper
        if keeper is None or keeper.stopped.is_set():
            return True
        return keeper.is_alive() and time.monotonic() - keeper.looked_at < LIVES_WITHIN


worker = WorkerHealth()  # of this process


def worker_begin(queues: Collection[str]) -> None:
    """In the parent of the worker of these queues, before it has children or a broker."""
    metrics.begin()
    for queue in queues:
        jobs.begin(queue, HANDLERS[queue])
    if BATCH in queues:
        chunks.begin()
    if PROCESSING in queues:
        deliveries.begin()
    ready = {
        "database": health.database_answers,
        "broker": health.broker_answers,
        "storage": health.storage_answers,
    }
    worker.port = _opened({"housekeeper": worker.lives}, ready)


def child_begin() -> None:
    """In a child of a worker."""
    if worker.port:
        worker.port.leave()


def beat_begin() -> None:
    """In beat, before its loop."""
    from ops import beat  # what it counts with is no worker's matter

    ready = {
        "loop": beat.ticks,
        "database": health.database_answers,
        "broker": health.broker_answers,
    }
    _opened({}, ready)


def _opened(lives: Mapping[str, Check], ready: Mapping[str, Check]) -> HealthPort | None:
    """The health port, answering; None where none is wanted."""
    env = settings.ENV
    if not env.AIHUB_HEALTH_PORT:
        return None
    try:
        port = HealthPort(
            env.AIHUB_HOST,
            env.AIHUB_HEALTH_PORT,
            lives=lives,
            ready=ready,
            metrics=_page().text,
        )
    except OSError as error:
        sys.exit(
            f"AIHub cannot start. It cannot listen on port {env.AIHUB_HEALTH_PORT} of "
            f"{env.AIHUB_HOST} ({error.strerror}): set AIHUB_HEALTH_PORT to a free one."
        )
    port.start()
    return port


def _page() -> Page:
    own = OwnCollector(settings.ENV.AIHUB_ROLE, settings.HOME)
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:  # started by hand: the children's numbers stay with them
        return Page(REGISTRY, own)
    collectors: list[Collector] = [FolderCollector(Path(folder)), own]
    return Page(*collectors, ProcessCollector(registry=None))
