"""`/api/v1/models/`: create, list, edit and delete registered models."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from aihub.problems import Problem
from registry.models import Blob, Job, ModelTag, ModelVersion, RegisteredModel, Team, Upload
from registry.processing import builtin
from registry.processing.steps import Context
from registry.services.aliases import alias_set
from registry.services.models import model_update
from registry.services.trash import model_purge
from registry.serving import Serving
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
MODELS = "/api/v1/models/"


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


@pytest.fixture
def owners_client(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [model["name"] for model in answer.json()["results"]]


def test_how_it_is_served_is_shown_with_its_defaults(client: APIClient, alpha: Team) -> None:
    make_model(alpha)
    body = client.get(f"{MODELS}digits/").json()
    assert (body["pool"], body["serving"]) == ("", Serving().as_json())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("pool", value) for value in ("*", "-a", "A", "a" * 65, 5, None)),
        ("serving", {"max_batch": 0}),
        ("serving", {"unknown": 1}),
        ("serving", {"rules": [{"strategy": "luck"}]}),
        ("serving", {"fallback": "sometimes"}),
        ("serving", [1]),
        ("serving", None),
    ],
)
def test_what_cannot_be_served_so_is_refused(
    client: APIClient, alpha: Team, field: str, value: Any
) -> None:
    make_model(alpha)
    answer = client.patch(f"{MODELS}digits/", {field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_it_creates_a_model(client: APIClient) -> None:
    sent = {
        "name": "Digits-1.0",
        "team": "alpha",
        "description": "Reads digits. 读数字 🚀",
        "card": "# Card",
        "tags": ["vision", "b", "vision"],
        "task": "tensor",
        "precision": "exact",
        "pool": "heavy",
        "serving": {"max_batch": 4, "rules": [], "fallback": {"model": "other"}},
        "shared": True,
    }
    answer = client.post(MODELS, sent)
    assert answer.status_code == 201
    body = answer.json()
    assert body == client.get(f"{MODELS}digits-1.0/").json()
    assert body == sent | {
        "tags": ["b", "vision"],
        "card_html": "<h1>Card</h1>\n",
        "aliases": {},
        "protected_aliases": [],
        "versions": 0,
        "next_versions": {"patch": "1.0.0", "minor": "1.0.0", "major": "1.0.0"},
        "created_by": "developer",
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }


def test_a_name_is_taken_in_any_case_and_any_team(client: APIClient, beta: Team) -> None:
    make_model(beta, "Digits")
    answer = client.post(MODELS, {"name": "dIGITS", "team": "alpha"})
    assert answer.status_code == 409
    assert RegisteredModel.objects.count() == 1


def test_a_team_must_be_there(client: APIClient) -> None:
    answer = client.post(MODELS, {"name": "digits", "team": "gamma"})
    assert answer.status_code == 400
    assert "gamma" in answer.json()["detail"]


@pytest.mark.parametrize("tags", [["A", "a"], ["é", "e"], ["x ", "x"], ["ß", "ss"], ["🚀", "🦀"]])
def test_tags_that_a_database_finds_equal_do_no_harm(client: APIClient, tags: list[str]) -> None:
    assert client.post(MODELS, {"name": "d", "team": "alpha", "tags": tags}).status_code == 201
    assert client.patch(f"{MODELS}d/", {"tags": tags[::-1]}).status_code == 200
    assert ModelTag.objects.exists()


def test_it_edits_what_was_sent_alone(client: APIClient, alpha: Team) -> None:
    make_model(alpha, description="old", card="card", tags=["a"])
    body = client.patch(f"{MODELS}digits/", {"description": "new", "tags": ["b", "c"]}).json()
    assert (body["description"], body["card"], body["tags"]) == ("new", "card", ["b", "c"])


TEXTS = (None, 1, 1.5, True, [], {}, "\0", "\ud800")
WRONG = {
    "name": [*TEXTS, "", "a b", "../x", "-x", "x-", "é", "模型", "🚀", "x" * 101, "a/b"],
    "team": [*TEXTS, "", "x" * 65],
    "description": [*TEXTS, "x" * 10_001],
    "card": [*TEXTS, "x" * 100_001],
    "tags": [None, 1, "x", {}, [1], [None], [[]], [""], ["\0"], ["x" * 65], ["x"] * 101],
    "task": [None, 1, [], {}, "", "magic", "TENSOR"],
    "precision": [None, 1, [], {}, "", "fp8"],
    "shared": [None, 0, 1, "true", "yes", [], {}],
    "unknown": [1],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
)
def test_a_field_that_does_not_fit_is_named(
    client: APIClient, alpha: Team, field: str, value: Any
) -> None:
    answer = send(client.post, MODELS, {"name": "digits", "team": "alpha", field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert not RegisteredModel.objects.exists()
    if field not in ("name", "team"):
        make_model(alpha)
        answer = send(client.patch, f"{MODELS}digits/", {field: value})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize("field", ["\ud800", "\0", "task"])
def test_what_cannot_be_encoded_is_not_echoed(client: APIClient, field: str) -> None:
    answer = send(client.post, MODELS, {"name": "digits", "team": "alpha", field: "\ud800"})
    assert answer.status_code == 400
    assert "\ud800" not in answer.content.decode()


def send(call: Callable[..., Any], path: str, body: Any) -> Any:
    """JSON with every character escaped, as the client of the tests cannot send them all."""
    return call(path, json.dumps(body), content_type="application/json")


def test_a_name_does_not_change(client: APIClient, alpha: Team) -> None:
    make_model(alpha)
    answer = client.patch(f"{MODELS}digits/", {"name": "other"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "name", "detail": "No such field."}]


def test_it_deletes_a_model_with_its_versions_and_jobs(
    owners_client: APIClient, alpha: Team
) -> None:
    version = publish(make_model(alpha, tags=["a"]))
    builtin.checksum(Context(make_ready(version)))
    publish(version.model, "2.0.0")
    assert owners_client.delete(f"{MODELS}digits/").status_code == 204
    for table in (RegisteredModel, ModelVersion, Job):
        assert not table.objects.exists()
    model_purge(version.model_id, principal=SYSTEM)
    for table in (RegisteredModel, ModelVersion, ModelTag, Job):
        assert not table.objects.exists()
    assert Blob.objects.count() == 1
    assert Upload.objects.get().version_files.count() == 0


def test_it_does_not_delete_a_model_in_use(owners_client: APIClient, alpha: Team) -> None:
    version = make_ready(publish(make_model(alpha)))
    alias_set(principal=SYSTEM, model=version.model, name="production", version=version)
    answer = owners_client.delete(f"{MODELS}digits/")
    assert answer.status_code == 409
    assert "production" in answer.json()["detail"]
    assert RegisteredModel.objects.exists()


@pytest.fixture
def shelf(alpha: Team, beta: Team) -> None:
    make_model(alpha, "cats", description="Finds felines", tags=["vision", "animals"])
    make_model(alpha, "dogs", description="Finds canines", tags=["vision"], task="tensor")
    make_model(alpha, "words", description="Counts 词", tags=["text"])
    make_model(beta, "weather", shared=True)
    make_model(beta, "secret")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["cats", "dogs", "weather", "words"]),
        ("search=FELINE", ["cats"]),
        ("search=og", ["dogs"]),
        ("search=vision", ["cats", "dogs"]),
        ("search=词", ["words"]),
        ("search=secret", []),
        ("search=finds vision", ["cats", "dogs"]),
        ("team=alpha", ["cats", "dogs", "words"]),
        ("team=beta", ["weather"]),
        ("task=tensor", ["dogs"]),
        ("tag=vision", ["cats", "dogs"]),
        ("tag=vision&tag=animals", ["cats"]),
        ("tag=nothing", []),
        ("ordering=-name", ["words", "weather", "dogs", "cats"]),
        ("ordering=created_at", ["cats", "dogs", "words", "weather"]),
        ("ordering=-created_at&team=alpha", ["words", "dogs", "cats"]),
        ("page_size=3", ["cats", "dogs", "weather"]),
        ("page_size=3&page=2", ["words"]),
        ("page_size=9999", ["cats", "dogs", "weather", "words"]),
    ],
)
def test_it_searches_filters_orders_and_pages(
    client: APIClient, shelf: None, query: str, found: list[str]
) -> None:
    assert names(client.get(f"{MODELS}?{query}")) == found


def test_a_page_names_its_neighbours(client: APIClient, shelf: None) -> None:
    body = client.get(f"{MODELS}?page_size=2").json()
    assert body["count"] == 4
    assert body["previous"] is None
    assert names(client.get(body["next"])) == ["weather", "words"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page=0", 404),
        ("page=99", 404),
        ("page=-1", 404),
        ("page=x", 404),
        (f"page={10**30}", 404),
        ("task=nonsense", 400),
        ("search=%00", 400),
        ("tag=%00", 400),
        ("team=%00x", 400),
        ("search=%ff%fe", 200),
        ("page_size=-5", 200),
        ("ordering=team__name", 200),
        ("ordering=%00", 200),
    ],
)
def test_a_query_that_does_not_fit_is_a_4xx_or_ignored(
    client: APIClient, shelf: None, query: str, status: int
) -> None:
    answer = client.get(f"{MODELS}?{query}")
    assert answer.status_code == status
    if status != 200:
        assert answer["Content-Type"] == "application/problem+json"


def test_a_list_costs_the_same_queries_however_long_it_is(client: APIClient, alpha: Team) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(MODELS)
        return len(captured)

    def add(count: int) -> None:
        for number in range(RegisteredModel.objects.count(), count):
            version = make_ready(publish(make_model(alpha, f"model-{number}", tags=["a", "b"])))
            alias_set(principal=SYSTEM, model=version.model, name="production", version=version)

    add(3)
    few = queries()
    add(30)
    assert queries() == few <= 9


def test_a_search_has_a_length(client: APIClient) -> None:
    assert client.get(MODELS, {"search": "a," * 3000}).status_code == 400


def test_the_task_stays_while_there_are_versions(client: APIClient, alpha: Team) -> None:
    model = make_model(alpha, task="tensor")
    changed = {"task": "image-classification"}
    assert client.patch(f"{MODELS}digits/", changed).status_code == 200
    publish(model)
    assert client.patch(f"{MODELS}digits/", {"task": "tensor"}).status_code == 409
    assert client.patch(f"{MODELS}digits/", changed).status_code == 200


def test_a_model_that_was_deleted_meanwhile_is_told(alpha: Team) -> None:
    model = make_model(alpha)
    RegisteredModel.objects.all().delete()
    with pytest.raises(Problem) as problem:
        model_update(model, principal=SYSTEM, changes={"description": "late"})
    assert problem.value.status == 404
