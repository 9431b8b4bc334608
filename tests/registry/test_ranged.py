"""Ranges where the control API reads: the database finds what the pure code does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from registry import semver, version_ranges
from registry.models import ModelVersion, RegisteredModel, Team
from registry.models.versions import State
from registry.services.versions import version_delete
from tests.registry.making import make_model, publish
from tests.registry.test_version_ranges import VERSIONS

pytestmark = pytest.mark.django_db
MODEL = "/api/v1/models/digits/"
LIST = f"{MODEL}versions/"
RANGES = [
    *("^1.2", "~1.2.3", "1.x", "1.2.*", ">=1.0 <2.0", "1.2 - 2.0", "0.0.3 || ^2", "*", ">9"),
    *(
        "^1.0.0-rc.1",
        "~1.2.0-beta",
        ">1.0.0-rc.1 <1.2.0",
        "=1.2.3",
        "<=1.0.0-rc.1",
        "^0.0",
        "<2.0.0",
    ),
]


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    """With all of `VERSIONS`, ready."""
    model = make_model(alpha)
    for text in VERSIONS:
        parsed = semver.parse(text)
        ModelVersion.objects.create(
            model=model,
            version=parsed.text,
            version_key=parsed.key,
            sort_key=parsed.sort_key,
            state=State.READY,
        )
    return model


def listed(client: APIClient, text: str) -> list[str]:
    answer = client.get(LIST, {"version": text})
    assert answer.status_code == 200, answer.content
    return [version["version"] for version in answer.json()["results"]]


def test_the_database_finds_what_is_in_a_range(client: APIClient, model: RegisteredModel) -> None:
    for text in RANGES:
        wanted = version_ranges.parse(text)
        inside = [v for v in VERSIONS if wanted.holds(semver.parse(v).sort_key)]
        assert listed(client, text) == inside[::-1], text
        answer = client.get(f"{LIST}{text}/")
        if inside:
            assert answer.json()["version"] == inside[-1]
        else:
            assert answer.status_code == 404
            assert text in answer.json()["detail"]


def test_latest_is_the_newest_ready_release(client: APIClient, model: RegisteredModel) -> None:
    assert listed(client, "latest") == ["2.1.5"]
    assert client.get(f"{LIST}latest/").json()["version"] == "2.1.5"
    ModelVersion.objects.filter(version="2.1.5").update(state=State.REJECTED)
    assert listed(client, "latest") == ["2.0.0"]
    ModelVersion.objects.filter(sort_key__endswith="f").update(state=State.REJECTED)
    assert listed(client, "latest") == ["3.0.0-rc.1"]
    ModelVersion.objects.update(state=State.REJECTED)
    assert listed(client, "latest") == []
    assert client.get(f"{LIST}latest/").status_code == 404


def test_a_range_reads_ready_versions_out_of_the_trash_none(
    client: APIClient, model: RegisteredModel
) -> None:
    ModelVersion.objects.filter(version="1.10.0").update(state=State.PROCESSING)
    assert client.get(f"{LIST}^1.2/").json()["version"] == "1.2.3"
    assert listed(client, "^1.2")[0] == "1.10.0"  # a list shows every state
    version_delete(model.versions.get(version="1.2.3"), principal=SYSTEM)
    assert client.get(f"{LIST}^1.2/").json()["version"] == "1.2.0"


def test_one_version_is_a_list_of_one(client: APIClient, model: RegisteredModel) -> None:
    assert listed(client, "v1.2.3") == ["1.2.3"]
    assert listed(client, "9.9.9") == []


@pytest.mark.parametrize("text", ["1", "nonsense", "^", "x" * 500, "1.2.3.4", " "])
def test_what_is_no_range_is_a_400_in_a_list(
    client: APIClient, model: RegisteredModel, text: str
) -> None:
    assert client.get(LIST, {"version": text}).status_code == 400


def test_changing_takes_the_exact_number(client: APIClient, model: RegisteredModel) -> None:
    assert client.patch(f"{LIST}^1.2/", {"description": "x"}).status_code == 404
    assert client.patch(f"{LIST}latest/", {"description": "x"}).status_code == 404


def test_an_alias_takes_a_range_once(client: APIClient, model: RegisteredModel) -> None:
    answer = client.put(f"{MODEL}aliases/production/", {"version": "^1.2"})
    assert answer.json()["version"] == "1.10.0"
    ModelVersion.objects.filter(version="1.10.0").update(version="1.10.1", version_key="1.10.1")
    assert client.get(f"{MODEL}aliases/production/").json()["version"] == "1.10.1"
    assert client.put(f"{MODEL}aliases/production/", {"version": "^7"}).status_code == 404


def test_reading_by_range_costs_one_query_more(
    client: APIClient, model: RegisteredModel, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(30) as exact:
        client.get(f"{LIST}1.10.0/")
    with django_assert_max_num_queries(len(exact) + 1):
        client.get(f"{LIST}^1.2/")


def test_suggestions_are_free_numbers(client: APIClient, alpha: Team) -> None:
    model = make_model(alpha)
    publish(model, "1.4.2")
    newest = publish(model, "1.5.0")
    ModelVersion.objects.filter(pk=newest.pk).update(state=State.READY)
    version_delete(newest, principal=SYSTEM)
    expected = {"patch": "1.5.1", "minor": "1.6.0", "major": "2.0.0"}
    assert client.get(MODEL).json()["next_versions"] == expected
