"""What a version's page tells: findings, lineage, card, seal; two versions side by side."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from aihub.events import SYSTEM
from ops.console.findings import findings_counted, findings_shown
from registry.models import Blob, ModelVersion, RegisteredModel, Team, WorkerHeartbeat
from registry.processing.worker import beat
from registry.services.versions import version_update
from tests.registry.making import make_model, make_ready, make_rejected, publish

pytestmark = pytest.mark.django_db
PAGE = "/models/digits/versions/1.1.0/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    """`digits` with 1.0.0, and 1.1.0 that came of it."""
    model = make_model(alpha)
    parent = make_ready(publish(model, "1.0.0", metrics={"top1": 0.9, "old": 1}))
    publish_child(model, parent)
    return model


def publish_child(model: RegisteredModel, parent: ModelVersion) -> ModelVersion:
    return make_ready(
        publish(
            model,
            "1.1.0",
            parent=parent.version,
            metrics={"top1": 0.95},
            parameters={"lr": 0.001},
            source={"repository": "https://git.example/x", "run": "javascript:alert(1)"},
            card=f"# Digits\n\n{SCRIPT} [link](javascript:alert(1)) **bold**",
            labels=["a", "b"],
        )
    )


def finding(severity: str, **more: Any) -> dict[str, Any]:
    return {"layer": "pickle", "severity": severity, "message": "It is so.", "values": {}, **more}


class TestFindings:
    def test_the_gravest_come_first_and_are_counted(self) -> None:
        report = [finding("info"), finding("error", file="a.pkl"), finding("info")]
        shown = findings_shown(report)
        assert [entry["severity"] for entry in shown] == ["error", "info", "info"]
        assert shown[0]["file"] == "a.pkl"
        counts = [(count["severity"], str(count["text"])) for count in findings_counted(shown)]
        assert counts == [("error", "1 error"), ("info", "2 remarks")]

    def test_what_is_unknown_is_a_remark(self) -> None:
        [shown] = findings_shown([finding("strange", layer="new")])
        assert (shown["severity"], shown["layer"]) == ("info", "new")

    def test_a_rejected_version_shows_what_was_found(self, as_owner: Client, alpha: Team) -> None:
        version = make_rejected(publish(make_model(alpha)))
        version.report = [finding("error", file=f"{SCRIPT}.pkl")]
        version.save()
        text = as_owner.get("/models/digits/versions/1.0.0/").content.decode()
        assert "1 error" not in text  # one finding needs no filter
        assert "It is so." in text
        assert SCRIPT not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;.pkl" in text

    def test_nothing_found_says_so(self, as_owner: Client, model: RegisteredModel) -> None:
        assert "nothing to remark" in as_owner.get(PAGE).content.decode()


class TestLineage:
    def test_parent_and_children_are_links(self, as_owner: Client, model: RegisteredModel) -> None:
        lineage = as_owner.get(PAGE).context["lineage"]
        assert lineage["parent"] == {"text": "1.0.0", "url": "/models/digits/versions/1.0.0/"}
        above = as_owner.get("/models/digits/versions/1.0.0/").context["lineage"]
        assert above["children"] == [{"text": "1.1.0", "url": PAGE}]

    def test_only_addresses_of_the_web_are_links(
        self, as_owner: Client, model: RegisteredModel
    ) -> None:
        text = as_owner.get(PAGE).content.decode()
        assert 'href="https://git.example/x"' in text
        assert 'href="javascript' not in text

    def test_what_is_said_can_be_edited(self, as_owner: Client, model: RegisteredModel) -> None:
        form = as_owner.get(f"{PAGE}edit/").context["form"]
        assert form["parent"].value() == "1.0.0"
        data = {
            "description": "",
            "metrics": '{"top1": 0.95}',
            "parameters": '{"lr": 0.1}',
            "source": "{}",
            "parent": "",
            "card": "New.",
        }
        assert as_owner.post(f"{PAGE}edit/", data)["Location"] == PAGE
        version = ModelVersion.objects.get(version="1.1.0")
        assert (version.parent, version.card, version.parameters) == (None, "New.", {"lr": 0.1})
        assert version.source == {}

    @pytest.mark.parametrize("parent", ["9.9.9", "1.1.0", "others/1.0.0", "x", "/"])
    def test_a_parent_that_cannot_be_is_told_at_its_field(
        self, as_owner: Client, model: RegisteredModel, parent: str
    ) -> None:
        answer = as_owner.post(f"{PAGE}edit/", {"parent": parent})
        assert answer.context["form"].errors["parent"]


class TestCards:
    def test_a_card_is_rendered_and_harmless(
        self, as_owner: Client, model: RegisteredModel
    ) -> None:
        text = as_owner.get(PAGE).content.decode()
        assert "<strong>bold</strong>" in text
        assert SCRIPT not in text
        assert 'href="javascript' not in text

    def test_a_models_card_too(self, as_owner: Client, alpha: Team) -> None:
        make_model(alpha, card=f"**bold** {SCRIPT}")
        text = as_owner.get("/models/digits/").content.decode()
        assert "<strong>bold</strong>" in text
        assert SCRIPT not in text


class TestSeal:
    def test_a_sealed_version_says_so(self, as_owner: Client, model: RegisteredModel) -> None:
        page = as_owner.get(PAGE)
        assert page.context["seal"]["valid"]
        assert 'id="damaged"' not in page.content.decode()

    def test_a_changed_record_is_an_alert(self, as_owner: Client, model: RegisteredModel) -> None:
        ModelVersion.objects.filter(version="1.1.0").update(architecture="another")
        page = as_owner.get(PAGE)
        assert not page.context["seal"]["valid"]
        assert "architecture" in page.context["seal"]["problem"]
        assert 'id="damaged"' in page.content.decode()

    def test_changed_content_is_named(self, as_owner: Client, model: RegisteredModel) -> None:
        version = ModelVersion.objects.get(version="1.1.0")
        blob = Blob.objects.create(
            sha256="a" * 64, md5="b" * 32, size=7, damaged_at=version.created_at
        )
        version.files.update(blob=blob)
        assert as_owner.get(PAGE).context["seal"]["damaged"] == ["file-0"]


class TestComparing:
    COMPARE = "/models/digits/versions/1.0.0/compare/"

    def test_two_versions_stand_side_by_side(
        self, as_owner: Client, model: RegisteredModel
    ) -> None:
        page = as_owner.get(f"{self.COMPARE}?with=1.1.0")
        sections = {str(section["title"]): section["rows"] for section in page.context["sections"]}
        metrics = {
            row["name"]: (row["left"], row["right"], row["difference"])
            for row in sections["Metrics"]
        }
        assert metrics == {"top1": ("0.9", "0.95", "+0.05"), "old": ("1", "–", "")}
        assert {"Facts", "Files", "Labels", "Training parameters", "Source"} <= sections.keys()

    def test_another_model_can_stand_beside(
        self, as_owner: Client, model: RegisteredModel, alpha: Team
    ) -> None:
        make_ready(publish(make_model(alpha, "letters")))
        page = as_owner.get(f"{self.COMPARE}?with=letters/1.0.0")
        assert page.context["right"].model.name == "letters"

    @pytest.mark.parametrize("other", ["9.9.9", "hidden/1.0.0", "/", "x/y/z", "<b>"])
    def test_what_is_not_there_is_told(
        self, as_owner: Client, model: RegisteredModel, beta: Team, other: str
    ) -> None:
        publish(make_model(beta, "hidden"))
        page = as_owner.get(self.COMPARE, {"with": other})
        assert page.status_code == 200
        assert page.context["wrong"]

    def test_without_another_there_is_a_choice(
        self, as_owner: Client, model: RegisteredModel
    ) -> None:
        assert as_owner.get(self.COMPARE).context["choices"] == ["1.1.0"]

    def test_two_that_were_chosen_are_compared_the_older_first(
        self, as_owner: Client, model: RegisteredModel
    ) -> None:
        answer = as_owner.get("/models/digits/compare/?version=1.1.0&version=1.0.0")
        assert answer["Location"] == f"{self.COMPARE}?with=1.1.0"
        assert as_owner.get("/models/digits/compare/?version=1.1.0").status_code == 400

    def test_two_of_the_list_of_all_versions_are_compared(
        self, as_owner: Client, model: RegisteredModel
    ) -> None:
        path = "/versions/compare/"
        same = as_owner.get(f"{path}?version=digits/1.0.0&version=digits/1.1.0")
        assert same["Location"] == f"{self.COMPARE}?with=1.1.0"
        other = as_owner.get(f"{path}?version=digits/1.0.0&version=a%26b/1.0.0")
        assert other["Location"] == f"{self.COMPARE}?with=a%26b%2F1.0.0"
        one = "?version=digits/1.0.0"
        for wrong in ("", one, f"{one}&version=x", f"{one}&version=a/b/1.0.0"):
            assert as_owner.get(path + wrong).status_code == 400
        assert 'value="digits/1.1.0"' in as_owner.get("/versions/").content.decode()

    def test_huge_and_odd_values_are_shown(self, as_owner: Client, model: RegisteredModel) -> None:
        version = ModelVersion.objects.get(version="1.1.0")
        odd = {"top1": {"a": [1, 2.123456]}, "big": 10**30, "text": SCRIPT, "none": None}
        version_update(version, principal=SYSTEM, changes={"metrics": odd})
        text = as_owner.get(f"{self.COMPARE}?with=1.1.0").content.decode()
        assert SCRIPT not in text


def test_many_versions_are_not_all_on_the_models_page(as_owner: Client, alpha: Team) -> None:
    model = make_model(alpha)
    for number in range(52):
        publish(model, f"1.0.{number}")
    page = as_owner.get("/models/digits/")
    assert len(page.context["versions"]) == 50
    assert "All 52 versions" in page.content.decode()
    rows = as_owner.get("/versions/?q=name%3Ddigits").context["cl"].result_count
    assert rows == 52


def test_pages_concerned_say_that_no_worker_is_alive(as_owner: Client, alpha: Team) -> None:
    model = make_model(alpha, "waiting")
    page = "/models/waiting/versions/1.0.0/"
    version = publish(model, "1.0.0")
    silent = ("/versions/", "/models/", "/models/waiting/", "/publish/", page)
    for path in silent:
        assert "No worker is alive" in as_owner.get(path).content.decode(), path
    beat("worker")
    for path in silent:
        assert "No worker is alive" not in as_owner.get(path).content.decode(), path
    assert 'id="stalled"' in as_owner.get(page).content.decode()  # for the page's script to show
    WorkerHeartbeat.objects.all().delete()
    make_ready(version)
    for path in silent[:3]:
        assert "No worker is alive" not in as_owner.get(path).content.decode(), path
