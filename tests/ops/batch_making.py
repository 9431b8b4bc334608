"""Batch jobs for tests, as they are at some moment; no worker computes them."""

import json
from contextlib import closing
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from inference.batch import keys
from inference.batch.outputs import Shape
from inference.models import BatchJob
from registry.models import ModelVersion
from registry.storage import blob_storage

REPORT = {
    "form": "csv",
    "delimiter": ";",
    "columns": [{"name": "width", "kind": "number"}],
    "inputs": {"x": ["width"]},
    "key": "id",
    "rows": 4,
    "failed": 1,
    "errors": [
        {"key": "7", "line": 8, "message": "“%(file)s” is gone.", "values": {"file": "<b>x</b>"}}
    ],
}


def make_job(version: ModelVersion, /, by: User | None = None, **fields: Any) -> BatchJob:
    """A job of the model's team over objects of it; `by` a user, else by somebody else."""
    root = keys.of_team(version.model.team.name)
    given = {
        "options": {"roots": [root], **fields.pop("options", {})},
        "team": version.model.team,
        "model": version.model,
        "version": version,
        "model_name": version.model.name,
        "version_name": version.version,
        "prefix": f"{root}today/",
        "input_name": "today/",
        "owner": f"user:{by.pk}" if by else "user:0",
        "created_by": by.username if by else "somebody",
        "started_at": timezone.now(),
    }
    return BatchJob.objects.create(**{**given, **fields})


def give_output(job: BatchJob, rows: list[dict[str, Any]], **shape: Any) -> None:
    """Let a job have succeeded with these rows in JSON lines."""
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    key, manifest = keys.output(job.pk, "jsonl"), keys.manifest(job.pk)
    blob_storage().discard(key)  # numbers of jobs come again in other tests
    with closing(blob_storage().writer(key)) as file:
        file.write(content)
    given = {
        "format": "jsonl",
        "version": "1.0.0",
        "classes": False,
        "top": 5,
        "labels": (),
        "probabilities": False,
        "outputs": (),
        "scores": "",
        "numbered": True,
    }
    job.plan = {**job.plan, "shape": Shape(**{**given, **shape}).as_json()}
    job.output = {
        "key": key,
        "format": "jsonl",
        "rows": len(rows),
        "size": len(content),
        "sha256": "a" * 64,
        "md5": "b" * 32,
        "manifest": {"key": manifest, "size": 2, "sha256": "c" * 64},
    }
    job.state, job.total, job.done = "succeeded", len(rows), len(rows)
    job.finished_at = timezone.now()
    job.save()
