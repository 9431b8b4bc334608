"""Models, versions and content for the tests of the registry, made through its services."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from aihub.events import SYSTEM
from registry import semver
from registry.models import Job, ModelVersion, RegisteredModel, Team, Upload, Variant
from registry.models.versions import State
from registry.processing import jobs, optimiser, steps
from registry.processing.jobs import Lease
from registry.processing.steps import Run, Step
from registry.services.models import model_create
from registry.services.sealing import version_seal
from registry.services.uploads import upload_begin
from registry.services.versions import Publication, version_create


def staged(content: bytes, filename: str = "weights.bin") -> Upload:
    """Content that has been uploaded."""
    staging = upload_begin(filename=filename, created_by="tests")
    staging.write(content)
    staging.finish()
    return staging.upload


def make_model(team: Team, name: str = "digits", **fields: Any) -> RegisteredModel:
    return model_create(principal=SYSTEM, name=name, team=team, **fields)


def publish(
    model: RegisteredModel, version: str = "1.0.0", *contents: bytes, **fields: Any
) -> ModelVersion:
    """A version in processing, with a job; its files are `file-0`, `file-1`, …"""
    uploads = [staged(content, f"file-{n}") for n, content in enumerate(contents or (b"weights",))]
    publication = Publication(semver.parse(version), uploads, fields)
    return version_create(principal=SYSTEM, model=model, publication=publication)


def make_ready(version: ModelVersion) -> ModelVersion:
    """As if it had been processed."""
    Job.objects.filter(subject_id=version.pk).update(state=Job.States.SUCCEEDED)
    ModelVersion.objects.filter(pk=version.pk).update(state=State.READY)
    version_seal(version.pk)
    version.refresh_from_db()
    return version


def make_rejected(version: ModelVersion) -> ModelVersion:
    Job.objects.filter(subject_id=version.pk).update(state=Job.States.FAILED)
    ModelVersion.objects.filter(pk=version.pk).update(
        state=State.REJECTED, reason_message="It is broken."
    )
    version.refresh_from_db()
    return version


def claimed(worker: str = "worker") -> Lease:
    """The next job, which there must be."""
    lease = jobs.claim(worker)
    assert lease
    return lease


def use_steps(patch: pytest.MonkeyPatch, **runs: Run) -> None:
    """Process versions by these steps instead of the hub's."""
    patch.setattr(steps, "_steps", [Step(name, run) for name, run in runs.items()])


def states(version: ModelVersion) -> Iterable[tuple[str, str]]:
    """The steps of a version as they are in the database."""
    entries = ModelVersion.objects.values_list("steps", flat=True).get(pk=version.pk)
    return [(entry["name"], entry["state"]) for entry in entries]


def make_variant(version: ModelVersion, name: str, cpu: str = "cpu-a", **fields: Any) -> Variant:
    """A row of a version's table; `name` begins with its runtime and precision."""
    runtime, precision = name.split("-")[:2]
    given = {"runtime": runtime, "precision": precision, "state": "ready", "cpu": cpu}
    return Variant.objects.create(version=version, name=name, **{**given, **fields})


@contextmanager
def compiling_on(cpu: str) -> Iterator[None]:
    """As if variants were compiled on this kind of processor; the first row that is ready serves,
    a pinned one before others, where the model is not `exact`.
    """
    before = optimiser.current()

    def choose(precision: str, rows: Sequence[Variant], pinned: str) -> str | None:
        ready = [row.name for row in rows if row.state == Variant.States.READY]
        if pinned in ready:
            return pinned
        return ready[0] if ready and precision != "exact" else None

    optimiser.use(optimiser.Optimiser(lambda: cpu, choose, lambda form: f"runtime-of-{form}"))
    try:
        yield
    finally:
        optimiser.use(before)
