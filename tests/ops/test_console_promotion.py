"""Aliases and approvals in the console: moved, asked for, decided, rolled back, looked up."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from aihub.access import Role
from aihub.events import SYSTEM
from registry.models import Alias, Approval, Membership, ModelVersion, RegisteredModel, Team
from registry.services.aliases import alias_set
from registry.services.models import model_update
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
SMALL = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}], "outputs": []}
LARGE = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 8]}], "outputs": []}


@pytest.fixture
def as_() -> As:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def second_owner(alpha: Team) -> User:
    user = User.objects.create_user("second")
    Membership.objects.create(team=alpha, user=user, role=Role.OWNER)
    return user


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    """`digits` with 1.0.0 in production, and 1.1.0 and 2.0.0 that takes another input."""
    model = make_model(alpha)
    for number, signature in (("1.0.0", SMALL), ("1.1.0", SMALL), ("2.0.0", LARGE)):
        version = make_ready(publish(model, number))
        ModelVersion.objects.filter(pk=version.pk).update(
            signature=signature, metrics={"top1": 0.9 if number == "1.0.0" else 0.95}
        )
    move(model, "production", "1.0.0")
    return model


def move(model: RegisteredModel, alias: str, number: str, **more: object) -> None:
    version = model.versions.get(version=number)
    alias_set(principal=SYSTEM, model=model, name=alias, version=version, **more)


def protect(model: RegisteredModel) -> None:
    model_update(model, principal=SYSTEM, changes={"protected_aliases": ["production"]})


def production(model: RegisteredModel) -> str:
    return Alias.objects.get(model=model, name="production").version.version


def told(client: Client, path: str = "/models/digits/") -> str:
    return " ".join(str(message) for message in client.get(path).context["messages"])


def ask(client: Client, number: str = "1.1.0", **more: str) -> Approval:
    data = {"name": "production", "version": number, "comment": "Better.", **more}
    answer = client.post("/models/digits/aliases/", data)
    approval = Approval.objects.latest("pk")
    assert answer["Location"] == f"/approvals/{approval.pk}/"
    return approval


class TestMoving:
    def test_an_alias_moves_with_its_reason(
        self, as_: As, developer: User, model: RegisteredModel
    ) -> None:
        client = as_(developer)
        data = {"name": "production", "version": "1.1.0", "comment": "Better."}
        assert client.post("/models/digits/aliases/", data)["Location"] == "/models/digits/"
        assert "points at 1.1.0 now" in told(client)
        page = client.get("/models/digits/aliases/production/")
        newest = page.context["pages"][0]
        assert (newest.from_text, newest.to_text) == ("1.0.0", "1.1.0")
        assert (newest.actor_name, newest.comment) == ("developer", "Better.")

    def test_what_would_break_callers_is_asked_about(
        self, as_: As, developer: User, model: RegisteredModel
    ) -> None:
        client = as_(developer)
        data = {"name": "production", "version": "2.0.0", "comment": "Larger <b>."}
        answer = client.post("/models/digits/aliases/", data)
        text = answer.content.decode()
        assert answer.status_code == 409
        assert "[-1, 8]" in text
        assert 'value="Larger &lt;b&gt;."' in text
        assert production(model) == "1.0.0"
        client.post("/models/digits/aliases/", {**data, "allow_incompatible": "on"})
        assert production(model) == "2.0.0"

    @pytest.mark.parametrize(
        ("data", "told_of"),
        [
            ({"name": "Production", "version": "1.1.0"}, "a letter first"),
            ({"name": "production", "version": "9.9.9"}, "no version"),
            ({"name": "production"}, "required"),
        ],
    )
    def test_what_cannot_be_is_told(
        self, as_: As, developer: User, model: RegisteredModel, data: dict[str, str], told_of: str
    ) -> None:
        client = as_(developer)
        assert client.post("/models/digits/aliases/", data).status_code == 302
        assert told_of in told(client)

    def test_rolling_back_is_one_click(self, as_: As, owner: User, model: RegisteredModel) -> None:
        move(model, "production", "1.1.0")
        client = as_(owner)
        path = "/models/digits/aliases/production/"
        assert 'id="rollback"' in client.get(path).content.decode()
        client.post(f"{path}rollback/", {"comment": "Worse."})
        assert production(model) == "1.0.0"
        newest = client.get(path).context["pages"][0]
        assert (newest.kind, newest.comment) == ("rollback", "Worse.")
        client.post(f"{path}rollback/")
        assert "no earlier version" in told(client, path)

    def test_a_viewer_sees_the_history_and_moves_nothing(
        self, as_: As, viewer: User, model: RegisteredModel
    ) -> None:
        client = as_(viewer)
        text = client.get("/models/digits/aliases/production/").content.decode()
        assert "1.0.0" in text
        assert 'id="rollback"' not in text
        assert 'action="/models/digits/aliases/"' not in text
        assert client.post("/models/digits/aliases/production/rollback/").status_code == 403

    def test_removing_keeps_the_history(self, as_: As, owner: User, model: RegisteredModel) -> None:
        client = as_(owner)
        client.post("/models/digits/aliases/production/remove/")
        text = client.get("/models/digits/aliases/production/").content.decode()
        assert "removed" in text
        assert client.get("/models/digits/aliases/never/").status_code == 404


class TestThePast:
    def test_what_was_in_production_then(
        self, as_: As, viewer: User, model: RegisteredModel
    ) -> None:
        client, before = as_(viewer), timezone.now()
        move(model, "production", "1.1.0")
        path = "/models/digits/aliases/production/"
        then = client.get(path, {"at": before.isoformat()}).context["then"]
        assert then.to_text == "1.0.0"
        now = client.get(path, {"at": timezone.now().isoformat()}).context["then"]
        assert now.to_text == "1.1.0"

    @pytest.mark.parametrize(
        "at",
        ["2001-01-01T00:00", "yesterday", "2026-99-99T99:99", "'", "0001-01-01T00:00+23:59"],
    )
    def test_a_moment_without_an_answer_is_told(
        self, as_: As, viewer: User, model: RegisteredModel, at: str
    ) -> None:
        page = as_(viewer).get("/models/digits/aliases/production/", {"at": at})
        assert page.status_code == 200
        assert page.context["then_problem"]


class TestProtecting:
    def test_owners_protect_an_alias(
        self, as_: As, owner: User, developer: User, model: RegisteredModel
    ) -> None:
        data = {"precision": "fast", "protected_aliases": "production, live"}
        as_(developer).post("/models/digits/edit/", data)
        model.refresh_from_db()
        assert model.protected_aliases == []
        as_(owner).post("/models/digits/edit/", data)
        model.refresh_from_db()
        assert model.protected_aliases == ["live", "production"]
        as_(developer).post("/models/digits/edit/", {"precision": "exact"})
        model.refresh_from_db()
        assert (model.precision, model.protected_aliases) == ("exact", ["live", "production"])

    def test_what_is_no_alias_is_told(self, as_: As, owner: User, model: RegisteredModel) -> None:
        data = {"precision": "fast", "protected_aliases": "Not!"}
        form = as_(owner).post("/models/digits/edit/", data).context["form"]
        assert form.errors["protected_aliases"]


class TestApproving:
    @pytest.fixture(autouse=True)
    def _protected(self, model: RegisteredModel) -> None:
        protect(model)

    def test_another_owner_sees_all_and_approves(
        self, as_: As, developer: User, owner: User, model: RegisteredModel
    ) -> None:
        approval = ask(as_(developer))
        assert production(model) == "1.0.0"
        client = as_(owner)
        assert client.get("/models/digits/").context["requests"][0] == approval
        page = client.get(f"/approvals/{approval.pk}/")
        [metric] = page.context["metrics"]
        assert (metric["left"], metric["right"], metric["difference"]) == ("0.9", "0.95", "+0.05")
        assert "Better." in page.content.decode()
        client.post(f"/approvals/{approval.pk}/decide/", {"decision": "approve", "comment": "Yes."})
        assert production(model) == "1.1.0"
        assert "Approved" in told(client, "/approvals/")
        text = client.get(f"/approvals/{approval.pk}/").content.decode()
        assert "Yes." in text
        assert 'name="decision"' not in text

    def test_who_asked_does_not_decide(
        self, as_: As, owner: User, second_owner: User, model: RegisteredModel
    ) -> None:
        client = as_(owner)
        approval = ask(client)
        text = client.get(f"/approvals/{approval.pk}/").content.decode()
        assert 'value="approve"' not in text
        assert 'value="cancel"' in text
        client.post(f"/approvals/{approval.pk}/decide/", {"decision": "approve"})
        assert production(model) == "1.0.0"
        assert "does not decide" in told(client)
        as_(second_owner).post(f"/approvals/{approval.pk}/decide/", {"decision": "approve"})
        assert production(model) == "1.1.0"

    @pytest.mark.parametrize(
        ("decision", "state"), [("reject", "rejected"), ("cancel", "cancelled")]
    )
    def test_the_alias_stays_unless_it_is_approved(
        self,
        as_: As,
        developer: User,
        owner: User,
        model: RegisteredModel,
        decision: str,
        state: str,
    ) -> None:
        approval = ask(as_(developer))
        client = as_(owner)
        client.post(f"/approvals/{approval.pk}/decide/", {"decision": decision})
        approval.refresh_from_db()
        assert (approval.state, production(model)) == (state, "1.0.0")
        client.post(f"/approvals/{approval.pk}/decide/", {"decision": "approve"})
        assert production(model) == "1.0.0"

    def test_what_would_break_callers_is_said_to_who_decides(
        self, as_: As, developer: User, owner: User, model: RegisteredModel
    ) -> None:
        approval = ask(as_(developer), "2.0.0", allow_incompatible="on")
        page = as_(owner).get(f"/approvals/{approval.pk}/")
        assert [difference["breaking"] for difference in page.context["differences"]] == [True]
        assert "is meant" in page.content.decode()

    def test_the_pending_come_first_and_are_counted(
        self, as_: As, developer: User, owner: User, viewer: User, model: RegisteredModel
    ) -> None:
        first = ask(as_(developer))
        as_(owner).post(f"/approvals/{first.pk}/decide/", {"decision": "reject"})
        waiting = ask(as_(developer))
        again = ask(as_(developer), "2.0.0", allow_incompatible="on")
        as_(owner).post(f"/approvals/{again.pk}/decide/", {"decision": "reject"})
        page = as_(owner).get("/approvals/")
        assert [row.pk for row in page.context["approvals"]] == [waiting.pk, again.pk, first.pk]
        rejected = as_(owner).get("/approvals/?state=rejected").context["approvals"]
        assert [row.pk for row in rejected] == [again.pk, first.pk]
        badge = '<span class="hub-badge hub-info ml-auto">1</span>'
        assert badge in page.content.decode()
        for person in (developer, viewer):
            assert badge not in as_(person).get("/approvals/").content.decode()

    def test_a_request_without_a_decision_is_refused(
        self, as_: As, developer: User, owner: User, model: RegisteredModel
    ) -> None:
        approval = ask(as_(developer))
        path = f"/approvals/{approval.pk}/decide/"
        assert as_(owner).post(path, {"decision": "perhaps"}).status_code == 400
        assert as_(owner).post("/approvals/999999/decide/").status_code == 404

    def test_the_first_version_of_an_alias_has_nothing_beside_it(
        self, as_: As, developer: User, owner: User, model: RegisteredModel
    ) -> None:
        model_update(model, principal=SYSTEM, changes={"protected_aliases": ["live"]})
        approval = ask(as_(developer), name="live")
        page = as_(owner).get(f"/approvals/{approval.pk}/")
        assert page.context["present"] is None
        assert page.status_code == 200

    def test_nothing_to_decide_says_so(self, as_: As, viewer: User) -> None:
        assert "Nothing to decide" in as_(viewer).get("/approvals/").content.decode()
