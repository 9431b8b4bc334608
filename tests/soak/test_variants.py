"""A hub that compiles variants: real weights get faster forms, and answer as before."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.calls import API, predict, publish, set_alias
from tests.contract.making import LITE0, lite0_weights, photograph
from tests.hub import Hub, hub_environ
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
VERSION = f"{API}/models/lite0/versions/1.0.0/"
COMPILED_WITHIN = 200.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def hub(stack: Stack) -> Iterator[Hub]:
    """A hub of its own, with compiling switched on."""
    running = Hub(hub_environ(stack, "compiling", AIHUB_OPTIMISE="true"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def version(hub: Hub) -> dict[str, Any]:
    """EfficientNet-Lite0, once its variants are compiled."""
    client = hub.client()
    assert publish(client, "lite0", "1.0.0", lite0_weights(), **LITE0).status_code == 202
    hub.wait_ready("lite0", "1.0.0")
    assert best(hub) == "espresso"  # by its reference, before its variants are there
    found: dict[str, Any] = {}

    def compiled() -> bool:
        found.update(client.get(VERSION).json())
        return bool(found["optimisation"] == "done")

    hub.wait_until(compiled, "the variants", COMPILED_WITHIN)
    return found


def best(hub: Hub) -> str:
    answer = predict(hub.client(), "lite0", photograph("coffee.png"), top=1)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["predictions"][0][0]["label"])


def serving(hub: Hub) -> str:
    rows = hub.client().get(VERSION).json()["variants"]
    (row,) = [row for row in rows if row["serves"]]
    return str(row["name"])


def test_a_faster_form_serves_and_answers_right(hub: Hub, version: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in version["variants"]}
    assert {"torch-fp32", "openvino-fp32", "openvino-bf16", "onnxruntime-fp32"} <= set(rows)
    assert not any("int8" in name for name in rows)  # its owner attached no samples
    reference = rows["torch-fp32"]
    assert reference["reference"]
    (chosen,) = [row for row in rows.values() if row["serves"]]
    assert not chosen["reference"], rows
    assert (chosen["state"], chosen["inputs_from"]) == ("ready", "photographs")
    assert chosen["agreement"] >= 0.98
    assert chosen["inputs"] >= 200
    assert chosen["rate_1"] * chosen["rate_8"] > reference["rate_1"] * reference["rate_8"]
    assert best(hub) == "espresso"


def test_the_owner_decides_what_serves(hub: Hub, version: dict[str, Any]) -> None:
    client = hub.client()
    model = f"{API}/models/lite0/"
    assert client.patch(model, json={"precision": "exact"}).status_code == 200
    assert serving(hub) in ("openvino-fp32", "onnxruntime-fp32", "torch-fp32")
    assert client.patch(VERSION, json={"variant": "torch-bf16"}).status_code == 200
    assert serving(hub) == "torch-bf16"
    assert best(hub) == "espresso"
    assert client.patch(VERSION, json={"variant": None}).status_code == 200
    assert client.patch(model, json={"precision": "fast"}).status_code == 200
    set_alias(client, "lite0", "production", "1.0.0")
    assert best(hub) == "espresso"
