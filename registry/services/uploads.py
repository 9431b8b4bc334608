"""Staging: bytes on their way in, from the first chunk to a version that owns them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from django.db import transaction
from django.utils import timezone

from aihub.problems import Problem
from registry import scanning
from registry.files import main_of
from registry.models import Upload
from registry.refusals import N_, Refused
from registry.storage import CHUNK, StorageUnavailable, blob_storage

PEEK = 64 * 1024  # bytes kept from either end, to look at
EXPIRES = timedelta(hours=24)

logger = logging.getLogger(__name__)


@dataclass
class Staging:
    """One file being written to storage; `head` and `tail` are its two ends."""

    upload: Upload
    file: IO[bytes]
    head: bytes = b""
    tail: bytes = b""
    size: int = 0

    def write(self, chunk: bytes) -> None:
        self.file.write(chunk)
        if len(self.head) < PEEK:
            self.head += chunk[: PEEK - len(self.head)]
        self.tail = (self.tail + chunk)[-PEEK:]
        self.size += len(chunk)

    def fill(self, path: Path) -> None:
        """Write a whole local file, and finish."""
        with path.open("rb") as source:
            while chunk := source.read(CHUNK):
                self.write(chunk)
        self.finish()

    def finish(self) -> None:
        """Close the file: it is in storage now."""
        self.file.close()
        self.upload.size = self.size
        self.upload.save(update_fields=["size"])

    def abort(self) -> None:
        """Stop writing; what was written is removed."""
        try:
            self.file.close()
        except StorageUnavailable:
            logger.warning("an aborted upload could not be closed", exc_info=True)


def upload_begin(*, filename: str, created_by: str) -> Staging:
    """Start to stage a file. The row comes first: bytes without one are found by nobody."""
    upload = Upload.objects.create(
        filename=clean_filename(filename),
        created_by=created_by,
        expires_at=timezone.now() + EXPIRES,
    )
    try:
        return Staging(upload, blob_storage().writer(upload.key))
    except StorageUnavailable:
        upload.delete()
        raise


def uploads_peek(stagings: Sequence[Staging]) -> None:
    """Refuse (`Problem` 422) what certainly is no model, before any row is written."""
    sizes = {staging.upload.filename: staging.size for staging in stagings}
    for staging in stagings:
        try:
            _peek(staging, is_main=staging.upload.filename == main_of(sizes))
        except Refused as refused:
            raise Problem(422, refused.message, **refused.values) from None


def _peek(staging: Staging, *, is_main: bool) -> None:
    if staging.size == 0:
        raise Refused(N_("%(file)s is empty."), file=staging.upload.filename)
    if is_main:
        scanning.peek(staging.upload.filename, staging.head, staging.tail, staging.size)


def upload_discard(upload: Upload) -> None:
    """Remove a staged file; where storage is away the sweep does it later.

    What was in the store already stays: it is not the upload's own.
    """
    try:
        if not upload.location:
            blob_storage().discard(upload.key)
    except StorageUnavailable:
        logger.warning("%s stays until it expires", upload.key)
        return
    upload.delete()


def uploads_sweep() -> int:
    """Remove staged files that expired without becoming part of a version."""
    expired = Upload.objects.filter(expires_at__lt=timezone.now(), version_files=None)
    count = 0
    for upload in expired[:1000]:
        with transaction.atomic():
            upload_discard(upload)
        count += 1
    return count


def clean_filename(name: str) -> str:
    """The last part of a client's file name, whatever its system, cut to 200 characters."""
    base = PurePosixPath(PureWindowsPath(name).name).name
    printable = "".join(letter for letter in base if letter.isprintable())
    return printable.strip(" .")[-200:] or "file"
