"""Circuit breaking as callers, owners and operators of a running hub see it."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.calls import (
    API,
    predict,
    predict_json,
    problem_of,
    published,
    set_alias,
    unique,
)
from tests.contract.making import SMALL, photograph, state_dict_file, tiny_onnx
from tests.hub import Hub

WITHIN = 2.0  # seconds until every replica follows
REPORTED_WITHIN = 10.0
ROW = [[0.0, 1.0, 2.0, 3.0]]
# Every real network is slower than this.
SLOW = {
    "strategy": "slow_ratio",
    "threshold": 1,
    "slow_ms": 1,
    "min_calls": 3,
    "window_s": 600,
    "open_s": 3600,
}


@pytest.fixture(scope="module")
def rows(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of arrays with two versions, the newer in production, in team alpha."""
    name = unique("breaking-rows")
    file = tiny_onnx(tmp_path_factory.mktemp("breaker") / "tiny.onnx")
    for version in ("1.0.0", "2.0.0"):
        published(hub, name, version, file, task="tensor", team="alpha")
    set_alias(hub.client(), name, "production", "2.0.0")
    for version in ("1.0.0", "2.0.0"):  # loading is not what is measured
        assert predict_json(hub.client("viewer"), name, ROW, version=version).status_code == 200
    return name


def force(client: httpx.Client, model: str, to: str | None, version: str = "2.0.0") -> Any:
    path = f"{API}/models/{model}/versions/{version}/breaker/"
    return client.put(path, json={"force": to})


def serve(hub: Hub, model: str, **serving: Any) -> None:
    answer = hub.client("owner").patch(f"{API}/models/{model}/", json={"serving": serving})
    assert answer.status_code == 200, answer.text


def within(seconds: float, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def let_go(hub: Hub, rows: str) -> Any:
    """What a test forces and sets is undone."""
    yield
    for version in ("1.0.0", "2.0.0"):
        assert force(hub.client(), rows, None, version).status_code == 200
    serve(hub, rows)
    within(WITHIN, lambda: _version(hub, rows) == "2.0.0")


def _version(hub: Hub, model: str) -> str | None:
    return predict_json(hub.client(), model, ROW).json().get("version")


@pytest.mark.usefixtures("let_go")
def test_forced_open_a_version_answers_503_and_says_when_to_come_back(hub: Hub, rows: str) -> None:
    assert force(hub.client("owner"), rows, "open").json()["forced"] == "open"
    client = hub.client("viewer")
    within(WITHIN, lambda: predict_json(client, rows, ROW).status_code == 503)
    answer = predict_json(client, rows, ROW)
    problem_of(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert predict_json(client, rows, ROW, version="1.0.0").status_code == 200
    assert force(hub.client("owner"), rows, None).json()["forced"] is None
    within(WITHIN, lambda: predict_json(client, rows, ROW).status_code == 200)


@pytest.mark.usefixtures("let_go")
def test_the_version_before_answers_where_the_owner_says_so(hub: Hub, rows: str) -> None:
    serve(hub, rows, fallback="previous")
    force(hub.client("owner"), rows, "open")
    within(WITHIN, lambda: _version(hub, rows) == "1.0.0")
    force(hub.client("owner"), rows, "open", "1.0.0")
    within(WITHIN, lambda: predict_json(hub.client(), rows, ROW).status_code == 503)


@pytest.mark.usefixtures("let_go")
def test_another_model_answers_where_the_owner_says_so(
    hub: Hub, rows: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = unique("stand-in")
    file = tiny_onnx(tmp_path_factory.mktemp("stand-in") / "tiny.onnx")
    published(hub, other, "7.0.0", file, task="tensor", team="alpha")
    serve(hub, rows, fallback={"model": other})
    force(hub.client("owner"), rows, "open")
    within(WITHIN, lambda: _version(hub, rows) == "7.0.0")
    assert predict_json(hub.client("viewer"), rows, ROW).json()["model"] == other


def test_a_slow_version_opens_its_breaker_by_itself_and_is_seen(
    hub: Hub, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = unique("slow")
    file = state_dict_file(tmp_path_factory.mktemp("slow") / "resnet.pth")
    for version in ("1.0.0", "2.0.0"):
        published(hub, name, version, file, team="alpha", **SMALL)
    serve(hub, name, rules=[SLOW], fallback="previous")
    client, picture = hub.client("viewer"), photograph("coffee.png")
    path = f"{API}/models/{name}/versions/2.0.0/breaker/"

    # Named, a version that the replica has not heard of yet is looked up; unnamed, the newest
    # that it knows would answer.
    answers = [predict(client, name, picture, version="2.0.0").json()["version"]]
    within(60, lambda: _answered(client, name, picture, answers) == "1.0.0")
    assert answers.count("2.0.0") >= SLOW["min_calls"]

    within(REPORTED_WITHIN, lambda: bool(client.get(path).json()["replicas"]))
    within(REPORTED_WITHIN, lambda: client.get(path).json()["replicas"][0]["state"] == "open")
    (stand,) = client.get(path).json()["replicas"]
    assert stand["rule"]["strategy"] == "slow_ratio"
    # What was called before the replica had heard of the rules is not in the count.
    assert SLOW["min_calls"] <= stand["slow"] == stand["calls"] <= answers.count("2.0.0")
    (replica,) = (
        row
        for row in hub.client().get(f"{API}/replicas/").json()["results"]
        if row["name"] == stand["replica"]
    )
    assert name in {entry["model"] for entry in replica["loaded"]}
    trail = hub.client().get(f"{API}/audit/", params={"subject": f"{name}/2.0.0"}).json()
    assert "breaker.opened" in [event["action"] for event in trail["results"]]


def _answered(client: httpx.Client, model: str, picture: Any, answers: list[str]) -> str:
    """Which version answered."""
    answer = predict(client, model, picture)
    assert answer.status_code == 200, answer.text
    answers.append(answer.json()["version"])
    return answers[-1]
