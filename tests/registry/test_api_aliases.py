"""`/api/v1/models/{name}/aliases/{alias}/`, and the service behind it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from aihub.problems import Problem
from registry.models import Alias, ModelVersion, RegisteredModel, Team
from registry.models.revision import revision_current
from registry.services.aliases import alias_set
from tests.registry.making import make_model, make_ready, make_rejected, publish

pytestmark = pytest.mark.django_db
PRODUCTION = "/api/v1/models/digits/aliases/production/"


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    """With two ready versions."""
    model = make_model(alpha)
    for version in ("1.0.0", "2.0.0-RC.1"):
        make_ready(publish(model, version))
    return model


def test_it_points_at_a_version_and_moves(client: APIClient, model: RegisteredModel) -> None:
    first = client.put(PRODUCTION, {"version": "1.0.0"})
    assert first.status_code == 200
    revision = revision_current()
    body = client.put(PRODUCTION, {"version": "v2.0.0-rc.1", "comment": "better"}).json()
    assert body == client.get(PRODUCTION).json()
    assert (body["alias"], body["version"], body["comment"]) == (
        *("production", "2.0.0-RC.1", "better"),
    )
    assert body["updated_by"] == "developer"
    assert Alias.objects.count() == 1
    assert revision_current() > revision


def test_it_is_removed(client: APIClient, model: RegisteredModel) -> None:
    client.put(PRODUCTION, {"version": "1.0.0"})
    revision = revision_current()
    assert client.delete(PRODUCTION).status_code == 204
    assert client.get(PRODUCTION).status_code == 404
    assert client.delete(PRODUCTION).status_code == 404
    assert revision_current() > revision
    assert ModelVersion.objects.count() == 2


@pytest.mark.parametrize("settle", [lambda version: version, make_rejected])
def test_it_points_at_ready_versions_only(
    client: APIClient, model: RegisteredModel, settle: Callable[[ModelVersion], ModelVersion]
) -> None:
    settle(publish(model, "3.0.0"))
    answer = client.put(PRODUCTION, {"version": "3.0.0"})
    assert answer.status_code == 409
    assert "3.0.0" in answer.json()["detail"]
    assert not Alias.objects.exists()


def test_it_does_not_point_at_a_version_that_was_deleted_meanwhile(model: RegisteredModel) -> None:
    version = model.versions.get(version="1.0.0")
    ModelVersion.objects.filter(pk=version.pk).delete()
    with pytest.raises(Problem) as problem:
        alias_set(principal=SYSTEM, model=model, name="production", version=version)
    assert problem.value.status == 404


@pytest.mark.parametrize("name", ["Production", "1st", "-x", "a b", "x" * 65, "é", "a%00", "a.b"])
def test_a_name_that_does_not_fit_is_a_400(
    client: APIClient, model: RegisteredModel, name: str
) -> None:
    path = f"/api/v1/models/digits/aliases/{name}/"
    assert client.put(path, {"version": "1.0.0"}).status_code == 400
    assert client.get(path).status_code == 404


def test_a_name_is_itself_in_its_own_case_only(client: APIClient, model: RegisteredModel) -> None:
    client.put(PRODUCTION, {"version": "1.0.0"})
    assert client.get(PRODUCTION.replace("production", "PRODUCTION")).status_code == 404


@pytest.mark.parametrize("version", ["9.9.9", "nonsense", "../x", "1", "🚀"])
def test_an_unknown_version_is_a_404(
    client: APIClient, model: RegisteredModel, version: str
) -> None:
    assert client.put(PRODUCTION, {"version": version}).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("version", value) for value in ("", None, 1, 1.0, [], {}, "\0", "x" * 81)],
        *[("comment", value) for value in (None, 1, [], {}, "\0", "x" * 2001)],
        ("unknown", "x"),
    ],
)
def test_a_field_that_does_not_fit_is_named(
    client: APIClient, model: RegisteredModel, field: str, value: Any
) -> None:
    answer = client.put(PRODUCTION, {"version": "1.0.0", field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not Alias.objects.exists()
