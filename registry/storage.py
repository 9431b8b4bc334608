"""Where content is kept: a folder or an S3 bucket, behind one small interface.

Content is written once under a key and never changed. Errors of the store surface as
`StorageUnavailable`, whatever library raised them.
"""

import errno
import hashlib
import os
import shutil
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
CONTENT = "files/md5/"
MISSING = N_("A file of this version is missing from the storage.")
CHANGED = N_("A file of this version was changed in the storage: its sum is wrong.")
STORE_FULL = N_("The file storage is full.")
CACHE_FULL = N_("The disk for local copies of the stored files is full.")
_NOWHERE = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR}  # keys that no content can have
_verified = VerifiedFiles()
_SEND = TransferConfig(
    use_threads=False, multipart_threshold=64 * CHUNK, multipart_chunksize=64 * CHUNK
)
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
    return f"{CONTENT}{md5[:2]}/{md5[2:]}"


class BlobStorage(Protocol):
    """What the hub asks of a store."""

    def check(self) -> None:
        """Raise where the store does not answer, or takes nothing."""

    def writer(self, key: str) -> IO[bytes]:
        """A file to write new content to; it is there once closed."""

    def reader(self, key: str) -> "Reading":
        """The content in chunks of at most 1 MiB; FileNotFoundError where there is none."""

    def range(self, key: str, start: int, size: int) -> "Reading":
        """`size` bytes from `start` on, both within the content; errors as `reader`."""

    def discard(self, key: str) -> None:
        """Remove content; no error where there is none."""

    def adopt(self, source: str, key: str) -> None:
        """Put the content of `source` under `key` too, in one step."""

    def has(self, key: str, size: int) -> bool:
        """Whether `key` is there in that size."""

    def size(self, key: str) -> int:
        """Bytes of the content; FileNotFoundError where there is none."""

    def put(self, path: Path, key: str) -> None:
        """Make a local file the content of `key`, whole and in place of what was there.

        The file may be gone afterwards.
        """

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


def blob_reader(ref: BlobRef, start: int = 0, size: int | None = None) -> "Reading":
    """The content of `ref` in chunks, or `size` bytes of it from `start` on."""
    try:
        if size is None:
            return blob_storage().reader(ref.key)
        return blob_storage().range(ref.key, start, size)
    except FileNotFoundError:
        raise StorageDamaged(MISSING) from None


class LocalBlobStorage(FileSystemStorage):
    """Content in a folder."""

    def check(self) -> None:
        if not os.access(self.location, os.W_OK | os.X_OK):
            raise StorageUnavailable

    def writer(self, key: str) -> IO[bytes]:
        path = Path(self.path(key))
        with store_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            return cast(IO[bytes], Writer(path.open("xb")))

    def reader(self, key: str) -> "Reading":
        with store_errors():
            file = Path(self.path(key)).open("rb")  # noqa: SIM115 - `Reading` closes it
        return Reading(file, iter(lambda: file.read(CHUNK), b""))

    def range(self, key: str, start: int, size: int) -> "Reading":
        with store_errors():
            file = Path(self.path(key)).open("rb")  # noqa: SIM115 - `Reading` closes it
            file.seek(start)
        return Reading(file, _limited(file, size))

    def discard(self, key: str) -> None:
        with store_errors():
            Path(self.path(key)).unlink(missing_ok=True)

    def adopt(self, source: str, key: str) -> None:
        target = Path(self.path(key))
        with store_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            link = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
            link.hardlink_to(self.path(source))
            link.chmod(0o400)
            link.replace(target)
            link.unlink(missing_ok=True)  # it stays where both were the same file

    def has(self, key: str, size: int) -> bool:
        path = Path(self.path(key))
        return path.is_file() and path.stat().st_size == size

    def size(self, key: str) -> int:
        with store_errors():
            return Path(self.path(key)).stat().st_size

    def put(self, path: Path, key: str) -> None:
        target = Path(self.path(key))
        with store_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
                shutil.copyfile(path, beside)
                beside.replace(target)

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
        with store_errors():
            try:
                right = _verified.holds(path, file_cache.Content(ref.sha256, ref.size))
            except FileNotFoundError:
                raise StorageDamaged(MISSING) from None
        if not right:
            raise StorageDamaged(CHANGED)
        return path


class S3BlobStorage(S3Storage):
    """Content in a bucket of any S3 server."""

    def check(self) -> None:
        with store_errors():
            self.client.head_bucket(Bucket=self.bucket_name)

    def writer(self, key: str) -> IO[bytes]:
        return cast(IO[bytes], Writer(self.open(key, "wb")))

    def reader(self, key: str) -> "Reading":
        return self._reading(Key=key)

    def range(self, key: str, start: int, size: int) -> "Reading":
        return self._reading(Key=key, Range=f"bytes={start}-{start + size - 1}")

    def _reading(self, **what: str) -> "Reading":
        with store_errors():
            try:
                body = self.client.get_object(Bucket=self.bucket_name, **what)["Body"]
            except self.client.exceptions.NoSuchKey:
                raise FileNotFoundError(what["Key"]) from None
        return Reading(body, body.iter_chunks(CHUNK))

    def discard(self, key: str) -> None:
        with store_errors():
            self.client.delete_object(Bucket=self.bucket_name, Key=key)

    def adopt(self, source: str, key: str) -> None:
        with store_errors():
            self.client.copy(
                {"Bucket": self.bucket_name, "Key": source}, self.bucket_name, key, Config=_COPY
            )

    def has(self, key: str, size: int) -> bool:
        try:
            return self.size(key) == size
        except FileNotFoundError:
            return False

    def size(self, key: str) -> int:
        with store_errors():
            try:
                head = self.client.head_object(Bucket=self.bucket_name, Key=key)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    raise FileNotFoundError(key) from None
                raise
        return int(head["ContentLength"])

    def put(self, path: Path, key: str) -> None:
        with store_errors():
            self.client.upload_file(str(path), self.bucket_name, key, Config=_SEND)

    def listing(self, prefix: str) -> Iterator[Stored]:
        pages = self.client.get_paginator("list_objects_v2")
        with store_errors():
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield Stored(found["Key"], found["Size"], found["LastModified"])

    def local(self, ref: BlobRef) -> Path:
        with store_errors(full=CACHE_FULL):
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
    def client(self) -> Any:
        """boto3's client of the server."""
        return self.connection.meta.client


class Writer:
    """A file being written, whose errors are the store's; nothing is there until it is closed."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        with store_errors():
            return int(self._file.write(data))

    def close(self) -> None:
        with store_errors():
            self._file.close()


class Reading:
    """Content in chunks; closing it lets go of its source, whether it was begun or not."""

    def __init__(self, source: Any, chunks: Iterator[bytes]) -> None:
        self._source = source
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with store_errors():
            chunk = next(self._chunks, b"")
        if not chunk:
            self.close()
            raise StopIteration
        return chunk

    def close(self) -> None:
        self._source.close()


def _limited(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes of a file in chunks."""
    while size and (chunk := file.read(min(size, CHUNK))):
        size -= len(chunk)
        yield chunk


@cache
def _copies() -> FileCache:
    """This host's copies of what lies in the bucket."""
    return FileCache(settings.HOME / "cache" / "blobs", settings.ENV.AIHUB_FILE_CACHE)


@contextmanager
def store_errors(full: str = STORE_FULL) -> Iterator[None]:
    """Turn a store's errors into `StorageUnavailable`; `full` says what is full."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable from error
    except OSError as error:
        if error.errno in file_cache.FULL:
            raise StorageUnavailable(full) from error
        if error.errno in _NOWHERE:
            raise FileNotFoundError(error.errno, error.strerror, error.filename) from error
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
