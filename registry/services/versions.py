"""Publishing, editing and deleting versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import ModelVersion, RegisteredModel, Upload, VersionFile
from registry.models.versions import State
from registry.processing import jobs, pipeline, steps
from registry.semver import Semver
from registry.services.claiming import uploads_lock
from registry.services.lineage import PARENT, lineage_check, lineage_resolve
from registry.services.locks import lock_model, lock_version
from registry.services.samples import JudgedSample, samples_attach
from registry.services.search_rows import labels_index, metrics_index, text_index
from registry.services.taken import version_taken
from registry.services.trash import versions_remove, versions_trash
from registry.services.variants import sparsity_apply, variant_check
from registry.tasks import hint
from registry.usage import require_unused

PINNED = "pinned_variant"


@dataclass(frozen=True)
class Publication:
    """What a new version is made of; the fields are those of `ModelVersion`, `parent` as text.

    `paths` say, by the id of an upload, what a file is called that does not have its own name;
    `samples` are attached to its model.
    """

    version: Semver
    files: Sequence[Upload]
    fields: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[JudgedSample] = ()
    paths: Mapping[UUID, str] = field(default_factory=dict)


@retry_deadlocks
def version_create(
    *, principal: Principal, model: RegisteredModel, publication: Publication
) -> ModelVersion:
    """Publish a version and enqueue its processing, all or nothing.

    Raises `Problem` 409 where the version exists; a rejected one is replaced.
    """
    fields = lineage_resolve(principal=principal, model=model, fields=publication.fields)
    publication = replace(publication, fields=fields)
    with transaction.atomic():
        lock_model(model.pk)
        _remove_rejected(model, publication.version)
        version = _insert(principal, model, publication)
        _insert_files(version, publication)
        text_index(version)
        metrics_index(version)
        labels_index(version)
        if publication.samples:
            samples_attach(model, principal=principal, samples=publication.samples)
        jobs.enqueue(pipeline.KIND, version.pk)
        _emit("version.created", version, principal, files=len(publication.files))
        transaction.on_commit(hint)
    return version


@retry_deadlocks
def version_update(
    version: ModelVersion, *, principal: Principal, changes: Mapping[str, Any]
) -> ModelVersion:
    """Change what may change of a version: what is said of it, its sparsity, what is pinned.

    Raises `Problem` 422 for a `pinned_variant` that it does not have, 400 for a `parent` (text)
    that is none.
    """
    changes = lineage_resolve(principal=principal, model=version.model, fields=changes)
    changed = sorted(changes.keys() - {PINNED})
    with transaction.atomic():
        before = lock_version(version.pk)
        if changes.get(PINNED):
            variant_check(version, changes[PINNED])
        lineage_check(version, changes.get(PARENT))
        for name, value in changes.items():
            setattr(version, name, value)
        version.save(update_fields=[*changes, "updated_at"])
        if "metrics" in changes:
            metrics_index(version)
        if "description" in changes:
            text_index(version)
        if version.sparsity != before.sparsity:
            sparsity_apply(version)
        if version.pinned_variant != before.pinned_variant:
            _emit_pinned(version, principal, before.pinned_variant)
        if changed:
            _emit("version.updated", version, principal, changed=changed)
    return version


@retry_deadlocks
def version_delete(version: ModelVersion, *, principal: Principal) -> None:
    """Put a version into the trash; `Problem` 409 names whatever uses it."""
    with transaction.atomic():
        model = lock_model(version.model_id)
        lock_version(version.pk)
        this = ModelVersion.objects.filter(pk=version.pk)
        require_unused(this, str(version))
        _emit("version.deleted", version, principal)
        versions_trash(this, model, at=timezone.now(), by=principal.name)


def _remove_rejected(model: RegisteredModel, version: Semver) -> None:
    """What was rejected makes room, in the trash too."""
    of_model = ModelVersion.everything.filter(model=model)
    versions_remove(list(of_model.filter(version_key=version.key, state=State.REJECTED)))


def _insert(principal: Principal, model: RegisteredModel, publication: Publication) -> ModelVersion:
    version = publication.version
    try:
        with transaction.atomic():
            return ModelVersion.objects.create(
                model=model,
                version=version.text,
                version_key=version.key,
                sort_key=version.sort_key,
                state=State.PROCESSING,
                steps=steps.pending(),
                size=sum(upload.size for upload in publication.files),
                created_by=principal.name,
                **publication.fields,
            )
    except IntegrityError:
        raise version_taken(model, version.key, version.text) from None


def _insert_files(version: ModelVersion, publication: Publication) -> None:
    uploads_lock(publication.files)
    paths = publication.paths
    rows = [
        VersionFile(
            version=version,
            path=paths.get(upload.pk, upload.filename),
            size=upload.size,
            upload=upload,
        )
        for upload in publication.files
    ]
    try:
        VersionFile.objects.bulk_create(rows)
    except IntegrityError:  # to some databases “A” and “a” are the same
        raise Problem(400, N_("Two files have the same name.")) from None


def _emit_pinned(version: ModelVersion, principal: Principal, before: str) -> None:
    data = {"from": before or None, "to": version.pinned_variant or None}
    _emit("version.variant_pinned", version, principal, **data)


def _emit(name: str, version: ModelVersion, principal: Principal, **data: Any) -> None:
    emit(Event(name, str(version), principal, team_id=version.model.team_id, data=data))
