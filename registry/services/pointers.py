"""Content that is in the store already, taken by a DVC pointer: nothing is sent."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aihub.access import Principal
from aihub.problems import N_, Problem
from registry import dvc, selectors
from registry.dvc_pointers import (
    FILES_MAX,
    LISTING_MAX,
    Out,
    listing_parse,
    pointer_parse,
    under,
)
from registry.models import Blob, ModelVersion, Upload, VersionFile
from registry.refusals import Refused
from registry.storage import BlobStorage, blob_key, blob_storage

SHOWN = 20  # sums of missing content in one answer


@contextmanager
def content_pointed(*, principal: Principal, text: str) -> Iterator[list[Upload]]:
    """Uploads of what a pointer names, gone after the block where it fails.

    Raises `Problem` 400 for a pointer that cannot be used, 422 for content that is not there.
    Content that the hub knows is there for those alone who may read a version that has it.
    """
    try:
        files = _files(principal, pointer_parse(text))
    except Refused as refused:
        raise Problem(400, refused.message, **refused.values) from None
    uploads = _begin(principal, files)
    try:
        _look(principal, uploads, {file.path: file.size for file in files})
        yield uploads
    except BaseException:
        Upload.objects.filter(pk__in=[upload.pk for upload in uploads]).delete()
        raise


def _files(principal: Principal, outs: list[Out]) -> list[Out]:
    """Outs with directories replaced by their files."""
    files: list[Out] = []
    for out in outs:
        if not out.is_directory:
            files.append(out)
            continue
        listed = listing_parse(_listing(principal, out.md5))
        files += listed if len(outs) == 1 else [under(out.path, file) for file in listed]
    if len(files) > FILES_MAX:
        raise Refused(N_("More than %(max)s files."), max=FILES_MAX)
    if len({file.path for file in files}) < len(files):
        raise Refused(N_("Two files have the same name."))
    return files


def _listing(principal: Principal, md5: str) -> bytes:
    """A directory's list, verified; where others' versions have it, it is not there."""
    owned = ModelVersion.everything.filter(directory_md5=md5).exists()
    if owned and not selectors.versions_visible(principal).filter(directory_md5=md5).exists():
        raise _missing([md5 + dvc.SUFFIX])
    key = dvc.directory_key(md5)
    size = _size_of(blob_storage(), key)
    if size is None:
        raise _missing([md5 + dvc.SUFFIX])
    if size > LISTING_MAX:
        raise Refused(N_("A directory must have 1 to %(max)s files."), max=FILES_MAX)
    try:
        with closing(blob_storage().reader(key)) as reading:
            content = b"".join(reading)
    except FileNotFoundError:
        raise _missing([md5 + dvc.SUFFIX]) from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise Refused(N_("The list of the directory is not what DVC writes."))
    return content


def _begin(principal: Principal, files: list[Out]) -> list[Upload]:
    """Rows that hold the content: from now on it is no garbage, and only then is it looked for.

    They are nobody's: who may not read the content could make a version of them meanwhile.
    """
    expires = timezone.now() + timedelta(hours=settings.ENV.AIHUB_UPLOAD_HOURS)
    with transaction.atomic():
        known = Blob.objects.select_for_update().filter(md5__in={file.md5 for file in files})
        blobs = {blob.md5: blob for blob in known}
        return Upload.objects.bulk_create(
            Upload(
                filename=file.path,
                md5=file.md5,
                location=blob_key(file.md5),
                blob=blobs.get(file.md5),
                size=blobs[file.md5].size if file.md5 in blobs else 0,
                created_by=principal.name,
                expires_at=expires,
            )
            for file in files
        )


def _look(principal: Principal, uploads: list[Upload], sizes: dict[str, int | None]) -> None:
    """Find out the sizes of what is there, and raise `Problem` 422 naming what is not."""
    readable = _readable(principal, {upload.md5 for upload in uploads if upload.blob})
    missing = []
    for upload in uploads:
        size = upload.size if upload.md5 in readable else None
        if upload.blob is None:
            size = _size_of(blob_storage(), upload.key)
        if size is None:
            missing.append(upload.md5)
            continue
        upload.size = size
    if missing:
        raise _missing(missing)
    for upload in uploads:
        _check_size(upload, sizes[upload.filename])
    Upload.objects.bulk_update(uploads, ["size"], batch_size=200)


def _check_size(upload: Upload, declared: int | None) -> None:
    if upload.size == 0:
        raise Problem(422, N_("%(file)s is empty."), file=upload.filename)
    if declared not in (None, upload.size):
        raise Problem(
            422,
            N_("%(file)s has %(size)s bytes in the store, not %(declared)s."),
            file=upload.filename,
            size=upload.size,
            declared=declared,
        )


def _readable(principal: Principal, sums: Collection[str]) -> set[str]:
    """Those of these sums that a version has which the principal may read."""
    versions = selectors.versions_visible(principal).order_by().values("pk")
    files = VersionFile.objects.filter(version__in=versions, blob__md5__in=sums)
    return set(files.order_by().values_list("blob__md5", flat=True))


def _size_of(storage: BlobStorage, key: str) -> int | None:
    return next((found.size for found in storage.listing(key) if found.key == key), None)


def _missing(sums: list[str]) -> Problem:
    return Problem(
        422,
        N_("Not in the hub's remote: %(sums)s. Run “dvc push” first."),
        sums=", ".join(sorted(set(sums))[:SHOWN]),
    )
