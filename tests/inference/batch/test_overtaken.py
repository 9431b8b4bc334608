"""Batch jobs to which two things happen at once: one comes first, and the other sees it."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from aihub.events import SYSTEM
from aihub.problems import Problem
from inference.batch import chunks, finishing, keys, services, sweeping
from inference.batch.ends import FINISHING
from inference.batch.inputs import Unreadable
from inference.batch.store import StoreFiles
from inference.models import BatchChunk, BatchJob
from registry.models import ModelVersion, RegisteredModel, Team
from registry.services.models import model_delete
from registry.services.resumable import upload_abort
from registry.services.trash import model_restore, version_restore
from registry.services.versions import version_delete
from registry.storage import blob_storage
from registry.tasks import run_jobs
from tests.inference.batch.jobs_made import (
    fresh,
    lease_end,
    lies_there,
    lines,
    make_job,
    make_tiny,
    numbered,
    output_and_manifest,
    output_rows,
    plus_one,
    put,
    step,
    worked,
)
from tests.registry.making import staged

pytestmark = pytest.mark.django_db(transaction=True)
LONG_ENOUGH = 0.5  # seconds, for a deletion that nothing holds up
MIXED = lines([*numbered(3), ["no row"]])


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


def steps(count: int) -> None:
    for _ in range(count):
        step()


def test_a_chunk_that_fails_after_its_job_was_ended_is_left(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, lines(numbered(8)))
    step()

    def fail(*arguments: Any) -> None:
        services.job_cancel(job, principal=SYSTEM)
        raise Unreadable("It is gone.")

    monkeypatch.setattr(chunks, "run", fail)
    assert chunks.chunk_run()
    assert (fresh(job).state, fresh(job).reason) == ("cancelled", "")


def test_a_chunk_whose_connection_to_the_database_broke_ends_no_job(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, lines(numbered(8)))
    step()

    def broken(*arguments: Any) -> None:
        raise InterfaceError(0, "")

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "run", broken)
        assert chunks.chunk_run()
    assert fresh(job).state == "running"
    BatchChunk.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert worked(job).done == 8


def test_a_job_is_planned_and_computed_while_the_broker_is_away(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any, **options: Any) -> None:
        raise BrokerError("connection refused")

    monkeypatch.setattr(run_jobs, "apply_async", away)
    assert worked(make_job(tiny, lines(numbered(8)))).done == 8


def retry_while_joining(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the job's next step, which makes the output; it is cancelled and retried meanwhile."""
    join = finishing.outputs.assemble

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.undo()
        services.job_cancel(job, principal=SYSTEM)
        services.job_retry(job, principal=SYSTEM)
        return join(*arguments)

    monkeypatch.setattr(finishing.outputs, "assemble", overtaken)
    step()


def test_an_output_in_the_making_is_not_taken_once_its_job_is_retried(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, MIXED)
    steps(2)  # the plan, the only chunk
    retry_while_joining(job, monkeypatch)
    assert (fresh(job).state, fresh(job).chunks_done) == ("running", 0)
    assert (worked(job).done, worked(job).failed) == (3, 1)


def test_a_damaged_part_counts_once_where_its_job_was_retried_meanwhile(
    tiny: RegisteredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, MIXED)
    steps(2)  # the plan, the only chunk
    put(keys.part(job.pk, 0), b"damaged", tmp_path)
    retry_while_joining(job, monkeypatch)
    found = worked(job)
    assert (found.done, found.failed, found.chunks_done) == (3, 1, 1)


def test_what_an_overtaken_worker_writes_late_changes_no_output(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny, lines(numbered(3)))
    steps(2)  # the plan, the only chunk
    put_whole = StoreFiles.put

    def late(files: StoreFiles, path: Path, key: str) -> None:
        monkeypatch.undo()
        lease_end(FINISHING)
        assert worked(job).state == "succeeded"
        path.write_bytes(b"late")
        put_whole(files, path, key)

    monkeypatch.setattr(StoreFiles, "put", late)
    step()
    assert len(output_rows(job)) == 3
    manifest = b"".join(blob_storage().reader(keys.manifest(fresh(job).output["key"])))
    assert json.loads(manifest)["output"]["sha256"] == fresh(job).output["sha256"]
    assert sweeping.parts_sweep() == 1
    assert lies_there(job) == output_and_manifest(job)


@pytest.mark.parametrize("content", [b"damaged", b"", None])
def test_a_part_that_is_damaged_or_gone_is_computed_whole_when_its_job_is_retried(
    tiny: RegisteredModel, tmp_path: Path, content: bytes | None
) -> None:
    job = worked(make_job(tiny, MIXED))
    if content is None:
        blob_storage().discard(keys.part(job.pk, 0))
    else:
        put(keys.part(job.pk, 0), content, tmp_path)
    services.job_retry(job, principal=SYSTEM)
    assert (worked(job).done, worked(job).failed) == (3, 1)
    assert [row["predictions"] for row in output_rows(job)[:3]] == [
        plus_one(row) for row in numbered(3)
    ]


@pytest.mark.parametrize("of_model", [True, False])
def test_what_a_job_is_being_made_of_is_deleted_before_or_after(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch, of_model: bool
) -> None:
    version, settle, problems = ModelVersion.objects.get(model=tiny), services.order_settle, []

    def delete() -> None:
        try:
            if of_model:
                model_delete(tiny, principal=SYSTEM)
            else:
                version_delete(version, principal=SYSTEM)
        except Problem as problem:
            problems.append(problem.status)
        finally:
            connection.close()

    thread = threading.Thread(target=delete)

    def settled(*arguments: Any) -> Any:
        found = settle(*arguments)
        thread.start()
        thread.join(LONG_ENOUGH)
        return found

    monkeypatch.setattr(services, "order_settle", settled)
    job = make_job(tiny, lines(numbered(1)))
    thread.join()
    assert problems == [409]
    assert worked(job).done == 1


def test_what_was_deleted_before_a_job_is_made_of_it_is_not_there(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = ModelVersion.objects.get(model=tiny)
    route = services.route_load(tiny)
    version_delete(version, principal=SYSTEM)
    with monkeypatch.context() as patch:
        patch.setattr(services, "route_load", lambda model: route)
        refused(404, lambda: make_job(tiny, lines(numbered(1))))
    model_delete(tiny, principal=SYSTEM)
    refused(404, lambda: services.route_load(tiny))


def refused(status: int, ask: Callable[[], object]) -> None:
    with pytest.raises(Problem) as raised:
        ask()
    assert raised.value.status == status


def test_a_version_in_the_trash_is_not_run_again_until_it_is_restored(
    tiny: RegisteredModel,
) -> None:
    job, version = worked(make_job(tiny, MIXED)), ModelVersion.objects.get(model=tiny)
    version_delete(version, principal=SYSTEM)
    refused(409, lambda: services.job_retry(job, principal=SYSTEM))
    version_restore(version.pk, principal=SYSTEM)
    model_delete(tiny, principal=SYSTEM)
    refused(409, lambda: services.job_retry(job, principal=SYSTEM))
    model_restore(tiny.pk, principal=SYSTEM)
    services.job_retry(job, principal=SYSTEM)
    assert (worked(job).done, worked(job).failed) == (3, 1)


def test_an_upload_that_is_being_removed_becomes_no_input(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = staged(lines(numbered(1)), "rows.jsonl")
    order = services.Order(model=tiny, upload=upload)
    storage = type(blob_storage())
    discard, asked = storage.discard, []

    def overtaken(self: Any, key: str) -> None:
        monkeypatch.undo()
        refused(409, lambda: services.job_create(principal=SYSTEM, order=order))
        asked.append(key)
        discard(self, key)

    monkeypatch.setattr(storage, "discard", overtaken)
    upload_abort(upload)
    assert len(asked) == 1
    assert not BatchJob.objects.exists()


def test_a_job_whose_removal_was_broken_off_is_removed_later(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = worked(make_job(tiny, lines(numbered(3))))
    BatchJob.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(blob_storage()), "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            sweeping.jobs_expire()
    assert sweeping.jobs_expire() == 1
    assert sweeping.jobs_expire() == 0
    assert not list(blob_storage().listing(keys.root(job.pk)))
    assert (fresh(job).cleared, fresh(job).output, fresh(job).upload) == (True, {}, None)
