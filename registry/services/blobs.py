"""Content becomes a blob: hashed, kept once under its sum, with a row."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, cast

from django.db import IntegrityError, transaction
from django.utils import timezone

from aihub.db import retry_deadlocks
from registry.models import Blob, Upload
from registry.refusals import N_, Refused
from registry.services.uploads import upload_begin, upload_discard
from registry.storage import BlobRef, blob_storage, hash_content


def blob_of_upload(
    upload: Upload, name: str, progress: Callable[[int], None] = lambda size: None
) -> Blob:
    """The blob of what was uploaded; the upload itself stays, for its owner to discard.

    `progress` is told the bytes hashed so far. Refused where the content is not what was declared,
    or has the MD5 sum of another; `name` is what the reason calls it.
    """
    storage = blob_storage()
    if _is_there(upload):
        progress(upload.size)
        return cast(Blob, upload.blob)
    ref = _hashed(upload, name, progress)
    _check_declared(upload, ref, name)
    held = blob_hold(upload, ref)
    if held is None:
        raise Refused(
            N_("%(file)s has the MD5 sum of another file but not its content."), file=name
        )
    if upload.key != ref.key and not (storage.has(ref.key, ref.size) and held.is_sound):
        storage.adopt(upload.key, ref.key)
    return held.blob


def _hashed(upload: Upload, name: str, progress: Callable[[int], None]) -> BlobRef:
    try:
        reading = blob_storage().reader(upload.key)
    except FileNotFoundError:
        raise Refused(N_("The content of %(file)s was lost."), file=name) from None
    with closing(reading):
        return BlobRef(*hash_content(reading, progress))


def _is_there(upload: Upload) -> bool:
    """Whether the content was known from the beginning, and is in its place."""
    blob = upload.blob
    if blob is None or blob.damaged_at or upload.location != blob.ref.key:
        return False
    return blob_storage().has(blob.ref.key, blob.size)


def _check_declared(upload: Upload, ref: BlobRef, name: str) -> None:
    """Refuse content that is not what was declared when it was sent."""
    if upload.size and upload.size != ref.size:
        raise Refused(
            N_("%(file)s has %(came)s bytes; declared were %(expected)s."),
            file=name,
            expected=upload.size,
            came=ref.size,
        )
    for what, expected, came in (
        ("SHA-256", upload.sha256, ref.sha256),
        ("MD5", upload.md5, ref.md5),
    ):
        if expected and expected != came:
            raise Refused(
                N_("%(file)s has the %(what)s %(came)s; declared was %(expected)s."),
                file=name,
                what=what,
                expected=expected,
                came=came,
            )


class Held(NamedTuple):
    """A row of content; a new one says nothing of what may lie in its place already."""

    blob: Blob
    is_new: bool

    @property
    def is_sound(self) -> bool:
        return not (self.is_new or self.blob.damaged_at)


@retry_deadlocks
def blob_hold(upload: Upload, ref: BlobRef) -> Held | None:
    """The row of content, made where there is none, and held by the upload: from now on it is no
    garbage. None where other content has its MD5 sum.

    Only then is it to be looked whether the object is there: before, it may be freed any moment.
    """
    while True:
        try:
            with transaction.atomic():
                rows = Blob.objects.select_for_update()
                known = rows.filter(sha256=ref.sha256).first()
                upload.blob = known or _made(ref)
                upload.save(update_fields=["blob"])
                return Held(upload.blob, is_new=known is None)
        except IntegrityError:
            if Blob.objects.filter(md5=ref.md5).exclude(sha256=ref.sha256).exists():
                return None


def _made(ref: BlobRef) -> Blob:
    return Blob.objects.create(
        sha256=ref.sha256, md5=ref.md5, size=ref.size, verified_at=timezone.now()
    )


@contextmanager
def blob_of_file(path: Path, created_by: str) -> Iterator[Blob]:
    """The blob of a local file, which stays where it is; no garbage until the block ends."""
    staging = upload_begin(filename=path.name, created_by=created_by)
    try:
        staging.fill(path)
        yield blob_of_upload(staging.upload, path.name)
    finally:
        upload_discard(staging.upload)
