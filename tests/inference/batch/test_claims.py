"""Whose chunk is next, and what it costs to find out: the same, however many are there or over."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference.batch import schedules, sweeping
from inference.batch.claims import ChunkLease, chunk_claim, chunks_wait
from inference.models import BatchChunk, BatchJob
from ops.notifications.claims import delivery_claim, receivers_due
from registry.models import ModelVersion, Team
from registry.processing import jobs
from tests.ops.batch_making import make_job
from tests.ops.making import deliver_to, make_webhook
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
KINDS = ["batch-plan", "batch-finish"]
# What grows with the years; in plans of SQLite, and a table that MariaDB makes of all its rows.
TOO_MUCH = (
    *("SCAN inference_batchchunk", "SCAN registry_job", "SCAN ops_delivery"),
    *("SCAN inference_batchjob", "SCAN inference_batchschedule", "MATERIALIZED"),
)


def ready(team: Team, name: str) -> ModelVersion:
    return make_ready(publish(make_model(team, name)))


def with_chunks(version: ModelVersion, count: int) -> BatchJob:
    """A job that runs, of which nothing is done."""
    job = make_job(version, state="running", chunks=count)
    now = timezone.now()
    BatchChunk.objects.bulk_create(
        BatchChunk(
            job=job, number=n, first=n, rows=1, kind="lines", where={}, not_before=now, part={}
        )
        for n in range(count)
    )
    return job


def finish(lease: ChunkLease) -> None:
    """As a worker does once a chunk is computed; the job, whose only one it was, is over."""
    lease.rows().update(state="done", lease_owner="", lease_expires_at=None)
    BatchJob.objects.filter(pk=lease.job_id).update(state="succeeded", chunks_done=1)


def claimed() -> ChunkLease:
    lease = chunk_claim("worker")
    assert lease
    return lease


def test_a_team_of_many_small_jobs_starves_nobody(alpha: Team, beta: Team) -> None:
    small, large = ready(alpha, "small"), ready(beta, "large")
    theirs = {with_chunks(small, 1).pk for _ in range(6)}
    with_chunks(large, 6)
    turns = []
    for _ in range(6):
        lease = claimed()
        turns.append("small" if lease.job_id in theirs else "large")
        if lease.job_id in theirs:
            finish(lease)
    assert turns == ["small", "large"] * 3


def test_chunks_of_workers_that_are_gone_come_first(alpha: Team) -> None:
    job = with_chunks(ready(alpha, "digits"), 3)
    lost = claimed()
    assert BatchChunk.objects.get(pk=claimed().pk).number == 1
    BatchChunk.objects.filter(pk=lost.pk).update(lease_expires_at=timezone.now() - timedelta(1))
    assert claimed().pk == lost.pk
    assert BatchChunk.objects.get(pk=claimed().pk).number == 2
    assert (chunk_claim("worker"), chunks_wait()) == (None, False)
    assert job.chunk_rows.filter(state="running").count() == 3


def plans(call: Callable[[], object]) -> str:
    """How the database finds the rows of each query that a call asks."""
    with CaptureQueriesContext(connection) as captured:
        call()
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    found = []
    for query in list(captured.captured_queries):
        if query["sql"].startswith(("SELECT", "UPDATE")):
            with connection.cursor() as cursor:
                cursor.execute(f"{explain} {query['sql']}".replace("%", "%%"), ())
                found += cursor.fetchall()
    return "\n".join(map(str, found))


@pytest.mark.parametrize(
    "look",
    [
        lambda: chunk_claim("worker"),
        chunks_wait,
        lambda: jobs.claim("worker", KINDS),
        lambda: jobs.has_claimable(KINDS),
        sweeping.parts_sweep,
        sweeping.jobs_expire,
        sweeping.stalled_tell,
        schedules.schedules_remind,
        receivers_due,
        lambda: delivery_claim(None, "worker"),
    ],
)
def test_looking_for_work_reads_what_there_is_to_do_alone(
    alpha: Team, look: Callable[[], object]
) -> None:
    job = with_chunks(ready(alpha, "digits"), 3)
    jobs.enqueue(KINDS[0], job.pk)
    deliver_to(make_webhook(alpha))
    found = plans(look)
    assert found
    assert [words for words in TOO_MUCH if words in found] == []
