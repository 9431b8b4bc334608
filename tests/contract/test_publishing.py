"""Publishing to a running hub: real formats, races, clients that leave, bodies too large."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aihub.env import MIB
from tests.contract.calls import (
    API,
    assert_clean,
    begun,
    form_head,
    predict,
    predict_json,
    publish,
    published,
    tables,
    unique,
)
from tests.contract.making import (
    SMALL,
    SMALL_CLASSES,
    digits_onnx,
    photograph,
    safetensors_file,
    state_dict_file,
    tiny_onnx,
)
from tests.hub import Hub

RIVALS = 20


def assert_whole(version: dict[str, Any]) -> None:
    """What every ready version shows."""
    assert [step["state"] for step in version["steps"]] == ["done"] * 6
    assert all(step["duration_ms"] is not None for step in version["steps"])
    assert version["reason"] == ""
    assert version["size"] == sum(file["size"] for file in version["files"]) > 0
    assert all(len(file["sha256"]) == 64 and len(file["md5"]) == 32 for file in version["files"])
    assert version["signature"]["inputs"]
    assert version["signature"]["outputs"]
    assert version["ready_at"]


def test_a_state_dict_of_torchvision_serves(hub: Hub, tmp_path: Path) -> None:
    name = unique("resnet")
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(SMALL_CLASSES))
    fields = {"architecture": "resnet18", "num_classes": "10"}
    weights = state_dict_file(tmp_path / "resnet.pth")
    version = published(hub, name, "1.0.0", weights, labels, **fields)
    assert_whole(version)
    assert version["format"] == "state_dict"
    assert version["labels"] == SMALL_CLASSES
    assert version["parameter_count"] > 11_000_000
    answer = predict(hub.client(), name, photograph("coffee.png"), top=10)
    ranked = answer.json()["predictions"][0]
    assert sorted(entry["label"] for entry in ranked) == SMALL_CLASSES
    assert sum(entry["score"] for entry in ranked) == pytest.approx(1, abs=1e-3)


def test_safetensors_serve_the_same(hub: Hub, tmp_path: Path) -> None:
    name = unique("resnet")
    version = published(hub, name, "1.0.0", safetensors_file(tmp_path / "r.safetensors"), **SMALL)
    published(hub, name, "2.0.0", state_dict_file(tmp_path / "r.pth"), **SMALL)
    assert_whole(version)
    assert version["format"] == "safetensors"
    scores = [
        predict(hub.client(), name, photograph("coffee.png"), version=of).json()["predictions"]
        for of in ("1.0.0", "2.0.0")
    ]
    assert scores[0] == scores[1]


def test_an_onnx_classifier_of_digits_serves(hub: Hub, tmp_path: Path) -> None:
    name = unique("digits")
    path, images, predicted = digits_onnx(tmp_path / "digits.onnx")
    version = published(hub, name, "1.0.0", path, task="tensor")
    assert_whole(version)
    assert version["format"] == "onnx"
    rows = predict_json(hub.client(), name, images.tolist()).json()["predictions"]
    assert np.argmax(np.array(rows), axis=1).tolist() == predicted.tolist()


def test_what_was_published_can_be_downloaded(hub: Hub, tmp_path: Path) -> None:
    name, file = unique("tiny"), tiny_onnx(tmp_path / "tiny.onnx")
    published(hub, name, "1.0.0", file, task="tensor")
    answer = hub.client().get(f"{API}/models/{name}/versions/1.0.0/download/")
    assert answer.content == file.read_bytes()
    assert 'filename="tiny.onnx"' in answer.headers["Content-Disposition"]


def test_the_same_version_in_another_case_is_a_409(hub: Hub, tmp_path: Path) -> None:
    name, file = unique("tiny"), tiny_onnx(tmp_path / "tiny.onnx")
    published(hub, name, "1.0.0-RC.1", file, task="tensor")
    for again in ("1.0.0-rc.1", "v1.0.0-Rc.1"):
        assert publish(hub.client(), name.upper(), again, file).status_code == 409
    assert_clean(hub)


@pytest.mark.parametrize("model_exists", [True, False])
def test_of_simultaneous_publications_exactly_one_wins(
    hub: Hub, tmp_path: Path, model_exists: bool
) -> None:
    name, file = unique("race"), tiny_onnx(tmp_path / "tiny.onnx")
    clients = [hub.client() for _ in range(RIVALS)]
    if model_exists:
        clients[0].post(f"{API}/models/", json={"name": name, "task": "tensor"})

    def rival(number: int) -> int:
        return publish(clients[number], name, "1.0.0", file, task="tensor").status_code

    with ThreadPoolExecutor(RIVALS) as threads:
        assert sorted(threads.map(rival, range(RIVALS))) == [202] + [409] * (RIVALS - 1)
    hub.wait_ready(name, "1.0.0")
    assert hub.client().get(f"{API}/models/{name}/versions/").json()["count"] == 1
    assert_clean(hub)


def test_a_client_that_leaves_leaves_nothing(hub: Hub) -> None:
    path = f"{API}/models/{unique('left')}/versions/"
    headers = {
        "Authorization": hub.client().headers["Authorization"],
        "Content-Type": "multipart/form-data; boundary=boundary",
        "Content-Length": str(64 * MIB),
    }
    connection = begun(hub, path, headers, form_head("1.0.0") + bytes(12 * MIB))
    hub.wait_until(lambda: tables(hub)["uploads"] == 1, "the upload to begin", 20)
    connection.close()
    assert_clean(hub)
    assert hub.client().get(path).status_code == 404


def test_a_body_that_ends_within_its_file_is_a_400(hub: Hub) -> None:
    path = f"{API}/models/{unique('cut')}/versions/"
    headers = {"Content-Type": "multipart/form-data; boundary=boundary"}
    body = form_head("1.0.0") + bytes(2 * MIB)
    answer = hub.client().post(path, content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert_clean(hub)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(10**12)}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_too_large_is_refused_before_it_is_read(
    hub: Hub, headers: dict[str, str], status: int
) -> None:
    path = f"{API}/models/{unique('large')}/versions/"
    headers |= {
        "Authorization": hub.client().headers["Authorization"],
        "Content-Type": "multipart/form-data; boundary=boundary",
    }
    connection = begun(hub, path, headers, b"")
    assert connection.getresponse().status == status
    connection.close()


def test_who_may_not_publish_need_not_send_the_body(hub: Hub) -> None:
    headers = {
        "Content-Type": "multipart/form-data; boundary=boundary",
        "Content-Length": str(64 * MIB),
    }
    connection = begun(hub, f"{API}/models/any/versions/", headers, form_head("1.0.0"))
    assert connection.getresponse().status == 401
    connection.close()
