"""Models declared in a file: published once, and refused in one sentence when it is wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aihub.events import SYSTEM
from aihub.problems import Problem
from registry.models import ModelVersion, RegisteredModel, Team, Upload
from registry.services.models import model_delete
from registry.services.models_file import publish_missing
from registry.services.versions import version_delete
from registry.storage import StorageUnavailable, blob_storage
from tests import hostile

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry(tmp_path: Path, default_team: Team) -> dict[str, Any]:
    """A declaration that is right, with its file."""
    hostile.torch_file(tmp_path / "weights.pth", hostile.tensor("0", 1, (1,), (1,)))
    return {"name": "digits", "version": "1.0.0", "files": ["weights.pth"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models.yaml"


def write(path: Path, *entries: Any) -> Path:
    path.write_text(yaml.safe_dump({"models": list(entries)}, allow_unicode=True))
    return path


def test_it_publishes_what_is_missing_and_nothing_twice(path: Path, entry: dict[str, Any]) -> None:
    entry |= {"task": "tensor", "alias": "production", "labels": ["一", "二"], "num_classes": 2}
    assert [str(version) for version in publish_missing(write(path, entry))] == ["digits/1.0.0"]
    version = ModelVersion.objects.get()
    assert version.alias_when_ready == "production"
    assert version.labels == ["一", "二"]
    assert version.model.task == "tensor"
    assert publish_missing(path) == []
    newer = entry | {"version": "2.0.0"}
    assert [str(v) for v in publish_missing(write(path, entry, newer))] == ["digits/2.0.0"]


def test_a_version_written_otherwise_is_the_same(path: Path, entry: dict[str, Any]) -> None:
    publish_missing(write(path, entry))
    assert publish_missing(write(path, entry | {"name": "Digits", "version": "v1.0.0"})) == []


def test_what_was_thrown_away_stays_away(path: Path, entry: dict[str, Any]) -> None:
    (version,) = publish_missing(write(path, entry))
    version_delete(version, principal=SYSTEM)
    assert publish_missing(path) == []
    model_delete(version.model, principal=SYSTEM)
    assert publish_missing(path) == []


WRONG = {
    "name": ["", "a b", None, 1],
    "version": ["", "one", 1.0, None, "../../x"],
    "files": [[], None, "weights.pth", ["nowhere.pth"], [1], ["/"]],
    "alias": ["Production", "a b!", "a!!", "x" * 100, 1],
    "team": ["nobody", 1],
    "task": ["magic"],
    "labels": [[1], {"a": 1}],
    "preprocessing": [[1], {"crop": -1}],
    "unknown": ["x"],
    3: ["x"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
)
def test_a_wrong_entry_publishes_nothing_at_all(
    path: Path, entry: dict[str, Any], field: Any, value: Any
) -> None:
    with pytest.raises(Problem) as problem:
        publish_missing(write(path, entry, entry | {"version": "2.0.0"} | {field: value}))
    assert problem.value.status == 400
    assert not ModelVersion.objects.exists()
    assert not RegisteredModel.objects.exists()
    assert not Upload.objects.exists()


@pytest.mark.parametrize("text", ["", "a: [", "models: 1", "- 1", "x", "models: [[]]", "\0", "7"])
def test_a_file_that_is_none_says_so(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(Problem, match=r"models\.yaml"):
        publish_missing(path)


def test_a_file_that_is_not_text_says_so(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Problem, match=r"models\.yaml"):
        publish_missing(path)


def test_a_model_that_is_none_leaves_nothing(path: Path, entry: dict[str, Any]) -> None:
    hostile.text_file(path.parent / "weights.pth")
    with pytest.raises(Problem):
        publish_missing(write(path, entry))
    assert not ModelVersion.objects.exists()
    assert not Upload.objects.exists()


def test_storage_that_is_away_leaves_nothing(
    path: Path, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(type(blob_storage()), "writer", away)
    with pytest.raises(StorageUnavailable):
        publish_missing(write(path, entry))
    assert not ModelVersion.objects.exists()
    assert not Upload.objects.exists()
