"""The object storage killed in the middle of a step: nothing half done, and done once it is back.

The hub's services run in this process, against an S3 server of this module's own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.config import Config
from django.conf import settings as hub_settings
from django.test import override_settings
from mirakuru import TCPExecutor

from aihub.events import SYSTEM
from registry import file_cache
from registry.file_cache import FileCache
from registry.models import Blob, Job, ModelVersion, Team, Upload
from registry.models.versions import State
from registry.processing import builtin, collecting, jobs, pipeline, verifying
from registry.processing.jobs import Lease
from registry.processing.steps import Context
from registry.services.blobs import blob_of_upload
from registry.services.garbage import garbage_collect
from registry.services.integrity import blob_local
from registry.services.trash import version_purge, version_restore
from registry.services.versions import version_delete
from registry.storage import (
    BlobRef,
    StorageDamaged,
    StorageUnavailable,
    blob_storage,
    hash_content,
)
from tests.ports import free_port
from tests.registry.making import claimed, make_model, publish, staged, use_steps
from tests.services import S3_KEY, S3_SECRET, STARTS_WITHIN, Services, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(240)]
LARGE = 24 * 1024 * 1024  # more than any buffer on the way holds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TCPExecutor]:
    port = free_port()
    with s3_server(tmp_path_factory.mktemp("killed-s3"), port) as running:
        Services(0, 0, port).places.make_bucket("killed")
        options = {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "access_key": S3_KEY,
            "secret_key": S3_SECRET,
            "bucket_name": "killed",
            "region_name": "us-east-1",
            "client_config": storage_config(),
        }
        blobs = {"BACKEND": "registry.storage.S3BlobStorage", "OPTIONS": options}
        with override_settings(STORAGES={**deepcopy(hub_settings.STORAGES), "blobs": blobs}):
            yield running


def storage_config() -> Config:
    return Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "max_attempts": 2},
    )


@pytest.fixture
def kill(server: TCPExecutor) -> Iterator[Callable[[], None]]:
    """kill -9 of the server; it is back when the test ends, if not before."""

    def now() -> None:
        server.kill(wait=True)

    yield now
    back(server)


def back(server: TCPExecutor) -> None:
    """Start the server and wait until it stores and gives back: its parts take a moment."""
    if server.running():
        return
    server.start()
    deadline = time.monotonic() + STARTS_WITHIN
    while not _answers():
        assert time.monotonic() < deadline, "the storage does not come back"
        time.sleep(0.05)


def _answers() -> bool:
    try:
        with closing(blob_storage().writer("probe")) as file:
            file.write(b"probe")
        return b"".join(blob_storage().reader("probe")) == b"probe"
    except (StorageUnavailable, FileNotFoundError):
        return False


@pytest.fixture
def content() -> bytes:
    return uuid4().bytes * 1000


def ref_of(content: bytes) -> BlobRef:
    return BlobRef(*hash_content(iter([content]), lambda size: None))


def again() -> Lease:
    """The job, once its pause is over."""
    Job.objects.update(not_before="2000-01-01T00:00Z")
    return claimed()


def free_all() -> Any:
    return garbage_collect(principal=SYSTEM)


def test_killed_between_the_sum_and_the_copy(
    alpha: Team,
    server: TCPExecutor,
    kill: Callable[[], None],
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killing = threading.Event()

    def kill_once(fraction: float) -> None:
        if not killing.is_set():
            killing.set()
            kill()

    def checksum(context: Context) -> None:
        context.on_progress = kill_once
        builtin.checksum(context)

    use_steps(monkeypatch, checksum=checksum)
    version = publish(make_model(alpha), "1.0.0", content)
    pipeline.process(claimed())
    assert killing.is_set()
    version.refresh_from_db()
    assert version.state == State.PROCESSING
    assert version.files.get().blob is None
    assert Upload.objects.get().blob == Blob.objects.get()  # held while the copy is missing
    back(server)
    assert free_all().blobs == 0
    pipeline.process(again())
    version.refresh_from_db()
    assert version.state == State.READY
    assert blob_local(ref_of(content)).read_bytes() == content
    assert list(blob_storage().listing("uploads/")) == []


def test_killed_before_a_file_is_fetched(
    server: TCPExecutor, kill: Callable[[], None], content: bytes
) -> None:
    blob = blob_of_upload(staged(content), "file")
    kill()
    with pytest.raises(StorageUnavailable) as error:
        blob_local(blob.ref)
    assert not isinstance(error.value, StorageDamaged)
    blob.refresh_from_db()
    assert blob.damaged_at is None
    back(server)
    assert blob_local(blob.ref).read_bytes() == content


def test_killed_while_a_file_is_fetched(
    server: TCPExecutor, kill: Callable[[], None], tmp_path: Path
) -> None:
    content = uuid4().bytes * (LARGE // 16)
    blob = blob_of_upload(staged(content), "file")
    cache = FileCache(tmp_path, 2 * LARGE)
    wanted = file_cache.Content(blob.sha256, blob.size)

    def dying() -> Iterator[bytes]:
        for number, chunk in enumerate(blob_storage().reader(blob.ref.key)):
            if number == 1:
                kill()
            yield chunk

    with pytest.raises(StorageUnavailable):
        cache.local(wanted, dying)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    back(server)
    path = cache.local(wanted, lambda: blob_storage().reader(blob.ref.key))
    assert path.stat().st_size == len(content)


def test_killed_when_garbage_is_freed(
    server: TCPExecutor, kill: Callable[[], None], content: bytes
) -> None:
    upload = staged(content)
    blob = blob_of_upload(upload, "file")
    blob_storage().discard(upload.key)
    upload.delete()
    kill()
    found = free_all()
    assert (found.blobs, found.bytes, found.complete) == (0, 0, False)
    assert found.errors
    assert Blob.objects.get() == blob
    collecting.collection_plan()
    Blob.objects.update(created_at="2000-01-01T00:00Z")
    collecting.collect(claimed())
    assert Job.objects.get().state == Job.States.QUEUED
    back(server)
    collecting.collect(again())
    assert Job.objects.get().state == Job.States.SUCCEEDED
    assert not Blob.objects.exists()
    assert not blob_storage().has(blob.ref.key, blob.size)


def test_killed_while_a_version_comes_back_and_goes_for_good(
    alpha: Team,
    server: TCPExecutor,
    kill: Callable[[], None],
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_steps(monkeypatch, checksum=builtin.checksum)
    version = publish(make_model(alpha), "1.0.0", content)
    pipeline.process(claimed())
    kill()
    version_delete(version, principal=SYSTEM)
    version_restore(version.pk, principal=SYSTEM)
    version_delete(version, principal=SYSTEM)
    version_purge(version.pk, principal=SYSTEM)
    assert not ModelVersion.everything.exists()
    assert Blob.objects.exists()
    back(server)
    assert free_all().blobs == 1
    assert not blob_storage().has(ref_of(content).key, len(content))


def test_killed_while_content_is_verified(
    server: TCPExecutor, kill: Callable[[], None], content: bytes
) -> None:
    blob = blob_of_upload(staged(content), "file")
    Blob.objects.update(verified_at="2000-01-01T00:00Z")
    verifying.verification_plan()
    kill()
    verifying.verify(claimed())
    assert Job.objects.get().state == Job.States.QUEUED
    blob.refresh_from_db()
    assert blob.damaged_at is None
    assert jobs.claim("worker") is None
    back(server)
    verifying.verify(again())
    blob.refresh_from_db()
    assert blob.verified_at
    assert blob.verified_at.year > 2000


def test_killed_while_it_is_looked_for_strays(
    server: TCPExecutor, kill: Callable[[], None]
) -> None:
    kill()
    found = free_all()
    assert found.errors
    assert not found.complete
