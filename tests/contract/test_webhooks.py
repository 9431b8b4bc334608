"""Webhooks of a running hub: what happens arrives, also when the worker is killed on the way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.batching import json_lines, started, wait_over
from tests.contract.calls import API, published, set_alias, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub
from tests.ops.receiver import Receiver, receiving
from tests.resilience.test_killed_workers import END_LEASES

HOOKS = f"{API}/webhooks/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def make(hub: Hub, receiver: Receiver, *models: str) -> Any:
    """The path of a webhook of team alpha."""
    sent = {
        "name": unique("chat"),
        "team": "alpha",
        "url": receiver.url,
        "events": ["version.ready", "alias.moved", "batch.succeeded", "batch.failed"],
        "models": models,
    }
    answer = hub.client("owner").post(HOOKS, json=sent)
    assert answer.status_code == 201, answer.text
    return f"{HOOKS}{answer.json()['id']}/"


def test_a_version_that_is_ready_and_promoted_is_announced(
    hub: Hub, receiver: Receiver, tmp_path: Path
) -> None:
    name = unique("announced")
    path = make(hub, receiver, name)
    published(hub, name, "1.0.0", tiny_onnx(tmp_path / "tiny.onnx"), task="tensor", team="alpha")
    set_alias(hub.client("owner"), name, "production", "1.0.0")
    said = [json.loads(receiver.next().body) for _ in range(2)]
    assert [(body["event"], body["subject"]) for body in said] == [
        ("version.ready", f"{name}/1.0.0"),
        ("alias.moved", name),
    ]
    client = hub.client("owner")
    hub.wait_until(
        lambda: client.get(path).json()["last_state"] == "succeeded", "the log to say so"
    )
    assert client.get(f"{path}deliveries/").json()["count"] == 2


@pytest.mark.slow
def test_a_batch_job_that_ended_is_announced(hub: Hub, receiver: Receiver, tmp_path: Path) -> None:
    name, client = unique("announced-batch"), hub.client("owner")
    published(hub, name, "1.0.0", tiny_onnx(tmp_path / "tiny.onnx"), task="tensor", team="alpha")
    make(hub, receiver, name)
    good = started(client, name, "rows.jsonl", json_lines([[0.0, 1.0, 2.0, 3.0]] * 5))
    wait_over(hub, good["id"])
    bad = started(client, name, "rows.csv", b"name,age\nAda,36\n")
    wait_over(hub, bad["id"])
    first, second = (json.loads(receiver.next().body) for _ in range(2))
    assert (first["event"], first["subject"]) == ("batch.succeeded", str(good["id"]))
    told = {key: first["data"][key] for key in ("model", "version", "total", "done", "creator")}
    whole = {"model": name, "version": "1.0.0", "total": 5, "done": 5, "creator": "owner"}
    assert told == whole
    assert (second["event"], second["subject"]) == ("batch.failed", str(bad["id"]))
    assert "name" in second["data"]["reason"]


@pytest.mark.slow
def test_a_worker_killed_while_it_sends_loses_nothing(hub: Hub, receiver: Receiver) -> None:
    path, client = make(hub, receiver), hub.client("owner")
    receiver.answers = [receiver.never]
    assert client.post(f"{path}test/").status_code == 202
    first = receiver.next()
    hub.kill_worker()
    assert client.get(path).json()["last_state"] == "pending"
    hub.run_python(END_LEASES)
    hub.restart_worker()
    second = receiver.received.get(timeout=30)
    assert first.body == second.body
    assert first.headers["X-AIHub-Delivery"] == second.headers["X-AIHub-Delivery"]
    [delivery] = client.get(f"{path}deliveries/").json()["results"]
    hub.wait_until(
        lambda: client.get(path).json()["last_state"] == "succeeded", "the log to say so"
    )
    assert delivery["id"] == first.headers["X-AIHub-Delivery"]
