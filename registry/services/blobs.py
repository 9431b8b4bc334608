"""Content becomes a blob: hashed, kept once under its sum, with a row."""

from collections.abc import Callable
from pathlib import Path

from registry.models import Blob, Upload
from registry.refusals import N_, Refused
from registry.services.uploads import upload_begin, upload_discard
from registry.storage import BlobRef, blob_storage, hash_content


def blob_of_upload(
    upload: Upload, name: str, progress: Callable[[int], None] = lambda size: None
) -> Blob:
    """The blob of what was uploaded; the upload itself stays, for its owner to discard.

    `progress` is told the bytes hashed so far. Refused where the content has the MD5 sum of
    another; `name` is what the reason calls it.
    """
    storage = blob_storage()
    ref = BlobRef(*hash_content(storage.reader(upload.key), progress))
    if Blob.objects.filter(md5=ref.md5).exclude(sha256=ref.sha256).exists():
        raise Refused(
            N_("%(file)s has the MD5 sum of another file but not its content."), file=name
        )
    if not storage.has(ref.key, ref.size):
        storage.adopt(upload.key, ref.key)
    blob, _ = Blob.objects.get_or_create(
        sha256=ref.sha256, defaults={"md5": ref.md5, "size": ref.size}
    )
    return blob


def blob_of_file(path: Path, created_by: str) -> Blob:
    """The blob of a local file, which stays where it is."""
    staging = upload_begin(filename=path.name, created_by=created_by)
    try:
        staging.fill(path)
        return blob_of_upload(staging.upload, path.name)
    finally:
        upload_discard(staging.upload)
