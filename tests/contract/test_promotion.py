"""What serves follows its alias and its range: back and forth, and soon."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.calls import API, predict_json, problem_of, published, set_alias, unique
from tests.hub import Hub
from tests.inference.samples import linear_onnx

ROW = [[1.0, 2.0, 3.0, 4.0]]
FOLLOWS_WITHIN = 2.0  # seconds


@pytest.fixture(scope="module")
def name(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model with three versions, of which the first two are in its range `^1.0`."""
    name = unique("promoted")
    file = linear_onnx(tmp_path_factory.mktemp("promotion") / "linear.onnx")
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        published(hub, name, version, file, task="tensor")
    return name


def serving(client: httpx.Client, name: str, **query: str) -> str:
    answer = predict_json(client, name, ROW, **query)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["version"])


def follows(client: httpx.Client, name: str, expected: str, **query: str) -> None:
    """Call until this version answers, which must be soon."""
    deadline = time.monotonic() + FOLLOWS_WITHIN
    while serving(client, name, **query) != expected:
        assert time.monotonic() < deadline, f"{expected} does not answer"


def rollback(client: httpx.Client, name: str, comment: str = "") -> dict[str, Any]:
    path = f"{API}/models/{name}/aliases/production/rollback/"
    answer = client.post(path, json={"comment": comment})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_predictions_follow_moves_and_rollbacks(hub: Hub, name: str) -> None:
    client = hub.client()
    moves = ("1.0.0", "1.1.0", "2.0.0")
    for version in moves:
        set_alias(client, name, "production", version)
        follows(client, name, version)
        follows(client, name, version, alias="production")
    for version in ("1.1.0", "1.0.0"):
        assert rollback(client, name, "worse")["version"] == version
        follows(client, name, version)
    history = client.get(f"{API}/models/{name}/aliases/production/history/").json()["results"]
    assert [move["to"] for move in reversed(history)] == [*moves, "1.1.0", "1.0.0"]
    assert [move["from"] for move in history[:-1]] == [move["to"] for move in history[1:]]


def test_an_approved_move_is_followed_too(hub: Hub, name: str) -> None:
    client, path = hub.client(), f"{API}/models/{name}/"
    set_alias(client, name, "canary", "1.0.0")
    answer = client.patch(path, json={"protected_aliases": ["canary"]})
    assert answer.status_code == 200, answer.text
    asked = client.put(f"{path}aliases/canary/", json={"version": "^1.0"})
    assert asked.status_code == 202, asked.text
    approval = f"{API}/approvals/{asked.json()['id']}/"
    problem_of(client.post(f"{approval}approve/"), 403)
    assert serving(client, name, alias="canary") == "1.0.0"
    hub.run_python(APPROVE.format(pk=asked.json()["id"]))
    follows(client, name, "1.1.0", alias="canary")
    assert client.get(approval).json()["state"] == "approved"


APPROVE = """
import django
django.setup()
from aihub.access import Principal
from registry.models import Approval
from registry.services.approvals import approval_approve
other = Principal("user:0", "another", is_admin=True)
approval_approve(Approval.objects.get(pk={pk}), principal=other)
"""


def test_a_range_is_answered_by_every_protocol(hub: Hub, name: str) -> None:
    client = hub.client()
    ranges = {"^1.0": "1.1.0", "~1.0.0": "1.0.0", "latest": "2.0.0", ">=1.0 <2.0": "1.1.0"}
    for text, version in ranges.items():
        assert serving(client, name, version=text) == version
        inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROW[0]}]
        v2 = client.post(f"/v2/models/{name}/versions/{text}/infer", json={"inputs": inputs})
        assert v2.json()["model_version"] == version
        v1 = client.post(
            f"/v1/models/{name}:predict", params={"version": text}, json={"instances": ROW}
        )
        assert v1.status_code == 200, v1.text
        read = client.get(f"{API}/models/{name}/versions/{text}/")
        assert read.json()["version"] == version
    answer = predict_json(client, name, ROW, version="^3")
    assert "^3" in problem_of(answer, 404)["detail"]


def test_a_new_version_comes_into_its_range(hub: Hub, tmp_path: Path) -> None:
    client, name = hub.client(), unique("ranged")
    file = linear_onnx(tmp_path / "linear.onnx")
    published(hub, name, "1.0.0", file, task="tensor")
    assert serving(client, name, version="^1") == "1.0.0"
    published(hub, name, "1.1.0", file, task="tensor")
    follows(client, name, "1.1.0", version="^1")
