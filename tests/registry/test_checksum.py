"""The first step: uploads become blobs, each content once, whatever is interrupted."""

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import pytest

from registry.models import Blob, ModelVersion, Team, Upload
from registry.processing.builtin import checksum
from registry.processing.steps import Context
from registry.refusals import Refused
from registry.services import blobs, uploads
from registry.storage import StorageUnavailable, blob_key, blob_storage
from tests.registry.making import make_model, publish

pytestmark = pytest.mark.django_db
CONTENT = uuid4().bytes * 1000


class Killed(BaseException):
    """What `kill -9` is to a process."""


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    return publish(make_model(alpha), "1.0.0", CONTENT, b"labels")


def assert_is_whole(version: ModelVersion, *contents: bytes) -> None:
    """Every file is a blob with the right content, and no upload is left."""
    files = list(version.files.select_related("blob"))
    for file, content in zip(files, contents, strict=True):
        assert file.blob
        assert file.upload is None
        assert file.blob.sha256 == hashlib.sha256(content).hexdigest()
        assert file.blob.md5 == hashlib.md5(content).hexdigest()
        assert b"".join(blob_storage().reader(file.blob.ref.key)) == content


def test_uploads_become_blobs(version: ModelVersion) -> None:
    keys = [upload.key for upload in Upload.objects.all()]
    checksum(Context(version))
    assert_is_whole(version, CONTENT, b"labels")
    assert version.size == len(CONTENT) + 6
    assert not Upload.objects.exists()
    assert not any(blob_storage().has(key, len(CONTENT)) for key in keys)


def test_a_second_run_changes_nothing(version: ModelVersion) -> None:
    checksum(Context(version))
    checksum(Context(version))
    assert_is_whole(version, CONTENT, b"labels")


def test_the_same_content_is_kept_once(version: ModelVersion) -> None:
    again = publish(version.model, "2.0.0", b"labels", CONTENT)
    checksum(Context(version))
    checksum(Context(again))
    assert Blob.objects.count() == 2
    assert_is_whole(again, b"labels", CONTENT)


def test_the_same_content_twice_in_one_version_is_one_blob(alpha: Team) -> None:
    version = publish(make_model(alpha), "1.0.0", CONTENT, CONTENT)
    checksum(Context(version))
    assert Blob.objects.count() == 1
    assert_is_whole(version, CONTENT, CONTENT)


def test_what_others_left_in_its_place_is_replaced(alpha: Team) -> None:
    content = uuid4().bytes
    writer = blob_storage().writer(blob_key(hashlib.md5(content).hexdigest()))
    writer.write(bytes(len(content)))
    writer.close()
    version = publish(make_model(alpha), "1.0.0", content)
    checksum(Context(version))
    assert_is_whole(version, content)


def test_other_content_of_the_same_md5_is_refused(version: ModelVersion) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    Blob.objects.create(sha256="0" * 64, md5=md5, size=len(CONTENT))
    with pytest.raises(Refused, match="file-0 has the MD5 sum of another file"):
        checksum(Context(version))


def test_it_tells_how_far_it_is(version: ModelVersion) -> None:
    told: list[float] = []
    checksum(Context(version, on_progress=told.append))
    assert told == sorted(told)
    assert told[-1] == 1.0


def _waits(method: str, error: BaseException) -> bool:
    """Removing an upload waits until it expires, where the storage is away."""
    return method == "discard" and isinstance(error, StorageUnavailable)


@pytest.mark.parametrize("method", ["reader", "has", "adopt", "discard"])
@pytest.mark.parametrize("error", [Killed(), StorageUnavailable()], ids=["killed", "away"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_it_loses_nothing_when_it_is_interrupted(
    version: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    error: BaseException,
    late: bool,
) -> None:
    storage = blob_storage()
    storage.discard(blob_key(hashlib.md5(CONTENT).hexdigest()))  # what another test left
    real: Callable[..., Any] = getattr(storage, method)

    def interrupted(*arguments: object) -> None:
        if late:
            answer = real(*arguments)
            _ = list(answer) if method == "reader" else answer
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(storage, method, interrupted)
        patch.setattr(blobs, "blob_storage", lambda: storage)
        patch.setattr(uploads, "blob_storage", lambda: storage)
        with pytest.raises(type(error)) if not _waits(method, error) else nullcontext():
            checksum(Context(version))
    checksum(Context(version))
    assert_is_whole(version, CONTENT, b"labels")
