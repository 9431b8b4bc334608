"""Processing: step by step, once each, to `ready` or `rejected`, whoever is killed meanwhile."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from ops.models import AuditEvent
from registry.models import Alias, Job, ModelVersion, Team
from registry.models.revision import revision_current
from registry.models.versions import State
from registry.processing import jobs, pipeline
from registry.processing.steps import Context, Run, all_steps
from registry.refusals import Refused
from registry.storage import StorageUnavailable
from tests.registry.making import claimed, make_model, publish, states, use_steps

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """What `kill -9` is to a process: no handler of the hub's sees it."""


class Recorder:
    """Steps that note that they ran; `before` and `after` are called around the first of all."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def step(self, name: str, then: Callable[[Context], None] = lambda context: None) -> Run:
        def run(context: Context) -> None:
            self.ran.append(name)
            then(context)

        return run


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def version(alpha: Team, monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> ModelVersion:
    """A version to process, by two steps that do nothing."""
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two"))
    return publish(make_model(alpha))


def raising(error: BaseException) -> Callable[[Context], None]:
    def run(context: Context) -> None:
        raise error

    return run


def killed_and_taken_over() -> None:
    """Process until the kill; the lease ends."""
    with pytest.raises(Killed):
        pipeline.process(claimed())
    Job.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def events(name: str) -> int:
    return AuditEvent.objects.filter(action=name).count()


def test_the_hub_has_its_steps_in_order() -> None:
    names = [step.name for step in all_steps()]
    assert names == ["checksum", "identify", "scan", "convert", "load", "sample"]


def test_it_ends_ready(version: ModelVersion, recorder: Recorder) -> None:
    revision = revision_current()
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.READY
    assert version.ready_at
    assert recorder.ran == ["one", "two"]
    assert states(version) == [("one", "done"), ("two", "done")]
    assert all(entry["duration_ms"] is not None for entry in version.steps)
    assert Job.objects.get().state == Job.States.SUCCEEDED
    assert revision_current() > revision
    assert events("version.ready") == 1


def test_it_saves_what_a_step_found(version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(context: Context) -> None:
        context.version.format = "onnx"
        context.version.parameter_count = 7
        found = {"file": "f", "layer": "l", "severity": "info", "message": "m"}
        context.version.report = [*context.version.report, found]

    use_steps(monkeypatch, one=find, two=find)
    pipeline.process(claimed())
    version.refresh_from_db()
    assert (version.format, version.parameter_count) == ("onnx", 7)
    assert len(version.report) == 2


def test_it_goes_on_at_the_step_that_was_not_finished(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two", raising(Killed())))
    killed_and_taken_over()
    assert states(version) == [("one", "done"), ("two", "running")]
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two"))
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.READY
    assert recorder.ran == ["one", "two", "two"]
    assert events("version.ready") == 1


def test_it_is_rejected_once_it_has_killed_three_workers(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two", raising(Killed())))
    for _ in range(jobs.MAX_ATTEMPTS):
        killed_and_taken_over()
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.REJECTED
    assert "killed 3 times" in version.reason
    assert "“two”" in version.reason
    assert recorder.ran == ["one", "two", "two", "two"]
    assert Job.objects.get().state == Job.States.FAILED


def test_it_waits_for_storage_that_is_away(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = raising(StorageUnavailable())
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two", away))
    for _ in range(jobs.MAX_ATTEMPTS + 2):
        pipeline.process(claimed())
        assert Job.objects.get().state == Job.States.QUEUED
        assert jobs.claim("too early") is None
        Job.objects.update(not_before=timezone.now())
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two"))
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.READY
    assert recorder.ran.count("one") == 1


def test_it_is_rejected_with_the_reason_of_a_refusal(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Refused("%(file)s runs code.", file="weights.pth")
    use_steps(monkeypatch, one=raising(refused), two=raising(Killed()))
    revision = revision_current()
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.REJECTED
    assert version.reason == "weights.pth runs code."
    assert states(version) == [("one", "failed"), ("two", "pending")]
    assert revision_current() > revision
    assert events("version.rejected") == 1
    assert jobs.claim("worker") is None


def test_it_is_rejected_by_an_error_nobody_foresaw_and_half_a_step_is_kept_apart(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(monkeypatch, one=recorder.step("one"), two=raising(ValueError("no such layer: fc")))
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.REJECTED
    assert "ValueError: no such layer: fc" in version.reason
    assert "“two”" in version.reason
    assert states(version) == [("one", "done"), ("two", "failed")]


def test_an_error_may_say_anything(version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("100 % \0 of \ud800 " + "x" * 5000)
    use_steps(monkeypatch, one=raising(error), two=raising(Killed()))
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.REJECTED
    assert "100 %" in version.reason


def test_a_database_that_fails_leaves_the_job_to_the_next_attempt(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(
        monkeypatch, one=recorder.step("one", raising(OperationalError("gone"))), two=lambda c: None
    )
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.PROCESSING
    Job.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    use_steps(monkeypatch, one=recorder.step("one"), two=recorder.step("two"))
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.READY


def test_a_worker_that_lost_its_lease_changes_nothing(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stall(context: Context) -> None:
        Job.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        use_steps(monkeypatch, one=recorder.step("new one"), two=recorder.step("new two"))
        pipeline.process(claimed("other"))
        context.version.format = "onnx"

    use_steps(monkeypatch, one=stall, two=recorder.step("two"))
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.READY
    assert version.format == ""
    assert recorder.ran == ["new one", "new two"]
    assert events("version.ready") == 1


def test_a_version_deleted_meanwhile_stops_its_processing(
    version: ModelVersion, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(context: Context) -> None:
        ModelVersion.objects.filter(pk=version.pk).delete()

    use_steps(monkeypatch, one=recorder.step("one", delete), two=recorder.step("two"))
    pipeline.process(claimed())
    assert recorder.ran == ["one"]
    assert not ModelVersion.objects.exists()


def test_a_job_without_a_version_is_done(version: ModelVersion) -> None:
    ModelVersion.objects.all().delete()
    pipeline.process(claimed())
    assert Job.objects.get().state == Job.States.SUCCEEDED


def test_it_shows_progress_while_a_step_runs(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []

    def work(context: Context) -> None:
        for fraction in (-1.0, 0.25, 7.0):
            context.progress(fraction)
            shown.append(ModelVersion.objects.get().steps[0]["progress"])

    monkeypatch.setattr(pipeline, "PROGRESS_EVERY", 0.0)
    use_steps(monkeypatch, one=work, two=lambda context: None)
    pipeline.process(claimed())
    assert shown == [0.0, 0.25, 1.0]


def test_progress_is_not_saved_too_often(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []

    def work(context: Context) -> None:
        context.progress(0.5)
        shown.append(ModelVersion.objects.get().steps[0]["progress"])

    monkeypatch.setattr(pipeline, "PROGRESS_EVERY", 3600.0)
    use_steps(monkeypatch, one=work, two=lambda context: None)
    pipeline.process(claimed())
    assert shown == [0.0]


def test_a_ready_version_gets_the_alias_it_was_promised(version: ModelVersion) -> None:
    ModelVersion.objects.update(alias_when_ready="production")
    pipeline.process(claimed())
    alias = Alias.objects.get()
    assert (alias.name, alias.version_id) == ("production", version.pk)
    assert events("alias.moved") == 1
