"""What the hub sealed and stored is what it loads: changes behind its back are found and told."""

import importlib
import io
import os
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings
from django.utils import timezone

from ops.models import AuditEvent
from registry import manifests
from registry.models import Blob, Job, ModelVersion, Team, VersionFile
from registry.processing import builtin, jobs, pipeline, verifying, worker
from registry.processing.steps import Context
from registry.services import housekeeping, integrity
from registry.services.blobs import blob_of_upload
from registry.services.integrity import blob_local, blob_verify
from registry.services.variants import optimisation_request
from registry.storage import (
    BlobRef,
    LocalBlobStorage,
    StorageDamaged,
    StorageUnavailable,
    blob_storage,
    hash_content,
)
from tests.registry.making import (
    claimed,
    compiling_on,
    make_model,
    make_variant,
    publish,
    staged,
    use_steps,
)

pytestmark = pytest.mark.django_db
PATH = "/api/v1/models/digits/versions/1.0.0/"
Clients = Callable[[User], Any]


def spoil(ref: BlobRef, content: bytes | None = None) -> None:
    """Change content behind the hub's back, or with None remove it; local copies go too."""
    blob_storage().discard(ref.key)
    if content is not None:
        writer = blob_storage().writer(ref.key)
        writer.write(content)
        writer.close()
    (settings.HOME / "cache" / "blobs" / ref.sha256[:2] / ref.sha256).unlink(missing_ok=True)


@pytest.fixture
def content() -> bytes:
    return uuid4().bytes


@pytest.fixture
def version(alpha: Team, monkeypatch: pytest.MonkeyPatch, content: bytes) -> ModelVersion:
    """A version that was taken to ready."""
    use_steps(monkeypatch, checksum=builtin.checksum)
    version = publish(make_model(alpha), "1.0.0", content, labels=["a", "b"])
    pipeline.process(claimed())
    version.refresh_from_db()
    return version


@pytest.fixture
def blob(version: ModelVersion) -> Blob:
    return Blob.objects.get()


def told() -> list[str]:
    found = AuditEvent.objects.filter(action__in=("version.damaged", "version.mended"))
    return list(found.order_by("pk").values_list("action", flat=True))


class TestManifest:
    def test_a_ready_version_is_sealed(
        self, version: ModelVersion, blob: Blob, viewer: User, client_of: Clients
    ) -> None:
        answer = client_of(viewer).get(f"{PATH}manifest/").json()
        assert answer["valid"] is True
        assert answer["signature"] == manifests.seal(answer["manifest"])
        assert answer["manifest"]["files"] == [
            {"path": "file-0", "sha256": blob.sha256, "md5": blob.md5, "size": blob.size}
        ]
        assert answer["manifest"].items() >= {"model": "digits", "version": "1.0.0"}.items()

    def test_a_version_in_processing_is_not(
        self, alpha: Team, viewer: User, client_of: Clients
    ) -> None:
        publish(make_model(alpha))
        assert client_of(viewer).get(f"{PATH}manifest/").status_code == 409

    def test_who_may_not_see_it_sees_no_manifest(
        self, version: ModelVersion, outsider: User, client_of: Clients, anonymous: Any
    ) -> None:
        assert client_of(outsider).get(f"{PATH}manifest/").status_code == 404
        assert anonymous.get(f"{PATH}manifest/").status_code == 401

    @pytest.mark.parametrize(
        "changes",
        [
            {"labels": ["b", "a"]},
            {"signature": {"inputs": []}},
            {"format": "onnx"},
            {"served_format": "onnx"},
            {"architecture": "other"},
            {"preprocessing": {"resize": 1}},
            {"report": [{"file": "a", "layer": "b", "severity": "info", "message": "c"}]},
            {"manifest": {}},
            {"manifest_signature": "0" * 64},
            {"manifest_signature": ""},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_a_changed_record_is_found(
        self, version: ModelVersion, viewer: User, client_of: Clients, changes: dict[str, Any]
    ) -> None:
        client = client_of(viewer)
        assert client.get(PATH).json()["damaged"] is False
        ModelVersion.objects.update(**changes)
        assert client.get(f"{PATH}manifest/").json()["valid"] is False
        assert client.get(PATH).json()["damaged"] is True

    def test_a_file_put_in_anothers_place_is_found(self, version: ModelVersion) -> None:
        other = Blob.objects.create(sha256="0" * 64, md5="0" * 32, size=1)
        VersionFile.objects.update(blob=other)
        with pytest.raises(manifests.Unsealed, match="files"):
            manifests.check(version)

    def test_what_may_change_of_a_version_changes_no_seal(
        self, version: ModelVersion, developer: User, client_of: Clients
    ) -> None:
        client = client_of(developer)
        body = {"description": "new", "metrics": {"f1": 0.1}, "sparsity": 0.5}
        assert client.patch(PATH, body).status_code == 200
        assert client.get(f"{PATH}manifest/").json()["valid"] is True

    def test_versions_that_became_ready_before_are_sealed(self, version: ModelVersion) -> None:
        sealed = version.manifest_signature
        ModelVersion.objects.update(manifest={}, manifest_signature="")
        importlib.import_module("registry.migrations.0005_seals").seal(apps, None)
        version.refresh_from_db()
        assert version.manifest_signature == sealed
        manifests.check(version)


class TestKeys:
    def test_a_key_that_was_before_still_fits(self, version: ModelVersion) -> None:
        before = settings.SECRET_KEY
        with override_settings(SECRET_KEY="another key", SECRET_KEY_FALLBACKS=[before]):
            manifests.check(version)
        with (
            override_settings(SECRET_KEY="another key"),
            pytest.raises(manifests.Unsealed, match="secret key"),
        ):
            manifests.check(version)

    def test_an_operator_seals_anew_after_a_change_of_the_key(self, version: ModelVersion) -> None:
        with override_settings(SECRET_KEY="another key"):
            call_command("reseal", stdout=io.StringIO())
            version.refresh_from_db()
            manifests.check(version)

    def test_a_changed_record_is_sealed_by_force_alone(self, version: ModelVersion) -> None:
        ModelVersion.objects.update(labels=["x", "y"])
        said = io.StringIO()
        call_command("reseal", stdout=said)
        assert "changed, not sealed" in said.getvalue()
        version.refresh_from_db()
        assert not manifests.is_intact(version)
        call_command("reseal", "--force", stdout=said)
        version.refresh_from_db()
        manifests.check(version)


@pytest.mark.parametrize("changed", [b"0123456789abcdef", b"short", None])
class TestDamage:
    def test_it_is_found_when_it_is_loaded_and_told_once(
        self, version: ModelVersion, blob: Blob, changed: bytes | None
    ) -> None:
        assert blob_local(blob.ref).stat().st_size == blob.size
        spoil(blob.ref, changed)
        for _ in range(2):
            with pytest.raises(StorageDamaged) as damage:
                blob_local(blob.ref)
            assert damage.value.status == 503
        assert told() == ["version.damaged"]

    def test_it_is_shown_until_it_is_mended(
        self,
        version: ModelVersion,
        blob: Blob,
        content: bytes,
        changed: bytes | None,
        viewer: User,
        client_of: Clients,
    ) -> None:
        client = client_of(viewer)
        spoil(blob.ref, changed)
        assert blob_verify(blob)
        assert client.get(PATH).json()["damaged"] is True
        shown = client.get("/api/v1/models/digits/versions/").json()["results"]
        assert [row["damaged"] for row in shown] == [True]
        spoil(blob.ref, content)
        assert blob_verify(blob) == ""
        assert client.get(PATH).json()["damaged"] is False
        assert told() == ["version.damaged", "version.mended"]


def test_publishing_the_same_file_again_mends_it(
    version: ModelVersion, blob: Blob, content: bytes
) -> None:
    spoil(blob.ref, bytes(len(content)))
    assert blob_verify(blob)
    builtin.checksum(Context(publish(version.model, "2.0.0", content)))
    assert blob_verify(blob) == ""
    assert told() == ["version.damaged", "version.mended", "version.mended"]


def test_a_download_of_what_is_missing_tells(
    version: ModelVersion, blob: Blob, viewer: User, client_of: Clients
) -> None:
    spoil(blob.ref)
    assert client_of(viewer).get(f"{PATH}download/").status_code == 503
    assert told() == ["version.damaged"]


def test_a_variants_file_is_made_again(version: ModelVersion) -> None:
    derived = blob_of_upload(staged(uuid4().bytes), "derived")
    spoil(derived.ref)
    with compiling_on("cpu-a"):
        optimisation_request(version.pk, "cpu-a")
        Job.objects.update(state=Job.States.SUCCEEDED)
        make_variant(version, "torch-fp32", reference=True)
        make_variant(version, "openvino-bf16", blob=derived)
        assert blob_verify(derived)
    assert [variant.name for variant in version.variants.all()] == ["torch-fp32"]
    assert Job.objects.get(kind="optimise:cpu-a").state == Job.States.QUEUED
    assert told() == ["version.damaged"]


def test_a_chore_that_fails_keeps_no_other_from_being_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def failing() -> None:
        raise StorageUnavailable

    def other() -> None:
        done.append("other")

    monkeypatch.setattr(housekeeping, "CHORES", (failing, other))
    monkeypatch.setattr(housekeeping, "close_old_connections", lambda: None)
    housekeeping.sweep()
    assert done == ["other"]


def test_a_file_is_read_through_once(
    version: ModelVersion, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = blob_local(blob.ref)

    def never(*arguments: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr("hashlib.file_digest", never)
    assert blob_local(blob.ref) == path


def test_a_local_file_cannot_be_written_to(version: ModelVersion, blob: Blob) -> None:
    assert stat.S_IMODE(blob_local(blob.ref).stat().st_mode) == 0o400


def test_a_change_that_sets_the_clock_back_is_found(tmp_path: Path) -> None:
    storage, content = LocalBlobStorage(location=str(tmp_path)), uuid4().bytes
    ref = BlobRef(*hash_content(iter([content]), lambda size: None))
    with closing(storage.writer(ref.key)) as file:
        file.write(content)
    path = storage.local(ref)
    before = path.stat()
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StorageDamaged):
        storage.local(ref)


class TestSweep:
    @pytest.fixture
    def old(self, blob: Blob) -> Blob:
        Blob.objects.update(verified_at=timezone.now() - timedelta(days=8))
        Job.objects.all().delete()
        return blob

    def run(self) -> None:
        verifying.verify(claimed())

    def test_content_is_read_again_after_a_while(self, old: Blob) -> None:
        assert verifying.verification_plan() == 1
        assert verifying.verification_plan() == 0
        self.run()
        old.refresh_from_db()
        assert old.verified_at
        assert old.verified_at > timezone.now() - timedelta(minutes=1)
        assert verifying.verification_plan() == 0
        assert not Job.objects.exists()

    def test_damage_is_told_and_looked_at_until_it_is_mended(
        self, old: Blob, content: bytes
    ) -> None:
        spoil(old.ref)
        verifying.verification_plan()
        self.run()
        assert told() == ["version.damaged"]
        assert verifying.verification_plan() == 0
        assert jobs.claim("worker") is None
        spoil(old.ref, content)
        Job.objects.update(not_before=timezone.now())
        self.run()
        assert told() == ["version.damaged", "version.mended"]
        old.refresh_from_db()
        assert old.damaged_at is None

    def test_only_a_few_wait_at_once(self, version: ModelVersion) -> None:
        Job.objects.all().delete()
        rows = [Blob(sha256=str(n) * 64, md5=str(n) * 32, size=1) for n in range(4)]
        Blob.objects.bulk_create(rows)
        Blob.objects.update(created_at=timezone.now() - timedelta(days=8), verified_at=None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verifying, "AT_ONCE", 3)
            assert [verifying.verification_plan() for _ in range(2)] == [3, 0]

    def test_it_gives_way_to_whatever_waits(
        self, old: Blob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verifying.verification_plan()
        lease = claimed()
        monkeypatch.setattr(verifying, "LOOK_EVERY", 0.0)
        jobs.enqueue(pipeline.KIND, 1)
        verifying.verify(lease)
        assert Job.objects.get(pk=lease.pk).state == Job.States.QUEUED
        old.refresh_from_db()
        assert old.verified_at
        assert old.verified_at < timezone.now() - timedelta(days=7)

    def test_a_store_that_is_away_is_no_damage(
        self, old: Blob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Away:
            def reader(self, key: str) -> None:
                raise StorageUnavailable

        verifying.verification_plan()
        with monkeypatch.context() as patch:
            patch.setattr(integrity, "blob_storage", Away)
            self.run()
        assert told() == []
        assert Job.objects.get().state == Job.States.QUEUED

    def test_content_that_was_freed_is_no_damage(self, old: Blob) -> None:
        verifying.verification_plan()
        VersionFile.objects.all().delete()
        old.delete()
        self.run()
        assert told() == []

    def test_workers_know_the_job(self) -> None:
        assert verifying.KIND in worker.HANDLERS[worker.PROCESSING]


class TestCommand:
    def test_it_reads_what_is_due_or_all(self, blob: Blob) -> None:
        for arguments, read in ((["--all"], 1), ([], 0)):
            said = io.StringIO()
            call_command("verify", *arguments, stdout=said)
            assert f"{read} files read" in said.getvalue()

    def test_it_names_what_is_damaged(self, blob: Blob) -> None:
        spoil(blob.ref)
        ModelVersion.objects.update(labels=["x"])
        said = io.StringIO()
        with pytest.raises(CommandError, match="2 damaged"):
            call_command("verify", "--all", stdout=said)
        assert f"damaged: {blob.ref.key} of digits/1.0.0" in said.getvalue()
        assert "damaged: digits/1.0.0: The record" in said.getvalue()
