"""Deleting is to the trash: out of sight at once, taken back as it was, or gone for good."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from aihub.access import Action, Principal, Role, Scope
from aihub.events import SYSTEM
from aihub.problems import Problem
from inference.routes import routes_load
from ops.models import AuditEvent
from registry import selectors, usage
from registry.models import (
    Alias,
    Approval,
    Job,
    ModelVersion,
    RegisteredModel,
    Team,
    VersionFile,
)
from registry.models.registered import Task
from registry.models.revision import revision_current
from registry.models.versions import Optimisation, State
from registry.processing import jobs, pipeline
from registry.processing.jobs import LeaseLost
from registry.selectors.trash import trash_entries, trash_rows
from registry.services import trash, versions
from registry.services.aliases import alias_set
from registry.services.models import model_delete, model_update
from registry.services.versions import version_delete
from registry.usage import Use
from tests.registry.making import (
    claimed,
    compiling_on,
    make_model,
    make_ready,
    make_rejected,
    publish,
    use_steps,
)

pytestmark = pytest.mark.django_db
API = "/api/v1/"
TRASH = f"{API}trash/"
MODEL = f"{API}models/digits/"
Clients = Callable[[User], Any]


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    return make_model(alpha)


@pytest.fixture
def version(model: RegisteredModel) -> ModelVersion:
    return make_ready(publish(model))


def entries(client: Any) -> list[dict[str, Any]]:
    answer = client.get(TRASH)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def trashed(version: ModelVersion) -> str:
    version_delete(version, principal=SYSTEM)
    return f"version-{version.pk}"


class TestOutOfSight:
    def test_a_deleted_version_is_nowhere_but_in_the_trash(
        self, version: ModelVersion, owner: User, client_of: Clients
    ) -> None:
        client = client_of(owner)
        before = revision_current()
        assert client.delete(f"{MODEL}versions/1.0.0/").status_code == 204
        assert revision_current() > before
        assert client.get(f"{MODEL}versions/1.0.0/").status_code == 404
        assert client.get(f"{MODEL}versions/1.0.0/download/").status_code == 404
        assert client.get(f"{MODEL}versions/").json()["results"] == []
        assert client.get(MODEL).json()["versions"] == 0
        assert client.get(f"{API}models/").json()["results"][0]["versions"] == 0
        assert routes_load().models["digits"].versions == {}
        assert [entry["id"] for entry in entries(client)] == [f"version-{version.pk}"]

    def test_a_deleted_model_is_nowhere_but_in_the_trash(
        self, version: ModelVersion, owner: User, client_of: Clients
    ) -> None:
        client = client_of(owner)
        assert client.delete(MODEL).status_code == 204
        for path in (MODEL, f"{MODEL}versions/", f"{MODEL}versions/1.0.0/", f"{MODEL}samples/"):
            assert client.get(path).status_code == 404
        assert client.get(f"{API}models/").json()["count"] == 0
        assert routes_load().models == {}
        assert not selectors.versions_visible(SYSTEM).exists()

    def test_the_entry_says_what_it_is_and_until_when(
        self, version: ModelVersion, owner: User, client_of: Clients
    ) -> None:
        client = client_of(owner)
        client.delete(f"{MODEL}versions/1.0.0/")
        (entry,) = entries(client)
        assert (
            entry.items()
            >= {
                "id": f"version-{version.pk}",
                "kind": "version",
                "model": "digits",
                "version": "1.0.0",
                "team": "alpha",
                "size": 7,
                "deleted_by": "owner",
            }.items()
        )
        assert entry["expires_at"] > entry["deleted_at"]

    def test_versions_that_went_with_their_model_are_part_of_its_entry(
        self, version: ModelVersion, model: RegisteredModel, owner: User, client_of: Clients
    ) -> None:
        other = make_ready(publish(model, "2.0.0", b"four"))
        publish(model, "3.0.0", b"number five")
        version_delete(other, principal=SYSTEM)
        model_delete(model, principal=SYSTEM)
        found = {entry["id"]: entry["size"] for entry in entries(client_of(owner))}
        assert found == {f"model-{model.pk}": 7 + 11, f"version-{other.pk}": 4}

    def test_processing_is_called_off(
        self, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = publish(model)
        lease = claimed()
        trashed(version)
        with pytest.raises(LeaseLost):
            lease.confirm()
        assert jobs.claim("worker") is None

    def test_a_worker_in_the_middle_writes_nothing(
        self, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = publish(model)
        use_steps(monkeypatch, one=lambda context: trashed(version))  # type: ignore[arg-type,return-value]
        pipeline.process(claimed())
        kept = ModelVersion.everything.get(pk=version.pk)
        assert (kept.state, kept.steps[0]["state"]) == (State.PROCESSING, "running")

    def test_the_task_stays_while_a_version_is_in_the_trash(self, version: ModelVersion) -> None:
        trashed(version)
        with pytest.raises(Problem, match="does not change"):
            model_update(version.model, principal=SYSTEM, changes={"task": Task.TENSOR})

    def test_the_list_takes_as_many_queries_for_many(
        self, alpha: Team, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(4):
            model = make_model(alpha, f"model-{number}")
            trashed(publish(model, "1.0.0"))
            publish(model, "2.0.0")
            model_delete(model, principal=SYSTEM)
        with django_assert_num_queries(3):
            assert len(trash_entries(trash_rows(SYSTEM)[:50])) == 8


class TestNamesStayTaken:
    def test_a_models_name_is_told_to_be_in_the_trash(
        self, version: ModelVersion, owner: User, outsider: User, client_of: Clients
    ) -> None:
        model_delete(version.model, principal=SYSTEM)
        body = {"name": "Digits", "team": "alpha"}
        answer = client_of(owner).post(f"{API}models/", body)
        assert answer.status_code == 409
        assert "in the trash" in answer.json()["detail"]
        answer = client_of(outsider).post(f"{API}models/", {**body, "team": "beta"})
        assert answer.status_code == 409
        assert "exists" in answer.json()["detail"]

    def test_publishing_into_a_model_in_the_trash_is_refused(
        self, version: ModelVersion, developer: User, client_of: Clients
    ) -> None:
        model_delete(version.model, principal=SYSTEM)
        answer = client_of(developer).post(f"{MODEL}versions/", {}, format="multipart")
        assert answer.status_code == 409
        assert "in the trash" in answer.json()["detail"]

    def test_a_versions_number_is_told_to_be_in_the_trash(self, version: ModelVersion) -> None:
        trashed(version)
        with pytest.raises(Problem, match="in the trash") as problem:
            publish(version.model)
        assert problem.value.status == 409

    def test_a_rejected_version_in_the_trash_is_replaced(self, model: RegisteredModel) -> None:
        trashed(make_rejected(publish(model)))
        again = publish(model)
        assert list(ModelVersion.everything.all()) == [again]


class TestRestore:
    def test_a_version_comes_back_as_it_was(
        self, version: ModelVersion, owner: User, client_of: Clients
    ) -> None:
        client = client_of(owner)
        ModelVersion.objects.update(optimisation=Optimisation.DONE)
        before = client.get(f"{MODEL}versions/1.0.0/").json()
        answer = client.post(f"{TRASH}{trashed(version)}/restore/")
        assert (answer.status_code, answer.json()["version"]) == (200, "1.0.0")
        assert client.get(f"{MODEL}versions/1.0.0/").json() == before
        assert entries(client) == []

    def test_a_model_comes_back_with_what_went_with_it(
        self, version: ModelVersion, model: RegisteredModel, owner: User, client_of: Clients
    ) -> None:
        before = trashed(publish(model, "2.0.0"))
        model_delete(model, principal=SYSTEM)
        client = client_of(owner)
        assert client.post(f"{TRASH}{before}/restore/").status_code == 409
        assert client.post(f"{TRASH}model-{model.pk}/restore/").status_code == 200
        assert list(model.versions.all()) == [version]
        assert [entry["id"] for entry in entries(client)] == [before]

    def test_processing_goes_on(
        self, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = publish(model)
        trashed(version)
        trash.version_restore(version.pk, principal=SYSTEM)
        use_steps(monkeypatch, one=lambda context: None)
        pipeline.process(claimed())
        version.refresh_from_db()
        assert version.state == State.READY

    def test_compiling_goes_on_and_what_is_compiled_stays(self, version: ModelVersion) -> None:
        with compiling_on("cpu-a"):
            for done in (Optimisation.RUNNING, Optimisation.DONE):
                ModelVersion.objects.update(optimisation=done)
                Job.objects.all().delete()
                trashed(version)
                trash.version_restore(version.pk, principal=SYSTEM)
                assert Job.objects.count() == (done == Optimisation.RUNNING)


class TestForGood:
    def test_a_version_is_gone_and_its_number_free(
        self, version: ModelVersion, owner: User, client_of: Clients
    ) -> None:
        entry = trashed(version)
        client = client_of(owner)
        assert client.delete(f"{TRASH}{entry}/").status_code == 204
        assert client.delete(f"{TRASH}{entry}/").status_code == 404
        assert client.post(f"{TRASH}{entry}/restore/").status_code == 404
        assert not VersionFile.objects.exists()
        publish(version.model)

    def test_a_model_goes_with_all_of_its_versions(
        self, version: ModelVersion, model: RegisteredModel, owner: User, client_of: Clients
    ) -> None:
        trashed(publish(model, "2.0.0"))
        model_delete(model, principal=SYSTEM)
        assert client_of(owner).delete(f"{TRASH}model-{model.pk}/").status_code == 204
        assert not ModelVersion.everything.exists()
        make_model(model.team)

    def test_what_expired_is_gone(self, version: ModelVersion, model: RegisteredModel) -> None:
        later = publish(model, "2.0.0")
        trashed(version)
        trashed(later)
        old = timezone.now() - timedelta(days=31)
        ModelVersion.everything.filter(pk=version.pk).update(deleted_at=old)
        assert trash.trash_expire() == 1
        assert list(ModelVersion.everything.all()) == [later]

    def test_a_model_that_expired_is_gone_with_its_versions(self, version: ModelVersion) -> None:
        model_delete(version.model, principal=SYSTEM)
        old = timezone.now() - timedelta(days=31)
        ModelVersion.everything.update(deleted_at=old)
        RegisteredModel.everything.update(deleted_at=old)
        assert trash.trash_expire() == 1
        assert not RegisteredModel.everything.exists()

    def test_everything_is_in_the_audit_trail(self, version: ModelVersion) -> None:
        AuditEvent.objects.all().delete()
        trashed(version)
        trash.version_restore(version.pk, principal=SYSTEM)
        trashed(version)
        trash.version_purge(version.pk, principal=SYSTEM)
        model_delete(version.model, principal=SYSTEM)
        trash.model_restore(version.model_id, principal=SYSTEM)
        model_delete(version.model, principal=SYSTEM)
        trash.model_purge(version.model_id, principal=SYSTEM)
        assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
            *("version.deleted", "version.restored", "version.deleted", "version.purged"),
            *("model.deleted", "model.restored", "model.deleted", "model.purged"),
        ]


@pytest.mark.parametrize(
    ("person", "seen", "status"),
    [("owner", 1, 204), ("developer", 0, 403), ("viewer", 0, 403), ("outsider", 0, 404)],
)
def test_who_may_delete_may_take_out_of_the_trash(
    version: ModelVersion,
    client_of: Clients,
    request: pytest.FixtureRequest,
    person: str,
    seen: int,
    status: int,
) -> None:
    entry = trashed(version)
    client = client_of(request.getfixturevalue(person))
    assert len(entries(client)) == seen
    restored = client.post(f"{TRASH}{entry}/restore/").status_code
    assert restored == (200 if status == 204 else status)
    if status == 204:
        trashed(version)
    assert client.delete(f"{TRASH}{entry}/").status_code == status


def test_the_list_comes_in_pages(version: ModelVersion, owner: User, client_of: Clients) -> None:
    ids = [trashed(version), *(trashed(publish(version.model, f"2.{n}.0")) for n in range(2))]
    client = client_of(owner)
    first = client.get(TRASH, {"page_size": 2}).json()
    second = client.get(first["next"]).json()
    assert (first["count"], second["next"]) == (3, None)
    assert [entry["id"] for entry in first["results"] + second["results"]] == ids[::-1]
    assert client.get(TRASH, {"page": 9}).status_code == 404


def test_an_administrator_sees_every_entry(
    version: ModelVersion, admin: User, client_of: Clients
) -> None:
    trashed(version)
    assert len(entries(client_of(admin))) == 1


def test_a_key_sees_none(version: ModelVersion, alpha: Team) -> None:
    trashed(version)
    key = Principal("key:a", "key", {alpha.pk: Role.OWNER}, scope=Scope(frozenset({Action.READ})))
    assert list(trash_rows(key)) == []


def test_nobody_sees_it_without_credentials(version: ModelVersion, anonymous: Any) -> None:
    assert anonymous.get(TRASH).status_code == 401
    assert anonymous.delete(f"{TRASH}{trashed(version)}/").status_code == 401


@pytest.mark.parametrize("entry", ["version-", "model-x", "9", "version-²", "team-1", "model-999"])
def test_there_is_nothing_under_a_wrong_id(entry: str, owner: User, client_of: Clients) -> None:
    assert client_of(owner).delete(f"{TRASH}{entry}/").status_code == 404


@pytest.mark.parametrize("digits", [30, 5000])
def test_an_id_beyond_every_table_is_nowhere(digits: int, owner: User, client_of: Clients) -> None:
    assert client_of(owner).delete(f"{TRASH}version-{'9' * digits}/").status_code == 404


def test_what_is_live_is_not_in_the_trash(
    version: ModelVersion, owner: User, client_of: Clients
) -> None:
    assert client_of(owner).delete(f"{TRASH}version-{version.pk}/").status_code == 404
    assert client_of(owner).delete(f"{TRASH}model-{version.model_id}/").status_code == 404


class TestUsage:
    @pytest.fixture
    def batch_jobs(self, version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
        """A guard as another app adds it."""

        def guard(versions: QuerySet[ModelVersion], model: RegisteredModel | None) -> Iterator[Use]:
            if versions.filter(pk=version.pk).exists():
                yield Use("batch-job", "batch job %(id)s", {"id": 7})

        monkeypatch.setattr(usage, "_guards", [*usage._guards, guard])

    @pytest.mark.parametrize("path", [f"{MODEL}versions/1.0.0/", MODEL])
    @pytest.mark.usefixtures("batch_jobs")
    def test_the_answer_names_all_that_is_in_the_way(
        self, version: ModelVersion, owner: User, client_of: Clients, path: str
    ) -> None:
        model = version.model
        for alias in ("canary", "production"):
            alias_set(principal=SYSTEM, model=model, name=alias, version=version)
        asked = Approval.objects.create(
            model=model, alias="production", version=version, requested_by="user:1"
        )
        answer = client_of(owner).delete(path)
        assert answer.status_code == 409
        expected = [
            "alias canary (1.0.0)",
            "alias production (1.0.0)",
            f"approval {asked.pk} pending (production → 1.0.0)",
            "batch job 7",
        ]
        assert [error["detail"] for error in answer.json()["errors"]] == expected
        assert "; ".join(expected) in answer.json()["detail"]
        assert ModelVersion.objects.exists()

    def test_a_decided_approval_is_in_nobodys_way(self, version: ModelVersion) -> None:
        Approval.objects.create(model=version.model, alias="a", version=version, state="approved")
        trashed(version)

    def test_a_fallback_of_another_model_keeps_a_model(
        self, version: ModelVersion, alpha: Team
    ) -> None:
        other = make_model(alpha, "letters", serving={"fallback": {"model": "Digits"}})
        with pytest.raises(Problem, match="route: fallback of model letters"):
            model_delete(version.model, principal=SYSTEM)
        model_delete(other, principal=SYSTEM)
        model_delete(version.model, principal=SYSTEM)

    def test_its_own_fallback_does_not(self, alpha: Team) -> None:
        model = make_model(alpha, serving={"fallback": {"model": "digits"}})
        model_delete(model, principal=SYSTEM)


def _together(*works: Callable[[], object]) -> list[int]:
    """Run all at once; 0 or the problem's status for each."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> int:
        try:
            barrier.wait(30)
            work()
        except Problem as problem:
            return problem.status
        finally:
            connection.close()
        return 0

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_of_a_deletion_and_a_promotion_at_once_one_comes_first(
    alpha: Team, monkeypatch: pytest.MonkeyPatch, round_: int
) -> None:
    monkeypatch.setattr(versions, "hint", lambda: None)
    version = make_ready(publish(make_model(alpha)))
    deleted, promoted = _together(
        lambda: version_delete(version, principal=SYSTEM),
        lambda: alias_set(
            principal=SYSTEM, model=version.model, name="production", version=version
        ),
    )
    assert (deleted, promoted) in {(0, 404), (409, 0)}
    assert Alias.objects.exists() == ModelVersion.objects.exists() == (promoted == 0)


@pytest.mark.django_db(transaction=True)
def test_of_restoring_and_deleting_for_good_at_once_one_comes_first(
    alpha: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "hint", lambda: None)
    version = make_ready(publish(make_model(alpha)))
    trashed(version)
    answers = _together(
        lambda: trash.version_restore(version.pk, principal=SYSTEM),
        lambda: trash.version_purge(version.pk, principal=SYSTEM),
    )
    assert sorted(answers) == [0, 404]
    assert ModelVersion.everything.count() == ModelVersion.objects.count() == (answers[0] == 0)
