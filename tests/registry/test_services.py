"""What the API does not reach: replacement, races, the broker that is away, the revision."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from kombu.exceptions import OperationalError as BrokerError

from aihub.events import SYSTEM
from aihub.problems import Problem
from registry import semver, tasks
from registry.models import Job, ModelVersion, RegisteredModel, Team, Upload, VersionFile
from registry.models.revision import revision_bump, revision_current
from registry.models.versions import State
from registry.processing import jobs, pipeline
from registry.services import versions
from registry.services.models import model_ensure
from registry.services.sweeping import uploads_sweep
from registry.services.trash import version_purge
from registry.services.versions import Publication, version_create, version_delete
from tests.registry.making import (
    claimed,
    make_model,
    make_ready,
    make_rejected,
    publish,
    staged,
    use_steps,
)

pytestmark = pytest.mark.django_db
RIVALS = 12


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    return make_model(alpha)


def test_a_rejected_version_is_replaced_whole(
    model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_rejected(publish(model, "1.0.0-rc.1", b"one", b"two"))
    second = publish(model, "1.0.0-RC.1", b"three")
    assert second.pk != first.pk
    assert VersionFile.objects.get().version_id == second.pk
    assert Job.objects.get().subject_id == second.pk
    assert second.reason == ""
    use_steps(monkeypatch, one=lambda context: None)  # other steps than when it was published
    pipeline.process(claimed())
    second.refresh_from_db()
    assert second.state == State.READY
    uploads_sweep()
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("settle", [lambda version: version, make_ready])
def test_any_other_version_is_not(model: RegisteredModel, settle: object) -> None:
    first = settle(publish(model))  # type: ignore[operator]
    with pytest.raises(Problem) as problem:
        publish(model, "v1.0.0")
    assert problem.value.status == 409
    assert ModelVersion.objects.get() == first


def test_the_upload_of_a_version_deleted_for_good_expires_at_once(model: RegisteredModel) -> None:
    version = publish(model)
    version_delete(version, principal=SYSTEM)
    assert uploads_sweep() == 0
    version_purge(version.pk, principal=SYSTEM)
    assert uploads_sweep() == 1
    assert not Upload.objects.exists()


def test_a_worker_on_a_deleted_version_writes_nothing(
    model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(model)
    use_steps(monkeypatch, one=lambda context: version_delete(version, principal=SYSTEM))
    pipeline.process(claimed())
    assert not ModelVersion.objects.exists()
    assert not Job.objects.exists()
    assert jobs.claim("worker") is None


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_keeps_nobody_from_publishing(
    model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any, **options: Any) -> None:
        raise BrokerError("connection refused")

    monkeypatch.setattr(tasks.run_jobs, "apply_async", away)
    publish(model)
    assert jobs.has_claimable()


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_publications_exactly_one_wins(
    alpha: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "hint", lambda: None)
    uploads = [staged(b"weights", f"file-{number}") for number in range(RIVALS)]
    barrier = threading.Barrier(RIVALS)

    def rival(number: int) -> int:
        publication = Publication(semver.parse("1.0.0"), [uploads[number]])
        try:
            barrier.wait(30)
            model = model_ensure(principal=SYSTEM, name="digits", team=alpha, task=None)
            version_create(principal=SYSTEM, model=model, publication=publication)
        except Problem as problem:
            return problem.status
        finally:
            connection.close()
        return 202

    with ThreadPoolExecutor(RIVALS) as threads:
        assert sorted(threads.map(rival, range(RIVALS))) == [202] + [409] * (RIVALS - 1)
    assert ModelVersion.objects.count() == Job.objects.count() == 1
    assert VersionFile.objects.count() == RegisteredModel.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_bump_of_the_revision_is_lost() -> None:
    before = revision_current()

    def bump(number: int) -> None:
        try:
            revision_bump()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bump, range(32)))
    assert revision_current() == before + 32


def test_what_routing_depends_on_bumps_the_revision(model: RegisteredModel) -> None:
    for change in (model.save, model.team.save, publish(model).save, model.versions.get().delete):
        before = revision_current()
        change()
        assert revision_current() > before
