"""The S3 server killed while a file comes in parts: nothing is lost that arrived, nothing stays."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone
from mirakuru import TCPExecutor

from registry.models import Upload
from registry.parts import part_store
from registry.parts_s3 import signer
from registry.services.sweeping import uploads_sweep
from registry.storage import blob_storage
from tests.registry.uploading import API, PART, begun, complete, put, sent, urls
from tests.resilience.test_storage_killed import back, kill, server
from tests.services import S3_KEY, S3_SECRET

__all__ = ["kill", "server"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(240)]
CONTENT = os.urandom(PART + 4321)


@pytest.fixture
def client(server: TCPExecutor, developer: User, client_of: Callable[[User], Any]) -> Iterator[Any]:
    env = replace(
        settings.ENV,
        AIHUB_S3_ENDPOINT=f"http://127.0.0.1:{server.port}",
        AIHUB_S3_ACCESS_KEY=S3_KEY,
        AIHUB_S3_SECRET_KEY=S3_SECRET,
        AIHUB_S3_BUCKET="killed",
        AIHUB_PART_SIZE=PART,
    )
    signer.cache_clear()
    with override_settings(ENV=env):
        yield client_of(developer)
    signer.cache_clear()


def test_an_upload_goes_on_once_the_store_is_back(
    client: Any, server: TCPExecutor, kill: Callable[[], None]
) -> None:
    upload = begun(client, CONTENT)
    path = f"{API}{upload['id']}/"
    tags = sent(client, upload, CONTENT, 1)
    url = urls(client, upload, 2)[2]
    kill()
    with pytest.raises(httpx.TransportError):
        put(url, CONTENT[PART:])
    assert client.get(path).status_code == 503
    assert complete(client, upload, tags | {2: "x"}).status_code == 503
    assert client.post(API, {"filename": "a", "size": 1}).status_code == 503
    assert Upload.objects.count() == 1
    back(server)
    arrived = {part["number"]: part["etag"] for part in client.get(path).json()["parts"]}
    missing = {1, 2} - arrived.keys()
    tags = arrived | sent(client, upload, CONTENT, *missing)
    assert complete(client, upload, tags).status_code == 200
    assert b"".join(blob_storage().reader(f"uploads/{upload['id']}")) == CONTENT


def test_what_was_broken_off_meanwhile_is_swept_once_the_store_is_back(
    client: Any, server: TCPExecutor, kill: Callable[[], None]
) -> None:
    upload = begun(client, CONTENT)
    sent(client, upload, CONTENT, 1)
    kill()
    assert client.delete(f"{API}{upload['id']}/").status_code == 204
    assert client.get(f"{API}{upload['id']}/").status_code == 404
    uploads_sweep()
    assert Upload.objects.exists()
    back(server)
    assert uploads_sweep() == 1
    assert not Upload.objects.exists()
    assert not dict(part_store().begun_before(timezone.now())).get(f"uploads/{upload['id']}")
