"""The history of an alias, rolling it back, and asking at a moment."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from ops.models import AuditEvent
from registry.models import Alias, AliasMove, ModelVersion, RegisteredModel, Team
from registry.services.aliases import alias_set
from registry.services.versions import version_delete
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
MODEL = "/api/v1/models/digits/"
PRODUCTION = f"{MODEL}aliases/production/"
HISTORY = f"{PRODUCTION}history/"
ROLLBACK = f"{PRODUCTION}rollback/"


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    """With four ready versions."""
    model = make_model(alpha)
    for version in ("1.0.0", "1.1.0", "1.2.0", "2.0.0"):
        make_ready(publish(model, version))
    return model


def go(client: APIClient, *versions: str) -> None:
    for version in versions:
        answer = client.put(PRODUCTION, {"version": version, "comment": f"to {version}"})
        assert answer.status_code == 200, answer.content


def back(client: APIClient) -> str:
    """Where a rollback leads."""
    answer = client.post(ROLLBACK)
    assert answer.status_code == 200, answer.content
    assert client.get(PRODUCTION).json() == answer.json()
    return str(answer.json()["version"])


def trail(client: APIClient) -> list[tuple[str, str | None, str | None]]:
    """The history, the oldest first."""
    moves = reversed(client.get(HISTORY).json()["results"])
    return [(move["kind"], move["from"], move["to"]) for move in moves]


def test_every_move_is_kept(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.1.0")
    assert client.delete(PRODUCTION).status_code == 204
    go(client, "2.0.0")
    assert trail(client) == [
        ("move", None, "1.0.0"),
        ("move", "1.0.0", "1.1.0"),
        ("removal", "1.1.0", None),
        ("move", None, "2.0.0"),
    ]
    newest = client.get(HISTORY).json()["results"][0]
    assert newest.keys() == {"alias", "kind", "from", "to", "comment", "by", "at"}
    assert (newest["by"], newest["comment"]) == ("developer", "to 2.0.0")


def test_pointing_where_it_points_is_no_move(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.0.0")
    assert len(trail(client)) == 1


def test_rolling_back_goes_further_each_time(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.1.0", "1.2.0")
    assert [back(client), back(client)] == ["1.1.0", "1.0.0"]
    answer = client.post(ROLLBACK)
    assert answer.status_code == 409
    assert "production" in answer.json()["detail"]
    assert trail(client)[3:] == [("rollback", "1.2.0", "1.1.0"), ("rollback", "1.1.0", "1.0.0")]
    assert AuditEvent.objects.filter(action="alias.rolled_back").count() == 2


def test_after_a_rollback_a_move_is_rolled_back_to_there(
    client: APIClient, model: RegisteredModel
) -> None:
    go(client, "1.0.0", "1.1.0")
    assert back(client) == "1.0.0"
    go(client, "2.0.0")
    assert back(client) == "1.0.0"


def test_rolling_back_skips_what_cannot_serve(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.1.0", "1.2.0", "2.0.0")
    version_delete(model.versions.get(version="1.2.0"), principal=SYSTEM)
    ModelVersion.objects.filter(version="1.1.0").update(state="rejected")
    assert back(client) == "1.0.0"


def test_what_was_removed_comes_back(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.1.0")
    client.delete(PRODUCTION)
    assert back(client) == "1.1.0"
    assert back(client) == "1.0.0"


def test_an_alias_that_never_was_has_no_history(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0")
    for path in ("aliases/staging/", "aliases/PRODUCTION/", "aliases/%00/"):
        assert client.get(f"{MODEL}{path}history/").status_code == 404
        assert client.post(f"{MODEL}{path}rollback/").status_code == 404


def test_history_outlives_versions(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.1.0")
    ModelVersion.everything.filter(version="1.0.0").delete()
    assert trail(client)[1] == ("move", "1.0.0", "1.1.0")
    assert client.post(ROLLBACK).status_code == 409


def at(client: APIClient, moment: datetime | str) -> Any:
    text = moment if isinstance(moment, str) else moment.isoformat()
    return client.get(HISTORY, {"at": text})


def dated(*days: int) -> list[datetime]:
    """The moves of the alias, oldest first, as if they had been made on these days of May."""
    moments = [datetime(2026, 5, day, 12, tzinfo=UTC) for day in days]
    for move, moment in zip(AliasMove.objects.order_by("at"), moments, strict=True):
        AliasMove.objects.filter(pk=move.pk).update(at=moment)
    return moments


def test_it_tells_what_was_in_production_then(client: APIClient, model: RegisteredModel) -> None:
    go(client, "1.0.0", "1.1.0")
    client.delete(PRODUCTION)
    first, second, removed = dated(1, 5, 9)
    day, instant = timedelta(days=1), timedelta(microseconds=1)
    assert at(client, first - instant).status_code == 404
    assert at(client, first).json()["version"] == "1.0.0"
    body = at(client, second - instant).json()
    assert (body["version"], body["by"]) == ("1.0.0", "developer")
    assert datetime.fromisoformat(body["since"]) == first
    assert at(client, second + day).json()["version"] == "1.1.0"
    assert at(client, removed).status_code == 404
    assert at(client, timezone.now() + 400 * day).status_code == 404


@pytest.mark.parametrize(
    "moment",
    [
        "2026-05-01T12:00Z",
        "2026-05-01T12:00:00.000Z",
        "2026-05-01T14:00+02:00",
        "2026-05-01T14:00 02:00",  # a “+” that was not percent-encoded
        "2026-05-01T08:00-0400",
        "2026-05-01T12:00",
        "2026-05-01 12:00",
        "2026-05-02",
    ],
)
def test_a_moment_is_written_in_many_ways(
    client: APIClient, model: RegisteredModel, moment: str
) -> None:
    go(client, "1.0.0", "1.1.0")
    dated(1, 30)
    assert at(client, moment).json()["version"] == "1.0.0"


@pytest.mark.parametrize(
    "moment",
    ["", "yesterday", "2026-13-01", "2026-05-01T25:00Z", "1777777777", "9999-12-31T23:59-14:00"]
    + ["0001-01-01T00:00+14:00", "2026-05-01T12:00Z'--", "\0", "🚀", "2" * 5000],
)
def test_what_is_no_moment_is_a_400(client: APIClient, model: RegisteredModel, moment: str) -> None:
    go(client, "1.0.0")
    assert at(client, moment).status_code == 400


@pytest.mark.parametrize(
    "moment", ["0001-01-01", "1000-01-01T00:00Z", "9999-12-31T23:59:59.999999Z"]
)
def test_any_real_moment_is_answered(
    client: APIClient, model: RegisteredModel, moment: str
) -> None:
    go(client, "1.0.0")
    assert at(client, moment).status_code == (200 if moment[0] == "9" else 404)


def test_moments_grow_where_the_clock_goes_back(
    client: APIClient, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(client, "1.0.0")
    past = timezone.now() - timedelta(days=365)
    monkeypatch.setattr(timezone, "now", lambda: past)
    for version in ("1.1.0", "1.2.0", "2.0.0"):
        alias_set(
            principal=SYSTEM,
            model=model,
            name="production",
            version=model.versions.get(version=version),
        )
    monkeypatch.undo()
    moments = list(AliasMove.objects.order_by("pk").values_list("at", flat=True))
    assert moments == sorted(set(moments))
    assert [to for _, _, to in trail(client)] == ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]
    assert back(client) == "1.2.0"


@pytest.mark.parametrize("comment", ["<script>alert(1)</script>", "‮txet", "x" * 2000, "读 🚀\n\t"])
def test_comments_are_kept_as_they_are(
    client: APIClient, model: RegisteredModel, comment: str
) -> None:
    go(client, "1.0.0")
    client.put(PRODUCTION, {"version": "1.1.0", "comment": comment})
    client.post(ROLLBACK, {"comment": comment})
    moves = client.get(HISTORY).json()["results"]
    assert [move["comment"] for move in moves[:2]] == [comment.strip()] * 2


@pytest.mark.parametrize("comment", ["\0", "x" * 2001, 1, None, ["x"]])
def test_comments_that_do_not_fit_move_nothing(
    client: APIClient, model: RegisteredModel, comment: Any
) -> None:
    go(client, "1.0.0", "1.1.0")
    assert client.post(ROLLBACK, {"comment": comment}).status_code == 400
    assert Alias.objects.get().version.version == "1.1.0"


def test_pages_of_history_take_a_constant_number_of_queries(
    client: APIClient, model: RegisteredModel, django_assert_num_queries: Any
) -> None:
    go(client, *["1.0.0", "1.1.0"] * 6)
    for size in (1, 12):
        with django_assert_num_queries(7):
            assert len(client.get(HISTORY, {"page_size": size}).json()["results"]) == size
    with django_assert_num_queries(6):
        at(client, timezone.now())


def test_aliases_are_listed_by_name(
    client: APIClient, model: RegisteredModel, django_assert_num_queries: Any
) -> None:
    for count in (1, 5):
        for number in range(count):
            client.put(f"{MODEL}aliases/a{number}/", {"version": "1.0.0"})
        with django_assert_num_queries(6):
            body = client.get(f"{MODEL}aliases/").json()
        assert [alias["alias"] for alias in body["results"]] == [f"a{n}" for n in range(count)]
