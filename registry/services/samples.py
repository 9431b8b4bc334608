"""Samples: real inputs that a model's owner attaches, to calibrate and compare its variants."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import IntegrityError, transaction

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import Blob, RegisteredModel, Sample, Upload
from registry.refusals import Refused
from registry.scanning.samples import count_items
from registry.services.blobs import blob_of_upload
from registry.services.locks import lock_model
from registry.services.variants import optimisation_renew_for
from registry.storage import blob_storage


@dataclass(frozen=True, slots=True)
class JudgedSample:
    """A file that was found to hold `items` inputs, and is kept."""

    name: str
    blob: Blob
    items: int


def samples_judge(uploads: Sequence[Upload]) -> list[JudgedSample]:
    """Look at what was uploaded and keep it; `Problem` 422 names the file that is no sample."""
    try:
        counts = [_count(upload) for upload in uploads]
        blobs = [blob_of_upload(upload, upload.filename) for upload in uploads]
    except Refused as refused:
        raise Problem(422, refused.message, **refused.values) from None
    pairs = zip(uploads, blobs, counts, strict=True)
    return [JudgedSample(upload.filename, blob, items) for upload, blob, items in pairs]


@retry_deadlocks
def samples_add(
    model: RegisteredModel, *, principal: Principal, samples: Sequence[JudgedSample]
) -> list[Sample]:
    """Attach samples to a model, all or none; `Problem` 409 where one of a name is there."""
    with transaction.atomic():
        lock_model(model.pk)
        return samples_attach(model, principal=principal, samples=samples)


def samples_attach(
    model: RegisteredModel, *, principal: Principal, samples: Sequence[JudgedSample]
) -> list[Sample]:
    """As `samples_add`, in the caller's transaction, which holds the model."""
    rows = [_insert(model, principal, sample) for sample in samples]
    _changed("samples.added", model, principal, [row.name for row in rows])
    return rows


@retry_deadlocks
def sample_remove(sample: Sample, *, principal: Principal) -> None:
    """Take a sample file from its model."""
    model = sample.model
    with transaction.atomic():
        lock_model(model.pk)
        sample.delete()
        _changed("samples.removed", model, principal, [sample.name])


def _insert(model: RegisteredModel, principal: Principal, sample: JudgedSample) -> Sample:
    try:
        with transaction.atomic():
            return Sample.objects.create(
                model=model,
                name=sample.name,
                blob=sample.blob,
                items=sample.items,
                created_by=principal.name,
            )
    except IntegrityError:
        raise Problem(
            409,
            N_("“%(model)s” has a sample file “%(file)s” already; delete it first."),
            model=model.name,
            file=sample.name,
        ) from None


def _changed(name: str, model: RegisteredModel, principal: Principal, files: list[str]) -> None:
    optimisation_renew_for(model)
    emit(Event(name, model.name, principal, team_id=model.team_id, data={"files": files}))


def _count(upload: Upload) -> int:
    with _local(upload) as path:
        return count_items(path, upload.filename)


@contextmanager
def _local(upload: Upload) -> Iterator[Path]:
    """A local copy, for as long as the block runs: the store may be on another machine."""
    with tempfile.NamedTemporaryFile() as file:
        for chunk in blob_storage().reader(upload.key):
            file.write(chunk)
        file.flush()
        yield Path(file.name)
