"""Who sees and may do what in the console: the whole cast against every page."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from aihub.events import SYSTEM
from ops.keys import key_create
from registry.models import Approval, Blob, Sample, Team
from registry.services.aliases import alias_set
from registry.services.versions import version_delete
from tests.cast import CAST, enter, enter_admin, undone
from tests.inference.batch.scheduling import schedule_make
from tests.ops.batch_making import make_job
from tests.ops.making import deliver_to, make_webhook
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
PEOPLE = (*CAST, "admin", "anonymous")
EVERYBODY = (*CAST, "admin")
OF_ALPHA = ("owner", "developer", "viewer", "admin")
PUBLISHERS = ("owner", "developer", "admin")
OWNERS = ("owner", "admin")
MANAGERS = ("owner", "outsider", "admin")
ADMIN = ("admin",)


@dataclass(frozen=True)
class Page:
    """A page, and what each of the cast gets for it; who is not named gets `other`."""

    path: str
    may: tuple[str, ...]
    other: int = 404
    alpha: int = 403  # for those of team alpha who may see the model but not do this
    method: str = "get"
    status: int = 200
    data: dict[str, str] = field(default_factory=dict)

    def expected(self, person: str) -> int:
        if person == "anonymous":
            return 302
        if person in self.may:
            return self.status
        return self.alpha if person in OF_ALPHA else self.other


MODEL, VERSION = "/models/digits/", "/models/digits/versions/1.0.0/"
EDITED = {"task": "tensor", "precision": "exact"}
ALIAS = {"name": "staging", "version": "1.0.0"}
SEARCH = {"page": "models", "name": "mine", "query": "q=digits"}
DECISION = {"decision": "approve"}  # who may not is told so on the next page
MEMBER = {"username": "viewer", "role": "developer"}
PAGES = [
    Page("/", EVERYBODY),
    Page("/models/", EVERYBODY),
    Page("/versions/", EVERYBODY),
    Page("/publish/", EVERYBODY),
    Page("/password/", EVERYBODY),
    Page(MODEL, OF_ALPHA),
    Page("/models/DIGITS/", OF_ALPHA),
    Page(f"{MODEL}edit/", PUBLISHERS),
    Page(f"{MODEL}edit/", PUBLISHERS, method="post", status=302, data=EDITED),
    Page(f"{MODEL}delete/", OWNERS),
    Page(f"{MODEL}delete/", OWNERS, method="post", status=302),
    Page(f"{MODEL}samples/cat.png/remove/", PUBLISHERS, method="post", status=302),
    Page(f"{VERSION}pin/", PUBLISHERS, method="post", status=302, data={"variant": "torch-fp32"}),
    Page(f"{VERSION}optimise/", PUBLISHERS, method="post", status=302),
    Page(f"{MODEL}aliases/", PUBLISHERS, method="post", status=302, data=ALIAS),
    Page(f"{MODEL}aliases/production/remove/", PUBLISHERS, method="post", status=302),
    Page(VERSION, OF_ALPHA),
    Page("/models/digits/versions/9.9.9/", (), alpha=404),
    Page(f"{VERSION}edit/", PUBLISHERS),
    Page(f"{VERSION}delete/", OWNERS),
    Page(f"{VERSION}delete/", OWNERS, method="post", status=302),
    Page(f"{MODEL}compare/?version=1.0.0&version=1.1.0", OF_ALPHA, status=302),
    Page(f"{VERSION}compare/?with=1.1.0", OF_ALPHA),
    Page("/versions/compare/?version=digits/1.0.0&version=digits/1.1.0", EVERYBODY, status=302),
    Page(f"{MODEL}aliases/production/", OF_ALPHA),
    Page(f"{MODEL}aliases/production/rollback/", PUBLISHERS, method="post", status=302),
    Page("/approvals/", EVERYBODY),
    Page("/approvals/{approval}/", OF_ALPHA),
    Page("/approvals/{approval}/decide/", OF_ALPHA, method="post", status=302, data=DECISION),
    Page("/trash/garbage/", ADMIN, alpha=403, other=403),
    Page("/trash/garbage/", ADMIN, alpha=403, other=403, method="post"),
    Page("/trash/", MANAGERS, other=403),
    Page("/trash/version-{trashed}/restore/", OWNERS, method="post", status=302),
    Page("/trash/version-{trashed}/purge/", OWNERS),
    Page("/trash/version-{trashed}/purge/", OWNERS, method="post", status=302),
    Page("/saved-searches/", EVERYBODY, method="post", status=302, data=SEARCH),
    Page("/api-keys/", MANAGERS, other=403),
    Page("/api-keys/new/", MANAGERS, other=403),
    Page("/api-keys/{prefix}/revoke/", OWNERS, alpha=404),
    Page("/api-keys/{prefix}/revoke/", OWNERS, alpha=404, method="post", status=302),
    Page("/webhooks/", MANAGERS, other=403),
    Page("/webhooks/new/", MANAGERS, other=403),
    Page("/webhooks/{webhook}/", OWNERS, alpha=404),
    Page("/webhooks/{webhook}/edit/", OWNERS, alpha=404),
    *(
        Page(f"/webhooks/{{webhook}}/{action}/", OWNERS, alpha=404)
        for action in ("off", "rotate", "delete")
    ),
    *(
        Page(f"/webhooks/{{webhook}}/{action}/", OWNERS, alpha=404, method="post", status=302)
        for action in ("on", "off", "test", "delete", "deliveries/{delivery}/replay")
    ),
    Page("/webhooks/{webhook}/rotate/", OWNERS, alpha=404, method="post"),
    Page("/webhooks/{webhook}/test/", (), alpha=405, other=405),
    Page("/batch-jobs/", EVERYBODY),
    Page("/batch-jobs/new/", EVERYBODY),
    Page("/batch-jobs/{job}/", OF_ALPHA),
    Page("/batch-jobs/{job}/cancel/", PUBLISHERS),
    *(
        Page(f"/batch-jobs/{{job}}/{action}/", PUBLISHERS, method="post", status=302)
        for action in ("cancel", "pause", "resume", "retry")
    ),
    Page("/batch-jobs/{job}/clone/", OF_ALPHA, method="post", status=302),
    Page("/batch-jobs/{job}/pause/", (), alpha=405, other=405),
    Page("/account/", EVERYBODY),
    Page("/account/", EVERYBODY, method="post", status=302, data={"language": "en"}),
    Page("/audit/", MANAGERS, other=403),
    Page("/teams/", EVERYBODY),
    Page("/teams/alpha/", OF_ALPHA),
    Page("/new-team/", ADMIN, other=403),
    Page("/teams/alpha/edit/", ADMIN, other=403),
    Page("/teams/alpha/members/", OWNERS, method="post", status=302, data=MEMBER),
    Page("/users/", ADMIN, other=403),
    Page("/users/new/", ADMIN, other=403),
    Page("/users/{pk}/", ADMIN, other=403),
    Page("/users/{pk}/password/", ADMIN, other=403),
    Page("/token/", EVERYBODY, method="post"),
    Page("/token/", (), method="get", alpha=405, other=405),
    Page(f"{MODEL}delete/", (), method="put", alpha=405, other=405),
]


@pytest.fixture
def places(alpha: Team) -> dict[str, object]:
    """Model `digits` of team alpha with a version in production, a key, and the whole cast."""
    people = {name: enter(name) for name in CAST}
    model = make_model(alpha)
    version = make_ready(publish(model))
    alias_set(principal=SYSTEM, model=model, name="production", version=version)
    blob = Blob.objects.create(sha256="a" * 64, md5="b" * 32, size=3)
    Sample.objects.create(model=model, name="cat.png", blob=blob, items=1)
    key, _ = key_create(principal=SYSTEM, team=alpha, name="shop", actions=["predict"])
    webhook = make_webhook(alpha)
    publish(model, "1.1.0")
    approval = Approval.objects.create(model=model, alias="live", version=version)
    trashed = publish(model, "0.9.0")
    version_delete(trashed, principal=SYSTEM)
    return {
        "approval": approval.pk,
        "trashed": trashed.pk,
        "prefix": key.prefix,
        "webhook": webhook.pk,
        "schedule": schedule_make(alpha, people["developer"], overlap="allow").pk,
        "delivery": deliver_to(webhook).uuid,
        "job": make_job(version).pk,
        "pk": people["viewer"].pk,
        **people,
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_every_page_answers_each_of_the_cast(places: dict[str, object], page: Page) -> None:
    answers = {}
    for person in PEOPLE:
        with undone():
            client = Client()
            user = enter_admin() if person == "admin" else places.get(person)
            if isinstance(user, User):
                client.force_login(user)
            answers[person] = getattr(client, page.method)(page.path.format(**places), page.data)
    assert {person: answer.status_code for person, answer in answers.items()} == {
        person: page.expected(person) for person in PEOPLE
    }
    assert answers["anonymous"]["Location"].startswith(reverse("admin:login"))


def test_lists_hold_only_what_the_user_may_see(
    client: Client, places: dict[str, object], outsider_models: None
) -> None:
    client.force_login(places["outsider"])  # type: ignore[arg-type]
    models, versions = client.get("/models/"), client.get("/versions/")
    assert [model.name for model in models.context["cl"].result_list] == ["letters", "open"]
    assert [str(version) for version in versions.context["cl"].result_list] == ["letters/2.0.0"]


@pytest.fixture
def outsider_models(places: object, beta: Team, alpha: Team) -> None:
    publish(make_model(beta, "letters"), "2.0.0")
    make_model(alpha, "open", shared=True)


def test_a_shared_model_can_be_seen_and_not_changed(
    client: Client, places: dict[str, object], outsider_models: None
) -> None:
    client.force_login(places["outsider"])  # type: ignore[arg-type]
    assert client.get("/models/open/").status_code == 200
    assert client.get("/models/open/edit/").status_code == 403


def test_an_inactive_user_is_out_at_once(client: Client, developer: User) -> None:
    client.force_login(developer)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=developer.pk).update(is_active=False)
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("person", "offered"), [("viewer", False), ("developer", True), ("owner", True)]
)
def test_publishing_is_offered_to_those_who_may(
    client: Client, places: dict[str, object], person: str, offered: bool
) -> None:
    client.force_login(places[person])  # type: ignore[arg-type]
    page = client.get("/publish/")
    assert bool(page.context["teams"]) is offered
    assert bool(page.context["models"]) is offered


def test_actions_are_offered_to_those_who_may(client: Client, places: dict[str, object]) -> None:
    seen = {}
    for person in ("viewer", "developer", "owner"):
        client.force_login(places[person])  # type: ignore[arg-type]
        text = client.get(VERSION).content.decode()
        seen[person] = [f"{VERSION}{action}/" in text for action in ("edit", "delete")]
    assert seen == {"viewer": [False, False], "developer": [True, False], "owner": [True, True]}


def test_forms_are_refused_without_a_csrf_token(owner: User, alpha: Team) -> None:
    make_model(alpha)
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    answer = client.post("/models/digits/delete/")
    assert answer.status_code == 403
    assert b"<html" in answer.content
    assert client.post("/token/").status_code == 403


def test_a_page_asks_for_no_query_a_row(
    client: Client, owner: User, alpha: Team, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(5):
        publish(make_model(alpha, f"model-{number}"), "1.0.0")
    client.force_login(owner)
    for path in ("/", "/models/", "/versions/"):
        with django_assert_max_num_queries(16):  # type: ignore[attr-defined]
            assert client.get(path).status_code == 200
