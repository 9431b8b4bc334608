"""Directories: the lists of a version's files in the store, so that DVC can fetch it as a whole."""

from django.db.models import prefetch_related_objects

from registry import dvc
from registry.models import ModelVersion
from registry.services.uploads import upload_begin, upload_discard
from registry.storage import blob_storage


def directory_ensure(version: ModelVersion) -> dvc.Directory | None:
    """See to it that the list of a version's files is in the store; None where it is one file.

    The row comes first: a list that a row names is no garbage. Raises StorageUnavailable.
    """
    prefetch_related_objects([version], "files__blob")
    refs = dvc.refs_of(version)
    if not dvc.is_directory(refs):
        return None
    directory = dvc.directory_of(refs)
    if version.directory_md5 != directory.md5:
        version.directory_md5 = directory.md5
        ModelVersion.everything.filter(pk=version.pk).update(directory_md5=directory.md5)
    if not blob_storage().has(dvc.directory_key(directory.md5), len(directory.listing)):
        _write(directory)
    return directory


def _write(directory: dvc.Directory) -> None:
    """Put a list into its place in one step: half a list is none."""
    staging = upload_begin(filename=f"{directory.md5}{dvc.SUFFIX}", created_by="")
    try:
        staging.write(directory.listing)
        staging.finish()
        blob_storage().adopt(staging.upload.key, dvc.directory_key(directory.md5))
    finally:
        upload_discard(staging.upload)
