"""Staging: bytes on their way in, from the first chunk to a version that owns them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Protocol

from django.utils import timezone

from aihub.problems import Problem
from registry import scanning
from registry.files import main_of
from registry.models import Upload
from registry.parts import part_store
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

    @property
    def name(self) -> str:
        return self.upload.filename

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


class Peeked(Protocol):
    """A file with its two ends, wherever they come from."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def head(self) -> bytes: ...
    @property
    def tail(self) -> bytes: ...


def uploads_peek(files: Sequence[Peeked]) -> None:
    """Refuse (`Problem` 422) what certainly is no model, before any row is written."""
    sizes = {file.name: file.size for file in files}
    for file in files:
        try:
            _peek(file, is_main=file.name == main_of(sizes))
        except Refused as refused:
            raise Problem(422, refused.message, **refused.values) from None


def _peek(file: Peeked, *, is_main: bool) -> None:
    if file.size == 0:
        raise Refused(N_("%(file)s is empty."), file=file.name)
    if is_main:
        scanning.peek(file.name, file.head, file.tail, file.size)


def upload_discard(upload: Upload) -> None:
    """Remove a staged file; where storage is away the sweep does it later.

    What it only points at, content that lies elsewhere in the store, stays.
    """
    try:
        if upload.state == Upload.States.OPEN:
            part_store().forget(upload.staged_key)
        if not upload.location:
            blob_storage().discard(upload.staged_key)
    except StorageUnavailable:
        logger.warning("%s stays until it expires", upload.staged_key)
        return
    upload.delete()


def clean_filename(name: str) -> str:
    """The last part of a client's file name, whatever its system, cut to 200 characters."""
    base = PurePosixPath(PureWindowsPath(name).name).name
    printable = "".join(letter for letter in base if letter.isprintable())
    return printable.strip(" .")[-200:] or "file"
