"""The hub's state, as Prometheus reads it from the tables."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.core import Metric

from inference.models import BatchChunk, Replica
from inference.models.batch import JobState
from ops.metrics import state
from registry.models import Job, Team, WorkerHeartbeat
from registry.processing import jobs
from registry.processing.worker import beat
from registry.services.holding import KIND as HOLD
from tests.ops.batch_making import make_job
from tests.ops.making import deliver_to, make_webhook
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
QUERIES = 10  # and one more where chunks are being computed


def values(read: Callable[[], list[Metric]]) -> dict[tuple[str, ...], float]:
    """A family's numbers by the values of their labels; only those that are not zero."""
    return {
        (*([family.name] if len(families) > 1 else []), *sample.labels.values()): sample.value
        for families in [read()]
        for family in families
        for sample in family.samples
        if sample.value
    }


@pytest.fixture
def team() -> Team:
    return Team.objects.create(name="vision")


def test_what_is_not_there_is_zero() -> None:
    [versions] = state.versions()
    assert {sample.labels["state"]: sample.value for sample in versions.samples} == {
        "uploading": 0,
        "processing": 0,
        "ready": 0,
        "rejected": 0,
    }


def test_versions_jobs_and_uploads_by_their_states(team: Team) -> None:
    model = make_model(team)
    make_ready(publish(model, "1.0.0"))
    publish(model, "1.1.0", b"others")
    jobs.enqueue("optimise:some-processor", 7)
    jobs.enqueue("optimise:another", 7)
    assert values(state.versions) == {("ready",): 1, ("processing",): 1}
    assert values(state.jobs) == {
        ("process-version", "succeeded"): 1,
        ("process-version", "queued"): 1,
        ("optimise", "queued"): 2,
    }
    assert values(state.uploads) == {("complete",): 2}


def test_what_waits_for_a_worker_and_for_how_long() -> None:
    jobs.enqueue("process-version", 1)
    jobs.enqueue("process-version", 2)
    jobs.enqueue("batch-plan", 1)
    jobs.enqueue("verify-blob", 1, priority=-30)
    now = timezone.now()
    Job.objects.filter(kind="process-version", subject_id=1).update(
        not_before=now - timedelta(seconds=90)
    )
    Job.objects.filter(kind="verify-blob").update(not_before=now - timedelta(days=1))
    Job.objects.filter(kind="process-version", subject_id=2).update(
        not_before=now + timedelta(seconds=90)
    )
    found = values(state.waiting)
    assert found["aihub_queue_waiting", "celery"] == 2
    assert found["aihub_queue_waiting", "batch"] == 1
    assert found["aihub_queue_oldest_seconds", "celery"] == pytest.approx(90, abs=5)
    assert found["aihub_queue_oldest_seconds", "batch"] < 5


def test_a_backup_that_was_killed_waits_for_no_worker() -> None:
    before = timezone.now() - timedelta(days=1)
    Job.objects.create(
        kind=HOLD,
        subject_id=0,
        state=Job.States.RUNNING,
        not_before=before,
        lease_expires_at=before,
    )
    assert values(state.waiting) == {}


def test_chunks_wait_that_no_worker_took(team: Team) -> None:
    version = make_ready(publish(make_model(team)))
    now = timezone.now()
    job = make_job(version, state=JobState.RUNNING, chunks=10, chunks_done=3)
    job.served_at = now - timedelta(seconds=40)
    job.save()
    make_job(version, state=JobState.PAUSED, chunks=10, chunks_done=3)
    for number, lease in enumerate((now + timedelta(seconds=9), now - timedelta(seconds=9))):
        BatchChunk.objects.create(
            job=job,
            number=number,
            first=0,
            rows=1,
            where={},
            not_before=now,
            state=BatchChunk.States.RUNNING,
            lease_expires_at=lease,
        )
    found = values(state.waiting)
    assert found["aihub_queue_waiting", "batch"] == 6  # one of seven is being computed
    assert found["aihub_queue_oldest_seconds", "batch"] == pytest.approx(40, abs=5)
    assert values(state.batch_jobs) == {("running",): 1, ("paused",): 1}


def test_workers_and_replicas_count_while_they_give_signs_of_life() -> None:
    beat("one", "celery")
    beat("two", "celery")
    beat("two", "batch")
    beat("gone", "batch")
    old = timezone.now() - timedelta(minutes=1)
    WorkerHeartbeat.objects.filter(name="gone").update(at=old)
    for name, pool, at in (("a", "", None), ("b", "gpu", None), ("c", "gpu", old)):
        at = at or timezone.now()
        Replica.objects.create(name=name, pool=pool, cpu="x", started_at=at, at=at)
    assert values(state.workers) == {("celery",): 2, ("batch",): 1}
    assert values(state.replicas) == {("",): 1, ("gpu",): 1}


def test_deliveries_and_stored_bytes(team: Team) -> None:
    deliver_to(make_webhook(team))
    assert values(state.deliveries) == {("pending",): 1}
    assert values(state.storage) == {}


def test_all_of_it_is_a_few_queries(monkeypatch: pytest.MonkeyPatch, team: Team) -> None:
    monkeypatch.setattr(state, "close_connection", lambda: None)  # the test's own
    make_ready(publish(make_model(team)))
    with CaptureQueriesContext(connection) as few:
        families = state.hub_state()
    assert len(few) == QUERIES
    assert len({family.name for family in families}) == 10


def test_one_family_that_cannot_be_read_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "close_connection", lambda: None)

    def broken() -> list[Metric]:
        raise DatabaseError("no such column")

    monkeypatch.setattr(state, "_READS", (broken, state.versions))
    assert [family.name for family in state.hub_state()] == ["aihub_versions"]


def test_a_database_that_is_away_is_not_asked_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def away() -> list[Metric]:
        asked.append(1)
        raise OperationalError("gone away")

    monkeypatch.setattr(state, "close_connection", lambda: None)
    monkeypatch.setattr(state, "_READS", (away, away, away))
    with pytest.raises(OperationalError):
        state.hub_state()
    assert asked == [1]
