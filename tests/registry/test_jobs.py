"""The job table: one holder at a time, and recovery by leases that end."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from aihub import request_context
from registry.models import Job
from registry.processing import leases, worker
from registry.processing.jobs import (
    Lease,
    LeaseLost,
    claim,
    enqueue,
    has_claimable,
    restart,
)
from tests.registry.making import claimed

pytestmark = pytest.mark.django_db
WORKERS = 12


def expire(lease: Lease) -> None:
    """As if the time of a lease had passed."""
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.filter(pk=lease.pk).update(lease_expires_at=past)


def job_of(lease: Lease) -> Job:
    return Job.objects.get(pk=lease.pk)


def at_once(count: int, call: Callable[[int], Lease | None]) -> list[Lease | None]:
    """What `count` threads answer that start together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Lease | None:
        try:
            barrier.wait(30)
            return call(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_the_same_work_twice_is_one_job() -> None:
    assert enqueue("kind", 1).pk == enqueue("kind", 1).pk
    assert enqueue("kind", 2).pk != enqueue("kind", 1).pk


def test_a_job_keeps_the_request_it_came_from() -> None:
    with request_context.use("request-1"):
        assert enqueue("kind", 1).request_id == "request-1"


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_exactly_one_gets_a_job() -> None:
    enqueue("kind", 1)
    taken = at_once(WORKERS, lambda number: claim(f"worker-{number}"))
    assert len([lease for lease in taken if lease]) == 1
    assert Job.objects.get().attempts == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_exactly_one_takes_over_an_abandoned_job() -> None:
    enqueue("kind", 1)
    expire(claimed())
    taken = at_once(WORKERS, lambda number: claim(f"worker-{number}"))
    assert [lease.attempt for lease in taken if lease] == [2]


@pytest.mark.django_db(transaction=True)
def test_many_workers_share_many_jobs() -> None:
    for number in range(WORKERS):
        enqueue("kind", number)
    while Job.objects.filter(state=Job.States.QUEUED).exists():
        at_once(4, lambda number: claim(f"worker-{number}"))
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


def test_the_most_urgent_comes_first_then_the_oldest() -> None:
    for subject, priority in ((1, 0), (2, 5), (3, 0), (4, 5)):
        enqueue("kind", subject, priority=priority)
    assert [claimed().subject_id for _ in range(4)] == [2, 4, 1, 3]
    assert claim("worker") is None
    assert not has_claimable()


def test_a_held_job_is_nobody_elses() -> None:
    enqueue("kind", 1)
    lease = claimed()
    assert lease.held()
    assert claim("other") is None


def test_a_lease_that_ends_frees_its_job() -> None:
    enqueue("kind", 1)
    expire(claimed())
    assert has_claimable()
    assert claimed("other").attempt == 2


def test_a_renewed_lease_does_not_end() -> None:
    enqueue("kind", 1)
    lease = claimed()
    expire(lease)
    assert lease.renew()
    assert claim("other") is None


def test_a_lost_lease_writes_nothing() -> None:
    enqueue("kind", 1)
    lost = claimed()
    expire(lost)
    held = claimed("other")
    before = Job.objects.values().get()
    assert not any((lost.renew(), lost.held(), lost.succeed(), lost.fail("late")))
    assert not lost.give_back("late")
    assert Job.objects.values().get() == before
    assert held.succeed()


def test_the_same_worker_again_is_another_holder() -> None:
    enqueue("kind", 1)
    lost = claimed("worker")
    expire(lost)
    assert claimed("worker").held()
    assert not lost.held()


@pytest.mark.parametrize(("end", "state"), [("succeed", "succeeded"), ("fail", "failed")])
def test_an_ended_job_is_not_claimed_again(end: str, state: str) -> None:
    enqueue("kind", 1)
    lease = claimed()
    assert lease.succeed() if end == "succeed" else lease.fail("no " * 1000)
    assert job_of(lease).state == state
    assert job_of(lease).finished_at
    assert not lease.renew()
    assert claim("other") is None


def test_a_job_given_back_waits_and_its_attempt_does_not_count() -> None:
    enqueue("kind", 1)
    for _ in range(5):
        lease = claimed()
        assert lease.attempt == 1
        assert lease.give_back("storage is away")
        assert claim("other") is None
        assert job_of(lease).not_before > timezone.now()
        Job.objects.update(not_before=timezone.now())
    assert job_of(lease).error == "storage is away"


def test_a_job_given_back_at_once_is_free_at_once() -> None:
    enqueue("kind", 1)
    lease = claimed()
    assert lease.give_back(pause=timedelta(0))
    assert claimed("other").attempt == 1
    assert not lease.held()


def test_only_the_kinds_asked_for_are_taken() -> None:
    enqueue("another", 1, priority=5)
    assert not has_claimable(["kind"])
    assert claim("worker", ["kind"]) is None
    enqueue("kind", 2)
    assert has_claimable(["kind"])
    lease = claim("worker", ["kind"])
    assert lease
    assert lease.subject_id == 2


def test_more_urgent_work_is_seen() -> None:
    enqueue("kind", 1, priority=-10)
    assert not has_claimable(above=-10)
    enqueue("kind", 2)
    assert has_claimable(above=-10)
    claimed()
    assert not has_claimable(above=-10)


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_a_job_that_is_restarted_is_taken_from_whoever_runs_it(*, ended: bool) -> None:
    enqueue("kind", 1)
    lost = claimed()
    if ended:
        lost.succeed()
    created_at = job_of(lost).created_at
    assert restart(Job.objects.filter(kind="kind"), as_new=False) == 1
    assert job_of(lost).created_at == created_at
    assert restart(Job.objects.filter(kind="kind"), as_new=True) == 1
    assert job_of(lost).created_at > created_at
    with pytest.raises(LeaseLost):
        lost.confirm()
    assert claimed("other").attempt == 1


def test_attempts_can_be_forgotten() -> None:
    enqueue("kind", 1)
    for attempt in (1, 2, 3):
        lease = claimed()
        assert lease.attempt == attempt
        expire(lease)
    last = claimed()
    assert last.forget_attempts()
    expire(last)
    assert claimed().attempt == 2


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_kept_alive_while_its_work_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.01)
    enqueue("kind", 1)
    lease = claimed()
    before = job_of(lease).heartbeat_at
    with worker.kept_alive(lease) as keeper:
        _until(lambda: job_of(lease).heartbeat_at != before)
    assert lease.held()
    assert not keeper.lost
    assert "lease" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.django_db(transaction=True)
def test_keeping_alive_ends_with_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.01)
    enqueue("kind", 1)
    lost = claimed()
    expire(lost)
    held = claimed("other")
    expires_at = job_of(held).lease_expires_at
    with worker.kept_alive(lost) as keeper:
        _until(lambda: keeper.lost and not keeper.is_alive())
    assert job_of(held).lease_expires_at == expires_at


def _until(holds: Callable[[], bool]) -> None:
    deadline = timezone.now() + timedelta(seconds=20)
    pause = threading.Event()
    while not holds():
        assert timezone.now() < deadline
        pause.wait(0.01)
