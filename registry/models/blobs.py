"""Content: blobs, stored once under their MD5, and uploads on the way to becoming blobs."""

import uuid

from django.db import models

from registry.storage import BlobRef


class Blob(models.Model):
    """A file's content at `files/md5/ab/cdef…` in the `blobs` storage."""

    sha256 = models.CharField(max_length=64, unique=True)
    md5 = models.CharField(max_length=32, unique=True)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.sha256

    @property
    def ref(self) -> BlobRef:
        return BlobRef(self.sha256, self.md5, self.size)


class Upload(models.Model):
    """Bytes at `uploads/{id}` that belong to no blob yet; swept away once expired."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    filename = models.CharField(max_length=200)
    size = models.BigIntegerField(default=0)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.filename} ({self.id})"

    @property
    def key(self) -> str:
        return f"uploads/{self.id}"
