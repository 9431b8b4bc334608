"""What searches find, over models and over versions, and that they find nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from registry.models import Label, LabelSet, ModelVersion, RegisteredModel, Team, VersionMetric
from registry.services.aliases import alias_set
from registry.services.search_rows import labels_index, metrics_index
from registry.services.versions import version_update
from tests.registry.making import make_model, make_ready, make_rejected, publish

pytestmark = pytest.mark.django_db
MODELS, VERSIONS = "/api/v1/models/", "/api/v1/versions/"


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


def found(client: APIClient, path: str, search: str) -> list[str]:
    """What a search finds: models by name, versions as `name/version`, in order."""
    answer = client.get(path, {"search": search})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    rows = [f"{r['model']}/{r['version']}" if "model" in r else r["name"] for r in body["results"]]
    assert body["count"] == len(rows)
    return sorted(rows)


@pytest.fixture
def shelf(alpha: Team, beta: Team) -> None:
    """Models and versions of two teams."""
    cats = make_model(alpha, "cats", description="Finds felines", tags=["Vision", "animals"])
    first = publish(
        cats,
        "1.0.0",
        b"x" * 2000,
        labels=["Tiger cat", "espresso"],
        metrics={"accuracy": 0.8, "test": {"F1": 0.5}, "note": "bad", "ok": True},
        format="onnx",
        architecture="resnet50",
        description="the first",
    )
    make_ready(first)
    second = make_ready(publish(cats, "1.1.0", metrics={"accuracy": 0.95}, labels=["lynx"]))
    alias_set(principal=SYSTEM, model=cats, name="production", version=second)
    dogs = make_model(alpha, "dogs", tags=["vision"], task="tensor", description="100% _canine_")
    make_rejected(publish(dogs, "2.0.0", metrics={"accuracy": 0.95}, labels=["Espresso"]))
    weather = make_model(beta, "weather", shared=True, tags=["sky"])
    make_ready(publish(weather, "0.1.0", metrics={"accuracy": 0.99}))
    secret = make_model(beta, "secret", tags=["vision", "hidden"])
    hidden = make_ready(publish(secret, "9.0.0", metrics={"accuracy": 1}, labels=["espresso"]))
    alias_set(principal=SYSTEM, model=secret, name="production", version=hidden)
    make_model(alpha, "words")


MODELS_FOUND = [
    ("", "cats dogs weather words"),
    ("feline", "cats"),
    ("VISION", "cats dogs"),
    ("100%", "dogs"),
    ("_canine_", "dogs"),
    ("%", "dogs"),
    ("name:og", "dogs"),
    ("name=DOGS", "dogs"),
    ("name=dog", ""),
    ("name != dogs and team:alpha", "cats words"),
    ("description:felines", "cats"),
    ("tag:vision", "cats dogs"),
    ("tag:visio", ""),
    ("not tag:vision", "weather words"),
    ("tag != vision", "weather words"),
    ("tag:vision tag:animals", "cats"),
    ("tag:animals or tag:sky", "cats weather"),
    ("tag:hidden", ""),
    ("team:BETA", "weather"),
    ("task:tensor", "dogs"),
    ("owner:system", "cats dogs weather words"),
    ("created_by:nobody", ""),
    ("created > 2020-01-01", "cats dogs weather words"),
    ("created < 2020-01-01", ""),
    ("state:ready", "cats weather"),
    ("state:rejected", "dogs"),
    ("not state:ready", "dogs words"),
    ("alias:production", "cats"),
    ("label:espresso", "cats dogs"),
    ('label:"TIGER CAT"', "cats"),
    ("label:tiger", ""),
    ("format:onnx", "cats"),
    ("architecture:resnet", "cats"),
    ("version:1.1.0", "cats"),
    ("version >= 2.0.0", "dogs"),
    ("size > 1KB", "cats"),
    ("metrics.accuracy >= 0.95", "cats dogs weather"),
    ("metrics.accuracy > 0.95", "weather"),
    ("metrics.Accuracy = 0.8", "cats"),
    ("metrics.test.f1:0.5", "cats"),
    ("metrics.note > 0", ""),
    ("metrics.ok > 0", ""),
    ("metrics.accuracy >= 0.9 and tag:vision", "cats dogs"),
    ("metrics.accuracy >= 0.9 and state:ready and tag:vision", "cats"),
    # The terms hold of the same version, or there is none:
    ("label:espresso and metrics.accuracy >= 0.9", "dogs"),
    ("label:espresso and (metrics.accuracy >= 0.9 or state:ready)", "cats dogs"),
    ("alias:production and label:lynx", "cats"),
    ("alias:production and label:espresso", ""),
    ("tag:vision and not (label:lynx or state:ready)", "dogs"),
]


def test_models_are_found(client: APIClient, shelf: None) -> None:
    results = [(search, " ".join(found(client, MODELS, search))) for search, _ in MODELS_FOUND]
    assert results == MODELS_FOUND


VERSIONS_FOUND = [
    ("", "cats/1.0.0 cats/1.1.0 dogs/2.0.0 weather/0.1.0"),
    ("cat", "cats/1.0.0 cats/1.1.0"),
    ("first", "cats/1.0.0"),
    ("resnet", "cats/1.0.0"),
    ("1.1", "cats/1.1.0"),
    ("name:ats", "cats/1.0.0 cats/1.1.0"),
    ("tag:vision", "cats/1.0.0 cats/1.1.0 dogs/2.0.0"),
    ("not tag:vision", "weather/0.1.0"),
    ("team:alpha state:ready", "cats/1.0.0 cats/1.1.0"),
    ("task=tensor", "dogs/2.0.0"),
    ("label:espresso", "cats/1.0.0 dogs/2.0.0"),
    ("not label:espresso", "cats/1.1.0 weather/0.1.0"),
    ("alias:production", "cats/1.1.0"),
    ("metrics.accuracy < 0.9", "cats/1.0.0"),
    ("metrics.accuracy != 0.95", "cats/1.0.0 weather/0.1.0"),
    ("not metrics.test.f1 > 0", "cats/1.1.0 dogs/2.0.0 weather/0.1.0"),
    ("state != ready", "dogs/2.0.0"),
    ("version < 1.1.0", "cats/1.0.0 weather/0.1.0"),
    ("size <= 10MiB and size > 1kb", "cats/1.0.0"),
    ("created >= 2020-01-01T10:00:00Z and owner:system description:first", "cats/1.0.0"),
]


def test_versions_are_found(client: APIClient, shelf: None) -> None:
    results = [(search, " ".join(found(client, VERSIONS, search))) for search, _ in VERSIONS_FOUND]
    assert results == VERSIONS_FOUND
    for search, names in VERSIONS_FOUND:
        in_cats = [name for name in names.split() if name.startswith("cats/")]
        assert found(client, f"{MODELS}cats/versions/", search) == in_cats


@pytest.mark.parametrize("search", ["", "espresso", "label:espresso", "alias:production", "secret"])
def test_nobody_finds_what_they_may_not_read(
    outsider: User, viewer: User, client_of: Callable[[User], APIClient], shelf: None, search: str
) -> None:
    for user, hidden in ((outsider, {"cats", "dogs", "words"}), (viewer, {"secret"})):
        client = client_of(user)
        for path in (MODELS, VERSIONS):
            assert not hidden & {row.split("/")[0] for row in found(client, path, search)}


def test_an_administrator_finds_everything(
    admin: User, client_of: Callable[[User], APIClient], shelf: None
) -> None:
    assert found(client_of(admin), MODELS, "label:espresso") == ["cats", "dogs", "secret"]


def test_what_is_in_the_trash_is_not_found(client: APIClient, shelf: None) -> None:
    ModelVersion.objects.filter(version="1.1.0").update(deleted_at=timezone.now())
    assert found(client, MODELS, "label:lynx") == []
    RegisteredModel.objects.filter(name="cats").update(deleted_at=timezone.now())
    assert found(client, VERSIONS, "label:espresso") == ["dogs/2.0.0"]
    assert found(client, MODELS, "label:espresso") == ["dogs"]


@pytest.mark.parametrize(
    ("search", "position", "names"),
    [
        ("colour:red", 1, "architecture"),
        ("a colour:red", 3, "metrics."),
        ("metrics. > 1", 1, "metrics."),
        ("state:broken", 7, "rejected"),
        ("task:flying", 6, "tensor"),
        ("format:exe", 8, "onnx"),
        ("metrics.a > many", 13, "many"),
        ("metrics.a > nan", 13, "nan"),
        ("metrics.a > 1e999", 13, "1e999"),
        ("size < 10XB", 8, "10MB"),
        ("created > yesterday", 11, "2026-01-31"),
        ("created > 9999-12-31", 11, "9999"),
        ("created > 0001-01-01T00:00+12:00", 11, "0001"),
        ("version > new", 11, "1.2.0"),
        ("tag > a", 1, "!="),
        ("state >= ready", 1, ":"),
        ('name:"x', 6, "6"),
    ],
)
def test_what_cannot_be_searched_is_told(
    client: APIClient, alpha: Team, search: str, position: int, names: str
) -> None:
    make_model(alpha, "cats")
    for path in (MODELS, VERSIONS, f"{MODELS}cats/versions/"):
        answer = client.get(path, {"search": search})
        assert answer.status_code == 400
        body = answer.json()
        assert body["errors"][0]["position"] == position
        assert names in body["detail"]
        assert "%(" not in body["detail"]


class TestRows:
    def test_metrics_follow_their_version(self, alpha: Team) -> None:
        version = publish(make_model(alpha), metrics={"a": 1, "A": 2, "b": {"c": 2.5, "d": {}}})
        assert _metrics(version) == {"a": 1.0, "b.c": 2.5}
        version_update(version, principal=SYSTEM, changes={"metrics": {"z": -1}})
        assert _metrics(version) == {"z": -1.0}
        version_update(version, principal=SYSTEM, changes={"description": "x"})
        assert _metrics(version) == {"z": -1.0}

    @pytest.mark.parametrize("value", [10**400, "1", None, True, [1], {"x": {"y": 1}}])
    def test_what_is_no_number_is_no_row(self, alpha: Team, value: Any) -> None:
        assert _metrics(publish(make_model(alpha), metrics={"a": value})) == {}

    def test_names_that_a_database_finds_equal_do_no_harm(self, alpha: Team) -> None:
        metrics = {"é": 1, "e": 2, "a": 3, "a ": 4, "🚀": 5, "🦀": 6, "x" * 101: 7, "": 8}
        publish(make_model(alpha), metrics=metrics)
        assert VersionMetric.objects.exists()

    def test_there_are_so_many_of_them_at_most(self, alpha: Team) -> None:
        version = publish(make_model(alpha), metrics={f"m{number}": 1 for number in range(2000)})
        assert version.metric_rows.count() == 1000

    def test_the_same_labels_are_kept_once(self, alpha: Team) -> None:
        model = make_model(alpha)
        first = publish(model, "1.0.0", labels=["A", "a", "B"])
        second = publish(model, "2.0.0", labels=["A", "a", "B"])
        assert first.label_set == second.label_set
        assert sorted(Label.objects.values_list("text", flat=True)) == ["a", "b"]

    def test_labels_that_come_later_are_found(self, client: APIClient, alpha: Team) -> None:
        version = publish(make_model(alpha))
        version.labels = [f"class {number}" for number in range(12_000)]
        labels_index(version)
        assert found(client, VERSIONS, 'label:"class 9999"') == ["digits/1.0.0"]
        assert found(client, VERSIONS, 'label:"class 10000"') == []
        version.labels = []
        labels_index(version)
        assert found(client, VERSIONS, 'label:"class 9999"') == []
        assert LabelSet.objects.count() == 1

    def test_they_go_with_their_version(self, alpha: Team) -> None:
        version = publish(make_model(alpha), metrics={"a": 1})
        metrics_index(version)
        ModelVersion.everything.filter(pk=version.pk).delete()
        assert not VersionMetric.objects.exists()


def _metrics(version: ModelVersion) -> dict[str, float]:
    return dict(version.metric_rows.values_list("name", "value"))


class TestManyTags:
    @pytest.fixture
    def tags(self, alpha: Team) -> None:
        """10,000 of them, a hundred a model."""
        for number in range(100):
            names = [f"tag {number} {index}" for index in range(100)]
            make_model(alpha, f"model-{number}", tags=names)

    def test_lists_and_searches_hold(
        self, client: APIClient, tags: None, django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(10):
            rows = client.get(MODELS, {"page_size": 200}).json()["results"]
        assert sum(len(row["tags"]) for row in rows) == 10_000
        assert found(client, MODELS, 'tag:"tag 7 99"') == ["model-7"]
        assert found(client, MODELS, 'tag:"tag 7 99" or "g 8 9"') == ["model-7", "model-8"]
        assert client.get(MODELS, {"tag": "tag 7 99"}).json()["count"] == 1

    def test_a_model_does_not_take_them_all(self, client: APIClient, alpha: Team) -> None:
        make_model(alpha, tags=["old"])
        many = [f"tag {number}" for number in range(10_000)]
        assert client.patch(f"{MODELS}digits/", {"tags": many}).status_code == 400
        sent = {"name": "other", "team": "alpha", "tags": many}
        assert client.post(MODELS, sent).status_code == 400
        assert client.get(f"{MODELS}digits/").json()["tags"] == ["old"]

    def test_the_console_shows_them_in_bounds(
        self, developer: User, client: APIClient, tags: None
    ) -> None:
        console = Client()
        console.force_login(developer)
        page = console.get("/models/", {"q": "vision"})
        assert page.status_code == 200
        assert len(page.content) < 200_000
