"""A ready version is what it was when it became ready, whichever door one tries."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from aihub.access import Role
from registry.models import Job, Membership, ModelVersion, RegisteredModel, Team, VersionFile
from registry.processing import builtin, jobs, pipeline
from registry.processing.steps import Context
from registry.services.versions import versions_remove
from tests import hostile
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
VERSION = "/api/v1/models/digits/versions/1.0.0/"
FROZEN = (
    *("version", "version_key", "sort_key", "model_id", "format", "architecture"),
    *("architecture_options", "num_classes", "labels", "preprocessing", "signature"),
    *("parameter_count", "size", "report", "manifest", "manifest_signature", "served_format"),
    *("directory_md5", "created_by"),
)


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    """Ready, with one file and all that describes it."""
    found = publish(
        make_model(alpha),
        "1.0.0",
        b"weights",
        format="onnx",
        labels=["a", "b"],
        num_classes=2,
        preprocessing={"resize": 8},
        signature={"inputs": [], "outputs": []},
    )
    builtin.checksum(Context(found))
    return make_ready(found)


@pytest.fixture
def owner_of_both(owner: User, beta: Team) -> User:
    Membership.objects.create(team=beta, user=owner, role=Role.OWNER)
    return owner


def frozen(version: ModelVersion) -> Any:
    """What may never change, as it is in the database."""
    values = ModelVersion.everything.filter(pk=version.pk).values(*FROZEN).get()
    files = VersionFile.objects.filter(version=version).values("path", "size", "blob_id")
    return values, list(files)


@pytest.mark.parametrize(
    "field",
    [
        *("version", "state", "format", "architecture", "options", "num_classes", "labels"),
        *("preprocessing", "signature", "files", "file", "size", "report", "steps", "model"),
        *("manifest", "sort_key", "ready_at", "created_by", "served_format"),
    ],
)
def test_the_api_changes_no_such_field(
    version: ModelVersion, owner: User, client_of: Callable[[User], APIClient], field: str
) -> None:
    before = frozen(version)
    client = client_of(owner)
    for value in ("onnx", 3, ["x"], {"inputs": []}):
        answer = client.patch(VERSION, {field: value})
        assert answer.status_code == 400
        assert client.put(VERSION, {field: value}).status_code == 405
    assert frozen(version) == before


def test_the_api_publishes_nothing_over_it(
    version: ModelVersion, owner: User, client_of: Callable[[User], APIClient], tmp_path: Path
) -> None:
    before = frozen(version)
    good = hostile.torch_file(tmp_path / "good.pth", hostile.tensor("0", 1, (1,), (1,)))
    for text in ("1.0.0", "v1.0.0", "V1.0.0"):
        answer = client_of(owner).post(
            "/api/v1/models/digits/versions/",
            {"version": text, "file": BytesIO(good.read_bytes())},
            format="multipart",
        )
        assert answer.status_code == 409
    assert frozen(version) == before


def test_what_may_be_said_of_it_changes_nothing_else(
    version: ModelVersion, owner: User, client_of: Callable[[User], APIClient]
) -> None:
    before = frozen(version)
    said = {"description": "new", "metrics": {"top1": 1}, "source": {"repository": "r"}}
    assert client_of(owner).patch(VERSION, said).status_code == 200
    assert frozen(version) == before


def test_no_form_of_the_console_has_such_a_field(version: ModelVersion, owner: User) -> None:
    before = frozen(version)
    client = Client()
    client.force_login(owner)
    page = client.get("/models/digits/versions/1.0.0/edit/")
    names = set(page.context["form"].fields)
    assert not names & {*FROZEN, "state", "files"}
    sent = {"description": "new", "metrics": "{}", **dict.fromkeys(FROZEN, "x")}
    assert client.post("/models/digits/versions/1.0.0/edit/", sent).status_code == 302
    assert frozen(version) == before


def test_the_console_has_no_other_way_to_change_one(version: ModelVersion, admin: User) -> None:
    """Django's own change and add forms are not there, for the superuser either."""
    before = frozen(version)
    client = Client()
    client.force_login(admin)
    for path in _paths(get_resolver(), ""):
        if "registry/modelversion" in path and ("change" in path or "add" in path):
            real = path.replace("<path:object_id>", str(version.pk))
            answer = client.post(f"/{real}", {"format": "x", "labels": "[]", "version": "9.9.9"})
            assert answer.status_code in (302, 403, 404, 405)
    assert frozen(version) == before


def _paths(resolver: URLResolver, prefix: str) -> list[str]:
    found: list[str] = []
    for entry in resolver.url_patterns:
        here = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            found += _paths(entry, here)
        elif isinstance(entry, URLPattern):
            found.append(here)
    return found


def test_a_second_run_of_its_processing_changes_nothing(version: ModelVersion) -> None:
    before = frozen(version)
    Job.objects.filter(subject_id=version.pk).update(state=Job.States.QUEUED)
    lease = jobs.claim("worker")
    assert lease
    pipeline.process(lease)
    assert frozen(version) == before


def test_a_model_that_has_it_keeps_its_task(
    version: ModelVersion, owner_of_both: User, client_of: Callable[[User], APIClient]
) -> None:
    client = client_of(owner_of_both)
    assert client.patch("/api/v1/models/digits/", {"task": "tensor"}).status_code == 409
    for change in ({"name": "other"}, {"team": "beta"}, {"versions": []}):
        assert client.patch("/api/v1/models/digits/", change).status_code == 400
    assert RegisteredModel.objects.get().task == "image-classification"


def test_its_files_go_only_with_it(version: ModelVersion) -> None:
    versions_remove([version])
    assert not VersionFile.objects.exists()
