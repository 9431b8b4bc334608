"""Protected aliases: asked for by one, decided by an owner who is another."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aihub.access import Role
from aihub.events import SYSTEM
from aihub.problems import Problem
from ops.keys import key_create
from ops.models import AuditEvent
from registry.models import Alias, AliasMove, Approval, Membership, ModelVersion, Team
from registry.models.registered import RegisteredModel
from registry.processing import pipeline
from registry.services.aliases import alias_set
from registry.services.approvals import approval_approve
from registry.services.versions import version_delete
from tests.cast import CAST, enter
from tests.registry.making import claimed, make_model, make_ready, publish, use_steps

pytestmark = pytest.mark.django_db
MODEL = "/api/v1/models/digits/"
PRODUCTION = f"{MODEL}aliases/production/"
APPROVALS = "/api/v1/approvals/"
MANY = [f"a{number}" for number in range(51)]
ClientOf = Callable[[User], APIClient]


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    """Its `production` points at 1.0.0 and is protected; 1.1.0 and 1.2.0 are ready too."""
    model = make_model(alpha)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        make_ready(publish(model, version, metrics={"top1": float(version[2]), version: 1}))
    first = model.versions.get(version="1.0.0")
    alias_set(principal=SYSTEM, model=model, name="production", version=first)
    model.protected_aliases = ["production"]
    model.save()
    return model


@pytest.fixture
def second(alpha: Team) -> User:
    """Another owner of the team."""
    user = User.objects.create_user("second")
    Membership.objects.create(team=alpha, user=user, role=Role.OWNER)
    return user


def asked(client: APIClient, version: str = "1.1.0", **more: Any) -> int:
    """The id of an approval that was asked for."""
    answer = client.put(PRODUCTION, {"version": version, "comment": "better", **more})
    assert answer.status_code == 202, answer.content
    return int(answer.json()["id"])


def decide(client: APIClient, pk: int, what: str, **body: Any) -> Any:
    return client.post(f"{APPROVALS}{pk}/{what}/", body)


def present() -> str:
    return Alias.objects.select_related("version").get(name="production").version.version


def test_moving_a_protected_alias_only_asks(
    model: RegisteredModel, developer: User, client_of: ClientOf
) -> None:
    client = client_of(developer)
    answer = client.put(PRODUCTION, {"version": "1.1.0", "comment": "better"})
    body = answer.json()
    assert answer.status_code == 202
    assert present() == "1.0.0"
    assert body == client.get(f"{APPROVALS}{body['id']}/").json()
    said = ("model", "alias", "version", "from", "comment", "state", "requested_by")
    assert [body[name] for name in said] == [
        *("digits", "production", "1.1.0", "1.0.0", "better", "pending", "developer")
    ]
    assert (body["decided_by"], body["decided_at"], body["decision"]) == ("", None, "")
    assert (body["may_decide"], body["may_cancel"]) == (False, True)
    assert body["metrics"] == {
        "1.0.0": {"present": 1, "proposed": None},
        "1.1.0": {"present": None, "proposed": 1},
        "top1": {"present": 0.0, "proposed": 1.0},
    }
    assert body["signature"] == []
    assert body["report"] == []


@pytest.mark.parametrize("person", ["owner", "developer", "admin"])
def test_nobody_moves_it_alone(
    model: RegisteredModel, person: str, client_of: ClientOf, request: Any
) -> None:
    user = request.getfixturevalue(person)
    client = client_of(user)
    pk = asked(client)
    answer = decide(client, pk, "approve")
    assert answer.status_code == 403
    assert client.get(f"{APPROVALS}{pk}/").json()["may_decide"] is False
    assert present() == "1.0.0"
    assert Approval.objects.get().state == "pending"


def test_another_owner_approves_and_it_moves_at_once(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    pk = asked(client_of(developer))
    approver = client_of(owner)
    assert approver.get(f"{APPROVALS}{pk}/").json()["may_decide"] is True
    answer = decide(approver, pk, "approve", comment="agreed")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["state"], body["decided_by"], body["decision"]) == ("approved", "owner", "agreed")
    assert (body["from"], body["may_decide"]) == ("1.0.0", False)
    assert present() == "1.1.0"
    move = AliasMove.objects.latest("at")
    assert (move.actor_name, move.from_text, move.to_text) == ("owner", "1.0.0", "1.1.0")
    assert move.comment == "developer: better · owner: agreed"
    events = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"approval.requested", "approval.approved", "alias.moved"} <= events


def test_the_admin_approves_too(
    model: RegisteredModel, owner: User, admin: User, client_of: ClientOf
) -> None:
    pk = asked(client_of(owner))
    assert decide(client_of(admin), pk, "approve").status_code == 200
    assert present() == "1.1.0"


@pytest.mark.parametrize(
    ("person", "status"), [("developer", 403), ("viewer", 403), ("outsider", 404)]
)
@pytest.mark.parametrize("what", ["approve", "reject"])
def test_deciding_takes_an_owner(
    model: RegisteredModel, owner: User, client_of: ClientOf, person: str, status: int, what: str
) -> None:
    pk = asked(client_of(owner))
    client = client_of(enter(person))
    assert decide(client, pk, what).status_code == status
    assert APIClient().post(f"{APPROVALS}{pk}/{what}/").status_code == 401
    assert present() == "1.0.0"


@pytest.mark.parametrize("person", [*CAST, "admin"])
def test_asking_takes_the_right_to_publish(
    model: RegisteredModel, person: str, client_of: ClientOf, request: Any
) -> None:
    client = client_of(request.getfixturevalue(person))
    answer = client.post(APPROVALS, {"model": "digits", "alias": "production", "version": "^1.0"})
    expected = {"viewer": 403, "outsider": 404}.get(person, 202)
    assert answer.status_code == expected
    if expected == 202:
        assert answer.json()["version"] == "1.2.0"
    assert client.get(APPROVALS).json()["count"] == (expected == 202)


def key_client(user: User, alpha: Team, name: str = "app") -> APIClient:
    """A client with an API key that this user made."""
    from ops.identity.directory import user_record

    _, secret = key_create(
        principal=user_record(user).principal,
        team=alpha,
        name=name,
        actions=["read", "predict", "publish"],
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def test_who_made_the_key_that_asked_does_not_decide(
    model: RegisteredModel, owner: User, second: User, alpha: Team, client_of: ClientOf
) -> None:
    pk = asked(key_client(owner, alpha))
    assert decide(client_of(owner), pk, "approve").status_code == 403
    assert decide(client_of(owner), pk, "reject").status_code == 403
    assert decide(client_of(second), pk, "approve").status_code == 200


def test_a_key_decides_nothing(
    model: RegisteredModel, owner: User, second: User, alpha: Team, client_of: ClientOf
) -> None:
    pk = asked(client_of(second))
    for what in ("approve", "reject"):
        assert decide(key_client(owner, alpha), pk, what).status_code == 403


def test_a_key_with_the_name_of_a_user_is_not_that_user(
    model: RegisteredModel, owner: User, second: User, alpha: Team, client_of: ClientOf
) -> None:
    pk = asked(key_client(owner, alpha, name="second"))
    assert decide(client_of(second), pk, "approve").status_code == 200


def test_rejecting_moves_nothing_and_is_final(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    pk = asked(client_of(developer))
    answer = decide(client_of(owner), pk, "reject", comment="no")
    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    for what in ("approve", "reject", "cancel"):
        assert decide(client_of(owner), pk, what).status_code == 409
    assert present() == "1.0.0"
    assert asked(client_of(developer)) != pk  # it may be asked again


@pytest.mark.parametrize(
    ("person", "status"), [("developer", 200), ("owner", 200), ("viewer", 403)]
)
def test_who_asked_takes_it_back_and_who_manages(
    model: RegisteredModel, developer: User, client_of: ClientOf, person: str, status: int
) -> None:
    pk = asked(client_of(developer))
    user = developer if person == "developer" else enter(person)
    assert decide(client_of(user), pk, "cancel").status_code == status
    assert Approval.objects.get().state == ("cancelled" if status == 200 else "pending")


def test_the_same_is_asked_once(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    pk = asked(client_of(developer))
    answer = client_of(owner).put(PRODUCTION, {"version": "1.1.0"})
    assert answer.status_code == 409
    assert str(pk) in answer.json()["detail"]
    assert asked(client_of(owner), "1.2.0") != pk


def test_what_is_asked_in_vain_is_refused(
    model: RegisteredModel, developer: User, client_of: ClientOf
) -> None:
    client = client_of(developer)
    body = {"model": "digits", "alias": "production", "version": "1.0.0"}
    assert client.post(APPROVALS, body).status_code == 409  # it points there
    assert client.put(PRODUCTION, {"version": "1.0.0"}).status_code == 200
    answer = client.post(APPROVALS, {**body, "alias": "staging", "version": "1.1.0"})
    assert answer.status_code == 409  # it is not protected
    assert client.post(APPROVALS, {**body, "version": "9.0.0"}).status_code == 404
    publish(model, "3.0.0")
    assert client.post(APPROVALS, {**body, "version": "3.0.0"}).status_code == 409  # not ready
    assert not Approval.objects.exists()


def test_an_approval_shows_where_the_alias_points_meanwhile(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    first, other = asked(client_of(developer)), asked(client_of(developer), "1.2.0")
    assert decide(client_of(owner), other, "approve").status_code == 200
    shown = client_of(owner).get(f"{APPROVALS}{first}/").json()
    assert (shown["from"], shown["state"]) == ("1.2.0", "pending")
    listed = client_of(owner).get(APPROVALS).json()["results"]
    assert [(row["id"], row["from"]) for row in listed] == [(other, "1.0.0"), (first, "1.2.0")]
    assert decide(client_of(owner), first, "approve").json()["from"] == "1.2.0"
    assert present() == "1.1.0"


def test_what_may_not_serve_is_not_approved(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    pk = asked(client_of(developer))
    with pytest.raises(Problem):  # the pending approval keeps it
        version_delete(model.versions.get(version="1.1.0"), principal=SYSTEM)
    ModelVersion.objects.filter(version="1.1.0").update(state="rejected")
    assert decide(client_of(owner), pk, "approve").status_code == 409
    assert Approval.objects.get().state == "pending"
    assert present() == "1.0.0"


def test_rolling_back_needs_no_approval(
    model: RegisteredModel, developer: User, owner: User, viewer: User, client_of: ClientOf
) -> None:
    decide(client_of(owner), asked(client_of(developer)), "approve")
    assert client_of(viewer).post(f"{PRODUCTION}rollback/").status_code == 403
    answer = client_of(developer).post(f"{PRODUCTION}rollback/")
    assert answer.json()["version"] == present() == "1.0.0"


def test_a_protected_alias_is_not_removed(
    model: RegisteredModel, owner: User, client_of: ClientOf
) -> None:
    client = client_of(owner)
    assert client.delete(PRODUCTION).status_code == 409
    assert present() == "1.0.0"
    assert client.patch(MODEL, {"protected_aliases": []}).status_code == 200
    assert client.delete(PRODUCTION).status_code == 204


@pytest.mark.parametrize(
    ("person", "status"), [("owner", 200), ("admin", 200), ("developer", 403), ("viewer", 403)]
)
def test_protecting_takes_an_owner(
    model: RegisteredModel, person: str, status: int, client_of: ClientOf, request: Any
) -> None:
    client = client_of(request.getfixturevalue(person))
    names = ["staging", "production", "staging"]
    assert client.patch(MODEL, {"protected_aliases": names}).status_code == status
    shown = client.get(MODEL).json()["protected_aliases"]
    assert shown == (["production", "staging"] if status == 200 else ["production"])
    body = {"name": "new", "team": "alpha", "protected_aliases": ["production"]}
    created = client.post("/api/v1/models/", body)
    assert created.status_code == (201 if status == 200 else 403)


@pytest.mark.parametrize("names", ["production", ["A"], [""], [1], ["x" * 65], MANY, None])
def test_names_that_cannot_be_aliases_are_refused(
    model: RegisteredModel, owner: User, client_of: ClientOf, names: Any
) -> None:
    assert client_of(owner).patch(MODEL, {"protected_aliases": names}).status_code == 400


def test_the_hub_itself_only_asks(model: RegisteredModel, monkeypatch: pytest.MonkeyPatch) -> None:
    version = publish(model, "2.0.0", alias_when_ready="production")
    use_steps(monkeypatch, one=lambda context: None)
    pipeline.process(claimed())
    version.refresh_from_db()
    assert version.state == "ready"
    assert present() == "1.0.0"
    approval = Approval.objects.get()
    assert (approval.requested_by, approval.version.version) == ("system", "2.0.0")


def test_filters_and_pages(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    client = client_of(developer)
    first, other = asked(client), asked(client, "1.2.0")
    decide(client_of(owner), other, "reject")

    def listed(**query: str) -> list[int]:
        return [row["id"] for row in client.get(APPROVALS, query).json()["results"]]

    assert listed() == [other, first]
    assert listed(state="pending", model="DIGITS") == [first]
    assert listed(state="approved") == listed(model="nothing") == []
    assert listed(page_size="1", page="2") == [first]
    assert client.get(APPROVALS, {"state": "odd"}).status_code == 400
    assert client.get(f"{APPROVALS}999999/").status_code == 404
    assert client.get(f"{APPROVALS}{'9' * 30}/").status_code == 404


def test_a_list_takes_a_constant_number_of_queries(
    model: RegisteredModel, developer: User, client_of: ClientOf, django_assert_num_queries: Any
) -> None:
    client = client_of(developer)
    asked(client)
    with django_assert_num_queries(5):
        assert client.get(APPROVALS).json()["count"] == 1
    asked(client, "1.2.0")
    with django_assert_num_queries(5):
        assert client.get(APPROVALS).json()["count"] == 2


def test_deciding_twice_is_refused_in_the_service_too(
    model: RegisteredModel, developer: User, client_of: ClientOf
) -> None:
    approval = Approval.objects.get(pk=asked(client_of(developer)))
    approval_approve(approval, principal=SYSTEM)
    with pytest.raises(Problem) as problem:
        approval_approve(approval, principal=SYSTEM)
    assert problem.value.status == 409


SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


def signed(version: str, **changes: Any) -> None:
    signature = {side: [{**SIGNATURE[side][0], **changes.get(side, {})}] for side in SIGNATURE}
    ModelVersion.objects.filter(version=version).update(signature=signature)


def test_an_incompatible_version_is_refused_unless_meant(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    signed("1.0.0")
    signed("1.1.0", inputs={"shape": [-1, 5]}, outputs={"name": "z"})
    client = client_of(developer)
    answer = client.put(PRODUCTION, {"version": "1.1.0"})
    assert answer.status_code == 409
    assert {error["field"] for error in answer.json()["errors"]} == {"inputs.x", "outputs.y"}
    pk = asked(client, allow_incompatible=True)
    body = client.get(f"{APPROVALS}{pk}/").json()
    assert {d["field"] for d in body["signature"] if d["breaking"]} == {"inputs.x", "outputs.y"}
    assert all(d["message"] for d in body["signature"])
    assert decide(client_of(owner), pk, "approve").status_code == 200


def test_approving_compares_with_what_serves_by_then(
    model: RegisteredModel, developer: User, owner: User, client_of: ClientOf
) -> None:
    pk = asked(client_of(developer))
    signed("1.0.0")
    signed("1.1.0", inputs={"datatype": "INT64"})
    answer = decide(client_of(owner), pk, "approve")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "inputs.x"
    assert (present(), Approval.objects.get().state) == ("1.0.0", "pending")


def test_a_version_that_breaks_callers_is_ready_but_does_not_get_its_alias(
    model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    RegisteredModel.objects.update(protected_aliases=[])
    signed("1.0.0")
    other = {**SIGNATURE, "inputs": []}
    version = publish(model, "2.0.0", alias_when_ready="production", signature=other)
    use_steps(monkeypatch, one=lambda context: None)
    pipeline.process(claimed())
    version.refresh_from_db()
    assert (version.state, present()) == ("ready", "1.0.0")
    assert AuditEvent.objects.filter(action="alias.not_moved").count() == 1
