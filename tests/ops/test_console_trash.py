"""Throwing away in the console, and taking back."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from aihub.events import SYSTEM
from ops.models import AuditEvent
from registry.models import ModelVersion, RegisteredModel, Team
from registry.services.aliases import alias_set
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
VERSION = "/models/digits/versions/1.0.0/"


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    return make_ready(publish(make_model(alpha)))


def entries(client: Client) -> list[tuple[str, str | None]]:
    return [(entry.model, entry.version) for entry in client.get("/trash/").context["entries"]]


def audited() -> list[str]:
    events = AuditEvent.objects.exclude(actor="system").order_by("pk")
    return list(events.values_list("action", flat=True))


def test_an_empty_trash_says_so(as_owner: Client) -> None:
    assert "The trash is empty" in as_owner.get("/trash/").content.decode()


def test_a_version_goes_there_and_comes_back(as_owner: Client, version: ModelVersion) -> None:
    question = as_owner.get(f"{VERSION}delete/").content.decode()
    assert "can be restored for 30 days" in question
    assert "cannot be undone" not in question
    assert as_owner.post(f"{VERSION}delete/")["Location"] == "/models/digits/"
    assert as_owner.get(VERSION).status_code == 404
    assert entries(as_owner) == [("digits", "1.0.0")]
    text = as_owner.get("/trash/").content.decode()
    assert "owner" in text
    answer = as_owner.post(f"/trash/version-{version.pk}/restore/")
    assert answer["Location"] == VERSION
    assert as_owner.get(VERSION).status_code == 200
    assert audited() == ["version.deleted", "version.restored"]


def test_a_model_goes_there_with_its_versions(as_owner: Client, version: ModelVersion) -> None:
    as_owner.post("/models/digits/delete/")
    assert entries(as_owner) == [("digits", None)]
    pk = RegisteredModel.everything.get().pk
    assert as_owner.post(f"/trash/model-{pk}/restore/")["Location"] == "/models/digits/"
    assert as_owner.get(VERSION).status_code == 200


def test_deleting_for_good_asks_first(as_owner: Client, version: ModelVersion) -> None:
    as_owner.post(f"{VERSION}delete/")
    path = f"/trash/version-{version.pk}/purge/"
    assert "digits/1.0.0" in as_owner.get(path).content.decode()
    assert ModelVersion.everything.exists()
    assert as_owner.post(path)["Location"] == "/trash/"
    assert not ModelVersion.everything.exists()
    assert as_owner.get(path).status_code == 404


def test_what_is_in_use_stays_and_says_by_whom(as_owner: Client, version: ModelVersion) -> None:
    alias_set(principal=SYSTEM, model=version.model, name="production", version=version)
    question = as_owner.get(f"{VERSION}delete/").content.decode()
    assert "alias production (1.0.0)" in question
    assert "hub-bad" not in question
    answer = as_owner.post(f"{VERSION}delete/", follow=True)
    assert "alias production" in "".join(map(str, answer.context["messages"]))
    assert as_owner.get(VERSION).status_code == 200
    assert "alias production (1.0.0)" in as_owner.get(VERSION).content.decode()


def test_a_version_cannot_come_back_before_its_model(
    as_owner: Client, version: ModelVersion
) -> None:
    as_owner.post(f"{VERSION}delete/")
    as_owner.post("/models/digits/delete/")
    answer = as_owner.post(f"/trash/version-{version.pk}/restore/", follow=True)
    assert "restore it first" in "".join(map(str, answer.context["messages"]))


@pytest.mark.parametrize("entry", ["model-999999", "version-x", "x", "model-", "version-1-1"])
def test_what_is_not_there_is_a_404(as_owner: Client, entry: str) -> None:
    assert as_owner.post(f"/trash/{entry}/restore/").status_code == 404
    assert as_owner.get(f"/trash/{entry}/purge/").status_code == 404


def test_a_long_trash_has_pages(as_owner: Client, alpha: Team) -> None:
    model = make_model(alpha)
    for number in range(51):
        publish(model, f"1.0.{number}")
        as_owner.post(f"/models/digits/versions/1.0.{number}/delete/")
    assert len(entries(as_owner)) == 50
    assert [e.version for e in as_owner.get("/trash/?page=2").context["entries"]] == ["1.0.0"]
