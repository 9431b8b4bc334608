"""Files and versions that a running hub refuses, each with a reason, and leaves no trace of."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import hostile
from tests.contract.calls import API, assert_clean, problem_of, publish, unique
from tests.contract.making import SMALL, safetensors_file, state_dict_file, tiny_onnx
from tests.hub import Hub


@dataclass(frozen=True)
class Case:
    """A file, and what must be said of it."""

    name: str
    make: Callable[[Path, Path], Path]  # from a path to write to, and the canary's
    reason: str
    fields: dict[str, str] | None = None
    suffix: str = ".pth"


def other_keys(path: Path, canary: Path) -> Path:
    import torch

    return state_dict_file(path, **{"fc.bias": None, "head.bias": torch.zeros(10)})


RUNS_CODE = r"(?i)code|call|pickle"
CASES = [
    Case("empty", lambda path, canary: _empty(path), r"is empty"),
    Case("text", lambda path, canary: hostile.text_file(path), r"text file"),
    Case(
        "truncated zip",
        lambda path, canary: hostile.truncated_zip(path),
        r"(?i)trunc|damaged|complete|end",
    ),
    Case("malicious zip", hostile.malicious_zip, RUNS_CODE),
    Case("malicious legacy", hostile.malicious_legacy, RUNS_CODE),
    Case("malicious raw", hostile.malicious_raw, RUNS_CODE),
    Case("malicious keys", hostile.malicious_legacy_keys, RUNS_CODE),
    Case("whole module", lambda path, canary: hostile.whole_module(path), r"state_dict"),
    Case(
        "stride bomb",
        lambda path, canary: hostile.stride_bomb(path),
        r"(?i)holds|stor|bytes|stride",
    ),
    Case(
        "legacy stride bomb",
        lambda path, canary: hostile.stride_bomb(path, legacy=True),
        r"(?i)holds|stor|bytes|stride",
    ),
    Case("memo bomb", lambda path, canary: hostile.memo_bomb(path), r"."),
    Case("zip bomb", lambda path, canary: hostile.zip_bomb(path), r"(?i)compress|unpack"),
    Case(
        "external data outside",
        lambda path, canary: hostile.onnx_external(path, "../../../../etc/passwd"),
        r"passwd|outside",
        suffix=".onnx",
    ),
    Case("other keys", other_keys, r"fc\.bias[\s\S]*head\.bias|head\.bias[\s\S]*fc\.bias", SMALL),
    Case(
        "other number of classes",
        lambda path, canary: state_dict_file(path),
        r"10 classes, not 7",
        {"architecture": "resnet18", "num_classes": "7"},
    ),
    Case(
        "no architecture",
        lambda path, canary: safetensors_file(path),
        r"(?i)architecture",
        suffix=".safetensors",
    ),
    Case(
        "unknown architecture",
        lambda path, canary: state_dict_file(path),
        r"os\.system",
        {"architecture": "os.system", "num_classes": "10"},
    ),
    Case(
        "declared as another format",
        lambda path, canary: tiny_onnx(path),
        r"(?i)onnx",
        {"format": "safetensors"},
        suffix=".safetensors",
    ),
    Case("no image model", lambda path, canary: tiny_onnx(path), r"(?i)image", suffix=".onnx"),
]


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


@pytest.fixture(scope="module")
def model(hub: Hub) -> Iterator[str]:
    """A model that has no good version and, when all is done, nothing half done."""
    name = unique("refused")
    client = hub.client()
    sent = {"name": name, "team": "alpha"}
    assert client.post(f"{API}/models/", json=sent).status_code == 201
    yield name
    listed = client.get(f"{API}/models/{name}/versions/").json()["results"]
    assert {version["state"] for version in listed} <= {"rejected"}
    assert client.post(f"{API}/models/{name}/predict/", json={"inputs": [0]}).status_code == 409
    assert_clean(hub)


@pytest.fixture
def client(hub: Hub) -> httpx.Client:
    return hub.client("developer")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_file_is_refused_with_a_reason(
    hub: Hub, client: httpx.Client, model: str, case: Case, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    file = case.make(tmp_path / f"model{case.suffix}", canary)
    version = f"1.0.0-{case.name.replace(' ', '-')}"
    answer = publish(client, model, version, file, **(case.fields or {}))
    if answer.status_code == 202:
        processed = hub.wait_processed(model, version)
        assert processed["state"] == "rejected"
        said = processed["reason"]
        assert [step["state"] for step in processed["steps"]].count("failed") == 1
    else:
        problem = problem_of(answer, answer.status_code)
        assert answer.status_code in (400, 422)
        said = problem["detail"] + json.dumps(problem.get("errors", ""))
    assert not canary.exists()
    assert re.search(case.reason, said), said
    assert "Traceback" not in said
    assert "Processing failed" not in said


VERSIONS = [
    *("../../x", "1", "", "1.0.0+b", "01.0.0", "x" * 300, "1.0.0-" + "a" * 300, "🚀", "一点零"),
]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ascii(version[:10]))
def test_a_bad_version_is_refused(
    client: httpx.Client, model: str, version: str, tmp_path: Path
) -> None:
    answer = publish(client, model, version, tiny_onnx(tmp_path / "m.onnx"))
    assert problem_of(answer, 400)["errors"][0]["field"] == "version"


def test_no_file_is_refused(client: httpx.Client, model: str) -> None:
    path = f"{API}/models/{model}/versions/"
    answer = client.post(path, files={"version": (None, "1.0.0")})
    assert problem_of(answer, 400)["errors"][0]["field"] == "file"


def test_labels_of_another_number_are_refused(
    client: httpx.Client, model: str, tmp_path: Path
) -> None:
    fields = {"num_classes": "3", "labels": '["a", "b"]'}
    answer = publish(client, model, "1.0.0", tiny_onnx(tmp_path / "m.onnx"), **fields)
    assert problem_of(answer, 400)["errors"][0]["field"] == "labels"


def test_a_viewer_publishes_nothing(hub: Hub, model: str, tmp_path: Path) -> None:
    file = tiny_onnx(tmp_path / "m.onnx")
    problem_of(publish(hub.client("viewer"), model, "1.0.0", file), 403)
    problem_of(publish(hub.client("outsider"), model, "1.0.0", file), 404)
    problem_of(publish(hub.anonymous(), model, "1.0.0", file), 401)
