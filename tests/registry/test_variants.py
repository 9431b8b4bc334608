"""The table of variants of a version: shown, pinned, compiled anew."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from ops.models import AuditEvent
from registry.models import Job, ModelVersion, RegisteredModel, Team, Variant
from registry.models.revision import revision_current
from registry.models.versions import Optimisation
from registry.processing import jobs, pipeline
from registry.services.models import model_update
from registry.services.trash import version_purge
from registry.services.variants import KIND, PRIORITY, optimisation_request
from registry.services.versions import version_delete
from tests.cast import CAST
from tests.registry.making import (
    SYSTEM,
    claimed,
    compiling_on,
    make_model,
    make_ready,
    make_variant,
    publish,
    use_steps,
)
from tests.registry.test_api_rights import Operation, client_for

pytestmark = pytest.mark.django_db
VERSION = "/api/v1/models/digits/versions/1.0.0/"


@pytest.fixture(autouse=True)
def _cpu() -> Iterator[None]:
    with compiling_on("cpu-a"):
        yield


@pytest.fixture
def client(developer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(developer)


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    """A ready version whose variants were not asked for yet."""
    version = make_ready(publish(make_model(alpha), format="onnx"))
    Job.objects.all().delete()
    return version


def variants(client: APIClient) -> dict[tuple[str, str], Any]:
    """What the version says of its variants, by processor and name."""
    rows = client.get(VERSION).json()["variants"]
    return {(row["cpu"], row["name"]): row for row in rows}


def serving(client: APIClient) -> set[tuple[str, str]]:
    return {key for key, row in variants(client).items() if row["serves"]}


def test_before_any_is_compiled_the_reference_serves(
    client: APIClient, version: ModelVersion
) -> None:
    body = client.get(VERSION).json()
    assert (body["optimisation"], body["pinned_variant"], body["sparsity"]) == ("pending", "", None)
    assert body["breaker_forced"] == ""
    assert body["variants"] == [
        {
            "name": "runtime-of-onnx-fp32",
            "runtime": "runtime-of-onnx",
            "precision": "fp32",
            "options": {},
            "reference": True,
            "cpu": "",
            "state": "ready",
            "reason": "",
            "serves": True,
            "pinned": False,
            "agreement": None,
            "decided": 0,
            "inputs": 0,
            "inputs_from": "",
            "max_difference": None,
            "rate_1": None,
            "rate_8": None,
            "size": version.size,
            "memory": 0,
        }
    ]


def test_a_version_that_is_not_ready_has_none(client: APIClient, alpha: Team) -> None:
    publish(make_model(alpha))
    assert variants(client) == {}
    assert client.post(f"{VERSION}optimise/").status_code == 409
    assert client.patch(VERSION, {"variant": "torch-fp32"}).status_code == 422


def test_a_failed_one_has_its_reason(client: APIClient, version: ModelVersion) -> None:
    reason = {"reason_message": "No %(what)s.", "reason_values": {"what": "luck"}}
    make_variant(version, "openvino-bf16", state="failed", **reason)
    shown = variants(client)["cpu-a", "openvino-bf16"]
    assert (shown["state"], shown["reason"], shown["serves"]) == ("failed", "No luck.", False)


def test_each_kind_of_processor_has_its_own_choice(
    client: APIClient, version: ModelVersion
) -> None:
    for cpu in ("cpu-a", "cpu-b"):
        make_variant(
            version, "torch-fp32", cpu, reference=True, state="failed" if cpu > "cpu-a" else "ready"
        )
        make_variant(version, "openvino-bf16", cpu)
    assert serving(client) == {("cpu-a", "torch-fp32"), ("cpu-b", "openvino-bf16")}
    model_update(version.model, principal=SYSTEM, changes={"precision": "exact"})
    assert serving(client) == {("cpu-a", "torch-fp32"), ("cpu-b", "torch-fp32")}


def test_one_is_pinned_and_unpinned(client: APIClient, version: ModelVersion) -> None:
    make_variant(version, "torch-fp32", reference=True)
    make_variant(version, "openvino-bf16")
    revision = revision_current()
    answer = client.patch(VERSION, {"variant": "openvino-bf16"})
    assert (answer.status_code, answer.json()["pinned_variant"]) == (200, "openvino-bf16")
    assert serving(client) == {("cpu-a", "openvino-bf16")}
    assert variants(client)["cpu-a", "openvino-bf16"]["pinned"]
    assert revision_current() > revision
    for nothing in (None, ""):
        client.patch(VERSION, {"variant": nothing})
        assert serving(client) == {("cpu-a", "torch-fp32")}
    events = AuditEvent.objects.filter(action="version.variant_pinned").order_by("pk")
    assert [(event.data["from"], event.data["to"]) for event in events] == [
        (None, "openvino-bf16"),
        ("openvino-bf16", None),
    ]
    assert not AuditEvent.objects.filter(action="version.updated").exists()


def test_what_cannot_serve_is_not_pinned(client: APIClient, version: ModelVersion) -> None:
    make_variant(version, "openvino-bf16", state="failed")
    for name in ("openvino-bf16", "nothing"):
        answer = client.patch(VERSION, {"variant": name, "description": "new"})
        assert answer.status_code == 422
        assert name in answer.json()["detail"]
    version.refresh_from_db()
    assert (version.pinned_variant, version.description) == ("", "")


def test_a_sparsity_asks_for_pruned_ones(client: APIClient, version: ModelVersion) -> None:
    make_variant(version, "torch-fp32", reference=True)
    make_variant(version, "openvino-fp32-pruned")
    optimisation_request(version.pk, "cpu-a")
    created_at = Job.objects.get().created_at
    claimed().succeed()
    assert client.patch(VERSION, {"sparsity": 0.5}).json()["sparsity"] == 0.5
    assert set(variants(client)) == {("cpu-a", "torch-fp32")}
    job = Job.objects.get()
    assert (job.state, job.created_at) == (Job.States.QUEUED, created_at)
    claimed().succeed()
    client.patch(VERSION, {"sparsity": 0.5})
    assert Job.objects.get().state == Job.States.SUCCEEDED
    client.patch(VERSION, {"sparsity": None})
    assert Job.objects.get().state == Job.States.QUEUED


@pytest.mark.parametrize("value", [0, 1, -0.5, 1.5, "0.5", "nan", True, [0.5], {}])
def test_what_is_no_sparsity_is_refused(
    client: APIClient, version: ModelVersion, value: Any
) -> None:
    assert client.patch(VERSION, {"sparsity": value}).status_code == 400


def test_all_are_compiled_anew(client: APIClient, version: ModelVersion) -> None:
    make_variant(version, "torch-fp32", reference=True)
    make_variant(version, "openvino-bf16", "cpu-b")
    optimisation_request(version.pk, "cpu-b")
    running = claimed()
    ModelVersion.objects.update(optimisation=Optimisation.DONE)
    revision = revision_current()
    answer = client.post(f"{VERSION}optimise/")
    assert answer.status_code == 202
    assert answer.json()["optimisation"] == "pending"
    assert [row["name"] for row in answer.json()["variants"]] == ["runtime-of-onnx-fp32"]
    assert not running.held()
    assert Job.objects.get().state == Job.States.QUEUED
    assert revision_current() > revision
    assert AuditEvent.objects.filter(action="version.optimisation_requested").count() == 1


def test_they_can_be_asked_for_where_they_never_were(
    client: APIClient, version: ModelVersion
) -> None:
    assert client.post(f"{VERSION}optimise/").status_code == 202
    job = Job.objects.get()
    assert (job.kind, job.subject_id, job.priority) == (f"{KIND}cpu-a", version.pk, PRIORITY)


def test_where_nothing_compiles_that_is_said(client: APIClient, version: ModelVersion) -> None:
    make_variant(version, "torch-fp32", reference=True)
    with compiling_on(""):
        answer = client.post(f"{VERSION}optimise/")
    assert answer.status_code == 409
    assert "AIHUB_OPTIMISE" in answer.json()["detail"]
    assert Variant.objects.count() == 1


@pytest.mark.parametrize(("cpu", "state"), [("cpu-a", "pending"), ("", "done")])
def test_a_version_that_gets_ready_is_compiled_next(
    alpha: Team, monkeypatch: pytest.MonkeyPatch, cpu: str, state: str
) -> None:
    use_steps(monkeypatch, one=lambda context: None)
    version = publish(make_model(alpha))
    with compiling_on(cpu):
        pipeline.process(claimed())
    version.refresh_from_db()
    assert (version.state, version.optimisation) == ("ready", state)
    asked = Job.objects.filter(kind__startswith=KIND).values_list("kind", "priority")
    assert list(asked) == ([(f"{KIND}cpu-a", PRIORITY)] if cpu else [])


def test_asking_twice_is_asking_once(version: ModelVersion) -> None:
    optimisation_request(version.pk, "cpu-a")
    claimed().succeed()
    optimisation_request(version.pk, "cpu-a")
    assert Job.objects.get().state == Job.States.SUCCEEDED
    optimisation_request(version.pk, "cpu-b")
    assert Job.objects.count() == 2


def test_a_deleted_version_leaves_no_job(version: ModelVersion) -> None:
    make_variant(version, "torch-fp32", reference=True)
    optimisation_request(version.pk, "cpu-a")
    other = jobs.enqueue("another", version.pk)
    version_delete(version, principal=SYSTEM)
    assert list(Job.objects.all()) == [other]
    version_purge(version.pk, principal=SYSTEM)
    assert not Variant.objects.exists()


def test_the_number_of_queries_does_not_depend_on_the_variants(
    client: APIClient, version: ModelVersion
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(VERSION).status_code == 200
        return len(captured)

    make_variant(version, "torch-fp32", reference=True)
    before = queries()
    for cpu in ("cpu-b", "cpu-c"):
        make_variant(version, "torch-fp32", cpu, reference=True)
        make_variant(version, "openvino-bf16", cpu)
    assert queries() == before


PUBLISHERS = ("owner", "developer")
OPERATIONS = [
    Operation("pin", "patch", "", 200, PUBLISHERS, {"variant": "torch-fp32"}),
    Operation("prune", "patch", "", 200, PUBLISHERS, {"sparsity": 0.5}),
    Operation("compile", "post", "optimise/", 202, PUBLISHERS),
]


@pytest.mark.parametrize("person", [*CAST, "admin", "anonymous"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_of_the_cast_may_do_what_the_table_says(
    operation: Operation, person: str, version: ModelVersion, client_of: Any
) -> None:
    make_variant(version, "torch-fp32", reference=True)
    call = getattr(client_for(person, client_of), operation.method)
    assert call(VERSION + operation.path, operation.body).status_code == operation.expected(person)


def test_a_shared_model_is_not_everyones_to_pin(
    version: ModelVersion, outsider: User, client_of: Any
) -> None:
    make_variant(version, "torch-fp32", reference=True)
    RegisteredModel.objects.update(shared=True)
    client = client_of(outsider)
    assert client.get(VERSION).json()["variants"][0]["serves"]
    assert client.patch(VERSION, {"variant": "torch-fp32"}).status_code == 403
    assert client.post(f"{VERSION}optimise/").status_code == 403
