"""What the API of batch jobs refuses before anything is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from inference.models import BatchJob
from registry.models import RegisteredModel, Team
from tests.inference.batch.jobs_made import make_tiny

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/batch-jobs/"


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


@pytest.mark.parametrize(
    "encoding",
    ["rot13", "base64", "zlib", "idna", "punycode", "unicode_escape", "utf-7", "cp037", "hz", "x"],
)
def test_an_encoding_in_which_no_table_can_be_read_is_refused(
    tiny: RegisteredModel, developer: User, client_of: Callable[..., APIClient], encoding: str
) -> None:
    said = {"model": "tiny", "input": {"prefix": "inputs/alpha/"}, "encoding": encoding}
    answer = client_of(developer).post(URL, said, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "encoding"


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "utf_32_le", "cp1252", "gb18030", "big5"])
def test_encodings_of_tables_are_taken(
    tiny: RegisteredModel, developer: User, client_of: Callable[..., APIClient], encoding: str
) -> None:
    said = {"model": "tiny", "input": {"prefix": "inputs/alpha/"}, "encoding": encoding}
    assert client_of(developer).post(URL, said, format="json").status_code == 202


def test_of_two_files_none_is_left_out_in_silence(
    tiny: RegisteredModel, developer: User, client_of: Callable[..., APIClient]
) -> None:
    files: list[Any] = [SimpleUploadedFile(f"{n}.jsonl", b"[1, 2, 3, 4]\n") for n in range(2)]
    answer = client_of(developer).post(URL, {"model": "tiny", "input": files}, format="multipart")
    assert answer.status_code == 400
    assert "one file" in answer.json()["detail"]
    assert not BatchJob.objects.exists()
