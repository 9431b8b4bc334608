"""KServe's first protocol."""

import base64
from typing import Any

import httpx
import pytest

from tests.inference import oip
from tests.inference.door import Door
from tests.inference.samples import imagenet_labels, photo


def predict(door: Door, model: str, instances: Any, **kwargs: Any) -> httpx.Response:
    body = {"instances": instances}
    return door.request("POST", f"/v1/models/{model}:predict", json=body, **kwargs)


def test_it_answers_with_a_row_an_instance(door: Door) -> None:
    answer = predict(door, "rows", [[1, 2, 3, 4], [0, 0, 0, 0]])
    first, second = answer.json()["predictions"]
    assert len(first) == 3
    assert second == [0, 0, 0]


def test_instances_may_name_their_inputs(door: Door) -> None:
    instances = [{"a": [0.5, 1], "b": [1, 1]}, {"a": [2, 3], "b": [2, 2]}]
    assert predict(door, "two", instances).json()["predictions"] == [
        {"sum": [1.5, 2], "same": [1, 1]},
        {"sum": [4, 5], "same": [2, 2]},
    ]


def test_pictures_are_base64(door: Door) -> None:
    names = ("chelsea.png", "rocket.jpg")
    instances = [{"b64": base64.b64encode(photo(name)).decode()} for name in names]
    rows = predict(door, "lite", instances).json()["predictions"]
    best = [imagenet_labels()[row.index(max(row))] for row in rows]
    assert best == ["tiger cat", "missile"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({}, 400),
        ({"instances": []}, 400),
        ({"instances": "x"}, 400),
        ({"instances": [[1, 2]]}, 422),
        ({"instances": [["a", "b", "c", "d"]]}, 422),
        ({"instances": [{"y": [1, 2, 3, 4]}]}, 422),
        ({"instances": [{"x": [1, 2, 3, 4]}, {}]}, 422),
        ({"instances": [{"x": [1, 2, 3, 4]}, [1, 2, 3, 4]]}, 422),
        ({"instances": ["x"]}, 422),
    ],
)
def test_instances_must_fit(door: Door, body: Any, status: int) -> None:
    oip.error(door.request("POST", "/v1/models/rows:predict", json=body), status)


@pytest.mark.parametrize("instance", [{"b64": "!"}, {"b64": 1}, {"image": "x"}, "x"])
def test_a_picture_must_be_one(door: Door, instance: Any) -> None:
    oip.error(predict(door, "small", [instance]), 422)


def test_it_says_which_models_there_are(door: Door) -> None:
    assert "rows" in door.request("GET", "/v1/models").json()["models"]
    assert door.request("GET", "/v1/models/rows").json() == {"name": "rows", "ready": True}
    oip.error(door.request("GET", "/v1/models/waiting"), 409)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/rows:predict", 405),
        ("POST", "/v1/models/rows", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/models/:predict", 404),
        ("POST", "/v1/models/rows:explain", 405),
        ("GET", "/v1/models/rows:explain", 404),
        ("GET", "/v1/models/a/b", 404),
        ("POST", "/v1/models/none:predict", 404),
    ],
)
def test_other_paths_and_methods_are_refused(
    door: Door, method: str, path: str, status: int
) -> None:
    oip.error(door.request(method, path), status)


@pytest.mark.parametrize(("who", "status"), [("", 401), ("outsider", 404), ("publisher", 403)])
def test_a_caller_must_be_allowed(door: Door, who: str, status: int) -> None:
    oip.error(predict(door, "rows", [[0] * 4], headers={"Authorization": who}), status)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("version=^1", 200),
        ("version=latest", 200),
        ("version=%3E%3D1.0+%3C2.0", 200),
        ("version=1.0.0", 200),
        ("version=^7", 404),
        ("version=1", 404),
        ("alias=nobody", 404),
        ("alias=a&version=1.0.0", 400),
        ("top=3", 400),
    ],
)
def test_the_query_names_a_version_a_range_or_an_alias(door: Door, query: str, status: int) -> None:
    body = {"instances": [[1, 2, 3, 4]]}
    answer = door.request("POST", f"/v1/models/rows:predict?{query}", json=body)
    assert answer.status_code == status, answer.text
