"""What the console's pages do: signing in, changing things, and telling the audit trail."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import translation

from aihub.access import Role
from aihub.problems import Problem
from ops.console import looks
from ops.console.publish_page import next_versions
from ops.identity.credentials import Authenticator
from ops.identity.directory import DatabaseDirectory
from ops.models import ApiKey, AuditEvent
from registry.models import (
    Alias,
    Blob,
    Membership,
    ModelVersion,
    RegisteredModel,
    Sample,
    Team,
    Variant,
)
from registry.models.versions import State
from tests.cast import PASSWORD
from tests.registry.making import (
    compiling_on,
    make_model,
    make_ready,
    make_rejected,
    make_variant,
    publish,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def audited() -> list[str]:
    """What the audit trail says, oldest first, apart from what made the scene."""
    events = AuditEvent.objects.exclude(actor="system").order_by("pk")
    return list(events.values_list("action", flat=True))


def told(client: Client, path: str) -> list[str]:
    """The messages that the next page shows."""
    return [str(message) for message in client.get(path).context["messages"]]


class TestSigningIn:
    def test_who_is_no_staff_may_enter(self, client: Client, viewer: User) -> None:
        answer = client.post("/login/?next=/models/", {"username": "viewer", "password": PASSWORD})
        assert (answer.status_code, answer["Location"]) == (302, "/models/")

    def test_a_wrong_password_is_told(self, client: Client, viewer: User) -> None:
        answer = client.post("/login/", {"username": "viewer", "password": "wrong"})
        assert answer.status_code == 200
        assert answer.context["form"].non_field_errors()

    def test_too_many_failures_are_told_in_the_form(
        self, client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise Problem(429, "Try again in %(seconds)s seconds.", seconds=7)

        monkeypatch.setattr("ops.identity.throttle.LoginThrottle.check", refuse)
        answer = client.post("/login/", {"username": "viewer", "password": PASSWORD})
        assert answer.status_code == 200
        assert "7 seconds" in answer.context["form"].non_field_errors()[0]

    def test_signing_out_leads_to_signing_in(self, as_owner: Client) -> None:
        assert as_owner.post("/logout/")["Location"] == "/login/"
        assert as_owner.get("/").status_code == 302

    def test_the_language_can_be_chosen_before_signing_in(self, client: Client) -> None:
        assert "Sign in" in client.get("/login/").content.decode()
        client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/login/"})
        page = client.get("/login/").content.decode()
        assert '<html lang="zh-hans"' in page
        assert "登录" in page


class TestModels:
    def test_editing_changes_and_audits(self, as_owner: Client, alpha: Team) -> None:
        make_model(alpha, description="old")
        data = {"description": "new", "tags": "vision, small", "task": "image-classification"}
        as_owner.post("/models/digits/edit/", {**data, "precision": "exact", "shared": "on"})
        model = RegisteredModel.objects.get()
        assert (model.description, model.precision, model.shared) == ("new", "exact", True)
        assert [tag.name for tag in model.tag_rows.all()] == ["small", "vision"]
        assert audited() == ["model.updated"]

    def test_saving_without_a_change_changes_nothing(self, as_owner: Client, alpha: Team) -> None:
        make_model(alpha, description="old", tags=["a"])
        data = {"description": "old", "tags": "a", "task": "image-classification"}
        as_owner.post("/models/digits/edit/", {**data, "precision": "fast"})
        assert audited() == []

    def test_how_it_is_served_can_be_edited(self, as_owner: Client, alpha: Team) -> None:
        make_model(alpha)
        data = {"task": "image-classification", "precision": "int8", "pool": "heavy"}
        as_owner.post("/models/digits/edit/", {**data, "serving": '{"max_batch": 4}'})
        model = RegisteredModel.objects.get()
        assert (model.precision, model.pool, model.serving["max_batch"]) == ("int8", "heavy", 4)
        page = as_owner.get("/models/digits/").content.decode()
        assert "your own samples" in page
        assert "Up to 4 items at a time." in page
        form = as_owner.get("/models/digits/edit/").context["form"]
        assert json.loads(form["serving"].value()) == model.serving
        assert "0.001" in form["precision"].help_text

    @pytest.mark.parametrize(
        ("field", "value"),
        [("pool", "*"), ("serving", '{"max_batch": 0}'), ("serving", "[]"), ("serving", "{")],
    )
    def test_what_the_api_refuses_is_told_in_the_form(
        self, as_owner: Client, alpha: Team, field: str, value: str
    ) -> None:
        make_model(alpha)
        data = {"task": "image-classification", "precision": "fast", field: value}
        answer = as_owner.post("/models/digits/edit/", data)
        assert answer.context["form"].errors[field]
        assert audited() == []

    def test_samples_are_listed_and_removed(self, as_owner: Client, alpha: Team) -> None:
        blob = Blob.objects.create(sha256="a" * 64, md5="b" * 32, size=3)
        Sample.objects.create(model=make_model(alpha), name="cats 1.zip", blob=blob, items=25)
        page = as_owner.get("/models/digits/").content.decode()
        assert "cats 1.zip" in page
        assert 'data-url="/api/v1/models/digits/samples/"' in page
        as_owner.post("/models/digits/samples/cats%201.zip/remove/")
        assert not Sample.objects.exists()
        as_owner.post("/models/digits/samples/cats%201.zip/remove/")
        assert audited() == ["samples.removed"]

    def test_an_alias_moves_to_a_ready_version(self, as_owner: Client, alpha: Team) -> None:
        make_ready(publish(make_model(alpha)))
        data = {"name": "production", "version": "1.0.0", "comment": "better"}
        as_owner.post("/models/digits/aliases/", data)
        alias = Alias.objects.get()
        assert (alias.name, alias.comment) == ("production", "better")
        assert alias.version.version == "1.0.0"
        assert audited() == ["alias.moved"]

    @pytest.mark.parametrize(
        "data",
        [
            {"name": "production", "version": "1.0.0"},  # still processing
            {"name": "production", "version": "9.9.9"},
            {"name": "Not An Alias", "version": "1.0.0"},
            {"name": "evil\n", "version": "1.0.0"},
            {},
        ],
    )
    def test_what_cannot_be_an_alias_is_told(
        self, as_owner: Client, alpha: Team, data: dict[str, str]
    ) -> None:
        publish(make_model(alpha))
        as_owner.post("/models/digits/aliases/", data)
        assert told(as_owner, "/models/digits/")
        assert not Alias.objects.exists()

    def test_a_model_in_use_is_not_deleted(self, as_owner: Client, alpha: Team) -> None:
        make_ready(publish(make_model(alpha)))
        as_owner.post("/models/digits/aliases/", {"name": "production", "version": "1.0.0"})
        as_owner.get("/models/digits/")
        as_owner.post("/models/digits/delete/")
        assert "production" in told(as_owner, "/models/digits/")[0]
        assert RegisteredModel.objects.exists()

    def test_deleting_deletes_and_audits(self, as_owner: Client, alpha: Team) -> None:
        publish(make_model(alpha))
        assert as_owner.get("/models/digits/delete/").status_code == 200
        assert as_owner.post("/models/digits/delete/")["Location"] == "/models/"
        assert not RegisteredModel.objects.exists()
        assert audited() == ["model.deleted"]


class TestVersions:
    def test_why_one_is_rejected_stands_on_its_page(self, as_owner: Client, alpha: Team) -> None:
        make_rejected(publish(make_model(alpha)))
        page = as_owner.get("/models/digits/versions/1.0.0/").content.decode()
        assert "It is broken." in page
        assert 'data-live="false"' in page

    def test_one_in_processing_is_followed(self, as_owner: Client, alpha: Team) -> None:
        publish(make_model(alpha))
        page = as_owner.get("/models/digits/versions/1.0.0/").content.decode()
        assert 'data-live="true"' in page
        assert 'data-step="checksum"' in page
        assert 'id="try"' not in page

    @pytest.mark.parametrize(
        ("task", "file"), [("tensor", "model.onnx"), ("image-classification", "model.safetensors")]
    )
    def test_how_to_publish_from_a_shell_fits_the_task(
        self, as_owner: Client, alpha: Team, task: str, file: str
    ) -> None:
        make_model(alpha, task=task)
        text = as_owner.get("/models/digits/").content.decode()
        assert f"aihub push digits 2.0.0 {file}" in text

    def test_a_tensor_model_is_tried_with_json(self, as_owner: Client, alpha: Team) -> None:
        version = make_ready(publish(make_model(alpha, task="tensor")))
        tensor = {"name": "x", "datatype": "FP32", "shape": [-1, 3]}
        ModelVersion.objects.filter(pk=version.pk).update(signature={"inputs": [tensor]})
        page = as_owner.get("/models/digits/versions/1.0.0/")
        assert json.loads(page.context["example"]) == {"inputs": [[0, 0, 0]]}
        assert 'data-kind="json"' in page.content.decode()

    def test_its_variants_stand_in_a_table(self, as_owner: Client, alpha: Team) -> None:
        version = make_ready(publish(make_model(alpha), format="onnx"))
        measured = {"agreement": 0.985, "decided": 180, "inputs": 200, "inputs_from": "owner"}
        rates = {"max_difference": 0.00123, "rate_1": 3.44, "rate_8": 1416.2, "size": 5_000_000}
        make_variant(version, "openvino-bf16", **measured, **rates)
        make_variant(version, "onnxruntime-fp32", reference=True)
        why = {"reason_message": "No %(x)s.", "reason_values": {"x": "luck"}}
        make_variant(version, "openvino-int8", state="failed", **why)
        page = as_owner.get("/models/digits/versions/1.0.0/").content.decode()
        for text in ("98.5 %", "180 of 200", "0.0012", "3.4", "1416", "5.0 MB", "No luck."):
            assert text in page
        assert 'data-optimising="true"' in page
        ModelVersion.objects.update(optimisation="done")
        page = as_owner.get("/models/digits/versions/1.0.0/").content.decode()
        assert 'data-optimising="false"' in page

    def test_a_variant_is_pinned_and_unpinned(self, as_owner: Client, alpha: Team) -> None:
        version = make_ready(publish(make_model(alpha), format="onnx"))
        make_variant(version, "openvino-bf16")
        here = "/models/digits/versions/1.0.0/"
        as_owner.post(f"{here}pin/", {"variant": "openvino-bf16"})
        assert "openvino-bf16" in told(as_owner, here)[0]
        assert ModelVersion.objects.get().pinned_variant == "openvino-bf16"
        as_owner.post(f"{here}pin/", {"variant": ""})
        assert ModelVersion.objects.get().pinned_variant == ""
        as_owner.post(f"{here}pin/", {"variant": "nothing"})
        assert "nothing" in told(as_owner, here)[-1]
        assert audited() == ["version.variant_pinned"] * 2

    def test_variants_are_compiled_anew(self, as_owner: Client, alpha: Team) -> None:
        make_variant(make_ready(publish(make_model(alpha), format="onnx")), "openvino-bf16")
        here = "/models/digits/versions/1.0.0/"
        as_owner.post(f"{here}optimise/")
        assert "AIHUB_OPTIMISE" in told(as_owner, here)[0]
        with compiling_on("cpu-a"):
            as_owner.post(f"{here}optimise/")
            assert audited() == ["version.optimisation_requested"]
            assert not Variant.objects.exists()

    def test_description_and_metrics_can_be_edited(self, as_owner: Client, alpha: Team) -> None:
        publish(make_model(alpha))
        path = "/models/digits/versions/1.0.0/edit/"
        as_owner.post(path, {"description": "good", "metrics": '{"top1": 0.77}'})
        version = ModelVersion.objects.get()
        assert (version.description, version.metrics) == ("good", {"top1": 0.77})
        assert audited() == ["version.updated"]

    @pytest.mark.parametrize(
        "metrics",
        [
            "[1]",
            "{",
            '{"a": NaN}',
            '{"a": 1e999}',
            '{"a": "\\ud800"}',
            '{"a": ' * 1500 + "1" + "}" * 1500,
            '{"a": ' + "9" * 5000 + "}",
        ],
    )
    def test_metrics_that_the_api_refuses_are_refused(
        self, as_owner: Client, alpha: Team, metrics: str
    ) -> None:
        publish(make_model(alpha))
        path = "/models/digits/versions/1.0.0/edit/"
        assert as_owner.post(path, {"metrics": metrics}).status_code == 200
        assert ModelVersion.objects.get().metrics == {}

    @pytest.mark.parametrize("path", ["/models/", "/versions/", "/audit/"])
    def test_a_long_search_does_no_harm(self, as_owner: Client, path: str) -> None:
        assert as_owner.get(path, {"q": "a+" * 3000}).status_code == 200

    def test_deleting_deletes_and_audits(self, as_owner: Client, alpha: Team) -> None:
        publish(make_model(alpha))
        path = "/models/digits/versions/1.0.0/delete/"
        assert as_owner.post(path)["Location"] == "/models/digits/"
        assert audited() == ["version.deleted"]

    def test_what_owners_write_is_escaped(self, as_owner: Client, alpha: Team) -> None:
        bad = "<script>alert(1)</script>"
        version = publish(make_model(alpha, description=bad, card=bad, tags=[bad]))
        version.labels, version.description, version.metrics = [bad], bad, {bad: bad}
        version.source, version.state = {"url": bad}, State.READY
        version.save()
        for path in ("/", "/models/", "/versions/", "/models/digits/", "/publish/"):
            assert bad not in as_owner.get(path).content.decode()
        assert bad not in as_owner.get("/models/digits/versions/1.0.0/").content.decode()


class TestPublishing:
    @pytest.mark.parametrize(
        ("newest", "expected"),
        [
            (None, ["1.0.0"]),
            ("1.0.0", ["1.0.1", "1.1.0", "2.0.0"]),
            ("1.9.3", ["1.9.4", "1.10.0", "2.0.0"]),
            ("2.0.0-rc.1", ["2.0.0", "2.1.0", "3.0.0"]),
            (f"{2**32 - 1}.0.0", [f"{2**32 - 1}.0.1", f"{2**32 - 1}.1.0"]),
        ],
    )
    def test_the_next_versions_are_suggested(self, newest: str | None, expected: list[str]) -> None:
        assert list(next_versions(newest).values()) == expected

    def test_the_form_knows_the_models_of_the_user(
        self, as_owner: Client, alpha: Team, beta: Team
    ) -> None:
        publish(make_model(alpha), "1.9.0")
        publish(RegisteredModel.objects.get(), "1.10.0")
        make_model(beta, "theirs", shared=True)
        known = as_owner.get("/publish/").context["models"]
        assert known == {
            "digits": {
                "team": "alpha",
                "task": "image-classification",
                "stays": True,
                "next": {"patch": "1.10.1", "minor": "1.11.0", "major": "2.0.0"},
            }
        }

    def test_the_task_can_be_corrected_where_every_version_was_rejected(
        self, as_owner: Client, alpha: Team
    ) -> None:
        make_model(alpha, "empty")
        make_rejected(publish(make_model(alpha, "wrong")))
        make_rejected(publish(make_model(alpha, "mixed")))
        publish(RegisteredModel.objects.get(name="mixed"), "1.1.0")
        known = as_owner.get("/publish/").context["models"]
        stays = {name: model["stays"] for name, model in known.items()}
        assert stays == {"empty": True, "wrong": False, "mixed": True}


class TestKeys:
    DATA = {"name": "shop", "actions": ["predict"], "models": "digits", "days": "30"}

    def test_a_key_is_shown_once(self, as_owner: Client, alpha: Team) -> None:
        answer = as_owner.post("/api-keys/new/", {**self.DATA, "team": alpha.pk})
        secret = answer.context["secret"]
        assert secret in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert Authenticator(DatabaseDirectory).authenticate(f"Api-Key {secret}").name == "shop"
        assert secret not in as_owner.get("/api-keys/").content.decode()
        assert audited() == ["api_key.created"]

    def test_a_key_of_another_team_cannot_be_made(self, as_owner: Client, beta: Team) -> None:
        answer = as_owner.post("/api-keys/new/", {**self.DATA, "team": beta.pk})
        assert answer.context["form"].errors["team"]
        assert not ApiKey.objects.exists()

    def test_revoking_ends_it(self, as_owner: Client, alpha: Team) -> None:
        as_owner.post("/api-keys/new/", {**self.DATA, "team": alpha.pk})
        key = ApiKey.objects.get()
        as_owner.post(f"/api-keys/{key.prefix}/revoke/")
        key.refresh_from_db()
        assert key.revoked_at
        assert audited() == ["api_key.created", "api_key.revoked"]


class TestTeams:
    def test_an_owner_adds_changes_and_removes_a_member(
        self, as_owner: Client, outsider: User, alpha: Team
    ) -> None:
        for role in (Role.VIEWER, Role.DEVELOPER, Role.DEVELOPER):
            as_owner.post("/teams/alpha/members/", {"username": "outsider", "role": role})
        membership = Membership.objects.get(team=alpha, user=outsider)
        assert membership.role == Role.DEVELOPER
        as_owner.post(f"/teams/alpha/members/{membership.pk}/remove/")
        assert not Membership.objects.filter(pk=membership.pk).exists()
        assert audited() == ["membership.changed", "membership.changed", "membership.removed"]

    def test_an_unknown_name_is_told(self, as_owner: Client) -> None:
        as_owner.post("/teams/alpha/members/", {"username": "nobody", "role": "viewer"})
        assert "nobody" in told(as_owner, "/teams/alpha/")[0]

    def test_an_administrator_makes_and_edits_a_team(self, as_admin: Client) -> None:
        assert as_admin.post("/new-team/", {"name": "gamma"})["Location"] == "/teams/gamma/"
        as_admin.post("/teams/gamma/edit/", {"name": "gamma", "description": "rays"})
        assert Team.objects.get(name="gamma").description == "rays"
        assert audited() == ["team.created", "team.updated"]


class TestUsers:
    NEW = {"username": "new", "password1": PASSWORD, "password2": PASSWORD}

    def test_an_administrator_makes_a_user_who_may_sign_in(self, as_admin: Client) -> None:
        assert as_admin.post("/users/new/", self.NEW)["Location"] == "/users/"
        assert Client().login(username="new", password=PASSWORD)
        assert audited() == ["user.created"]

    def test_a_weak_password_is_refused(self, as_admin: Client) -> None:
        weak = {**self.NEW, "password1": "12345678", "password2": "12345678"}
        assert as_admin.post("/users/new/", weak).context["form"].errors["password2"]

    def test_the_last_administrator_stays(self, as_admin: Client, admin: User) -> None:
        as_admin.post(f"/users/{admin.pk}/", {"is_active": "on"})
        assert "administrator" in told(as_admin, f"/users/{admin.pk}/")[0]
        admin.refresh_from_db()
        assert admin.is_superuser
        assert audited() == []

    def test_a_user_is_made_inactive(self, as_admin: Client, viewer: User) -> None:
        as_admin.post(f"/users/{viewer.pk}/", {"email": "viewer@example.com"})
        viewer.refresh_from_db()
        assert (viewer.is_active, viewer.email) == (False, "viewer@example.com")
        assert audited() == ["user.updated"]

    def test_a_new_password_ends_tokens_and_keeps_ones_own_session(
        self, as_owner: Client, owner: User
    ) -> None:
        token = as_owner.post("/token/").json()["access"]
        new = {"new_password1": "a fine new one", "new_password2": "a fine new one"}
        answer = as_owner.post("/password/", {"old_password": PASSWORD, **new})
        assert answer.status_code == 302
        assert as_owner.get("/").status_code == 200
        assert audited() == ["user.password_changed"]
        with pytest.raises(Problem):
            Authenticator(DatabaseDirectory).authenticate(f"Bearer {token}")

    def test_an_administrator_sets_a_password(self, as_admin: Client, viewer: User) -> None:
        new = {"new_password1": "a fine new one", "new_password2": "a fine new one"}
        as_admin.post(f"/users/{viewer.pk}/password/", new)
        assert Client().login(username="viewer", password="a fine new one")


class TestTokens:
    def test_a_page_gets_a_token_of_its_user_that_ends_soon(
        self, as_owner: Client, owner: User
    ) -> None:
        answer = as_owner.post("/token/")
        assert answer.json()["seconds"] == 300
        assert "no-store" in answer["Cache-Control"]
        header = f"Bearer {answer.json()['access']}"
        principal = Authenticator(DatabaseDirectory).authenticate(header)
        assert principal.id == f"user:{owner.pk}"


class TestErrors:
    @pytest.mark.parametrize("path", ["/nowhere/", "/models/nothing/", "/teams/none/"])
    def test_what_is_not_there_has_a_page(self, as_owner: Client, path: str) -> None:
        answer = as_owner.get(path)
        assert answer.status_code == 404
        assert answer["X-Request-ID"] in answer.content.decode()


class TestLooks:
    @pytest.mark.parametrize(
        ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (18_800_000, "18.8 MB")]
    )
    def test_sizes(self, size: int, text: str) -> None:
        assert looks.size(size) == text

    def test_durations(self) -> None:
        shown = [looks.duration(value) for value in (None, 0, 999, 4_649)]
        assert shown == ["", "0 ms", "999 ms", "4.6 s"]

    def test_counts(self) -> None:
        shown = [looks.count(value) for value in (None, 7, 4_652_008, 25_600_000_000)]
        assert shown == ["–", "7", "4.7 M", "25.6 B"]

    def test_numbers_are_rounded_inside_lists(self) -> None:
        assert looks.rounded([127 / 255, "a", [1, 0.5]]) == [0.498, "a", [1, 0.5]]


def test_the_keyboard_passes_the_sidebar(as_owner: Client) -> None:
    text = as_owner.get("/").content.decode()
    assert text.index('href="#content"') < text.index('id="nav-sidebar"')
    assert text.index("<main") < text.index('<div id="content" tabindex="-1"')


def test_every_state_has_a_badge() -> None:
    with translation.override("zh-hans"):
        badges = [looks.state_badge(state) for state in State]
    assert all("hub-badge" in badge for badge in badges)


def test_the_console_passes_djangos_checks() -> None:
    call_command("check", "--fail-level", "WARNING")
