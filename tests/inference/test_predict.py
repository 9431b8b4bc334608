"""Predictions through the door: real models, real photos."""

import base64

import pytest

from inference.images import read
from tests.inference.door import Door
from tests.inference.samples import photo

GREY = [[[0.5] * 8] * 8] * 3  # one picture for the small models, preprocessed


def images(*names: str) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("image", (name, photo(name), "application/octet-stream")) for name in names]


def test_it_recognises_real_photos(door: Door) -> None:
    response = door.predict("lite", files=images("chelsea.png", "coffee.png"))
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"model", "version", "predictions", "latency_ms"}
    assert (body["model"], body["version"]) == ("Lite", "1.0.0")
    cat, coffee = body["predictions"]
    assert cat[0]["label"] == "tiger cat"
    assert coffee[0]["label"] == "espresso"
    assert coffee[0]["score"] >= 0.9
    assert body["latency_ms"] > 0
    assert response.headers["content-type"] == "application/json"


def test_it_names_five_classes_best_first(door: Door) -> None:
    (found,) = door.predict("lite", files=images("chelsea.png")).json()["predictions"]
    scores = [entry["score"] for entry in found]
    assert len(found) == 5
    assert scores == sorted(scores, reverse=True)
    assert all(set(entry) == {"label", "score"} for entry in found)


@pytest.mark.parametrize("top", [1, 7, 1000])
def test_it_names_as_many_as_asked(door: Door, top: int) -> None:
    response = door.predict("lite", params={"top": top}, files=images("chelsea.png"))
    assert len(response.json()["predictions"][0]) == top


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_it_takes_base64(door: Door, head: str) -> None:
    text = head + base64.encodebytes(photo("coffee.png")).decode()
    response = door.predict("lite", json={"inputs": [text]})
    assert response.json()["predictions"][0][0]["label"] == "espresso"


def test_every_way_in_gives_one_answer(door: Door) -> None:
    handle = door.run(door.pool.get(door.routes().models["lite"].resolve()))
    pixels = read(photo("rocket.jpg"), handle.spec.preprocessing, 10**7)
    as_array = door.predict("lite", json={"inputs": [pixels.tolist()]}).json()["predictions"]
    as_file = door.predict("lite", files=images("rocket.jpg")).json()["predictions"]
    assert [e["label"] for e in as_array[0]] == [e["label"] for e in as_file[0]]
    assert as_array[0][0]["score"] == pytest.approx(as_file[0][0]["score"], abs=1e-4)


def test_labels_fall_back_to_numbers(door: Door) -> None:
    (found,) = door.predict("small", json={"inputs": [GREY]}).json()["predictions"]
    assert {entry["label"] for entry in found} == {"0", "1", "2"}


@pytest.mark.parametrize("model", ["small", "sure"])
def test_scores_are_a_distribution_whatever_the_model_puts_out(door: Door, model: str) -> None:
    (found,) = door.predict(model, json={"inputs": [GREY]}).json()["predictions"]
    assert sum(entry["score"] for entry in found) == pytest.approx(1)


def test_logits_and_probabilities_of_one_model_agree(door: Door) -> None:
    answers = [
        door.predict(m, json={"inputs": [GREY]}).json()["predictions"] for m in ("small", "sure")
    ]
    assert answers[0][0][0]["score"] == pytest.approx(answers[1][0][0]["score"], abs=1e-5)


def test_a_tensor_model_answers_with_rows(door: Door) -> None:
    body = door.predict("rows", json={"inputs": [[1, 2, 3, 4], [0, 0, 0, 0]]}).json()
    assert [len(row) for row in body["predictions"]] == [3, 3]
    assert body["predictions"][1] == [0, 0, 0]


def test_a_tensor_may_be_named(door: Door) -> None:
    body = door.predict("rows", json={"inputs": {"x": [[0, 0, 0, 0]]}}).json()
    assert body["predictions"] == [[0, 0, 0]]


def test_several_outputs_are_named(door: Door) -> None:
    inputs = {"a": [[0.5, 1], [2, 3]], "b": [[1, 1], [2, 2]]}
    assert door.predict("two", json={"inputs": inputs}).json()["predictions"] == [
        {"sum": [1.5, 2], "same": [1, 1]},
        {"sum": [4, 5], "same": [2, 2]},
    ]


def test_infinity_becomes_null(door: Door) -> None:
    body = door.predict("square", json={"inputs": [[1e30, 2]]}).json()
    assert body["predictions"] == [[None, 4]]


@pytest.mark.parametrize("path", ["predict", "predict/"])
def test_the_last_slash_is_optional(door: Door, path: str) -> None:
    response = door.request("POST", f"/api/v1/models/rows/{path}", json={"inputs": [[0, 0, 0, 0]]})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "query", ["version=1.0.0", "version=v1.0.0", "version=^1.0", "alias=staging"]
)
def test_a_version_or_an_alias_may_be_named(door: Door, query: str) -> None:
    path = f"/api/v1/models/ROWS/predict/?{query}"
    assert door.request("POST", path, json={"inputs": [[0, 0, 0, 0]]}).status_code == 200


def test_a_model_is_loaded_once(door: Door) -> None:
    for _ in range(3):
        door.predict("rows", json={"inputs": [[0, 0, 0, 0]]})
    assert door.loads.count("rows") == 1
