"""Freeing what nothing refers to: all of it, nothing else, and never under somebody's hands."""

import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIRequestFactory, force_authenticate

from aihub.access import Action, Principal, Scope
from aihub.events import SYSTEM
from ops.models import AuditEvent
from registry.api.garbage import GarbageView
from registry.models import (
    Blob,
    ConvertedFile,
    Job,
    Label,
    LabelSet,
    ModelVersion,
    RegisteredModel,
    Sample,
    Team,
    Upload,
    VersionFile,
)
from registry.processing import builtin, collecting
from registry.processing.steps import Context
from registry.services import garbage, versions
from registry.services.blobs import blob_of_file, blob_of_upload
from registry.services.garbage import Collected, blob_free, garbage_collect
from registry.services.holding import removal_held
from registry.services.models import model_ensure
from registry.services.sweeping import uploads_sweep
from registry.services.trash import version_purge
from registry.services.versions import version_delete
from registry.storage import BlobRef, blob_key, blob_storage, hash_content
from tests.registry.making import claimed, make_model, make_variant, publish, staged

pytestmark = pytest.mark.django_db
GC = "/api/v1/gc/"
PAUSE = 0.005  # seconds between collections: SQLite has no queue of those who wait to write
Clients = Callable[[User], Any]


def ref_of(content: bytes) -> BlobRef:
    return BlobRef(*hash_content(iter([content]), lambda size: None))


def put(key: str, content: bytes) -> None:
    with closing(blob_storage().writer(key)) as writer:
        writer.write(content)


def is_there(ref: BlobRef) -> bool:
    return blob_storage().has(ref.key, ref.size)


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> None:
    """A store of the test's own, so that nothing in it is another's."""
    blobs = deepcopy(settings.STORAGES["blobs"])
    options = blobs["OPTIONS"]
    if "location" in options:
        options["location"] = str(tmp_path)
    else:
        options["bucket_name"] = f"own-{uuid4()}"
        _make_bucket(options)
    settings.STORAGES = {**settings.STORAGES, "blobs": blobs}


def _make_bucket(options: dict[str, Any]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        aws_access_key_id=options["access_key"],
        aws_secret_access_key=options["secret_key"],
        region_name=options["region_name"],
    )
    client.create_bucket(Bucket=options["bucket_name"])
    client.close()


@pytest.fixture
def garbage_blob(store: None) -> Blob:
    """Content that nothing refers to any more."""
    upload = staged(uuid4().bytes)
    blob = blob_of_upload(upload, "file")
    blob_storage().discard(upload.key)
    upload.delete()
    return blob


class TestFreeing:
    def test_a_version_deleted_for_good_gives_its_bytes_back(
        self, alpha: Team, store: None
    ) -> None:
        version = publish(make_model(alpha), "1.0.0", uuid4().bytes)
        builtin.checksum(Context(version))
        blob = Blob.objects.get()
        version_delete(version, principal=SYSTEM)
        assert garbage_collect(principal=SYSTEM).blobs == 0
        assert is_there(blob.ref)
        version_purge(version.pk, principal=SYSTEM)
        found = garbage_collect(principal=SYSTEM)
        assert (found.blobs, found.bytes, found.errors, found.complete) == (1, 16, [], True)
        assert not is_there(blob.ref)
        assert not Blob.objects.exists()

    def test_content_that_another_version_has_stays(self, alpha: Team, store: None) -> None:
        model, content = make_model(alpha), uuid4().bytes
        first, second = publish(model, "1.0.0", content), publish(model, "2.0.0", content)
        for version in (first, second):
            builtin.checksum(Context(version))
        version_delete(first, principal=SYSTEM)
        version_purge(first.pk, principal=SYSTEM)
        assert garbage_collect(principal=SYSTEM).blobs == 0
        assert is_there(Blob.objects.get().ref)

    def test_every_table_keeps_its_content(self, alpha: Team, store: None) -> None:
        model = make_model(alpha)
        version = publish(model)
        blobs = [blob_of_upload(staged(uuid4().bytes), "file") for _ in range(5)]
        Upload.objects.filter(blob__in=blobs[1:]).update(blob=None)
        VersionFile.objects.create(version=version, path="a", size=1, blob=blobs[1])
        ConvertedFile.objects.create(version=version, path="a", blob=blobs[2])
        make_variant(version, "torch-fp32", blob=blobs[3])
        Sample.objects.create(model=model, name="a", blob=blobs[4], items=1)
        assert garbage_collect(principal=SYSTEM).blobs == 0
        Upload.objects.all().update(blob=None)
        VersionFile.objects.filter(blob=blobs[1]).update(blob=None)
        for table in (ConvertedFile, Sample):
            table.objects.all().delete()  # type: ignore[attr-defined]
        version.variants.all().delete()
        assert garbage_collect(principal=SYSTEM).blobs == 5

    def test_lists_of_labels_go_with_their_last_version(self, alpha: Team, store: None) -> None:
        model = make_model(alpha)
        gone = publish(model, "1.0.0", labels=["cat", "dog"])
        publish(model, "1.1.0", labels=["tree"])
        ModelVersion.everything.filter(pk=gone.pk).delete()
        garbage_collect(principal=SYSTEM, dry_run=True)
        assert LabelSet.objects.count() == 2
        garbage_collect(principal=SYSTEM)
        assert list(Label.objects.values_list("text", flat=True)) == ["tree"]

    def test_a_dry_run_tells_and_frees_nothing(self, garbage_blob: Blob) -> None:
        found = garbage_collect(principal=SYSTEM, dry_run=True)
        assert (found.dry_run, found.blobs, found.bytes) == (True, 1, 16)
        assert is_there(garbage_blob.ref)
        assert not AuditEvent.objects.filter(action="garbage.collected").exists()

    def test_what_is_young_stays_for_a_grace(self, garbage_blob: Blob) -> None:
        assert garbage_collect(principal=SYSTEM, grace=timedelta(hours=1)).blobs == 0
        Blob.objects.update(created_at=timezone.now() - timedelta(hours=2))
        assert garbage_collect(principal=SYSTEM, grace=timedelta(hours=1)).blobs == 1

    def test_it_stops_when_it_is_told_to(self, garbage_blob: Blob) -> None:
        found = garbage_collect(principal=SYSTEM, stop=lambda: True)
        assert (found.blobs, found.complete) == (0, False)

    def test_what_was_freed_is_in_the_audit_trail(self, garbage_blob: Blob) -> None:
        garbage_collect(principal=SYSTEM)
        event = AuditEvent.objects.get(action="garbage.collected")
        assert event.data.items() >= {"blobs": 1, "bytes": 16}.items()

    def test_an_object_that_is_gone_already_is_no_error(self, garbage_blob: Blob) -> None:
        blob_storage().discard(garbage_blob.ref.key)
        assert garbage_collect(principal=SYSTEM).blobs == 1

    def test_a_file_on_its_way_to_a_row_is_no_garbage(self, tmp_path: Path, store: None) -> None:
        path = tmp_path / "derived"
        path.write_bytes(uuid4().bytes)
        with blob_of_file(path, "tests") as blob:
            assert garbage_collect(principal=SYSTEM).blobs == 0
            assert is_there(blob.ref)
        assert garbage_collect(principal=SYSTEM).blobs == 1


class TestStrays:
    def test_what_the_hub_never_knew_is_counted_and_stays(self, store: None) -> None:
        put(blob_key(uuid4().hex), b"pushed")
        put("files/md5/README", b"what is this")
        found = garbage_collect(principal=SYSTEM)
        assert (found.foreign, found.foreign_bytes, found.bytes) == (2, 18, 0)
        assert garbage_collect(principal=SYSTEM).foreign == 2

    def test_it_goes_where_it_is_old_and_asked_for(self, store: None) -> None:
        put(blob_key(uuid4().hex), b"pushed")
        day = timedelta(days=1)
        assert garbage_collect(principal=SYSTEM, foreign_older_than=day).foreign_removed == 0
        found = garbage_collect(principal=SYSTEM, foreign_older_than=-day, dry_run=True)
        assert (found.foreign_removed, found.bytes) == (1, 6)
        found = garbage_collect(principal=SYSTEM, foreign_older_than=-day)
        assert (found.foreign_removed, found.bytes) == (1, 6)
        assert garbage_collect(principal=SYSTEM).foreign == 0
        assert not Blob.objects.exists()

    @pytest.mark.parametrize("name", ["", ".dir", f".{uuid4().hex}"])
    def test_nothing_goes_once_a_backup_is_begun(self, store: None, name: str) -> None:
        """It may have seen what is there."""
        put(f"{blob_key(uuid4().hex)}{name}", b"pushed")
        with ExitStack() as stack:
            found = garbage_collect(
                principal=SYSTEM,
                foreign_older_than=timedelta(days=-1),
                stop=lambda: stack.enter_context(removal_held()) is None,
            )
            assert (found.foreign_removed, found.complete, len(found.errors)) == (0, False, 1)
        assert len(list(blob_storage().listing("files/"))) == 1
        assert not Blob.objects.exists()

    def test_what_a_pointer_names_stays(self, store: None) -> None:
        key = blob_key(uuid4().hex)
        put(key, b"pushed")
        Upload.objects.create(filename="a", location=key, expires_at=timezone.now())
        found = garbage_collect(principal=SYSTEM, foreign_older_than=timedelta(days=-1))
        assert found.foreign_removed == 0
        assert blob_storage().has(key, 6)

    def test_a_directory_goes_with_its_files(self, alpha: Team, store: None) -> None:
        version = publish(make_model(alpha), "1.0.0", uuid4().bytes)
        builtin.checksum(Context(version))
        md5, listed = uuid4().hex, [{"md5": Blob.objects.get().md5, "relpath": "a"}]
        put(f"{blob_key(md5)}.dir", json.dumps(listed).encode())
        ModelVersion.objects.update(directory_md5=md5)
        assert garbage_collect(principal=SYSTEM).foreign == 0
        version_delete(version, principal=SYSTEM)
        version_purge(version.pk, principal=SYSTEM)
        for dry_run in (True, False):
            found = garbage_collect(principal=SYSTEM, dry_run=dry_run)
            assert (found.blobs, found.directories, found.foreign) == (1, 1, 0)
        assert list(blob_storage().listing("files/")) == []

    @pytest.mark.parametrize("content", [b"[]", b"{", b"[1]", b'{"md5": 1}', b"\xff", b"[" * 9999])
    def test_what_is_no_list_of_files_is_foreign(self, store: None, content: bytes) -> None:
        put(f"{blob_key(uuid4().hex)}.dir", content)
        found = garbage_collect(principal=SYSTEM)
        assert (found.directories, found.foreign) == (0, 1)

    def test_somebodys_whole_directory_stays(self, store: None) -> None:
        content = uuid4().bytes
        put(ref_of(content).key, content)
        listed = json.dumps([{"md5": ref_of(content).md5, "relpath": "a"}]).encode()
        put(f"{blob_key(uuid4().hex)}.dir", listed)
        found = garbage_collect(principal=SYSTEM)
        assert (found.directories, found.foreign) == (0, 2)

    def test_staged_bytes_without_a_row_go_once_they_are_old(
        self, store: None, settings: Any
    ) -> None:
        kept, lost = staged(b"kept"), staged(b"lost")
        lost.delete()
        put(f"{blob_key(uuid4().hex)}.{uuid4().hex}", b"half a copy")
        assert garbage_collect(principal=SYSTEM).staged == 0
        with pytest.MonkeyPatch.context() as patch:
            later = timezone.now() + timedelta(days=8)
            patch.setattr("registry.services.strays.timezone.now", lambda: later)
            assert garbage_collect(principal=SYSTEM).staged == 2
        assert blob_storage().has(kept.key, 4)
        assert not blob_storage().has(lost.key, 4)


class TestDoors:
    @pytest.mark.parametrize(
        ("person", "status"),
        [("admin", 200), ("owner", 403), ("developer", 403), ("viewer", 403), ("outsider", 403)],
    )
    def test_administrators_alone_collect(
        self,
        garbage_blob: Blob,
        client_of: Clients,
        request: pytest.FixtureRequest,
        person: str,
        status: int,
    ) -> None:
        answer = client_of(request.getfixturevalue(person)).post(GC)
        assert answer.status_code == status
        assert Blob.objects.exists() == (status != 200)

    def test_the_answer_tells_what_was_freed(
        self, garbage_blob: Blob, admin: User, client_of: Clients
    ) -> None:
        client = client_of(admin)
        assert client.post(GC, {"dry_run": True}).json()["blobs"] == 1
        answer = client.post(GC, {"dry_run": False}).json()
        assert answer.items() >= {"blobs": 1, "bytes": 16, "errors": [], "complete": True}.items()
        assert client.post(GC, {"grace": 1}).status_code == 400

    def test_nobody_collects_without_credentials(self, anonymous: Any) -> None:
        assert anonymous.post(GC).status_code == 401

    def test_the_command_tells_what_was_freed(self, garbage_blob: Blob) -> None:
        said = io.StringIO()
        call_command("gc", "--dry-run", stdout=said)
        assert "would be freed: 16 bytes; 1 files" in said.getvalue()
        call_command("gc", "--grace", "1", stdout=said)
        assert Blob.objects.exists()
        call_command("gc", stdout=said)
        assert "\nfreed: 16 bytes; 1 files" in said.getvalue()


class TestDaily:
    def test_it_is_asked_for_once_a_day(self, garbage_blob: Blob) -> None:
        Job.objects.all().delete()
        old = Job.objects.create(kind=collecting.KIND, subject_id=1, not_before=timezone.now())
        collecting.collection_plan()
        collecting.collection_plan()
        assert Job.objects.get().pk != old.pk
        Blob.objects.update(created_at=timezone.now() - timedelta(days=2))
        collecting.collect(claimed())
        assert not Blob.objects.exists()
        collecting.collection_plan()
        assert Job.objects.get().state == Job.States.SUCCEEDED


def _run_all(works: list[Callable[[], None]]) -> None:
    def run(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        list(threads.map(run, works))


def _collect() -> int:
    found = Collected(dry_run=False)
    garbage._collect_blobs(found, timedelta(0), lambda: False)
    return found.blobs


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_while_the_same_content_is_published_and_freed(
    alpha: Team, store: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishers of the same content, deleting it again each time, against two collectors."""
    monkeypatch.setattr(versions, "hint", lambda: None)
    content, publishers, rounds = uuid4().bytes * 5000, 3, 8
    done, freed = threading.Event(), []

    def publisher(number: int) -> None:
        model = model_ensure(principal=SYSTEM, name=f"m{number}", team=alpha, task="tensor")
        for round_ in range(rounds):
            version = publish(model, f"1.{round_}.0", content)
            builtin.checksum(Context(version))
            blob = version.files.select_related("blob").get().blob
            assert blob
            assert b"".join(blob_storage().reader(blob.ref.key)) == content
            version_delete(version, principal=SYSTEM)
            version_purge(version.pk, principal=SYSTEM)

    def publish_all() -> None:
        try:
            _run_all([lambda n=n: publisher(n) for n in range(publishers)])  # type: ignore[misc]
        finally:
            done.set()

    def collector() -> None:
        while not done.wait(PAUSE):
            freed.append(_collect())

    _run_all([publish_all, collector, collector])
    uploads_sweep()
    freed.append(_collect())
    assert sum(freed) > 0
    assert not Blob.objects.exists()
    assert list(blob_storage().listing("files/")) == []
    assert RegisteredModel.objects.count() == publishers


@pytest.mark.django_db(transaction=True)
def test_of_two_collections_at_once_each_content_is_freed_by_one(store: None) -> None:
    blobs = [blob_of_upload(staged(uuid4().bytes), "file") for _ in range(20)]
    Upload.objects.all().delete()
    freed: list[int] = []
    _run_all([lambda: freed.append(_collect())] * 3)
    assert sum(freed) == len(blobs)
    assert not any(is_there(blob.ref) for blob in blobs)


@pytest.mark.django_db(transaction=True)
def test_content_that_is_just_taken_is_left(store: None, garbage_blob: Blob) -> None:
    staged_again = staged(b"".join(blob_storage().reader(garbage_blob.ref.key)))
    seen: list[int | None] = []
    _run_all(
        [
            lambda: seen.append(blob_free(garbage_blob.pk)),
            lambda: seen.append(blob_of_upload(staged_again, "file").pk),
        ]
    )
    assert is_there(Blob.objects.get().ref)


def test_a_key_collects_nothing(garbage_blob: Blob, admin: User) -> None:
    """An administrator's API key is narrowed to what keys can do."""
    key = Principal("key:a", "key", is_admin=True, scope=Scope(frozenset({Action.READ})))
    request = APIRequestFactory().post(GC)
    admin.principal = key  # type: ignore[attr-defined]
    force_authenticate(request, user=admin)
    assert GarbageView.as_view()(request).status_code == 403
