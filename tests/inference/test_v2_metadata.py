"""What the hub and its models say of themselves by the Open Inference Protocol."""

from typing import Any

import pytest

from aihub.access import Action
from tests.inference import oip
from tests.inference.door import PEOPLE, Door

ANYONE = {"Authorization": ""}
PUBLISHER = {"Authorization": "publisher"}


def get(door: Door, path: str, **kwargs: Any) -> Any:
    answer = door.request("GET", path, **kwargs)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_who_it_is_to_anyone(door: Door, path: str) -> None:
    body = get(door, path, headers=ANYONE)
    assert body.keys() == {"name", "version", "extensions"}
    assert body["name"] == "aihub"
    assert "binary_tensor_data" in body["extensions"]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
def test_health_is_told_to_anyone(door: Door, path: str) -> None:
    assert get(door, path, headers=ANYONE) == {"live": True, "ready": True}


def test_models_are_those_that_the_caller_may_see(door: Door) -> None:
    assert {"Lite", "rows", "two"} <= set(get(door, "/v2/models")["models"])
    assert get(door, "/v2/models", headers={"Authorization": "outsider"}) == {"models": []}
    oip.error(door.request("GET", "/v2/models", headers=ANYONE), 401)


def test_a_model_of_pictures_takes_prepared_ones(door: Door) -> None:
    body = get(door, "/v2/models/lite")
    assert (body["name"], body["versions"]) == ("Lite", ["1.0.0"])
    assert body["platform"] == "pytorch_state_dict"
    assert body["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 3, 224, 224]}]
    assert body["outputs"] == [{"name": "output", "datatype": "FP32", "shape": [-1, 1000]}]


def test_a_version_has_metadata_of_its_own(door: Door) -> None:
    assert get(door, "/v2/models/rows/versions/v1.0.0") == get(door, "/v2/models/rows")


def test_every_input_and_output_is_named(door: Door) -> None:
    body = get(door, "/v2/models/two")
    assert [tensor["name"] for tensor in body["inputs"]] == ["a", "b"]
    assert [tensor["datatype"] for tensor in body["outputs"]] == ["FP32", "INT32"]


def test_the_configuration_leaves_the_rows_out(door: Door) -> None:
    body = get(door, "/v2/models/lite/config")
    assert (body["name"], body["max_batch_size"]) == ("Lite", 4)
    assert body["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [3, 224, 224]}]
    assert body["output"][0]["dims"] == [1000]


@pytest.mark.parametrize("path", ["rows/ready", "rows/versions/1.0.0/ready"])
def test_a_model_that_can_be_called_is_ready(door: Door, path: str) -> None:
    assert get(door, f"/v2/models/{path}") == {"name": "rows", "ready": True}


@pytest.mark.parametrize(
    ("path", "status"),
    [("waiting/ready", 409), ("none/ready", 404), ("rows/versions/2/ready", 404)],
)
def test_a_model_that_cannot_is_not(door: Door, path: str, status: int) -> None:
    oip.error(door.request("GET", f"/v2/models/{path}"), status)


def test_calls_are_counted_and_rows(door: Door) -> None:
    def counted() -> tuple[int, int, int, int]:
        (entry,) = get(door, "/v2/models/picky/stats")["model_stats"]
        stats = entry["inference_stats"]
        counts = entry["inference_count"], entry["execution_count"]
        return (*counts, stats["success"]["count"], stats["fail"]["count"])

    before = counted()
    rows = oip.fp32("x", [[1] * 8] * 3)
    assert oip.post(door, "picky", {"inputs": [rows]}).status_code == 200
    oip.error(oip.post(door, "picky", {"inputs": [oip.fp32("x", [[1, 2, 3]])]}), 422)
    assert [b - a for a, b in zip(before, counted(), strict=True)] == [3, 1, 1, 1]


@pytest.mark.parametrize("path", ["/v2/models/stats", "/v2/models/rows/versions/1.0.0/stats"])
def test_statistics_name_each_version(door: Door, path: str) -> None:
    names = [(e["name"], e["version"]) for e in get(door, path)["model_stats"]]
    assert ("rows", "1.0.0") in names
    assert ("waiting", "1.0.0") not in names


def index(door: Door, **kwargs: Any) -> list[dict[str, str]]:
    answer = door.request("POST", "/v2/repository/index", **kwargs)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, str]] = answer.json()
    return found


@pytest.mark.parametrize("kwargs", [{}, {"json": {}}, {"json": {"ready": False}}])
def test_the_index_has_every_version_with_its_state(door: Door, kwargs: Any) -> None:
    entries = index(door, **kwargs)
    ready = {"name": "rows", "version": "1.0.0", "state": "READY", "reason": ""}
    waiting = {**ready, "name": "waiting", "state": "UNAVAILABLE", "reason": "processing"}
    assert ready in entries
    assert waiting in entries


def test_the_index_may_have_those_ready_only(door: Door) -> None:
    assert "waiting" not in {entry["name"] for entry in index(door, json={"ready": True})}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"ready": 1}'])
def test_the_index_needs_an_object(door: Door, content: bytes) -> None:
    oip.error(door.request("POST", "/v2/repository/index", content=content), 400)


def test_the_index_is_for_who_signs_in(door: Door) -> None:
    assert index(door, headers={"Authorization": "outsider"}) == []
    oip.error(door.request("POST", "/v2/repository/index", headers=ANYONE), 401)


def test_a_model_is_loaded_and_unloaded_on_demand(door: Door) -> None:
    def ask(action: str) -> int:
        path = f"/v2/repository/models/sure/{action}"
        return door.request("POST", path, headers=PUBLISHER, json={}).status_code

    before = door.loads.count("sure")
    assert ask("unload") == 200
    assert (ask("load"), ask("load")) == (200, 200)
    assert door.loads.count("sure") == before + 1
    assert ask("unload") == 200
    assert ask("load") == 200
    assert door.loads.count("sure") == before + 2


@pytest.mark.parametrize("action", ["load", "unload"])
def test_only_a_publisher_moves_models_in_and_out_of_memory(door: Door, action: str) -> None:
    assert not PEOPLE["viewer"].may(Action.PUBLISH, door.routes().models["rows"])
    path = f"/v2/repository/models/rows/{action}"
    oip.error(door.request("POST", path), 403)
    oip.error(door.request("POST", path, headers={"Authorization": "outsider"}), 404)


def test_a_model_that_cannot_be_loaded_says_so(door: Door) -> None:
    path = "/v2/repository/models/misfit/load"
    oip.error(door.request("POST", path, headers=PUBLISHER), 409)
