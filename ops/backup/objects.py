"""Content, from the hub's store to the backups' place and back."""

import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ops.backup.place import Place, WrongSum, copied, object_name
from ops.backup.rows import AT_ONCE, rows_read
from ops.backup.sums import Sums, sums_known
from registry.models import Blob
from registry.storage import CONTENT, Stored, blob_storage, hash_content

FILES = "files/"
# Everything that the hub or its teams keep there, but parts of uploads that are under way.
PREFIXES = (FILES, "uploads/", "batch/", "inputs/")

Progress = Callable[[str], None]


@dataclass
class Copied:
    """How much was found and how much of it was new; `missing` are keys without right content."""

    count: int = 0
    bytes: int = 0
    new: int = 0
    missing: list[str] = field(default_factory=list)


def objects_copy(place: Place, path: Path, last_blob: int) -> Copied:
    """Copy what the store holds and the place lacks; `path` gets a line for each key.

    Contents whose row is younger than `last_blob` are of no row in the backup, and left out.
    """
    done, sums = Copied(), sums_known(place)
    seen = 0
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for stored, blob in _found():
            if blob is not None and blob.pk > last_blob:
                continue
            seen += blob is not None
            try:
                sha256 = _kept(place, stored, blob, sums, done)
            except (FileNotFoundError, WrongSum):
                # Elsewhere things come and go: the hub removes what was uploaded once it has it.
                if stored.key.startswith(FILES):
                    done.missing.append(stored.key)
                continue
            modified = "" if blob else sums.modified(stored)
            file.write(json.dumps([stored.key, sha256, stored.size, modified]) + "\n")
            done.count += 1
            done.bytes += stored.size
    if seen < Blob.objects.filter(pk__lte=last_blob).count():
        done.missing += _absent(last_blob)
    return done


def objects_restore(place: Place, path: Path) -> int:
    """Put content back under its keys where it is not there; how many were put.

    Raises WrongSum where it is not what it was.
    """
    storage, put = blob_storage(), 0
    for key, sha256, size, *_ in rows_read(path):
        if key.startswith(CONTENT) and storage.has(key, size):
            continue
        staged = f"uploads/{uuid.uuid4()}"
        try:
            with closing(place.reader(object_name(sha256))) as reading:
                if copied(storage, reading, staged) != sha256:
                    raise WrongSum(key)
            storage.adopt(staged, key)
        finally:
            storage.discard(staged)
        put += 1
    return put


def _kept(place: Place, stored: Stored, blob: Blob | None, sums: Sums, done: Copied) -> str:
    """The sum of an object, which the place has now; read for it is what has no row and is new."""
    sha256 = blob.sha256 if blob else sums.of(stored) or _sum_of(stored.key)
    if not place.has(object_name(sha256), stored.size):
        with closing(blob_storage().reader(stored.key)) as reading:
            sha256 = place.take(reading, blob.sha256 if blob else "")
        done.new += 1
    return sha256


def _sum_of(key: str) -> str:
    with closing(blob_storage().reader(key)) as reading:
        return hash_content(reading, lambda _: None)[0]


def _found() -> Iterator[tuple[Stored, Blob | None]]:
    """What the store holds, with the content's row where it has one."""
    for prefix in PREFIXES:
        listing = (stored for stored in blob_storage().listing(prefix) if _is_whole(stored.key))
        while page := list(islice(listing, AT_ONCE)):
            sums = {stored.key: stored.key[len(CONTENT) :].replace("/", "") for stored in page}
            blobs = {blob.md5: blob for blob in Blob.objects.filter(md5__in=sums.values())}
            for stored in page:
                is_content = stored.key.startswith(CONTENT)
                yield stored, blobs.get(sums[stored.key]) if is_content else None


def _is_whole(key: str) -> bool:
    """Not a part of an upload that is under way, nor a copy that a kill interrupted."""
    head, _, name = key.rpartition("/")
    return head == "uploads" or (not head.startswith("uploads/") and not name.startswith("."))


def _absent(last_blob: int) -> list[str]:
    """Keys of contents that the store does not have."""
    blobs = Blob.objects.filter(pk__lte=last_blob).order_by("pk").iterator(chunk_size=AT_ONCE)
    return [blob.ref.key for blob in blobs if not blob_storage().has(blob.ref.key, blob.size)]
