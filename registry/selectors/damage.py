"""Reads: what is known of a version's being as it was when it became ready."""

from registry import manifests
from registry.models import ModelVersion
from registry.models.versions import State


def files_damaged(version: ModelVersion) -> bool:
    """Whether one of its files was found changed or missing; no query where they are prefetched
    (`files__blob`, `converted__blob`).
    """
    blobs = [file.blob for file in version.files.all() if file.blob]
    blobs += [file.blob for file in version.converted.all()]
    return any(blob.damaged_at is not None for blob in blobs)


def version_damaged(version: ModelVersion) -> bool:
    """As `files_damaged`, or its record is not what was sealed."""
    if version.state != State.READY:
        return files_damaged(version)
    return files_damaged(version) or not manifests.is_intact(version)
