"""Where versions come from: parents, parameters, cards; and what two of them differ in."""

from collections.abc import Callable
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from aihub.problems import Problem
from registry.models import ModelVersion, Team
from registry.processing import builtin
from registry.processing.steps import Context
from registry.services.versions import version_update
from tests.registry.making import make_model, make_ready, publish

MODEL = "/api/v1/models/digits/"
VERSIONS = f"{MODEL}versions/"


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


def form(**fields: Any) -> dict[str, Any]:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return {"version": "1.0.0", "file": SimpleUploadedFile("model.onnx", b"\x08\x07")} | fields


@pytest.mark.django_db
class TestWhatIsSaid:
    def test_it_is_said_when_publishing(self, client: APIClient, alpha: Team) -> None:
        publish(make_model(alpha), "0.9.0")
        said = form(
            parameters='{"epochs": 3, "optimiser": {"name": "adam"}}',
            source='{"repository": "https://git.example/x", "commit": "abc", "mine": 1}',
            parent="0.9.0",
            card="# Digits\n\n<script>alert(1)</script>",
        )
        answer = client.post(VERSIONS, said, format="multipart")
        assert answer.status_code == 202, answer.content
        body = client.get(f"{VERSIONS}1.0.0/").json()
        assert body["parameters"] == {"epochs": 3, "optimiser": {"name": "adam"}}
        assert body["source"]["mine"] == 1
        assert (body["parent"], body["children"]) == ("0.9.0", [])
        assert body["card"].startswith("# Digits")
        assert body["card_html"].startswith("<h1>Digits</h1>")
        assert "<script" not in body["card_html"]
        assert client.get(f"{VERSIONS}0.9.0/").json()["children"] == ["1.0.0"]

    def test_it_is_changed_later(self, client: APIClient, alpha: Team) -> None:
        model = make_model(alpha)
        for number in ("1.0.0", "2.0.0"):
            publish(model, number)
        changes = {
            "parent": "v1.0.0",
            "card": "*c*",
            "parameters": {"a": 1},
            "source": {},
        }
        body = client.patch(f"{VERSIONS}2.0.0/", changes).json()
        assert {name: body[name] for name in changes} == changes | {"parent": "1.0.0"}
        for nothing in (None, ""):
            client.patch(f"{VERSIONS}2.0.0/", {"parent": "1.0.0"})
            assert client.patch(f"{VERSIONS}2.0.0/", {"parent": nothing}).json()["parent"] is None

    def test_lists_leave_the_large_things_out(self, client: APIClient, alpha: Team) -> None:
        publish(make_model(alpha, card="x"), card="x")
        for path in ("/api/v1/models/", "/api/v1/versions/", VERSIONS):
            row = client.get(path).json()["results"][0]
            assert not {"card", "card_html", "parameters", "labels"} & set(row)
        assert client.get(MODEL).json()["card_html"] == "<p>x</p>\n"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("card", "x" * 100_001),
            ("card", None),
            ("card", 1),
            ("card", "\0"),
            ("parameters", [1]),
            ("parameters", None),
            ("source", "x"),
            *(("parent", value) for value in (1, [], {}, "x" * 201, "\0", "new", "digits/", "/")),
            *(("parent", value) for value in ("3.0.0", "digits/3.0.0", "other/1.0.0", "a/b/1.0.0")),
            ("parent", "secret/1.0.0"),
            ("parent", "1.0.0"),
            ("parent", "DIGITS/1.0.0"),
        ],
    )
    def test_what_does_not_fit_is_told(
        self, client: APIClient, alpha: Team, beta: Team, field: str, value: Any
    ) -> None:
        publish(make_model(beta, "secret"))
        version = publish(make_model(alpha), card="old")
        answer = client.patch(f"{VERSIONS}1.0.0/", {field: value})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"].startswith(field)
        version.refresh_from_db()
        assert (version.card, version.parent) == ("old", None)


@pytest.mark.django_db
class TestParents:
    def test_they_may_be_of_another_model_that_one_may_read(
        self, client: APIClient, alpha: Team, beta: Team
    ) -> None:
        publish(make_model(beta, "backbone", shared=True))
        publish(make_model(alpha))
        body = client.patch(f"{VERSIONS}1.0.0/", {"parent": "BackBone/1.0.0"}).json()
        assert body["parent"] == "backbone/1.0.0"
        children = client.get("/api/v1/models/backbone/versions/1.0.0/").json()["children"]
        assert children == ["digits/1.0.0"]

    def test_nobody_learns_of_models_that_they_may_not_read(
        self,
        alpha: Team,
        beta: Team,
        viewer: User,
        outsider: User,
        client_of: Callable[[User], APIClient],
    ) -> None:
        secret = publish(make_model(beta, "secret"))
        shared = publish(make_model(alpha, shared=True))
        version_update(shared, principal=SYSTEM, changes={"parent": "secret/1.0.0"})
        below = publish(make_model(beta, "below"))
        version_update(below, principal=SYSTEM, changes={"parent": "digits/1.0.0"})
        assert secret.pk
        seen = client_of(viewer).get(f"{VERSIONS}1.0.0/").json()
        assert (seen["parent"], seen["children"]) == (None, [])
        seen = client_of(outsider).get(f"{VERSIONS}1.0.0/").json()
        assert (seen["parent"], seen["children"]) == ("secret/1.0.0", ["below/1.0.0"])

    def test_nothing_descends_from_itself(self, alpha: Team) -> None:
        model = make_model(alpha)
        line = [publish(model, f"{number}.0.0") for number in range(1, 5)]
        for above, version in pairwise(line):
            version_update(version, principal=SYSTEM, changes={"parent": above.version})
        with pytest.raises(Problem) as problem:
            version_update(line[0], principal=SYSTEM, changes={"parent": "4.0.0"})
        assert problem.value.status == 400
        assert ModelVersion.objects.get(pk=line[0].pk).parent is None

    def test_a_parent_in_the_trash_is_out_of_sight(self, client: APIClient, alpha: Team) -> None:
        model = make_model(alpha)
        parent, version = publish(model, "1.0.0"), publish(model, "2.0.0")
        version_update(version, principal=SYSTEM, changes={"parent": "1.0.0"})
        ModelVersion.objects.filter(pk=parent.pk).update(deleted_at=timezone.now())
        assert client.get(f"{VERSIONS}2.0.0/").json()["parent"] is None
        assert client.patch(f"{VERSIONS}2.0.0/", {"parent": "1.0.0"}).status_code == 400

    def test_so_many_children_are_named(self, client: APIClient, alpha: Team) -> None:
        model = make_model(alpha)
        publish(model, "1.0.0")
        for number in range(25):
            publish(model, f"2.{number}.0", parent="1.0.0")
        children = client.get(f"{VERSIONS}1.0.0/").json()["children"]
        assert children == [f"2.{number}.0" for number in range(24, 4, -1)]


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_close_no_circle(alpha: Team) -> None:
    model = make_model(alpha)
    versions = [publish(model, number) for number in ("1.0.0", "2.0.0")]
    refused: list[Problem] = []

    def descend(version: ModelVersion, parent: str) -> None:
        try:
            version_update(version, principal=SYSTEM, changes={"parent": parent})
        except Problem as problem:
            refused.append(problem)
        finally:
            connection.close()

    threads = [
        Thread(target=descend, args=(version, other.version))
        for version, other in zip(versions, reversed(versions), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [problem.status for problem in refused] == [400]
    assert ModelVersion.objects.exclude(parent=None).count() == 1


@pytest.mark.django_db
class TestComparing:
    @pytest.fixture
    def pair(self, alpha: Team) -> None:
        model = make_model(alpha)
        left = publish(
            model,
            "1.0.0",
            b"one",
            b"same",
            metrics={"accuracy": 0.5, "gone": 1, "note": "x", "test": {"f1": 1}},
            parameters={"epochs": 3},
            labels=["a", "b", "c"],
            source={"commit": "1"},
        )
        right = publish(
            model,
            "1.1.0",
            b"two",
            b"same",
            b"more",
            metrics={"accuracy": 0.75, "note": "x", "test": {"f1": 3}, "huge": 10**400},
            parameters={"epochs": 3, "rate": 0.1},
            labels=["b", "c", "d"],
        )
        for version in (left, right):
            builtin.checksum(Context(make_ready(version)))

    def compared(self, client: APIClient, other: str = "1.1.0") -> Any:
        answer = client.get(f"{VERSIONS}1.0.0/compare/", {"with": other})
        assert answer.status_code == 200, answer.content
        return answer.json()

    def test_everything_stands_side_by_side(self, client: APIClient, pair: None) -> None:
        body = self.compared(client)
        assert (body["left"], body["right"]) == ("digits/1.0.0", "digits/1.1.0")
        fields = {entry["name"]: entry for entry in body["fields"]}
        assert fields["state"] == {"name": "state", "left": "ready", "right": "ready", "same": True}
        assert not fields["size"]["same"]
        metrics = {entry.pop("name"): entry for entry in body["metrics"]}
        assert list(metrics) == ["accuracy", "gone", "note", "test.f1", "huge"]
        assert metrics["accuracy"]["difference"] == 0.25
        assert metrics["gone"] == {"left": 1, "right": None, "same": False, "difference": None}
        assert metrics["note"] == {"left": "x", "right": "x", "same": True, "difference": None}
        assert metrics["test.f1"]["difference"] == 2
        assert metrics["huge"]["difference"] is None
        assert [entry["same"] for entry in body["parameters"]] == [True, False]
        assert body["source"] == [{"name": "commit", "left": "1", "right": None, "same": False}]
        labels = {"added": ["d"], "removed": ["a"], "added_count": 1, "removed_count": 1, "same": 2}
        assert body["labels"] == labels
        files = {entry["path"]: entry for entry in body["files"]}
        assert [files[path]["same"] for path in ("file-0", "file-1", "file-2")] == [
            False,
            True,
            False,
        ]
        assert files["file-2"]["left"] is None
        assert files["file-0"]["left"]["sha256"] != files["file-0"]["right"]["sha256"]

    def test_what_callers_would_notice_is_told(self, client: APIClient, pair: None) -> None:
        for number, name in (("1.0.0", "x"), ("1.1.0", "picture")):
            tensor = {"name": name, "datatype": "FP32", "shape": [-1, 4]}
            signature = {"inputs": [tensor], "outputs": []}
            ModelVersion.objects.filter(version=number).update(signature=signature)
        told = self.compared(client)["signature"]
        assert any(entry["breaking"] for entry in told)
        assert any("picture" in entry["message"] for entry in told)
        assert self.compared(client, "1.0.0")["signature"] == []

    def test_with_itself_and_with_another_model(
        self, client: APIClient, pair: None, beta: Team
    ) -> None:
        assert all(entry["same"] for entry in self.compared(client, "1.0.0")["files"])
        publish(make_model(beta, "weather", shared=True))
        assert self.compared(client, "weather/1.0.0")["right"] == "weather/1.0.0"

    @pytest.mark.parametrize(
        ("other", "status"),
        [
            ("", 400),
            ("digits/", 400),
            ("9.0.0", 404),
            ("no version", 404),
            ("none/1.0.0", 404),
            ("secret/1.0.0", 404),
            ("a/b/1.0.0", 404),
            ("\0", 404),
        ],
    )
    def test_with_what_is_not_there(
        self, client: APIClient, pair: None, beta: Team, other: str, status: int
    ) -> None:
        publish(make_model(beta, "secret"))
        answer = client.get(f"{VERSIONS}1.0.0/compare/", {"with": other})
        assert answer.status_code == status

    def test_many_labels_are_cut(self, client: APIClient, alpha: Team) -> None:
        model = make_model(alpha)
        publish(model, "1.0.0", labels=[f"a{number}" for number in range(3000)])
        publish(model, "1.1.0", labels=["b"])
        labels = self.compared(client)["labels"]
        assert (len(labels["removed"]), labels["removed_count"]) == (1000, 3000)

    def test_only_to_whom_both_are_shown(
        self, pair: None, outsider: User, viewer: User, client_of: Callable[[User], APIClient]
    ) -> None:
        path, other = f"{VERSIONS}1.0.0/compare/", {"with": "1.1.0"}
        assert client_of(viewer).get(path, other).status_code == 200
        assert client_of(outsider).get(path, other).status_code == 404
        assert APIClient().get(path, other).status_code == 401
