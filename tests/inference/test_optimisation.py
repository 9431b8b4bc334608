"""The job that compiles variants: rows under the lease, giving way, and outliving kills."""

import io
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from aihub.events import SYSTEM
from inference import optimisation
from inference.loading import version_prepare
from inference.optimisation import optimise
from inference.optimising import CandidateResult, CompileTask
from inference.optimising.candidates import reference_of
from inference.optimising.policy import choose
from inference.processor import cpu_fingerprint
from inference.routes import routes_load
from inference.runtimes.base import Arrays
from inference.spec import VariantSpec
from registry.models import Blob, Job, ModelVersion, Team, Upload, Variant
from registry.models.revision import revision_current
from registry.models.versions import State
from registry.processing import jobs, optimiser, pipeline, worker
from registry.processing.jobs import Lease
from registry.services.samples import sample_remove, samples_add, samples_judge
from registry.services.uploads import upload_discard
from registry.services.variants import KIND, PRIORITY, variants_renew
from registry.storage import StorageUnavailable, blob_storage
from tests.inference.samples import linear_onnx
from tests.registry.making import claimed, compiling_on, make_model, publish, staged

pytestmark = pytest.mark.django_db
CPU = cpu_fingerprint()
CONTENT = b"a derived file"


class Killed(BaseException):
    """What `kill -9` is to a process."""


Script = Callable[[CompileTask], Iterator[CandidateResult]]


@pytest.fixture(autouse=True)
def _cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Variants are compiled on this machine and chosen as in production."""
    before = optimiser.current()
    optimiser.use(replace(before, cpu=lambda: CPU, choose=choose))
    monkeypatch.setitem(worker.HANDLERS[worker.PROCESSING], KIND + CPU, optimise)
    yield
    optimiser.use(before)


@pytest.fixture
def version(alpha: Team, tmp_path: Path) -> ModelVersion:
    """A ready version of a model of rows; the job that compiles it waits."""
    content = linear_onnx(tmp_path / "m.onnx", item=(16,), classes=5).read_bytes()
    version = publish(make_model(alpha, task="tensor"), "1.0.0", content)
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == State.READY, version.reason
    return version


def rows_file(count: int) -> bytes:
    data = io.BytesIO()
    np.save(data, np.random.default_rng(0).standard_normal((count, 16)).astype(np.float32))
    return data.getvalue()


def give_samples(version: ModelVersion, count: int) -> None:
    upload = staged(rows_file(count), "rows.npy")
    samples_add(version.model, principal=SYSTEM, samples=samples_judge([upload]))
    upload_discard(upload)


def table(version: ModelVersion) -> dict[str, Variant]:
    return {row.name: row for row in version.variants.filter(cpu=CPU)}


def state_of(version: ModelVersion) -> tuple[str, str, str]:
    """What the version, its optimisation and its job are."""
    version.refresh_from_db()
    job = Job.objects.get(kind=KIND + CPU)
    return version.state, version.optimisation, job.state


def expire(lease: Lease) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.filter(pk=lease.pk).update(lease_expires_at=past)


REFERENCE = "onnxruntime-fp32"
PLAN = ("openvino-bf16", "openvino-fp32", "openvino-int8")


def scripted(patch: pytest.MonkeyPatch, *events: str | BaseException) -> list[str]:
    """Compile by a script instead: names that are finished, or what happens in between.

    Answers the names that were asked for, as they are.
    """
    asked: list[str] = []

    def compiling(
        task: CompileTask, interrupted: Callable[[], bool]
    ) -> Generator[CandidateResult, None, None]:
        for event in events:
            if isinstance(event, BaseException):
                raise event
            if event not in task.done:
                asked.append(event)
                yield line(task, event)
                if interrupted():
                    return

    patch.setattr(optimisation, "compile_variants", compiling)
    return asked


def line(task: CompileTask, name: str) -> CandidateResult:
    """A good line about a candidate; all but the reference load one derived file."""
    reference = reference_of(task.spec)
    if name == REFERENCE:
        return reference.result(inputs=200, inputs_from="owner", rate_1=1.0, rate_8=1.0)
    file = task.folder / "derived.onnx"
    file.write_bytes(CONTENT)
    runtime, precision = name.split("-")
    measured: dict[str, Any] = {"agreement": 1.0, "decided": 200, "max_difference": 0.1}
    faster = {"rate_1": 5.0, "rate_8": 9.0, "memory": 7, "inputs": 200, "inputs_from": "owner"}
    return CandidateResult(name, runtime, precision, file=file, **measured, **faster)


class TestForReal:
    """With the real compiler."""

    @pytest.mark.django_db(transaction=True)
    def test_every_candidate_gets_a_row_and_serves_once_it_is_pinned(
        self, version: ModelVersion
    ) -> None:
        give_samples(version, 250)
        optimise(claimed())
        rows = table(version)
        assert {row.state for row in rows.values()} == {"ready"}, rows
        assert {row.inputs_from for row in rows.values()} == {"owner"}
        assert {"onnxruntime-fp32", "openvino-fp32", "openvino-bf16", "openvino-int8"} <= set(rows)
        reference, quantised = rows["onnxruntime-fp32"], rows["openvino-int8"]
        assert (reference.reference, reference.agreement, reference.max_difference) == (True, 1, 0)
        assert all(row.rate_1 and row.rate_8 and row.size for row in rows.values())
        assert quantised.blob
        assert blob_storage().has(quantised.blob.ref.key, quantised.blob.size)
        assert not Upload.objects.exists()
        assert state_of(version) == ("ready", "done", "succeeded")
        assert not list((settings.HOME / "cache" / "optimising").iterdir())
        ModelVersion.objects.update(pinned_variant="openvino-int8")
        variant = routes_load().models["digits"].resolve(version="1.0.0").variant
        assert variant
        assert (variant.runtime, variant.precision) == ("openvino", "int8")
        inputs = {"x": np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)}
        expected, found = answers_of(version, None, inputs), answers_of(version, variant, inputs)
        assert (expected.argmax(1) == found.argmax(1)).all()
        assert not np.array_equal(expected, found)

    def test_without_samples_only_what_is_exact_is_tried(self, version: ModelVersion) -> None:
        optimise(claimed())
        assert {row.precision for row in table(version).values()} == {"fp32"}
        assert {row.inputs_from for row in table(version).values()} == {"made-up"}


def answers_of(version: ModelVersion, variant: VariantSpec | None, inputs: Arrays) -> Any:
    """As the pool loads it: on a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        plan = thread.submit(version_prepare, version.pk, variant).result()
        thread.submit(connections.close_all).result()
    with closing(plan.load().model) as model:
        return model.predict(inputs)["logits"]


def test_what_is_derived_serves_and_the_revision_grows(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, REFERENCE, *PLAN)
    revision = revision_current()
    optimise(claimed())
    assert revision_current() > revision
    variant = routes_load().models["digits"].resolve(version="1.0.0").variant
    assert variant
    assert (variant.name, variant.memory) == ("openvino-fp32", 7)
    blob = Blob.objects.get(size=len(CONTENT))
    assert [(f.path, f.sha256, f.size) for f in variant.files] == [
        ("model.onnx", blob.sha256, len(CONTENT))
    ]
    assert {row.blob for row in table(version).values() if not row.reference} == {blob}


def test_it_gives_way_to_what_is_more_urgent_and_goes_on_later(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scripted(monkeypatch, REFERENCE, *PLAN)
    optimise_until_urgent(version)
    assert asked == [REFERENCE]
    assert state_of(version) == ("ready", "running", "queued")
    assert Job.objects.get(kind=KIND + CPU).attempts == 0
    urgent = claimed()
    assert urgent.kind == pipeline.KIND
    optimise(claimed())
    assert asked == [REFERENCE, *PLAN]
    assert state_of(version) == ("ready", "done", "succeeded")


def optimise_until_urgent(version: ModelVersion) -> None:
    """Run the job while a version waits to be processed."""
    lease = claimed()
    publish(version.model, "2.0.0")
    optimise(lease)


def test_work_that_is_no_more_urgent_waits(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scripted(monkeypatch, REFERENCE, *PLAN)
    lease = claimed()
    jobs.enqueue(KIND + CPU, 987_654, priority=PRIORITY)
    jobs.enqueue("of another worker", 1, priority=9)
    optimise(lease)
    assert asked == [REFERENCE, *PLAN]


def test_a_worker_that_takes_over_goes_on_with_what_has_no_row(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scripted(monkeypatch, REFERENCE, PLAN[0], Killed())
    lease = claimed()
    with pytest.raises(Killed):
        optimise(lease)
    expire(lease)
    again = scripted(monkeypatch, REFERENCE, *PLAN)
    optimise(claimed())
    assert (asked, again) == ([REFERENCE, PLAN[0]], [*PLAN[1:]])
    assert state_of(version) == ("ready", "done", "succeeded")


def killed_three_times(patch: pytest.MonkeyPatch, *before: str) -> None:
    scripted(patch, *before, Killed())
    for _ in range(jobs.MAX_ATTEMPTS):
        lease = claimed()
        with pytest.raises(Killed):
            optimise(lease)
        expire(lease)


def test_a_candidate_that_kills_three_workers_is_passed_over(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_samples(version, 250)
    killed_three_times(monkeypatch, REFERENCE, PLAN[0])
    asked = scripted(monkeypatch, REFERENCE, *PLAN)
    optimise(claimed())
    rows = table(version)
    assert (rows[PLAN[1]].state, rows[PLAN[0]].state) == ("failed", "ready")
    assert "killed 3 times" in rows[PLAN[1]].reason
    assert asked == [PLAN[2]]
    assert state_of(version) == ("ready", "done", "succeeded")


def test_a_reference_that_kills_three_workers_ends_it(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_three_times(monkeypatch)
    scripted(monkeypatch, Killed())
    optimise(claimed())
    assert [row.state for row in table(version).values()] == ["failed"]
    assert state_of(version) == ("ready", "done", "succeeded")
    assert routes_load().models["digits"].resolve(version="1.0.0").variant is None


def test_whatever_always_kills_ends_in_the_end(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_samples(version, 250)
    scripted(monkeypatch, REFERENCE, Killed())
    kills = 0
    while kills < 30:
        lease = claimed()
        try:
            optimise(lease)
        except Killed:
            expire(lease)
            kills += 1
        else:
            break
    assert 3 < kills < 30
    assert state_of(version) == ("ready", "done", "succeeded")
    assert {row.state for row in table(version).values() if not row.reference} == {"failed"}


def test_a_crash_leaves_the_version_ready_with_its_reference(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, ValueError("100 % \0 wrong"))
    optimise(claimed())
    assert state_of(version) == ("ready", "done", "failed")
    assert routes_load().models["digits"].resolve(version="1.0.0").variant is None


def test_it_waits_for_storage_that_is_away(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, REFERENCE, StorageUnavailable())
    optimise(claimed())
    job = Job.objects.get(kind=KIND + CPU)
    assert (job.state, job.attempts) == (Job.States.QUEUED, 0)
    assert job.not_before > timezone.now()


def test_a_failed_candidate_has_its_reason(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiling(
        task: CompileTask, interrupted: Callable[[], bool]
    ) -> Generator[CandidateResult, None, None]:
        reason = {"message": "No %(what)s.", "values": {"what": "luck\0"}}
        yield CandidateResult("openvino-bf16", "openvino", "bf16", state="failed", reason=reason)

    monkeypatch.setattr(optimisation, "compile_variants", compiling)
    optimise(claimed())
    row = Variant.objects.get()
    assert (row.state, row.reason) == ("failed", "No luck�.")


@pytest.mark.parametrize("change", ["deleted", "anew", "samples"])
def test_a_worker_whose_work_was_overtaken_writes_nothing(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    closed: list[bool] = []

    def overtake() -> None:
        if change == "deleted":
            Job.objects.all().delete()
            version.delete()
        elif change == "anew":
            variants_renew(version, principal=SYSTEM)
        else:
            give_samples(version, 5)

    def compiling(
        task: CompileTask, interrupted: Callable[[], bool]
    ) -> Generator[CandidateResult, None, None]:
        try:
            yield line(task, REFERENCE)
            overtake()
            yield line(task, PLAN[0])
        finally:
            closed.append(True)

    monkeypatch.setattr(optimisation, "compile_variants", compiling)
    optimise(claimed())
    assert closed == [True]
    assert not Variant.objects.filter(name=PLAN[0]).exists()
    if change != "deleted":
        assert state_of(version) == ("ready", "pending", "queued")


def test_new_samples_replace_rows_one_by_one_and_old_ones_go(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_samples(version, 250)
    scripted(monkeypatch, REFERENCE, *PLAN)
    optimise(claimed())
    before = table(version)
    sample_remove(version.model.samples.get(), principal=SYSTEM)
    assert table(version).keys() == before.keys()
    asked = scripted(monkeypatch, REFERENCE, *PLAN[:2])
    optimise(claimed())
    assert asked == [REFERENCE, *PLAN[:2]]
    after = table(version)
    assert after.keys() == before.keys() - {PLAN[2]}
    assert all(after[name].created_at > before[name].created_at for name in after)


def test_a_clock_that_is_behind_does_no_harm(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    Job.objects.update(created_at=ahead)
    scripted(monkeypatch, REFERENCE, *PLAN)
    optimise(claimed())
    assert len(table(version)) == 4


def test_a_version_that_is_gone_is_done(version: ModelVersion) -> None:
    lease = claimed()
    ModelVersion.objects.all().delete()
    optimise(lease)
    assert Job.objects.get(kind=KIND + CPU).state == Job.States.SUCCEEDED


def test_rows_of_another_processor_choose_nothing_here(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, REFERENCE, *PLAN)
    with compiling_on("another"):
        variants_renew(version, principal=SYSTEM)
    optimise(claimed())
    Variant.objects.update(cpu="another")
    assert routes_load().models["digits"].resolve(version="1.0.0").variant is None


def test_a_damaged_file_is_waited_for(version: ModelVersion) -> None:
    """It is told, and the job looks again later; the version stays as it is."""
    ref = version.files.select_related("blob").get().blob.ref  # type: ignore[union-attr]
    content = b"".join(blob_storage().reader(ref.key))
    blob_storage().discard(ref.key)
    (settings.HOME / "cache" / "blobs" / ref.sha256[:2] / ref.sha256).unlink(missing_ok=True)
    optimise(claimed())
    job = Job.objects.get(kind=KIND + CPU)
    assert job.state == Job.States.QUEUED
    assert job.not_before > timezone.now() + timedelta(minutes=9)
    assert Blob.objects.get(sha256=ref.sha256).damaged_at
    with closing(blob_storage().writer(ref.key)) as file:
        file.write(content)
    assert Variant.objects.count() == 0


def test_a_changed_record_is_not_compiled(version: ModelVersion) -> None:
    ModelVersion.objects.update(labels=["another"])
    optimise(claimed())
    assert Job.objects.get(kind=KIND + CPU).state == Job.States.QUEUED
    assert Variant.objects.count() == 0
