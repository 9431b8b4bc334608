"""Batch jobs that many people steer while many workers compute them."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import close_old_connections, connection

from aihub.events import SYSTEM
from aihub.problems import Problem
from inference.batch import services
from inference.models import BatchChunk, BatchJob
from registry.models import RegisteredModel, Team, Upload
from registry.processing import worker
from registry.processing.worker import BATCH
from tests.inference.batch.jobs_made import (
    fresh,
    lines,
    make_job,
    make_tiny,
    numbered,
    output_rows,
    plus_one,
    work,
)
from tests.registry.making import staged

pytestmark = pytest.mark.django_db(transaction=True)
ROWS, ODD = 120, 7  # rows of a job, and which of them cannot run
SMALL = {"batch_size": 2, "chunk_rows": 4}
STEPS = 30  # of each who steers


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


def mixed() -> bytes:
    return lines([row if n % ODD else ["no", "row"] for n, row in enumerate(numbered(ROWS))])


def together(*parts: Callable[[], None]) -> None:
    """All at the same time, each with a connection of its own; what one raises is raised."""

    def alone(part: Callable[[], None]) -> None:
        try:
            part()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(alone, parts))


def test_whatever_is_done_to_jobs_every_row_counts_once(tiny: RegisteredModel) -> None:
    made = [make_job(tiny, mixed(), options=SMALL) for _ in range(2)]
    over = threading.Event()
    left = threading.Semaphore(0)

    def steer(seed: int) -> None:
        chance = random.Random(seed)
        acts = (services.job_cancel, services.job_pause, services.job_resume, services.job_retry)
        for _ in range(STEPS):
            with suppress(Problem):
                chance.choice(acts)(chance.choice(made), principal=SYSTEM)
        left.release()

    def compute() -> None:
        while not over.is_set():
            worker.run_one(BATCH)
            close_old_connections()

    def wait() -> None:
        for _ in range(3):
            left.acquire()
        over.set()

    together(wait, compute, compute, *(lambda seed=seed: steer(seed) for seed in range(3)))  # type: ignore[misc]
    for job in map(settled, made):
        failed = len(range(0, ROWS, ODD))
        assert (job.total, job.done, job.failed) == (ROWS, ROWS - failed, failed)
        found = output_rows(job)
        assert [row["key"] for row in found] == list(range(1, ROWS + 1))
        good = [row["predictions"] for row in found if not row["error"]]
        assert good == [plus_one(row) for n, row in enumerate(numbered(ROWS)) if n % ODD]


def settled(job: BatchJob) -> BatchJob:
    """The job, let go on where it was stopped, once it has succeeded."""
    with suppress(Problem):
        services.job_resume(job, principal=SYSTEM)
    if fresh(job).state in ("cancelled", "failed"):
        services.job_retry(job, principal=SYSTEM)
    BatchChunk.objects.filter(job=job, state="running").update(state="waiting", lease_owner="")
    work()
    assert fresh(job).state == "succeeded", fresh(job).reason
    return fresh(job)


def test_idempotency_keys_that_look_alike_are_different(tiny: RegisteredModel) -> None:
    made = {make_job(tiny, b"[1, 2, 3, 4]\n", idempotency_key=key).pk for key in ("a", "A", "á")}
    assert len(made) == 3


def test_the_same_idempotency_key_makes_one_job_however_many_ask(tiny: RegisteredModel) -> None:
    uploads = [staged(lines(numbered(1)), "rows.jsonl") for _ in range(20)]
    made = set()

    def ask(upload: Upload) -> None:
        order = services.Order(
            model=tiny, upload=upload, idempotency_key="once", fingerprint="the same"
        )
        made.add(services.job_create(principal=SYSTEM, order=order).pk)

    together(*(lambda upload=upload: ask(upload) for upload in uploads))  # type: ignore[misc]
    assert len(made) == 1
    assert BatchJob.objects.count() == 1
