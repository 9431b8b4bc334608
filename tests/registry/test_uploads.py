"""Staging: what is on its way in, and what is swept away when nothing comes of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from aihub.problems import Problem
from registry.models import Team, Upload
from registry.services import uploads
from registry.services.sweeping import uploads_sweep
from registry.services.uploads import (
    clean_filename,
    upload_begin,
    upload_discard,
    uploads_peek,
)
from registry.storage import StorageUnavailable, blob_storage
from tests.registry.making import make_model, publish, staged

pytestmark = pytest.mark.django_db


def expire(upload: Upload) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Upload.objects.filter(pk=upload.pk).update(expires_at=past)


def away(*arguments: object) -> None:
    raise StorageUnavailable


def test_it_keeps_both_ends_and_the_size() -> None:
    staging = upload_begin(filename="weights.bin", created_by="tests")
    for _ in range(3):
        staging.write(bytes(50_000) + b"end")
    staging.finish()
    assert len(staging.head) == len(staging.tail) == uploads.PEEK
    assert staging.tail.endswith(b"end")
    assert Upload.objects.get().size == staging.size == 150_009


def test_an_expired_upload_is_swept_with_its_bytes() -> None:
    old, new = staged(b"old"), staged(b"new")
    expire(old)
    assert uploads_sweep() == 1
    assert Upload.objects.get() == new
    assert not blob_storage().has(old.key, 3)
    assert blob_storage().has(new.key, 3)


def test_an_upload_that_a_version_owns_is_not_swept(alpha: Team) -> None:
    publish(make_model(alpha))
    expire(Upload.objects.get())
    assert uploads_sweep() == 0
    assert Upload.objects.exists()


def test_it_is_swept_later_where_storage_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    upload = staged(b"old")
    expire(upload)
    with monkeypatch.context() as patch:
        patch.setattr(type(blob_storage()), "discard", away)
        uploads_sweep()
        upload_discard(upload)
    assert Upload.objects.exists()
    uploads_sweep()
    assert not Upload.objects.exists()


def test_it_leaves_no_row_where_storage_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(blob_storage()), "writer", away)
    with pytest.raises(StorageUnavailable):
        upload_begin(filename="weights.bin", created_by="tests")
    assert not Upload.objects.exists()


def test_an_empty_file_is_refused() -> None:
    staging = upload_begin(filename="weights.pth", created_by="tests")
    staging.finish()
    with pytest.raises(Problem, match=r"weights\.pth is empty") as error:
        uploads_peek([staging])
    assert error.value.status == 422


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("weights.pth", "weights.pth"),
        ("/etc/passwd", "passwd"),
        ("../../weights.pth", "weights.pth"),
        ("C:\\models\\weights.pth", "weights.pth"),
        ("权重 🚀.pth", "权重 🚀.pth"),
        ("a\0b\r\nc.pth", "abc.pth"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300 + ".pth", "x" * 196 + ".pth"),
    ],
)
def test_a_file_keeps_the_last_part_of_its_name(given: str, cleaned: str) -> None:
    assert clean_filename(given) == cleaned
