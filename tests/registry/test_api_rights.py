"""Who may do what: the whole cast against every operation on a private model of team alpha."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from registry.models import ModelVersion, RegisteredModel, Team, Upload
from registry.processing import builtin
from registry.processing.steps import Context
from registry.services.aliases import alias_set
from tests import hostile
from tests.cast import CAST, enter, enter_admin, undone
from tests.registry.making import make_model, make_ready, make_rejected, publish

pytestmark = pytest.mark.django_db
API = "/api/v1/models/"
PEOPLE = (*CAST, "admin", "anonymous")
OF_ALPHA = ("owner", "developer", "viewer")


@dataclass(frozen=True)
class Operation:
    """A call, and what each of the cast gets for it; who is not named gets `other`."""

    name: str
    method: str
    path: str
    status: int
    may: tuple[str, ...]
    body: Any = None
    other: int = 404

    def expected(self, person: str) -> int:
        if person == "anonymous":
            return 401
        if person in self.may or person == "admin":
            return self.status
        return 403 if person in OF_ALPHA else self.other


PUBLISHERS = ("owner", "developer")
TO_1 = {"version": "1.0.0"}
OPERATIONS = [
    Operation("show", "get", "digits/", 200, OF_ALPHA),
    Operation("show in another case", "get", "DIGITS/", 200, OF_ALPHA),
    Operation("edit", "patch", "digits/", 200, PUBLISHERS, {"description": "new"}),
    Operation("delete", "delete", "letters/", 204, ("owner",)),
    Operation("create", "post", "", 201, PUBLISHERS, {"name": "new", "team": "alpha"}, other=403),
    Operation("list versions", "get", "digits/versions/", 200, OF_ALPHA),
    Operation("show version", "get", "digits/versions/1.0.0/", 200, OF_ALPHA),
    Operation("show its .dvc files", "get", "digits/versions/1.0.0/dvc/", 200, OF_ALPHA),
    Operation("show no version", "get", "digits/versions/9.9.9/", 404, OF_ALPHA),
    Operation("edit version", "patch", "digits/versions/1.0.0/", 200, PUBLISHERS, {"metrics": {}}),
    Operation("delete version", "delete", "digits/versions/2.0.0/", 204, ("owner",)),
    Operation("download", "get", "digits/versions/1.0.0/download/", 200, OF_ALPHA),
    Operation("show alias", "get", "digits/aliases/production/", 200, OF_ALPHA),
    Operation(
        "move alias", "put", "digits/aliases/staging/", 200, PUBLISHERS, {"version": "1.0.0"}
    ),
    Operation("remove alias", "delete", "digits/aliases/production/", 204, PUBLISHERS),
]


@pytest.fixture
def digits(alpha: Team, default_team: Team) -> RegisteredModel:
    """`digits` with 1.0.0 in production and 2.0.0 rejected, and an empty `letters`."""
    make_model(alpha, "letters")
    model = make_model(alpha, "digits")
    version = publish(model, "1.0.0", b"weights")
    builtin.checksum(Context(version))
    alias_set(principal=SYSTEM, model=model, name="production", version=make_ready(version))
    make_rejected(publish(model, "2.0.0"))
    return model


def client_for(person: str, client_of: Callable[[User], APIClient]) -> APIClient:
    if person == "anonymous":
        return APIClient()
    return client_of(enter_admin() if person == "admin" else enter(person))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_of_the_cast_may_do_what_the_table_says(
    operation: Operation, digits: RegisteredModel, client_of: Any
) -> None:
    clients = {person: client_for(person, client_of) for person in PEOPLE}
    answers = {}
    for person, client in clients.items():
        with undone():
            answer = getattr(client, operation.method)(API + operation.path, operation.body)
            answer.getvalue()  # to its end, or what it reads stays open
            answers[person] = answer.status_code
    assert answers == {person: operation.expected(person) for person in PEOPLE}


@pytest.mark.parametrize("person", PEOPLE)
def test_publishing_takes_the_right_to_publish(
    person: str, digits: RegisteredModel, client_of: Any, tmp_path: Path
) -> None:
    good = hostile.torch_file(tmp_path / "good.pth", hostile.tensor("0", 1, (1,), (1,)))
    uploads = Upload.objects.count()
    answer = client_for(person, client_of).post(
        f"{API}digits/versions/",
        {"version": "3.0.0", "file": BytesIO(good.read_bytes())},
        format="multipart",
    )
    expected = Operation("publish", "post", "", 202, PUBLISHERS).expected(person)
    assert answer.status_code == expected, answer.content
    published = ModelVersion.objects.filter(version="3.0.0").count()
    assert published == Upload.objects.count() - uploads == (expected == 202)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_list_holds_what_one_may_read(
    person: str, digits: RegisteredModel, client_of: Any
) -> None:
    answer = client_for(person, client_of).get(API)
    if person == "anonymous":
        assert answer.status_code == 401
    else:
        assert answer.json()["count"] == (0 if person == "outsider" else 2)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "", 200),
        ("get", "versions/", 200),
        ("get", "versions/1.0.0/download/", 200),
        ("patch", "", 403),
        ("delete", "", 403),
        ("delete", "versions/2.0.0/", 403),
        ("put", "aliases/staging/", 403),
    ],
)
def test_a_shared_model_is_everyones_to_read_and_no_more(
    method: str, path: str, status: int, digits: RegisteredModel, outsider: User, client_of: Any
) -> None:
    RegisteredModel.objects.update(shared=True)
    call = getattr(client_of(outsider), method)
    answer = call(f"{API}digits/{path}")
    answer.close()
    assert answer.status_code == status


def test_another_teams_private_model_looks_like_none_at_all(
    digits: RegisteredModel, outsider: User, client_of: Any
) -> None:
    client = client_of(outsider)
    for operation in OPERATIONS:
        if operation.path:
            name = operation.path.split("/")[0]
            real = client.generic(operation.method, API + operation.path)
            none = client.generic(operation.method, API + operation.path.replace(name, "none", 1))
            assert real.status_code == none.status_code == 404
            assert real.json()["detail"].replace(name, "none") == none.json()["detail"]


def test_a_new_model_takes_the_right_in_its_team(
    digits: RegisteredModel, outsider: User, client_of: Any, tmp_path: Path
) -> None:
    good = hostile.torch_file(tmp_path / "good.pth", hostile.tensor("0", 1, (1,), (1,)))
    fields = {"version": "1.0.0", "team": "alpha", "file": BytesIO(good.read_bytes())}
    uploads = Upload.objects.count()
    answer = client_of(outsider).post(f"{API}new/versions/", fields, format="multipart")
    assert answer.status_code == 403
    assert not RegisteredModel.objects.filter(name="new").exists()
    assert Upload.objects.count() == uploads
