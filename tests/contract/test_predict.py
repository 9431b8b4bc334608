"""Prediction by a running hub: real photographs, every refusal, every identity."""

from pathlib import Path

import httpx
import pytest

from tests.contract.calls import (
    API,
    begun,
    predict,
    predict_json,
    problem_of,
    publish,
    published,
    set_alias,
    unique,
)
from tests.contract.making import LITE0, lite0_weights, photograph, tiny_onnx
from tests.hub import Hub

MODEL = "lite"


@pytest.fixture(scope="module")
def lite(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """EfficientNet-Lite0 of team alpha in two versions, 1.0.0 in production; 3.0.0 rejected."""
    folder = tmp_path_factory.mktemp("lite")
    client = hub.client()
    for version in ("1.0.0", "1.1.0"):
        answer = publish(client, MODEL, version, lite0_weights(), team="alpha", **LITE0)
        assert answer.status_code == 202, answer.text
    broken = tiny_onnx(folder / "broken.onnx")
    publish(client, MODEL, "3.0.0", broken, team="alpha", num_classes="7")
    for version in ("1.0.0", "1.1.0"):
        hub.wait_ready(MODEL, version)
    hub.wait_processed(MODEL, "3.0.0")
    set_alias(client, MODEL, "staging", "1.1.0")
    set_alias(client, MODEL, "production", "1.0.0")
    coffee = photograph("coffee.png")
    hub.wait_until(
        lambda: predict(client, MODEL, coffee).json().get("version") == "1.0.0",
        "prediction to know the aliases",
        10,
    )
    return MODEL


@pytest.fixture
def client(hub: Hub, lite: str) -> httpx.Client:
    return hub.client("viewer")


def test_it_knows_what_is_on_a_photograph(client: httpx.Client) -> None:
    answer = predict(client, MODEL, photograph("coffee.png"))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["version"]) == (MODEL, "1.0.0")
    (ranked,) = body["predictions"]
    assert ranked[0]["label"] == "espresso"
    assert ranked[0]["score"] > 0.8
    assert len(ranked) == 5
    assert ranked == sorted(ranked, key=lambda entry: -entry["score"])


def test_it_answers_several_photographs_in_order(client: httpx.Client) -> None:
    photographs = [photograph(name) for name in ("chelsea.png", "coffee.png", "rocket.jpg")]
    answer = predict(client, MODEL, *photographs, top=1)
    labels = [ranked[0]["label"] for ranked in answer.json()["predictions"]]
    assert "cat" in labels[0]
    assert labels[1:] == ["espresso", "missile"]


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ({}, "1.0.0"),
        ({"alias": "production"}, "1.0.0"),
        ({"alias": "staging"}, "1.1.0"),
        ({"version": "1.1.0"}, "1.1.0"),
        ({"version": "v1.0.0"}, "1.0.0"),
    ],
)
def test_a_version_is_named_by_itself_or_by_an_alias(
    client: httpx.Client, query: dict[str, str], version: str
) -> None:
    answer = predict(client, MODEL, photograph("coffee.png"), **query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == version
    assert answer.json()["predictions"][0][0]["label"] == "espresso"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"version": "9.9.9"}, 404),
        ({"version": "../../x"}, 404),
        ({"alias": "nobody"}, 404),
        ({"version": "3.0.0"}, 409),
        ({"version": "1.0.0", "alias": "production"}, 400),
        ({"top": "0"}, 400),
        ({"top": "1001"}, 400),
        ({"top": "many"}, 400),
        ({"unknown": "x"}, 400),
    ],
)
def test_a_query_that_does_not_fit_is_a_4xx(
    client: httpx.Client, query: dict[str, str], status: int
) -> None:
    problem_of(predict(client, MODEL, photograph("coffee.png"), **query), status)


def test_a_version_in_processing_is_a_409(hub: Hub, tmp_path: Path) -> None:
    name = unique("waiting")
    hub.kill_worker()
    try:
        client = hub.client()
        assert publish(client, name, "1.0.0", tiny_onnx(tmp_path / "t.onnx")).is_success
        hub.wait_until(
            lambda: predict_json(client, name, [[0] * 4]).status_code == 409, "a 409", 10
        )
        problem_of(predict_json(client, name, [[0] * 4], version="1.0.0"), 409)
    finally:
        hub.restart_worker()
    hub.wait_processed(name, "1.0.0")


def test_an_unreadable_image_is_a_422_that_names_it(client: httpx.Client) -> None:
    coffee = photograph("coffee.png").read_bytes()
    answer = predict(client, MODEL, coffee, b"not an image", coffee[:5000], coffee)
    problem = problem_of(answer, 422)
    assert [error["index"] for error in problem["errors"]] == [1, 2]
    assert {error["field"] for error in problem["errors"]} == {"image"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"inputs": null}', "application/json", 422),
        (b'{"inputs": "x"}', "application/json", 422),
        (b'{"inputs": []}', "application/json", 422),
        (b'{"inputs": ["not base64!"]}', "application/json", 422),
        (b'{"inputs": [[[1, 2]]]}', "application/json", 422),
        (b'{"inputs": {"x": {}}}', "application/json", 422),
        (b'{"inputs": [1], "more": 1}', "application/json", 422),
        (b"", "application/json", 400),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (b"x", "text/plain", 415),
        (b"x", "", 415),
    ],
)
def test_a_body_that_does_not_fit_is_a_4xx(
    client: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    path = f"{API}/models/{MODEL}/predict/"
    answer = client.post(path, content=content, headers={"Content-Type": kind})
    problem_of(answer, status)


def test_a_body_over_the_limit_is_a_413_before_it_is_read(hub: Hub, client: httpx.Client) -> None:
    path = f"{API}/models/{MODEL}/predict/"
    headers = {
        "Authorization": client.headers["Authorization"],
        "Content-Type": "application/json",
        "Content-Length": str(10**12),
    }
    connection = begun(hub, path, headers, b"{")
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_a_405(client: httpx.Client, method: str) -> None:
    answer = client.request(method, f"{API}/models/{MODEL}/predict/")
    problem_of(answer, 405)
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("person", "status"),
    [
        ("admin", 200),
        ("owner", 200),
        ("developer", 200),
        ("viewer", 200),
        ("outsider", 404),
    ],
)
def test_who_may_call_it(hub: Hub, lite: str, person: str, status: int) -> None:
    client = hub.client(person)
    answer = predict(client, MODEL, photograph("coffee.png"))
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("header", [None, "", "Bearer x", "Bearer a.b.c", "Api-Key x", "Basic eA"])
def test_bad_credentials_are_a_401(hub: Hub, lite: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = hub.anonymous().post(f"{API}/models/{MODEL}/predict/", headers=headers)
    problem_of(answer, 401)
    assert answer.headers["WWW-Authenticate"]


def test_a_model_of_no_images_takes_arrays(hub: Hub, tmp_path: Path) -> None:
    name = unique("plus-one")
    published(hub, name, "1.0.0", tiny_onnx(tmp_path / "t.onnx"), task="tensor")
    client = hub.client()
    hub.wait_until(lambda: predict_json(client, name, [[0] * 4]).is_success, "a route", 5)
    body = predict_json(client, name, [[1, 2, 3, 4], [0, 0, 0, 0]]).json()
    assert body["predictions"] == [[2, 3, 4, 5], [1, 1, 1, 1]]
    problem_of(predict_json(client, name, [[1, 2, 3]]), 422)
    problem_of(predict_json(client, name, [["a"] * 4]), 422)
    problem_of(predict(client, name, photograph("coffee.png")), 415)
    problem_of(predict_json(client, name, [[1] * 4], top=1), 400)
