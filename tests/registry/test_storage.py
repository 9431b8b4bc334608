"""Where content is kept: the same behaviour on a disk and on an S3 server."""

import errno
import hashlib
import io
import os
from pathlib import Path
from uuid import uuid4

import pytest

from registry import storage
from registry.storage import (
    BlobRef,
    Reading,
    S3BlobStorage,
    StorageUnavailable,
    Writer,
    blob_storage,
    hash_content,
    local_blob,
)
from tests.ports import free_port

CONTENT = bytes(range(256)) * 20_000  # five chunks


def ref_of(content: bytes) -> BlobRef:
    md5 = hashlib.md5(content).hexdigest()
    return BlobRef(hashlib.sha256(content).hexdigest(), md5, len(content))


def key() -> str:
    return f"uploads/{uuid4()}"


def keep(content: bytes, where: str) -> None:
    writer = blob_storage().writer(where)
    for start in range(0, len(content), 1_000_000):
        writer.write(content[start : start + 1_000_000])
    writer.close()


def content_of(where: str) -> bytes:
    return b"".join(blob_storage().reader(where))


@pytest.fixture
def away() -> S3BlobStorage:
    """A server that does not answer."""
    return S3BlobStorage(
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        access_key="key",
        secret_key="secret",
        bucket_name="bucket",
    )


@pytest.mark.parametrize("content", [b"", b"x", CONTENT, bytes(12_000_000)], ids=len)
def test_it_gives_back_what_was_written(content: bytes) -> None:
    where = key()
    keep(content, where)
    assert content_of(where) == content
    assert blob_storage().has(where, len(content))
    assert not blob_storage().has(where, len(content) + 1)


def test_it_reads_in_small_chunks() -> None:
    where = key()
    keep(CONTENT, where)
    assert max(map(len, blob_storage().reader(where))) <= storage.CHUNK


def test_a_reading_may_be_broken_off() -> None:
    where = key()
    keep(CONTENT, where)
    reading = blob_storage().reader(where)
    next(reading)
    reading.close()


def test_what_is_missing_is_said_before_the_first_chunk() -> None:
    where = key()
    assert not blob_storage().has(where, 0)
    with pytest.raises(FileNotFoundError):
        blob_storage().reader(where)


def test_it_discards_content_that_is_there_or_not() -> None:
    where = key()
    keep(b"content", where)
    blob_storage().discard(where)
    blob_storage().discard(where)
    assert not blob_storage().has(where, 7)


def test_it_adopts_content_under_another_key() -> None:
    source, target = key(), f"files/md5/ab/{uuid4().hex}"
    keep(CONTENT, source)
    blob_storage().adopt(source, target)
    blob_storage().discard(source)
    assert content_of(target) == CONTENT


def test_it_adopts_again_over_what_a_killed_worker_left() -> None:
    source, target = key(), f"files/md5/ab/{uuid4().hex}"
    keep(b"half", target)
    keep(CONTENT, source)
    blob_storage().adopt(source, target)
    blob_storage().adopt(source, target)
    assert content_of(target) == CONTENT
    assert content_of(source) == CONTENT


def test_a_local_file_holds_the_content() -> None:
    ref = ref_of(CONTENT + b"local")
    keep(CONTENT + b"local", ref.key)
    assert local_blob(ref).read_bytes() == CONTENT + b"local"
    assert local_blob(ref) == local_blob(ref)


def test_a_missing_blob_is_waited_for() -> None:
    with pytest.raises(StorageUnavailable, match="missing"):
        local_blob(ref_of(uuid4().bytes))


def test_a_blob_of_another_size_is_not_taken() -> None:
    ref = ref_of(uuid4().bytes)
    keep(b"something else", ref.key)
    with pytest.raises(StorageUnavailable):
        local_blob(ref)


class Remote(S3BlobStorage):
    """A bucket that holds one content."""

    def __init__(self, content: bytes) -> None:
        super().__init__(bucket_name="bucket")
        self._content_there = content

    def reader(self, key: str) -> Reading:
        file = io.BytesIO(self._content_there)
        return Reading(file, iter(lambda: file.read(4), b""))


def test_content_of_a_bucket_is_copied() -> None:
    content = uuid4().bytes
    path = Remote(content).local(ref_of(content))
    assert path.read_bytes() == content
    assert Remote(b"is not asked again").local(ref_of(content)) == path


def test_content_that_was_changed_in_the_bucket_is_not_handed_out() -> None:
    with pytest.raises(StorageUnavailable, match="sum is wrong"):
        Remote(b"something else").local(ref_of(uuid4().bytes))


def test_a_disk_without_room_for_copies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageUnavailable, match="local copies") as error:
        Remote(CONTENT).local(ref_of(uuid4().bytes))
    assert error.value.status == 503


def test_a_server_that_is_away_is_unavailable(away: S3BlobStorage) -> None:
    calls = (
        lambda: away.reader("key"),
        lambda: away.discard("key"),
        lambda: away.adopt("key", "other"),
        lambda: away.has("key", 1),
        lambda: away.local(ref_of(uuid4().bytes)),
        lambda: away.writer("key").write(b"x"),
        lambda: away.writer("key").close(),
    )
    for call in calls:
        with pytest.raises(StorageUnavailable) as error:
            call()
        assert error.value.status == 503
        assert error.value.headers["Retry-After"]


def test_a_full_disk_is_unavailable() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as device,
        pytest.raises(StorageUnavailable, match="full"),
    ):
        Writer(device).write(b"x")


def test_a_disk_found_full_at_the_end_is_unavailable() -> None:
    full = Writer(Path("/dev/full").open("wb"))  # noqa: SIM115 - closed below
    full.write(b"x")
    with pytest.raises(StorageUnavailable, match="full"):
        full.close()


def test_it_sums_content_up_as_it_reads() -> None:
    sizes: list[int] = []
    sums = hash_content(iter([b"ab", b"c"]), sizes.append)
    assert BlobRef(*sums) == ref_of(b"abc")
    assert sizes == [2, 3]


def test_a_blob_lies_where_a_dvc_remote_has_it() -> None:
    assert BlobRef("", "abcdef", 0).key == "files/md5/ab/cdef"
