"""What a worker process does around its jobs: take them, beat, hint, sweep."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from aihub import request_context
from registry import tasks
from registry.models import Job, WorkerHeartbeat
from registry.processing import jobs, worker
from registry.processing.jobs import Lease
from registry.processing.worker import BATCH, Housekeeper, beat, run_one, workers_alive

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_it_runs_jobs_until_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def handle(lease: Lease) -> None:
        seen.append((lease.subject_id, request_context.current().request_id))
        lease.succeed()

    monkeypatch.setitem(worker.HANDLERS[worker.PROCESSING], "kind", handle)
    for number in range(3):
        with request_context.use(f"request-{number}"):
            jobs.enqueue("kind", number)
    assert [run_one() for _ in range(4)] == [True, True, True, False]
    assert seen == [(n, f"request-{n}") for n in range(3)]


@pytest.mark.django_db(transaction=True)
def test_it_leaves_jobs_of_other_kinds_to_other_workers() -> None:
    jobs.enqueue("optimise:another-cpu", 1, priority=9)
    assert not run_one()
    assert Job.objects.get().state == Job.States.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_queue_takes_its_own_jobs_first_and_then_what_its_sources_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    pieces = ["second", "first"]

    def piece() -> bool:
        if pieces:
            done.append(pieces.pop())
            return True
        return False

    def handle(lease: Lease) -> None:
        done.append(lease.kind)
        lease.succeed()

    monkeypatch.setitem(worker.HANDLERS, BATCH, {"plan": handle})
    monkeypatch.setitem(worker.SOURCES, BATCH, [])
    worker.add_source(BATCH, piece, lambda: bool(pieces))
    jobs.enqueue("plan", 1)
    jobs.enqueue("process-version", 1, priority=9)
    assert worker.waits(BATCH)
    assert [run_one(BATCH) for _ in range(4)] == [True, True, True, False]
    assert done == ["plan", "first", "second"]
    assert not worker.waits(BATCH)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("seconds", "sent", "hints", "left"),
    [(60.0, True, 0, 0), (0.0, True, 1, 2), (0.0, False, 3, 0)],
    ids=["all", "a turn", "the broker is away"],
)
def test_a_message_is_worth_a_turn_and_then_another_follows(
    monkeypatch: pytest.MonkeyPatch, seconds: float, sent: bool, hints: int, left: int
) -> None:
    hinted: list[str] = []
    pieces = [1, 2, 3]

    def hint(queue: str) -> bool:
        hinted.append(queue)
        return sent

    monkeypatch.setattr(tasks, "TURN", seconds)
    monkeypatch.setattr(tasks, "hint", hint)
    monkeypatch.setitem(worker.SOURCES, BATCH, [])
    worker.add_source(BATCH, lambda: bool(pieces and pieces.pop()), lambda: bool(pieces))
    tasks.run_jobs(BATCH)
    assert hinted == [BATCH] * hints
    assert len(pieces) == left


def test_a_worker_is_alive_for_a_while_after_its_heartbeat() -> None:
    beat("one")
    beat("one")
    beat("two")
    assert workers_alive() == 2
    WorkerHeartbeat.objects.filter(name="one").update(at=timezone.now() - timedelta(seconds=20))
    assert workers_alive() == 1


def test_a_worker_of_one_queue_is_none_of_another() -> None:
    beat("one", BATCH)
    assert (workers_alive(BATCH), workers_alive()) == (1, 0)
    beat("one")
    assert (workers_alive(BATCH), workers_alive()) == (1, 1)


def test_workers_long_gone_are_forgotten() -> None:
    beat("old")
    WorkerHeartbeat.objects.update(at=timezone.now() - timedelta(days=2))
    beat("new")
    assert [row.name for row in WorkerHeartbeat.objects.all()] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_the_housekeeper_hints_at_work_and_outlives_failures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.01)
    monkeypatch.setitem(worker.HANDLERS[worker.PROCESSING], "kind", lambda lease: None)
    jobs.enqueue("kind", 1)
    hinted, swept = threading.Semaphore(0), threading.Event()

    def hint(queue: str) -> None:
        assert queue == worker.PROCESSING
        hinted.release()
        raise DatabaseError("away")

    keeper = Housekeeper(hint=hint, sweep=swept.set)
    keeper.start()
    for _ in range(3):
        assert hinted.acquire(timeout=20)
    Job.objects.all().delete()
    assert swept.wait(20)
    keeper.stop()
    keeper.join(20)
    assert not keeper.is_alive()
    assert workers_alive() == 1


class Resting(threading.Event):
    """Whether the thread that waits has a connection to the database."""

    connected: bool | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.connected = connection.connection is not None
        return True


@pytest.mark.django_db(transaction=True)
def test_a_housekeeper_that_rests_has_no_connection_that_a_fork_could_end() -> None:
    keeper = Housekeeper(hint=lambda queue: None, sweep=lambda: None)
    keeper.stopped = resting = Resting()
    keeper.start()
    keeper.join(20)
    assert resting.connected is False
    assert workers_alive() == 1
