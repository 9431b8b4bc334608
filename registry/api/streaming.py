"""Multipart uploads that go to storage as they arrive: one chunk in memory at a time."""

from collections.abc import Sequence
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.http import HttpRequest

from aihub.problems import N_, Problem
from registry.models import Upload
from registry.services.owning import is_owned
from registry.services.uploads import Staging, upload_begin, upload_discard
from registry.storage import CHUNK

MODEL_FIELD = "file"
SAMPLES_FIELD = "samples"
LABELS_FIELD = "labels"
LABELS_MAX = 4 * 1024 * 1024


class StagedFile(UploadedFile):
    """A file that is in storage already."""

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        super().__init__(
            file=ContentFile(b""), name=staging.upload.filename, size=staging.upload.size
        )

    @property
    def upload(self) -> Upload:
        return self.staging.upload


class StagingUploadHandler(FileUploadHandler):
    """Streams the fields `staged` to storage, keeps `labels` in memory, refuses other files.

    Whoever installs it calls `discard()` for what no version came to own.
    """

    chunk_size = CHUNK

    def __init__(
        self,
        request: HttpRequest,
        created_by: str = "",
        staged: Sequence[str] = (MODEL_FIELD, SAMPLES_FIELD),
    ) -> None:
        super().__init__(request)
        self.created_by = created_by
        self.staged = staged
        self.uploads: list[Upload] = []
        self._staging: Staging | None = None
        self._labels: bytearray | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name in self.staged:
            self._staging = upload_begin(filename=self.file_name or "", created_by=self.created_by)
            self.uploads.append(self._staging.upload)
        elif self.field_name == LABELS_FIELD:
            self._labels = bytearray()
        else:
            raise Problem(
                400,
                N_("There is no file field “%(field)s”; send files as “%(known)s”."),
                field=str(self.field_name)[:80],
                known=self.staged[0],
            )
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._staging:
            self._staging.write(raw_data)
        elif self._labels is not None:
            self._labels += raw_data
            if len(self._labels) > LABELS_MAX:
                raise Problem(413, N_("The labels file is larger than 4 MiB."))

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self._staging:
            staging, self._staging = self._staging, None
            staging.finish()
            return StagedFile(staging)
        content, self._labels = bytes(self._labels or b""), None
        return UploadedFile(file=ContentFile(content), name=self.file_name, size=len(content))

    def discard(self) -> None:
        """Remove every staged file that nothing came to own."""
        if self._staging:
            self._staging.abort()
        for upload in self.uploads:
            if not is_owned(upload):
                upload_discard(upload)
