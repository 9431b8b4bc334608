"""`/api/v1/models/{name}/samples/`: real inputs that a model's owner attaches."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from aihub.problems import Problem
from ops.models import AuditEvent
from registry.models import Blob, Job, ModelVersion, RegisteredModel, Sample, Team, Upload
from registry.models.versions import Optimisation
from registry.processing import jobs
from registry.services.aliases import alias_set
from registry.services.samples import samples_add, samples_judge
from registry.services.variants import KIND, PRIORITY
from registry.storage import blob_storage
from tests import hostile
from tests.cast import CAST
from tests.registry.making import (
    claimed,
    compiling_on,
    make_model,
    make_ready,
    publish,
    staged,
)
from tests.registry.test_api_rights import Operation, client_for
from tests.registry.test_samples_scanning import array, packed, picture

pytestmark = pytest.mark.django_db
SAMPLES = "/api/v1/models/digits/samples/"


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


@pytest.fixture
def digits(alpha: Team) -> RegisteredModel:
    return make_model(alpha)


def named(name: str, content: bytes) -> BytesIO:
    file = BytesIO(content)
    file.name = name
    return file


def attach(client: APIClient, *files: BytesIO) -> Any:
    return client.post(SAMPLES, {"file": list(files)}, format="multipart")


def audited() -> list[tuple[str, Any]]:
    events = AuditEvent.objects.filter(action__startswith="samples.").order_by("pk")
    return [(event.action, event.data["files"]) for event in events]


def test_files_are_attached_listed_and_deleted(client: APIClient, digits: RegisteredModel) -> None:
    files = named("cat.png", picture()), named("dogs.zip", packed(a__png=picture("JPEG")))
    answer = attach(client, *files)
    assert answer.status_code == 201, answer.content
    entries = answer.json()
    assert [(entry["name"], entry["items"]) for entry in entries] == [
        ("cat.png", 1),
        ("dogs.zip", 1),
    ]
    assert entries[0].keys() == {"name", "size", "items", "created_by", "created_at"}
    assert (entries[0]["size"], entries[0]["created_by"]) == (len(picture()), "developer")
    page = client.get(SAMPLES).json()
    assert (page["count"], page["next"], page["results"]) == (2, None, entries)
    assert client.get(f"{SAMPLES}cat.png/").json() == entries[0]
    assert client.delete(f"{SAMPLES}cat.png/").status_code == 204
    assert client.get(f"{SAMPLES}cat.png/").status_code == 404
    assert audited() == [
        ("samples.added", ["cat.png", "dogs.zip"]),
        ("samples.removed", ["cat.png"]),
    ]


def test_the_list_has_pages(client: APIClient, digits: RegisteredModel) -> None:
    attach(client, *(named(f"{n}.png", picture()) for n in range(3)))
    page = client.get(SAMPLES, {"page_size": 2}).json()
    assert (page["count"], len(page["results"])) == (3, 2)
    assert page["next"]


def test_content_is_kept_once_and_nothing_else_stays(
    client: APIClient, digits: RegisteredModel
) -> None:
    attach(client, named("a.png", picture()), named("b.png", picture()))
    blob = Blob.objects.get()
    assert b"".join(blob_storage().reader(blob.ref.key)) == picture()
    assert [sample.blob for sample in Sample.objects.all()] == [blob, blob]
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.png", b"text"), ("a.npy", array(2, 2)[:-1]), ("a.zip", packed(a__txt=b"text"))],
)
def test_what_is_no_sample_is_refused_by_name_and_leaves_nothing(
    client: APIClient, digits: RegisteredModel, name: str, content: bytes
) -> None:
    answer = attach(client, named("good.png", picture()), named(name, content))
    assert answer.status_code == 422
    assert name in answer.json()["detail"]
    for table in (Sample, Upload, Blob):
        assert not table.objects.exists()  # type: ignore[attr-defined]
    assert audited() == []


def test_a_name_is_taken_once(client: APIClient, digits: RegisteredModel) -> None:
    attach(client, named("a.png", picture()))
    answer = attach(client, named("b.png", picture()), named("a.png", picture("JPEG")))
    assert answer.status_code == 409
    assert "a.png" in answer.json()["detail"]
    assert [sample.name for sample in Sample.objects.all()] == ["a.png"]
    assert not Upload.objects.exists()


def test_two_files_of_one_name_are_refused(client: APIClient, digits: RegisteredModel) -> None:
    answer = attach(client, named("a.png", picture()), named("a.png", picture("JPEG")))
    assert answer.status_code == 400
    assert attach(client).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_exactly_one_gets_the_name(alpha: Team) -> None:
    model = make_model(alpha)

    def add(number: int) -> int:
        try:
            judged = samples_judge([staged(picture(size=(8, 8 + number)), "a.png")])
            return len(samples_add(model, principal=SYSTEM, samples=judged))
        except Problem as problem:
            return problem.status
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(add, range(4))) == [1, 409, 409, 409]
    assert Sample.objects.count() == 1


PUBLISHERS, OF_ALPHA = ("owner", "developer"), ("owner", "developer", "viewer")
OPERATIONS = [
    Operation("list", "get", "", 200, OF_ALPHA),
    Operation("show", "get", "a.png/", 200, OF_ALPHA),
    Operation("add", "post", "", 201, PUBLISHERS, "file"),
    Operation("delete", "delete", "a.png/", 204, PUBLISHERS),
]


@pytest.mark.parametrize("person", [*CAST, "admin", "anonymous"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_of_the_cast_may_do_what_the_table_says(
    operation: Operation, person: str, digits: RegisteredModel, client_of: Any
) -> None:
    judged = samples_judge([staged(picture(), "a.png")])
    samples_add(digits, principal=SYSTEM, samples=judged)
    body = {"file": named("b.png", picture())} if operation.body else None
    call = getattr(client_for(person, client_of), operation.method)
    answer = call(SAMPLES + operation.path, body, format="multipart" if body else None)
    assert answer.status_code == operation.expected(person)


class TestOptimising:
    """What is compiled anew once the samples have changed."""

    @pytest.fixture(autouse=True)
    def _cpu(self) -> Iterator[None]:
        with compiling_on("cpu-a"):
            yield

    @pytest.fixture
    def versions(self, digits: RegisteredModel) -> list[ModelVersion]:
        """1.0.0 in production, 1.1.0, 2.0.0 the newest ready one, and 3.0.0 in processing."""
        versions = [make_ready(publish(digits, f"{v}.0")) for v in ("1.0", "1.1", "2.0")]
        alias_set(principal=SYSTEM, model=digits, name="production", version=versions[0])
        alias_set(principal=SYSTEM, model=digits, name="staging", version=versions[0])
        publish(digits, "3.0.0")
        Job.objects.all().delete()
        return versions

    def asked(self) -> set[int]:
        rows = Job.objects.filter(kind=f"{KIND}cpu-a", state=Job.States.QUEUED)
        assert set(rows.values_list("priority", flat=True)) <= {PRIORITY}
        return set(rows.values_list("subject_id", flat=True))

    def test_what_serves_is_compiled_anew(
        self, client: APIClient, versions: list[ModelVersion]
    ) -> None:
        serving = {versions[0].pk, versions[2].pk}
        attach(client, named("a.png", picture()))
        assert self.asked() == serving
        for _ in serving:
            claimed().succeed()
        ModelVersion.objects.update(optimisation=Optimisation.DONE)
        before = dict(Job.objects.values_list("pk", "created_at"))
        client.delete(f"{SAMPLES}a.png/")
        assert self.asked() == serving
        pending = ModelVersion.objects.filter(optimisation=Optimisation.PENDING)
        assert {version.pk for version in pending} == serving
        assert all(job.created_at > before[job.pk] for job in Job.objects.all())

    def test_every_kind_of_processor_compiles_anew(
        self, client: APIClient, versions: list[ModelVersion]
    ) -> None:
        jobs.enqueue(f"{KIND}cpu-b", versions[0].pk)
        running = claimed()
        attach(client, named("a.png", picture()))
        assert not running.held()
        assert Job.objects.get(kind=f"{KIND}cpu-b").state == Job.States.QUEUED


class TestPublishing:
    """Samples that come with a version."""

    def publish(self, client: APIClient, folder: Path, version: str, *samples: BytesIO) -> Any:
        weights = hostile.torch_file(folder / "good.pth", hostile.tensor("0", 1, (1,), (1,)))
        fields = {"version": version, "team": "alpha", "samples": list(samples)}
        path = SAMPLES.replace("samples", "versions")
        fields["file"] = named("good.pth", weights.read_bytes())
        return client.post(path, fields, format="multipart")

    def test_they_are_attached_to_the_model(
        self, client: APIClient, alpha: Team, tmp_path: Path
    ) -> None:
        answer = self.publish(client, tmp_path, "1.0.0", named("a.png", picture()))
        assert answer.status_code == 202, answer.content
        assert [entry["name"] for entry in client.get(SAMPLES).json()["results"]] == ["a.png"]
        assert [upload.filename for upload in Upload.objects.all()] == ["good.pth"]

    def test_without_them_there_is_no_version_and_the_other_way_round(
        self, client: APIClient, digits: RegisteredModel, tmp_path: Path
    ) -> None:
        assert self.publish(client, tmp_path, "1.0.0", named("a.png", b"no")).status_code == 422
        assert not ModelVersion.objects.exists()
        publish(digits, "1.0.0")
        answer = self.publish(client, tmp_path, "1.0.0", named("a.png", picture()))
        assert answer.status_code == 409
        assert not Sample.objects.exists()
        attach(client, named("a.png", picture()))
        answer = self.publish(client, tmp_path, "2.0.0", named("a.png", picture()))
        assert answer.status_code == 409
        assert ModelVersion.objects.count() == 1
