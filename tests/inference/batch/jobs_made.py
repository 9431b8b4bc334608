"""Batch jobs in the tests' own process: made by the services, worked on without a broker."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone

from aihub.access import Principal
from aihub.events import SYSTEM
from inference.batch import keys, services
from inference.batch.services import Order
from inference.models import BatchJob
from registry.models import Job, ModelVersion, RegisteredModel, Team
from registry.processing import worker
from registry.processing.worker import BATCH
from registry.storage import blob_storage
from tests.contract.making import state_dict_file, tiny_onnx
from tests.registry.making import make_model, publish, staged


def make_tiny(team: Team, folder: Path, name: str = "tiny", **fields: Any) -> RegisteredModel:
    """A model of a ready version of `y = x + 1` on four numbers, really processed."""
    model = make_model(team, name, task="tensor", **fields)
    publish(model, "1.0.0", tiny_onnx(folder / f"{name}.onnx").read_bytes())
    while worker.run_one():
        pass
    assert ModelVersion.objects.get(model=model).state == "ready"
    return model


def make_pictures(team: Team, folder: Path) -> RegisteredModel:
    """A model of a ready version that classifies pictures, by chance."""
    model = make_model(team, "pictures")
    fields = {"architecture": "resnet18", "num_classes": 10}
    publish(model, "1.0.0", state_dict_file(folder / "r.pth").read_bytes(), **fields)
    while worker.run_one():
        pass
    return model


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def numbered(count: int) -> list[list[float]]:
    return [[float(n), 0.0, 0.0, 0.0] for n in range(count)]


def make_job(
    model: RegisteredModel,
    content: bytes,
    *,
    principal: Principal = SYSTEM,
    filename: str = "rows.jsonl",
    **more: Any,
) -> BatchJob:
    """A job over content that was sent; `more` are fields of the order."""
    order = Order(model=model, upload=staged(content, filename), **more)
    return services.job_create(principal=principal, order=order)


def put(key: str, content: bytes, folder: Path) -> None:
    """An object that somebody put into the bucket."""
    path = folder / "put"
    path.write_bytes(content)
    blob_storage().put(path, key)


def work() -> None:
    """What a batch worker does until nothing is left."""
    while worker.run_one(BATCH):
        pass


def step() -> None:
    """The next piece of work, which there must be."""
    assert worker.run_one(BATCH)


def fresh(job: BatchJob) -> BatchJob:
    return BatchJob.objects.get(pk=job.pk)


def worked(job: BatchJob) -> BatchJob:
    """The job when all work is done; it must have succeeded."""
    work()
    found = fresh(job)
    assert found.state == "succeeded", (found.state, found.reason)
    return found


def output_rows(job: BatchJob) -> list[dict[str, Any]]:
    content = b"".join(blob_storage().reader(fresh(job).output["key"]))
    return [json.loads(line) for line in content.splitlines()]


def plus_one(row: Sequence[float]) -> list[float]:
    """What the tiny model answers."""
    return (np.asarray(row, np.float32) + 1).tolist()


def lease_end(kind: str) -> None:
    """Whoever works on such a job seems to be gone."""
    Job.objects.filter(kind=kind).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def lies_there(job: BatchJob) -> set[str]:
    return {stored.key for stored in blob_storage().listing(keys.root(job.pk))}


def output_and_manifest(job: BatchJob) -> set[str]:
    key = fresh(job).output["key"]
    return {key, keys.manifest(key)}
