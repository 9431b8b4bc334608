"""Where backups lie: a folder, or a prefix of a bucket."""

import hashlib
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from registry.storage import BlobStorage, LocalBlobStorage, Reading, S3BlobStorage, Stored

OBJECTS, BACKUPS, INCOMING = "objects/", "backups/", "incoming/"
MANIFEST = "manifest.json"


class WrongSum(Exception):
    """Content is not what its sum says."""


class Place:
    """A store that backups are kept in; names are relative to it."""

    def __init__(self, storage: BlobStorage, prefix: str = "") -> None:
        self._storage = storage
        self._prefix = prefix

    def reader(self, name: str) -> Reading:
        """As `BlobStorage.reader`."""
        return self._storage.reader(self._prefix + name)

    def has(self, name: str, size: int) -> bool:
        return self._storage.has(self._prefix + name, size)

    def discard(self, name: str) -> None:
        self._storage.discard(self._prefix + name)

    def put(self, path: Path, name: str) -> None:
        """Make a local file, which may be gone afterwards, the content of `name`."""
        self._storage.put(path, self._prefix + name)

    def listing(self, prefix: str) -> Iterator[Stored]:
        for stored in self._storage.listing(self._prefix + prefix):
            yield Stored(stored.key.removeprefix(self._prefix), stored.size, stored.modified)

    def backups(self) -> list[str]:
        """The names of the backups that are complete, the oldest first."""
        keys = (stored.key for stored in self.listing(BACKUPS))
        return sorted(key.split("/")[1] for key in keys if key.endswith(f"/{MANIFEST}"))

    def take(self, content: Iterator[bytes], sha256: str = "") -> str:
        """Keep content under its sum, which is answered; WrongSum where it is not `sha256`."""
        incoming = f"{self._prefix}{INCOMING}{uuid.uuid4().hex}"
        try:
            found = copied(self._storage, content, incoming)
            if sha256 and found != sha256:
                raise WrongSum
            self._storage.adopt(incoming, self._prefix + object_name(found))
        finally:
            self._storage.discard(incoming)
        return found

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A local copy of a file, while the block lasts."""
        with tempfile.NamedTemporaryFile(dir=settings.HOME, prefix="backup-") as copy:
            with closing(self.reader(name)) as reading:
                for chunk in reading:
                    copy.write(chunk)
            copy.flush()
            yield Path(copy.name)


def place_open(where: str) -> Place:
    """The place that a path or `s3://bucket/prefix` names; ValueError where it names none."""
    parts = urlsplit(where)
    if parts.scheme == "s3" and parts.netloc:
        prefix = parts.path.strip("/")
        return Place(_bucket(parts.netloc), f"{prefix}/" if prefix else "")
    if "://" in where:
        raise ValueError("A backup lies in a folder, or at s3://bucket/prefix.")
    return Place(LocalBlobStorage(location=str(Path(where).expanduser().resolve())))


def object_name(sha256: str) -> str:
    return f"{OBJECTS}{sha256[:2]}/{sha256[2:]}"


def copied(storage: BlobStorage, content: Iterator[bytes], key: str) -> str:
    """Write content to a new key; its SHA-256."""
    digest = hashlib.sha256()
    with closing(storage.writer(key)) as writer:
        for chunk in content:
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()


def _bucket(name: str) -> S3BlobStorage:
    env = settings.ENV
    own = bool(env.AIHUB_BACKUP_S3_ENDPOINT)
    if not own and not env.AIHUB_S3_ENDPOINT:
        raise ValueError("Set AIHUB_BACKUP_S3_ENDPOINT: there is no S3 server to keep it at.")
    options: dict[str, Any] = {
        "endpoint_url": env.AIHUB_BACKUP_S3_ENDPOINT if own else env.AIHUB_S3_ENDPOINT,
        "access_key": env.AIHUB_BACKUP_S3_ACCESS_KEY if own else env.AIHUB_S3_ACCESS_KEY,
        "secret_key": env.AIHUB_BACKUP_S3_SECRET_KEY if own else env.AIHUB_S3_SECRET_KEY,
        "region_name": env.AIHUB_BACKUP_S3_REGION if own else env.AIHUB_S3_REGION,
    }
    return S3BlobStorage(bucket_name=name, client_config=settings.S3_CLIENT, **options)
