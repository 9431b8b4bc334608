"""From a completed upload to content: sums, what is known already, sweeping, ranges."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from registry import storage
from registry.models import ModelVersion, RegisteredModel, Team, Upload
from registry.parts import FolderParts, part_store
from registry.parts_s3 import signer
from registry.processing.builtin import checksum
from registry.processing.steps import Context
from registry.refusals import Refused
from registry.services.sweeping import parts_sweep, uploads_sweep
from registry.storage import StorageUnavailable, blob_storage
from tests.registry.making import make_model, make_ready, make_rejected
from tests.registry.uploading import API, begun, put, sent, sha256, uploaded, urls

pytestmark = pytest.mark.django_db
CONTENT = os.urandom(300_000)
ClientOf = Callable[[User], Any]
VERSIONS = "/api/v1/models/digits/versions/"


@pytest.fixture
def client(developer: User, client_of: ClientOf) -> Any:
    return client_of(developer)


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    return make_model(alpha)


def published(client: Any, upload: str, version: str = "1.0.0") -> ModelVersion:
    body = {"version": version, "files": [{"upload": upload}]}
    answer = client.post(VERSIONS, body)
    assert answer.status_code == 202, answer.content
    return ModelVersion.objects.get(version=version)


def kept(client: Any, content: bytes) -> ModelVersion:
    """A ready version of this content."""
    version = published(client, uploaded(client, content))
    checksum(Context(version))
    return make_ready(version)


def test_content_of_parts_becomes_a_blob(client: Any, model: RegisteredModel) -> None:
    version = published(client, uploaded(client, CONTENT, sha256=sha256(CONTENT)))
    checksum(Context(version))
    blob = version.files.get().blob
    assert blob
    assert blob.sha256 == sha256(CONTENT)
    assert b"".join(blob_storage().reader(blob.ref.key)) == CONTENT
    assert not Upload.objects.exists()


def test_another_sum_than_was_declared_says_both(client: Any, model: RegisteredModel) -> None:
    version = published(client, uploaded(client, CONTENT, sha256="0" * 64))
    with pytest.raises(Refused) as refused:
        checksum(Context(version))
    assert "0" * 64 in str(refused.value)
    assert sha256(CONTENT) in str(refused.value)


class TestKnownContent:
    def test_what_one_may_read_is_complete_at_once(
        self, client: Any, model: RegisteredModel
    ) -> None:
        before = kept(client, CONTENT)
        upload = begun(client, CONTENT, sha256=sha256(CONTENT))
        assert upload["state"] == "complete"
        row = Upload.objects.get(pk=upload["id"])
        assert row.blob == before.files.get().blob
        version = published(client, upload["id"], "2.0.0")
        checksum(Context(version))
        assert version.files.get().blob == row.blob
        assert b"".join(blob_storage().reader(row.key)) == CONTENT

    def test_what_one_may_not_read_is_sent(
        self, client: Any, model: RegisteredModel, outsider: User, client_of: ClientOf
    ) -> None:
        kept(client, CONTENT)
        known = begun(client_of(outsider), CONTENT, sha256=sha256(CONTENT))
        unknown = begun(client_of(outsider), CONTENT, sha256="0" * 64)
        differs = {"id", "sha256", "created_at", "expires_at"}
        assert all(known[name] == unknown[name] for name in known.keys() - differs)

    def test_what_the_store_lost_is_sent(self, client: Any, model: RegisteredModel) -> None:
        blob = kept(client, CONTENT).files.get().blob
        assert blob
        blob_storage().discard(blob.ref.key)
        assert begun(client, CONTENT, sha256=sha256(CONTENT))["state"] == "open"

    @pytest.mark.parametrize("damaged", [True, False])
    def test_what_is_damaged_or_in_the_trash_is_sent(
        self, client: Any, model: RegisteredModel, damaged: bool
    ) -> None:
        version = kept(client, CONTENT)
        now = timezone.now()
        if damaged:
            blob = version.files.get().blob
            assert blob
            type(blob).objects.update(damaged_at=now)
        else:
            ModelVersion.objects.update(deleted_at=now)
        assert begun(client, CONTENT, sha256=sha256(CONTENT))["state"] == "open"

    def test_another_size_is_other_content(self, client: Any, model: RegisteredModel) -> None:
        kept(client, CONTENT)
        assert begun(client, CONTENT + b"x", sha256=sha256(CONTENT))["state"] == "open"

    def test_breaking_it_off_leaves_the_content(self, client: Any, model: RegisteredModel) -> None:
        blob = kept(client, CONTENT).files.get().blob
        upload = begun(client, CONTENT, sha256=sha256(CONTENT))
        assert client.delete(f"{API}{upload['id']}/").status_code == 204
        assert blob
        assert blob_storage().has(blob.ref.key, blob.size)


class TestSweeping:
    def test_an_expired_upload_goes_with_its_parts(self, client: Any) -> None:
        upload = begun(client, CONTENT)
        sent(client, upload, CONTENT, 1)
        assert uploads_sweep() == 0
        Upload.objects.update(expires_at=timezone.now())
        assert uploads_sweep() == 1
        assert self.keys() == set()

    def test_it_goes_later_where_the_store_is_away(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent(client, begun(client, CONTENT), CONTENT, 1)
        Upload.objects.update(expires_at=timezone.now())

        def away(*arguments: object) -> None:
            raise StorageUnavailable

        with monkeypatch.context() as patch:
            patch.setattr(type(part_store()), "forget", away)
            uploads_sweep()
        assert Upload.objects.exists()
        uploads_sweep()
        assert not Upload.objects.exists()
        assert self.keys() == set()

    def test_a_rejected_versions_upload_goes_once_expired(
        self, client: Any, model: RegisteredModel
    ) -> None:
        version = published(client, uploaded(client, CONTENT))
        Upload.objects.update(expires_at=timezone.now())
        assert uploads_sweep() == 0
        make_rejected(version)
        assert uploads_sweep() == 1
        assert version.files.get().upload is None

    def test_parts_that_no_row_knows_go_once_old(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent(client, begun(client, CONTENT), CONTENT, 1)
        part_store().begin(f"uploads/{uuid4()}")
        assert parts_sweep() == 0
        later = timezone.now() + timedelta(hours=settings.ENV.AIHUB_UPLOAD_HOURS, minutes=1)
        monkeypatch.setattr(timezone, "now", lambda: later)
        assert parts_sweep() == 1
        assert self.keys() == {Upload.objects.get().staged_key}
        Upload.objects.all().delete()
        assert parts_sweep() == 1
        assert self.keys() == set()

    @staticmethod
    def keys() -> set[str]:
        return set(dict(part_store().begun_before(timezone.now() + timedelta(days=99))))

    @pytest.fixture(autouse=True)
    def _alone(self) -> None:
        for key in self.keys():
            part_store().forget(key)


class TestDownloads:
    @pytest.fixture
    def download(self, client: Any, model: RegisteredModel) -> Callable[..., Any]:
        kept(client, CONTENT)

        def get(asked: str = "", **headers: str) -> Any:
            more = {"HTTP_RANGE": asked} if asked else {}
            return client.get(f"{VERSIONS}1.0.0/download/", **more, **headers)

        return get

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=100-199", 100, 199),
            ("bytes=299999-", 299_999, 299_999),
            ("bytes=-5", 299_995, 299_999),
            ("bytes=100-9999999", 100, 299_999),
            ("bytes=-9999999", 0, 299_999),
        ],
    )
    def test_a_range_is_sent(
        self, download: Callable[..., Any], asked: str, first: int, last: int
    ) -> None:
        answer = download(asked)
        assert answer.status_code == 206
        assert answer.getvalue() == CONTENT[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
        assert answer.headers["Content-Length"] == str(last - first + 1)

    @pytest.mark.parametrize(
        "asked", ["bytes=2-1", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b", "x"]
    )
    def test_what_is_no_range_gets_all(self, download: Callable[..., Any], asked: str) -> None:
        answer = download(asked)
        assert answer.status_code == 200
        assert answer.getvalue() == CONTENT
        assert answer.headers["Accept-Ranges"] == "bytes"

    @pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=-0", "bytes=99999999999999-"])
    def test_a_range_beyond_the_end_is_none(self, download: Callable[..., Any], asked: str) -> None:
        answer = download(asked)
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"

    def test_a_range_of_other_content_gets_all(self, download: Callable[..., Any]) -> None:
        tag = f'"{sha256(CONTENT)}"'
        for given, content in ((tag, CONTENT[:2]), ('"other"', CONTENT)):
            assert download("bytes=0-1", HTTP_IF_RANGE=given).getvalue() == content


class TestPublicAddress:
    @pytest.fixture(autouse=True)
    def _public(self) -> Iterator[None]:
        own = settings.ENV.AIHUB_S3_ENDPOINT
        env = replace(
            settings.ENV,
            AIHUB_S3_ENDPOINT=own or "http://s3:9000",
            AIHUB_S3_PUBLIC_ENDPOINT=own.replace("127.0.0.1", "localhost") or "http://files:9000",
            AIHUB_S3_ACCESS_KEY=settings.ENV.AIHUB_S3_ACCESS_KEY or "key",
            AIHUB_S3_SECRET_KEY=settings.ENV.AIHUB_S3_SECRET_KEY or "secret",
        )
        signer.cache_clear()
        with override_settings(ENV=env):
            yield
        signer.cache_clear()

    def test_a_download_leads_there(self, client: Any, model: RegisteredModel) -> None:
        kept(client, CONTENT)
        answer = client.get(f"{VERSIONS}1.0.0/download/")
        assert answer.status_code == 302
        url = answer.headers["Location"]
        assert url.startswith(f"{settings.ENV.AIHUB_S3_PUBLIC_ENDPOINT}/")
        if not isinstance(part_store(), FolderParts):
            found = httpx.get(url, headers={"Range": "bytes=1-3"})
            assert (found.status_code, found.content) == (206, CONTENT[1:4])
            assert "weights.bin" in found.headers["Content-Disposition"]

    def test_parts_are_sent_there(self, client: Any) -> None:
        if isinstance(part_store(), FolderParts):
            return
        upload = begun(client, CONTENT)
        url = urls(client, upload, 1)[1]
        assert url.startswith(f"{settings.ENV.AIHUB_S3_PUBLIC_ENDPOINT}/")
        assert put(url, CONTENT).status_code == 200

    def test_pages_of_the_hub_may_use_the_bucket(self) -> None:
        if isinstance(part_store(), FolderParts):
            return
        env = replace(settings.ENV, AIHUB_TRUSTED_ORIGINS=("https://hub.example.com",))
        with override_settings(ENV=env):
            call_command("storage_cors", stdout=StringIO())
        url = f"{env.AIHUB_S3_ENDPOINT}/{env.AIHUB_S3_BUCKET}/x"
        asked = {"Access-Control-Request-Method": "PUT"}
        for origin, allowed in (("https://hub.example.com", True), ("https://evil.example", False)):
            answer = httpx.options(url, headers=asked | {"Origin": origin})
            assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is allowed


def test_a_large_copy_within_the_store_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    small = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)
    monkeypatch.setattr(storage, "_COPY", small)
    content, source, target = os.urandom(11 * 2**20), f"uploads/{uuid4()}", f"files/{uuid4()}"
    writer = blob_storage().writer(source)
    writer.write(content)
    writer.close()
    blob_storage().adopt(source, target)
    assert b"".join(blob_storage().reader(target)) == content


def test_browsers_are_allowed_where_there_is_an_s3_server() -> None:
    with pytest.raises(CommandError, match="folder|AIHUB_TRUSTED_ORIGINS"):
        call_command("storage_cors")
