"""The life of a batch job: planned, computed, finished, steered, swept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from aihub.access import Action, Principal, Role, Scope
from aihub.events import SYSTEM
from aihub.problems import Problem
from inference.batch import chunks, claims, keys, planning, services, sweeping
from inference.batch.claims import chunk_claim
from inference.batch.ends import PLANNING
from inference.batch.selectors import job_get, jobs_visible, progress_of
from inference.models import BatchChunk, BatchJob
from inference.models.batch import Priority
from ops.models import AuditEvent
from registry.models import RegisteredModel, Team, Upload
from registry.processing.jobs import LeaseLost
from registry.services.sweeping import uploads_sweep
from registry.services.versions import version_delete
from registry.storage import StorageUnavailable, blob_storage
from tests.contract.making import photograph
from tests.inference.batch.jobs_made import (
    fresh,
    lease_end,
    lies_there,
    lines,
    make_job,
    make_pictures,
    make_tiny,
    numbered,
    output_and_manifest,
    output_rows,
    plus_one,
    put,
    step,
    work,
    worked,
)

pytestmark = pytest.mark.django_db(transaction=True)
SMALL = {"batch_size": 4, "chunk_rows": 8}


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


def member(team: Team, name: str = "somebody", role: Role = Role.DEVELOPER) -> Principal:
    return Principal(f"user:{name}", name, {team.pk: role})


def told(name: str, job: BatchJob) -> int:
    return AuditEvent.objects.filter(action=name, subject=str(job.pk)).count()


# --- chunks ---


def test_every_row_is_computed_once_and_in_order(tiny: RegisteredModel) -> None:
    job = worked(make_job(tiny, lines(numbered(50)), options=SMALL))
    assert (job.total, job.done, job.failed, job.chunks) == (50, 50, 0, 7)
    found = output_rows(job)
    assert [row["key"] for row in found] == list(range(1, 51))
    assert [row["predictions"] for row in found] == [plus_one(row) for row in numbered(50)]
    assert told("batch.created", job) == told("batch.succeeded", job) == 1


def test_a_chunk_that_another_worker_computes_too_counts_once(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(8)), options=SMALL)
    step()
    stalled = chunk_claim("stalled")
    assert stalled
    BatchChunk.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert worked(job).done == 8
    assert not stalled.renew()
    assert not stalled.give_back()


def test_a_worker_whose_chunk_was_taken_writes_no_count(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, lines(numbered(8)), options=SMALL)
    step()
    compute = chunks.run

    def overtaken(*arguments: Any) -> None:
        compute(*arguments)
        BatchChunk.objects.update(lease_owner="another")

    monkeypatch.setattr(chunks, "run", overtaken)
    assert chunks.chunk_run()
    assert (fresh(job).done, fresh(job).chunks_done) == (0, 0)


def test_a_store_that_is_away_costs_no_attempt(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, lines(numbered(8)), options=SMALL)
    step()

    def away(*arguments: Any) -> None:
        raise StorageUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(blob_storage()), "put", away)
        assert chunks.chunk_run()
    chunk = BatchChunk.objects.get(job=job)
    assert (chunk.state, chunk.attempts) == ("waiting", 0)
    assert not claims.chunks_wait()
    BatchChunk.objects.update(not_before=timezone.now())
    assert worked(job).done == 8


def test_a_chunk_that_kills_its_workers_fails_and_the_job_goes_on(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(16)), options=SMALL)
    step()
    BatchChunk.objects.filter(number=0).update(attempts=chunks.MAX_ATTEMPTS)
    found = worked(job)
    assert (found.done, found.failed) == (8, 8)
    rows = output_rows(job)
    assert "killed 10 times" in rows[0]["error"]
    assert rows[8]["predictions"] == plus_one(numbered(16)[8])


def test_an_input_that_is_gone_is_the_reason(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(3)))
    step()  # the plan
    assert job.upload
    blob_storage().discard(job.upload.key)
    work()
    assert fresh(job).state == "failed"
    assert fresh(job).reason == "What is to be read is gone from the store."


def test_a_damaged_part_is_computed_again(tiny: RegisteredModel, tmp_path: Path) -> None:
    job = make_job(tiny, lines(numbered(24)), options=SMALL)
    for _ in range(4):  # the plan, three chunks
        step()
    assert fresh(job).chunks_done == 3
    put(keys.part(job.pk, 1), b"damaged", tmp_path)
    assert worked(job).done == 24
    assert len(output_rows(job)) == 24


def test_an_input_of_too_many_chunks_is_refused(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MOST_CHUNKS", 3)
    fits = make_job(tiny, lines(numbered(3)), options={"chunk_rows": 1})
    many = make_job(tiny, lines(numbered(4)), options={"chunk_rows": 1})
    assert worked(fits).chunks == 3
    assert "more than 3 chunks of 1 rows" in fresh(many).reason


def test_a_plan_that_was_broken_off_is_made_again(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, lines(numbered(40)), options=SMALL)
    together = planning._together

    def overtaken(places: Any) -> Any:
        yield next(together(places))
        raise LeaseLost

    with monkeypatch.context() as patch:
        patch.setattr(planning, "_together", overtaken)
        step()
    assert (fresh(job).planned, fresh(job).chunks) == (False, 1)
    lease_end(PLANNING)
    found = worked(job)
    assert (found.total, found.done, found.chunks) == (40, 40, 5)


# --- turns ---


def test_teams_take_turns_and_priority_counts_within_one(
    tiny: RegisteredModel, alpha: Team, beta: Team
) -> None:
    first = make_job(tiny, lines(numbered(16)), team=alpha, options=SMALL)
    urgent = make_job(tiny, lines(numbered(16)), team=alpha, options=SMALL, priority=Priority.HIGH)
    other = make_job(tiny, lines(numbered(16)), team=beta, options=SMALL)
    for _ in range(3):
        step()  # the plans
    taken = [chunk_claim("worker") for _ in range(6)]
    order = [lease.job_id for lease in taken if lease]
    assert order == [urgent.pk, other.pk, urgent.pk, other.pk, first.pk, first.pk]


def test_a_team_has_only_so_many_unfinished_jobs(tiny: RegisteredModel, alpha: Team) -> None:
    with override_settings(ENV=_env(AIHUB_BATCH_JOBS=1)):
        make_job(tiny, lines(numbered(1)), principal=member(alpha))
        with pytest.raises(Problem) as refused:
            make_job(tiny, lines(numbered(1)), principal=member(alpha))
        assert refused.value.status == 429
        make_job(tiny, lines(numbered(1)))  # administrators may always


def _env(**changes: Any) -> Any:
    return replace(settings.ENV, **changes)


# --- steering ---


def test_a_cancelled_jobs_chunks_are_left(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(16)), options=SMALL)
    step()
    lease = chunk_claim("worker")
    assert lease
    services.job_cancel(fresh(job), principal=SYSTEM)
    assert not lease.renew()
    work()
    assert fresh(job).state == "cancelled"
    assert fresh(job).chunks_done == 0
    assert told("batch.cancelled", job) == 1


def test_only_what_failed_is_computed_again(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Any] = numbered(24)
    rows[3] = rows[20] = "no row"
    job = worked(make_job(tiny, lines(rows), options=SMALL))
    assert (job.done, job.failed) == (22, 2)
    before = output_rows(job)
    ran: list[int] = []
    compute = chunks.run

    def watched(slices: Any, *rest: Any) -> None:
        def seen() -> Any:
            for some in slices:
                ran.extend(int(key) for key in some.keys)
                yield some

        compute(seen(), *rest)

    monkeypatch.setattr(chunks, "run", watched)
    services.job_retry(job, principal=SYSTEM)
    again = worked(job)
    assert ran == [4, 21]
    assert (again.done, again.failed) == (22, 2)
    assert output_rows(job) == before


def test_rows_that_can_be_read_now_go_well_when_retried(alpha: Team, tmp_path: Path) -> None:
    model = make_pictures(alpha, tmp_path)
    for name in ("a.jpg", "b.jpg"):
        put(f"inputs/alpha/photos/{name}", b"not yet", tmp_path)
    order = services.Order(model=model, prefix="inputs/alpha/photos/")
    job = worked(services.job_create(principal=SYSTEM, order=order))
    assert (job.done, job.failed) == (0, 2)
    put("inputs/alpha/photos/a.jpg", photograph("coffee.png").read_bytes(), tmp_path)
    services.job_retry(job, principal=SYSTEM)
    job = worked(job)
    assert (job.done, job.failed) == (1, 1)
    good, bad = output_rows(job)
    assert len(good["predictions"]) == 5
    assert bad["error"]


def test_a_job_without_failures_is_not_retried(tiny: RegisteredModel) -> None:
    job = worked(make_job(tiny, lines(numbered(4))))
    with pytest.raises(Problem) as refused:
        services.job_retry(job, principal=SYSTEM)
    assert refused.value.status == 409


def test_a_cancelled_job_goes_on_where_it_was_when_retried(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(24)), options=SMALL)
    step()
    step()
    services.job_cancel(fresh(job), principal=SYSTEM)
    services.job_retry(fresh(job), principal=SYSTEM)
    assert worked(job).done == 24
    assert len(output_rows(job)) == 24


# --- who may what ---


def test_a_team_reads_its_own_folder_of_the_bucket_alone(
    tiny: RegisteredModel, alpha: Team, tmp_path: Path
) -> None:
    put("inputs/alpha/rows/1.jsonl", lines(numbered(2)), tmp_path)
    put("inputs/beta/rows/1.jsonl", lines(numbered(2)), tmp_path)
    own = services.Order(model=tiny, prefix="inputs/alpha/rows/")
    assert worked(services.job_create(principal=member(alpha), order=own)).done == 2
    for prefix in ("inputs/beta/", "inputs/", "inputs/alph", "somewhere/"):
        other = services.Order(model=tiny, prefix=prefix)
        with pytest.raises(Problem) as refused:
            services.job_create(principal=member(alpha), order=other)
        assert refused.value.status == 403


def test_members_see_their_teams_jobs_and_steer_what_they_may(
    tiny: RegisteredModel, alpha: Team, beta: Team
) -> None:
    job = make_job(tiny, lines(numbered(1)), principal=member(alpha))
    viewer, outsider = member(alpha, "v", Role.VIEWER), member(beta, "o", Role.OWNER)
    assert job_get(viewer, job.pk).pk == job.pk
    with pytest.raises(Problem) as refused:
        job_get(viewer, job.pk, steer=True)
    assert refused.value.status == 403
    with pytest.raises(Problem) as refused:
        job_get(outsider, job.pk)
    assert refused.value.status == 404
    assert not jobs_visible(outsider).exists()


def test_who_left_the_team_sees_what_they_made_no_more(
    tiny: RegisteredModel, alpha: Team, beta: Team
) -> None:
    made = member(alpha)
    job = make_job(tiny, lines(numbered(1)), principal=made)
    left = replace(made, roles={beta.pk: Role.OWNER})
    assert list(jobs_visible(made)) == [job]
    assert not jobs_visible(left).exists()
    RegisteredModel.objects.filter(pk=tiny.pk).update(shared=True)
    assert list(jobs_visible(left)) == [job]


def test_who_left_the_team_or_may_not_predict_has_no_job_go_on(
    tiny: RegisteredModel, alpha: Team
) -> None:
    made = member(alpha)
    job = worked(make_job(tiny, lines([[1], *numbered(3)]), principal=made))
    left = replace(made, roles={})
    keyed = replace(made, scope=Scope(frozenset({Action.READ, Action.PUBLISH})))
    for principal in (left, keyed):
        with pytest.raises(Problem) as refused:
            services.job_retry(job, principal=principal)
        assert refused.value.status == 403
    services.job_retry(job, principal=made)
    services.job_pause(job, principal=made)
    with pytest.raises(Problem) as refused:
        services.job_resume(job, principal=left)
    assert refused.value.status == 403


def test_a_version_that_a_job_runs_is_not_deleted(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(1)))
    version = tiny.versions.get()
    with pytest.raises(Problem) as refused:
        version_delete(version, principal=SYSTEM)
    assert refused.value.status == 409
    worked(job)
    version_delete(version, principal=SYSTEM)


# --- what is left ---


def test_an_input_is_not_swept_while_a_job_has_it(tiny: RegisteredModel) -> None:
    job = worked(make_job(tiny, lines(numbered(4))))
    Upload.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert uploads_sweep() == 0
    BatchJob.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert sweeping.jobs_expire() == 1
    assert sweeping.jobs_expire() == 0
    assert uploads_sweep() == 1
    assert fresh(job).output == {}
    assert lies_there(job) == set()
    with pytest.raises(Problem):
        services.job_clone(fresh(job), principal=SYSTEM)


def test_parts_go_once_nothing_can_be_retried(tiny: RegisteredModel) -> None:
    whole = worked(make_job(tiny, lines(numbered(4))))
    holes = worked(make_job(tiny, lines([*numbered(4), "no row"])))
    sweeping.parts_sweep()
    assert lies_there(whole) == output_and_manifest(whole)
    assert BatchChunk.objects.filter(job=holes).exists()
    assert len(output_rows(whole)) == 4


def test_a_job_of_which_nothing_is_heard_is_told_of_once(tiny: RegisteredModel) -> None:
    job = make_job(tiny, lines(numbered(4)))
    assert sweeping.stalled_tell() == 0
    BatchJob.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert (sweeping.stalled_tell(), sweeping.stalled_tell()) == (1, 0)
    assert told("batch.stalled", job) == 1


# --- how it goes ---


def test_rate_and_remaining_time_are_those_of_the_rows_that_went_through() -> None:
    now = timezone.now()
    job = BatchJob(state="running", total=100, done=30, failed=10, paced_rows=0)
    job.paced_at, job.progress_at = now - timedelta(seconds=20), now
    progress = progress_of(job)
    assert progress.rate == pytest.approx(2.0)
    assert progress.eta_seconds == pytest.approx(30.0)
    job.state = "paused"
    assert progress_of(job).rate is None


@pytest.mark.parametrize("fields", [{}, {"total": 10}])
def test_nothing_is_said_of_speed_before_the_first_chunk(fields: dict[str, Any]) -> None:
    job = BatchJob(state="running", paced_at=timezone.now(), **fields)
    assert progress_of(job) == progress_of(BatchJob(state="queued"))


def test_the_list_costs_the_same_however_long(
    tiny: RegisteredModel,
    owner: User,
    client_of: Callable[[User], Any],
    django_assert_num_queries: Any,
) -> None:
    client = client_of(owner)
    for _ in range(5):
        make_job(tiny, lines(numbered(1)))
    client.get("/api/v1/batch-jobs/")
    with django_assert_num_queries(6):
        assert client.get("/api/v1/batch-jobs/").json()["count"] == 5
