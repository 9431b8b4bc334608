"""`/api/v1/models/{name}/versions/`: publish, list, show, edit, download, delete."""

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from registry.models import (
    Job,
    ModelVersion,
    RegisteredModel,
    Team,
    Upload,
    VersionFile,
)
from registry.processing import builtin
from registry.processing.steps import Context
from registry.services.aliases import alias_set
from registry.storage import StorageUnavailable, blob_storage
from tests import hostile
from tests.registry.making import make_model, make_ready, make_rejected, publish

pytestmark = pytest.mark.django_db
VERSIONS = "/api/v1/models/digits/versions/"


@pytest.fixture
def client(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


@pytest.fixture
def weights(tmp_path: Path) -> bytes:
    return hostile.torch_file(tmp_path / "w", hostile.tensor("0", 1, (1,), (1,))).read_bytes()


@pytest.fixture
def post(client: APIClient, weights: bytes) -> Callable[..., Any]:
    """`post(version="1.0.0", …)`: publish weights with these fields."""

    def send(model: str = "digits", **fields: Any) -> Any:
        data = {"version": "1.0.0", "team": "alpha", "file": named(weights, "w.pth"), **fields}
        given = {name: value for name, value in data.items() if value is not None}
        return client.post(f"/api/v1/models/{model}/versions/", given, format="multipart")

    return send


def named(content: bytes, name: str) -> BytesIO:
    file = BytesIO(content)
    file.name = name
    return file


def assert_nothing_is_left() -> None:
    for table in (ModelVersion, VersionFile, Upload, Job):
        assert not table.objects.exists()


def test_it_publishes_a_version_and_creates_its_model(post: Any, client: APIClient) -> None:
    answer = post(
        version="v1.2.0-RC.1",
        task="tensor",
        architecture="resnet18",
        options='{"zero_init_residual": true}',
        num_classes="2",
        labels='["cat", "狗 🐕"]',
        preprocessing='{"resize": 256, "crop": 224}',
        description="first",
        metrics='{"accuracy": 0.5}',
        source='{"commit": "abc"}',
    )
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert body == client.get(f"{VERSIONS}1.2.0-rc.1/").json()
    assert (body["model"], body["version"], body["state"]) == ("digits", "1.2.0-RC.1", "processing")
    assert body["labels"] == ["cat", "狗 🐕"]
    assert body["preprocessing"]["resize"] == 256
    assert body["options"] == {"zero_init_residual": True}
    assert body["metrics"] == {"accuracy": 0.5}
    assert body["created_by"] == "owner"
    assert [step["state"] for step in body["steps"]] == ["pending"] * len(body["steps"])
    assert [file["path"] for file in body["files"]] == ["w.pth"]
    assert Job.objects.get().subject_id == ModelVersion.objects.get().pk
    assert RegisteredModel.objects.get().task == "tensor"


@pytest.mark.parametrize("other", [{"team": "beta"}, {"task": "tensor"}])
def test_a_version_does_not_move_its_model_elsewhere(
    post: Any, other: dict[str, str], beta: Team
) -> None:
    assert post().status_code == 202
    answer = post(version="1.1.0", **other)
    assert answer.status_code == 409
    assert "“alpha”" in answer.json()["detail"]
    assert RegisteredModel.objects.get().versions.count() == 1


def test_the_task_is_corrected_as_long_as_every_version_was_rejected(post: Any) -> None:
    assert post().status_code == 202
    make_rejected(ModelVersion.objects.get())
    assert post(task="tensor").status_code == 202
    assert RegisteredModel.objects.get().task == "tensor"
    assert post(version="1.1.0", task="text-embedding").status_code == 409
    assert RegisteredModel.objects.get().task == "tensor"


def test_who_may_not_publish_corrects_no_task(
    post: Any, viewer: User, client_of: Callable[[User], APIClient], weights: bytes
) -> None:
    assert post().status_code == 202
    make_rejected(ModelVersion.objects.get())
    given = {"version": "1.0.0", "task": "tensor", "file": named(weights, "w.pth")}
    assert client_of(viewer).post(VERSIONS, given, format="multipart").status_code in (403, 409)
    assert RegisteredModel.objects.get().task == "image-classification"


def test_the_task_of_a_model_without_versions_is_its_makers(post: Any, alpha: Team) -> None:
    make_model(alpha, "digits")
    assert post(task="tensor").status_code == 409


def test_a_version_may_have_many_files(post: Any, weights: bytes) -> None:
    body = post(file=[named(weights, "a.bin"), named(b"one\ntwo\n", "labels.txt")]).json()
    assert [file["path"] for file in body["files"]] == ["a.bin", "labels.txt"]


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (b"cat\r\n\r\n dog \n", ["cat", "dog"]),
        (b'["cat", "dog"]', ["cat", "dog"]),
        (b'\xef\xbb\xbf["cat"]', ["cat"]),
        ("猫\n".encode(), ["猫"]),
    ],
)
def test_labels_may_come_as_a_file(post: Any, content: bytes, labels: list[str]) -> None:
    assert post(labels=named(content, "l.txt")).json()["labels"] == labels


@pytest.mark.parametrize(
    "labels",
    [
        *('{"a": 1}', "[1]", '["a", null]', '[["a"]]', '[""]', '["a", ""]', "[", '["\\ud800"]'),
        *('["\\u0000"]', json.dumps(["x" * 201]), "[" * 50_000),
        *(named(b"\xff\xfe", "l"), named(b"{}", "l"), named(b"a\0b", "l"), named(b"x" * 300, "l")),
    ],
)
def test_labels_that_do_not_fit_are_refused(post: Any, labels: Any) -> None:
    answer = post(labels=labels)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "labels"
    assert_nothing_is_left()


def test_a_labels_file_has_a_limit(post: Any) -> None:
    assert post(labels=named(bytes(5_000_000), "l.txt")).status_code == 413
    assert_nothing_is_left()


def test_labels_must_be_as_many_as_classes(post: Any) -> None:
    answer = post(labels='["a", "b"]', num_classes="3")
    assert answer.status_code == 400
    assert "2 labels for 3 classes" in answer.json()["errors"][0]["detail"]
    assert_nothing_is_left()


DEEP = "[" * 25 + "]" * 25
WRONG = {
    "version": [
        *("", "1", "1.0", "../../x", "1.0.0/../x", "x" * 300, "🚀", "版本", "1.0.0+b", "01.0.0"),
        *("1.0.0-" + "a" * 300, "\0", "1.0.0\0", "null", "[]"),
    ],
    "team": ["nobody", "\0", "x" * 65],
    "task": ["magic", "1", "null"],
    "format": ["pickle", "keras"],
    "architecture": ["x" * 101, "\0"],
    "num_classes": ["0", "-1", "1.5", "many", "1e3", "[]", "9" * 30, "1000001"],
    "options": ["[]", "1", "x", "null", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}'],
    "metrics": ["[]", '"x"', "{", f'{{"a": {DEEP}}}', "[" * 100_000],
    "source": ["[]", "true", f'{{"a": "{"x" * 1_100_000}"}}'],
    "preprocessing": [
        *("[]", "1", "x", '{"resize": "big"}', '{"crop": -1}', '{"mean": ["a"]}', '{"size": 1}'),
        *('{"crop": 1e9}', '{"crop": 224, "std": [0]}', '{"crop": 224, "interpolation": []}'),
    ],
    "description": ["\0", "x" * 10_001],
    "unknown": ["x"],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in WRONG.items() for value in values],
    ids=lambda value: repr(value[:20]),
)
def test_a_field_that_does_not_fit_is_named(post: Any, field: str, value: str) -> None:
    answer = post(**{field: value})
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    if field == "team" and value == "nobody":
        assert "nobody" in problem["detail"]
    else:
        assert {error["field"] for error in problem["errors"]} == {field}
    assert_nothing_is_left()


@pytest.mark.parametrize("name", ["-x", "x-", "a b", "é", "x" * 101, "a%00b", "%ff", "💥"])
def test_a_model_must_have_a_good_name(post: Any, name: str) -> None:
    assert post(name).status_code == 400
    assert not RegisteredModel.objects.exists()


def test_who_may_publish_nowhere_is_told_before_anything_is_stored(
    viewer: User, client_of: Callable[[User], APIClient], weights: bytes
) -> None:
    fields = {"version": "1.0.0", "team": "alpha", "unknown": named(weights, "w.pth")}
    answer = client_of(viewer).post(VERSIONS, fields, format="multipart")
    assert answer.status_code == 403  # and not the 400 for the field
    assert not RegisteredModel.objects.exists()


def test_it_takes_a_file(post: Any) -> None:
    answer = post(file=None)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "file"
    assert_nothing_is_left()


def test_text_in_place_of_a_file_is_none(post: Any) -> None:
    assert post(file="weights").status_code == 400
    assert_nothing_is_left()


def test_an_empty_file_is_refused(post: Any) -> None:
    answer = post(file=named(b"", "w.pth"))
    assert answer.status_code in (400, 422)
    assert "empty" in json.dumps(answer.json())
    assert_nothing_is_left()


def test_text_under_a_models_name_is_refused_at_once(post: Any, tmp_path: Path) -> None:
    text = hostile.text_file(tmp_path / "text.pth").read_bytes()
    answer = post(file=named(text, "text.pth"))
    assert answer.status_code == 422
    assert "text file" in answer.json()["detail"]
    assert_nothing_is_left()


def test_two_files_of_one_name_are_refused(post: Any, weights: bytes) -> None:
    answer = post(file=[named(weights, "a/w.pth"), named(weights, "b/w.pth")])
    assert answer.status_code == 400
    assert_nothing_is_left()


def test_files_whose_names_a_database_finds_equal_are_no_error_of_ours(
    post: Any, weights: bytes
) -> None:
    answer = post(file=[named(weights, "é.pth"), named(weights, "E.pth")])
    assert answer.status_code in (202, 400)
    if answer.status_code == 400:
        assert_nothing_is_left()


def test_a_file_under_another_field_is_refused(post: Any, weights: bytes) -> None:
    answer = post(weights=named(weights, "w.pth"))
    assert answer.status_code == 400
    assert "weights" in answer.json()["detail"]
    assert_nothing_is_left()


@pytest.mark.parametrize("again", ["1.0.0-rc.1", "v1.0.0-RC.1", "1.0.0-Rc.1"])
def test_a_version_is_published_once_in_any_case(post: Any, again: str) -> None:
    assert post(version="1.0.0-rc.1").status_code == 202
    answer = post(version=again)
    assert answer.status_code == 409
    assert ModelVersion.objects.count() == Upload.objects.count() == Job.objects.count() == 1


@pytest.mark.parametrize(("settle", "status"), [(make_ready, 409), (make_rejected, 202)])
def test_a_rejected_version_may_be_published_again_but_no_other(
    post: Any, settle: Callable[[ModelVersion], ModelVersion], status: int
) -> None:
    post(description="first")
    first = settle(ModelVersion.objects.get())
    assert post(description="second").status_code == status
    kept = ModelVersion.objects.get()
    assert (kept.pk == first.pk) == (status == 409)
    assert Job.objects.get().subject_id == kept.pk


def test_storage_that_is_away_is_a_503(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(type(blob_storage()), "writer", away)
    answer = post()
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert_nothing_is_left()


def test_it_lists_the_newest_semantic_version_first(client: APIClient, alpha: Team) -> None:
    model = make_model(alpha)
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1", "2.0.0", "1.0.0"):
        publish(model, version)
    listed = [version["version"] for version in client.get(VERSIONS).json()["results"]]
    assert listed == ["2.0.0", "2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0"]


def test_a_list_costs_the_same_queries_however_long_it_is(client: APIClient, alpha: Team) -> None:
    model = make_model(alpha)

    def queries(count: int) -> int:
        for number in range(ModelVersion.objects.count(), count):
            version = make_ready(publish(model, f"1.{number}.0", b"one", b"two"))
            builtin.checksum(Context(version))
            alias_set(principal=SYSTEM, model=model, name=f"a{number}", version=version)
        with CaptureQueriesContext(connection) as captured:
            assert len(client.get(VERSIONS).json()["results"]) == count
        return len(captured)

    assert queries(3) == queries(30) <= 11


def test_it_edits_what_may_change_alone(client: APIClient, alpha: Team) -> None:
    publish(make_model(alpha))
    body = client.patch(f"{VERSIONS}1.0.0/", {"description": "new", "metrics": {"f1": 1}}).json()
    assert (body["description"], body["metrics"]) == ("new", {"f1": 1})
    for field, value in (("labels", ["a"]), ("state", "ready"), ("version", "2.0.0")):
        answer = client.patch(f"{VERSIONS}1.0.0/", {field: value})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("description", value) for value in (None, 1, [], {}, "\0", "x" * 10_001)],
        *[("metrics", value) for value in (None, 1, [], "x", "{}", {"a": json.loads(DEEP)})],
        *[("source", value) for value in (None, True, [1], "", {"a": "\ud800"})],
    ],
)
def test_a_change_that_does_not_fit_is_named(
    client: APIClient, alpha: Team, field: str, value: Any
) -> None:
    publish(make_model(alpha))
    body = json.dumps({field: value})
    answer = client.patch(f"{VERSIONS}1.0.0/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_it_deletes_a_version_with_its_job(client: APIClient, alpha: Team) -> None:
    publish(make_model(alpha))
    assert client.delete(f"{VERSIONS}1.0.0/").status_code == 204
    assert not ModelVersion.objects.exists()
    assert not Job.objects.exists()
    assert client.get(f"{VERSIONS}1.0.0/").status_code == 404


def test_it_does_not_delete_a_version_in_use(client: APIClient, alpha: Team) -> None:
    version = make_ready(publish(make_model(alpha)))
    alias_set(principal=SYSTEM, model=version.model, name="production", version=version)
    answer = client.delete(f"{VERSIONS}1.0.0/")
    assert answer.status_code == 409
    assert "production" in answer.json()["detail"]


@pytest.fixture
def stored(alpha: Team) -> ModelVersion:
    version = publish(make_model(alpha), "1.0.0", b"weights" * 500_000, b"labels")
    builtin.checksum(Context(version))
    return version


def test_it_downloads_a_file_whole(client: APIClient, stored: ModelVersion) -> None:
    answer = client.get(f"{VERSIONS}1.0.0/download/?path=file-0")
    content = b"".join(answer.streaming_content)
    assert content == b"weights" * 500_000
    assert int(answer["Content-Length"]) == len(content)
    assert answer["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert 'filename="file-0"' in answer["Content-Disposition"]


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("?path=nope", 404), ("?path=../../etc/passwd", 404)]
)
def test_a_download_names_one_of_its_files(
    client: APIClient, stored: ModelVersion, query: str, status: int
) -> None:
    assert client.get(f"{VERSIONS}1.0.0/download/{query}").status_code == status


def test_a_file_in_processing_cannot_be_downloaded(client: APIClient, alpha: Team) -> None:
    publish(make_model(alpha))
    assert client.get(f"{VERSIONS}1.0.0/download/").status_code == 409


def test_a_download_from_a_store_that_is_away_is_a_503(
    client: APIClient, stored: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(type(blob_storage()), "reader", away)
    assert client.get(f"{VERSIONS}1.0.0/download/?path=file-0").status_code == 503


def test_content_lost_from_the_store_is_a_503(client: APIClient, alpha: Team) -> None:
    version = publish(make_model(alpha), "1.0.0", b"soon lost")
    builtin.checksum(Context(version))
    blob = version.files.get().blob
    assert blob
    blob_storage().discard(blob.ref.key)
    assert client.get(f"{VERSIONS}1.0.0/download/").status_code == 503
