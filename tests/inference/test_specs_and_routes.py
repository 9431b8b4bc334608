"""What the registry's tables say about serving, and what is kept for when they are away."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from django.db import OperationalError, connections
from pytest_django import DjangoAssertNumQueries

from aihub.problems import Problem
from inference import specs
from inference.loading import version_prepare
from inference.routes import routes_load
from inference.routing import Routes
from ops.models import AuditEvent
from registry.models import Alias, Blob, ModelVersion, RegisteredModel, Team, VersionFile
from registry.services import integrity
from registry.services.sealing import version_seal
from registry.storage import BlobRef, blob_storage, hash_content
from tests.inference.samples import linear_onnx


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    model = RegisteredModel.objects.create(team=alpha, name="Cats", name_key="cats", shared=True)
    version = ModelVersion.objects.create(
        model=model,
        version="1.0.0-RC",
        version_key="1.0.0-rc",
        sort_key="1",
        state="ready",
        format="onnx",
    )
    blob = Blob.objects.create(sha256="a" * 64, md5="b" * 32, size=3)
    VersionFile.objects.create(version=version, path="m.onnx", size=3, blob=blob)
    Alias.objects.create(model=model, name="production", version=version)
    version_seal(version.pk)
    return version


def away(version_id: int) -> None:
    raise OperationalError("the database is away")


def test_a_spec_is_kept_for_when_the_database_is_away(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = specs.spec_load(version.pk)
    assert (spec.model, spec.version, spec.main_file) == ("Cats", "1.0.0-RC", "m.onnx")
    monkeypatch.setattr(specs, "_read", away)
    assert specs.spec_load(version.pk) == spec


def test_the_database_is_right_about_an_id_that_is_used_again(version: ModelVersion) -> None:
    specs.spec_load(version.pk)
    RegisteredModel.objects.update(name="Dogs")
    version_seal(version.pk)
    assert specs.spec_load(version.pk).model == "Dogs"


def test_a_record_that_was_changed_is_not_loaded(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "_told", {})
    spec = specs.spec_load(version.pk)
    VersionFile.objects.update(path="other.onnx")
    for _ in range(2):
        with pytest.raises(Problem, match="files") as problem:
            specs.spec_load(version.pk)
        assert problem.value.status == 503
    assert AuditEvent.objects.filter(action="version.damaged", subject="Cats/1.0.0-RC").count() == 1
    monkeypatch.setattr(specs, "_read", away)
    assert specs.spec_load(version.pk) == spec


def test_a_spec_that_was_never_kept_comes_later(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "_read", away)
    with pytest.raises(Problem) as problem:
        specs.spec_load(987_654)
    assert (problem.value.status, "Retry-After" in problem.value.headers) == (503, True)


def test_a_deleted_version_has_no_spec(db: None) -> None:
    with pytest.raises(Problem) as problem:
        specs.spec_load(987_654)
    assert problem.value.status == 404


def test_routes_are_read_in_four_queries(
    version: ModelVersion, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4):
        routes = routes_load()
    model = routes.models["cats"]
    assert (model.name, model.shared, model.task) == ("Cats", True, "image-classification")
    assert model.resolve(alias="production").id == version.pk
    assert Routes.from_json(routes.as_json()) == routes


@pytest.mark.django_db(transaction=True)
def test_a_version_is_loaded_from_storage(tmp_path: Path) -> None:
    """As the pool does: on a thread of its own, by the version's id."""
    path = linear_onnx(tmp_path / "m.onnx")
    model = RegisteredModel.objects.create(
        team=Team.objects.create(name="gamma"), name="Rows", name_key="rows", task="tensor"
    )
    version = ModelVersion.objects.create(
        model=model, version="1.0.0", version_key="1.0.0", sort_key="1", format="onnx"
    )
    VersionFile.objects.create(version=version, path="m.onnx", size=1, blob=_stored(path))
    version_seal(version.pk)
    with ThreadPoolExecutor(1) as thread:
        plan = thread.submit(version_prepare, version.pk).result()
        thread.submit(connections.close_all).result()
    inputs = {"x": np.zeros((1, 4), np.float32)}
    assert plan.load().model.predict(inputs)["logits"].tolist() == [[0, 0, 0]]


def _stored(path: Path) -> Blob:
    """A blob with the content of a local file, in the store."""
    ref = BlobRef(*hash_content(iter([path.read_bytes()]), lambda done: None))
    with closing(blob_storage().writer(ref.key)) as file:
        file.write(path.read_bytes())
    return Blob.objects.create(sha256=ref.sha256, md5=ref.md5, size=ref.size)
