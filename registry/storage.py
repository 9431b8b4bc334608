"""Where content is kept: a folder or an S3 bucket, behind one small interface.

Content is written once under a key and never changed. Errors of the store surface as
`StorageUnavailable`, whatever library raised them.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from storages.backends.s3 import S3Storage

from aihub.problems import N_, Problem
from registry import file_cache
from registry.file_cache import FileCache
from registry.verified import VerifiedFiles

CHUNK = 1024 * 1024
MISSING = N_("A file of this version is missing from the storage.")
CHANGED = N_("A file of this version was changed in the storage: its sum is wrong.")
STORE_FULL = N_("The file storage is full.")
CACHE_FULL = N_("The disk for local copies of the stored files is full.")
_verified = VerifiedFiles()
_COPY = TransferConfig(multipart_threshold=1024**3, multipart_chunksize=512 * CHUNK)


class StorageUnavailable(Problem):
    """The store does not answer, or is full; the same call may go through later."""

    def __init__(self, message: str = N_("The file storage does not answer.")) -> None:
        super().__init__(503, message, headers={"Retry-After": "10"})


class StorageDamaged(StorageUnavailable):
    """The store answers, but not with what was once put there."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Content by its sums (hexadecimal) and size (bytes)."""

    sha256: str
    md5: str
    size: int

    @property
    def key(self) -> str:
        return blob_key(self.md5)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the store lists it."""

    key: str
    size: int
    modified: datetime


def blob_key(md5: str) -> str:
    """Where content is kept; the layout of a DVC remote."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


class BlobStorage(Protocol):
    """What the hub asks of a store."""

    def writer(self, key: str) -> IO[bytes]:
        """A file to write new content to; it is there once closed."""

    def reader(self, key: str) -> "Reading":
        """The content in chunks of at most 1 MiB; FileNotFoundError where there is none."""

    def discard(self, key: str) -> None:
        """Remove content; no error where there is none."""

    def adopt(self, source: str, key: str) -> None:
        """Put the content of `source` under `key` too, in one step."""

    def has(self, key: str, size: int) -> bool:
        """Whether `key` is there in that size."""

    def listing(self, prefix: str) -> "Iterator[Stored]":
        """Every object whose key begins so."""

    def local(self, ref: BlobRef) -> Path:
        """A local file that holds the content, verified; it stays as `file_cache.kept` says."""


def blob_storage() -> BlobStorage:
    """The store that the settings name."""
    return cast(BlobStorage, storages["blobs"])


def local_blob(ref: BlobRef) -> Path:
    """A local, verified file with the content of `ref`.

    Inside `file_cache.kept()` it stays until the block's end, else long enough to be opened.
    """
    return blob_storage().local(ref)


def blob_reader(ref: BlobRef) -> "Reading":
    """The content of `ref` in chunks."""
    try:
        return blob_storage().reader(ref.key)
    except FileNotFoundError:
        raise StorageDamaged(MISSING) from None


class LocalBlobStorage(FileSystemStorage):
    """Content in a folder."""

    def writer(self, key: str) -> IO[bytes]:
        path = Path(self.path(key))
        with _errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            return cast(IO[bytes], Writer(path.open("xb")))

    def reader(self, key: str) -> "Reading":
        with _errors():
            file = Path(self.path(key)).open("rb")  # noqa: SIM115 - `Reading` closes it
        return Reading(file, iter(lambda: file.read(CHUNK), b""))

    def discard(self, key: str) -> None:
        with _errors():
            Path(self.path(key)).unlink(missing_ok=True)

    def adopt(self, source: str, key: str) -> None:
        target = Path(self.path(key))
        with _errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            link = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
            link.hardlink_to(self.path(source))
            link.chmod(0o400)
            link.replace(target)
            link.unlink(missing_ok=True)  # it stays where both were the same file

    def has(self, key: str, size: int) -> bool:
        path = Path(self.path(key))
        return path.is_file() and path.stat().st_size == size

    def listing(self, prefix: str) -> Iterator[Stored]:
        root = Path(self.location)
        for path in sorted((root / prefix).parent.rglob("*")):
            key = path.relative_to(root).as_posix()
            if not key.startswith(prefix) or path.is_dir():
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # removed meanwhile
            yield Stored(key, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))

    def local(self, ref: BlobRef) -> Path:
        path = Path(self.path(ref.key))
        with _errors():
            try:
                right = _verified.holds(path, file_cache.Content(ref.sha256, ref.size))
            except FileNotFoundError:
                raise StorageDamaged(MISSING) from None
        if not right:
            raise StorageDamaged(CHANGED)
        return path


class S3BlobStorage(S3Storage):
    """Content in a bucket of any S3 server."""

    def writer(self, key: str) -> IO[bytes]:
        return cast(IO[bytes], Writer(self.open(key, "wb")))

    def reader(self, key: str) -> "Reading":
        with _errors():
            try:
                body = self._client.get_object(Bucket=self.bucket_name, Key=key)["Body"]
            except self._client.exceptions.NoSuchKey:
                raise FileNotFoundError(key) from None
        return Reading(body, body.iter_chunks(CHUNK))

    def discard(self, key: str) -> None:
        with _errors():
            self._client.delete_object(Bucket=self.bucket_name, Key=key)

    def adopt(self, source: str, key: str) -> None:
        with _errors():
            self._client.copy(
                {"Bucket": self.bucket_name, "Key": source}, self.bucket_name, key, Config=_COPY
            )

    def has(self, key: str, size: int) -> bool:
        with _errors():
            try:
                head = self._client.head_object(Bucket=self.bucket_name, Key=key)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return bool(head["ContentLength"] == size)

    def listing(self, prefix: str) -> Iterator[Stored]:
        pages = self._client.get_paginator("list_objects_v2")
        with _errors():
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield Stored(found["Key"], found["Size"], found["LastModified"])

    def local(self, ref: BlobRef) -> Path:
        with _errors(full=CACHE_FULL):
            try:
                content = file_cache.Content(ref.sha256, ref.size)
                return _copies().local(content, lambda: self._content(ref))
            except file_cache.WrongContent:
                raise StorageDamaged(CHANGED) from None

    def _content(self, ref: BlobRef) -> Iterator[bytes]:
        try:
            with closing(self.reader(ref.key)) as reading:
                yield from reading
        except FileNotFoundError:
            raise StorageDamaged(MISSING) from None

    @property
    def _client(self) -> Any:
        return self.connection.meta.client


class Writer:
    """A file being written, whose errors are the store's; nothing is there until it is closed."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        with _errors():
            return int(self._file.write(data))

    def close(self) -> None:
        with _errors():
            self._file.close()


class Reading:
    """Content in chunks; closing it lets go of its source, whether it was begun or not."""

    def __init__(self, source: Any, chunks: Iterator[bytes]) -> None:
        self._source = source
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with _errors():
            chunk = next(self._chunks, b"")
        if not chunk:
            self.close()
            raise StopIteration
        return chunk

    def close(self) -> None:
        self._source.close()


@cache
def _copies() -> FileCache:
    """This host's copies of what lies in the bucket."""
    return FileCache(settings.HOME / "cache" / "blobs", settings.ENV.AIHUB_FILE_CACHE)


@contextmanager
def _errors(full: str = STORE_FULL) -> Iterator[None]:
    """Turn a store's errors into `StorageUnavailable`; `full` says what is full."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable from error
    except OSError as error:
        if error.errno in file_cache.FULL:
            raise StorageUnavailable(full) from error
        raise


def hash_content(chunks: Iterator[bytes], progress: Callable[[int], None]) -> tuple[str, str, int]:
    """Read content to its end: SHA-256, MD5 (not for security) and size."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for chunk in chunks:
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
        progress(size)
    return sha256.hexdigest(), md5.hexdigest(), size
