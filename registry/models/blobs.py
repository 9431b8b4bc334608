"""Content: blobs, stored once under their MD5, and uploads on the way to becoming blobs."""

import uuid

from django.db import models

from registry.storage import BlobRef


class Blob(models.Model):
    """A file's content at `files/md5/ab/cdef…` in the `blobs` storage.

    `verified_at` is when its bytes were last found to have its sums, `damaged_at` when they were
    found not to; whatever has a foreign key to it keeps it from the garbage collection.
    """

    sha256 = models.CharField(max_length=64, unique=True)
    md5 = models.CharField(max_length=32, unique=True)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True, blank=True, db_index=True)
    damaged_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.sha256

    @property
    def ref(self) -> BlobRef:
        return BlobRef(self.sha256, self.md5, self.size)


class Upload(models.Model):
    """A file on its way in: of parts while it is `open`, then whole; swept away once expired.

    Its bytes lie at `uploads/{id}`, which belongs to it alone, unless `location` names content
    that is in the store already: then nothing was sent, and nothing is removed with it. `owner`
    is the id of the principal who began it and alone may go on. `blob` keeps the content that it
    became, or already was, from the garbage collection.
    """

    class States(models.TextChoices):
        OPEN = "open"
        COMPLETE = "complete"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    filename = models.CharField(max_length=200)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)  # as declared, to be held against
    md5 = models.CharField(max_length=32, blank=True)  # likewise; what a DVC pointer names
    state = models.CharField(max_length=8, choices=States.choices, default=States.COMPLETE)
    part_size = models.BigIntegerField(default=0)
    multipart_id = models.CharField(max_length=1024, blank=True)  # what the store calls it
    location = models.CharField(max_length=255, blank=True)
    blob = models.ForeignKey(
        Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="uploads"
    )
    owner = models.CharField(max_length=64, blank=True, db_index=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.filename} ({self.id})"

    @property
    def key(self) -> str:
        """Where its bytes lie."""
        return self.location or self.staged_key

    @property
    def staged_key(self) -> str:
        """The place in the store that is its own."""
        return f"uploads/{self.id}"

    @property
    def part_count(self) -> int:
        return -(-self.size // self.part_size) if self.part_size else 0

    def size_of(self, part: int) -> int:
        """The bytes of a part; all but the last are of one size."""
        return min(self.part_size, self.size - (part - 1) * self.part_size)
