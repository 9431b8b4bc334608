"""Inference by the Open Inference Protocol: what fits is answered, tensor for tensor."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferRequestedOutput

from inference.images import read
from inference.signature import DATATYPES
from tests.inference import oip, samples
from tests.inference.conftest import published
from tests.inference.door import Door

ROW = {"inputs": [oip.fp32("x", [[1, 2, 3, 4]])]}


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A model of each datatype that gives back what it is given, and one over x."""
    folder = tmp_path_factory.mktemp("identities")
    models = {
        datatype: published(oip.identity_onnx(folder / f"{datatype}.onnx", datatype), "tensor")
        for datatype in DATATYPES
    }
    reciprocal = samples.square_onnx(folder / "reciprocal.onnx", reciprocal=True)
    with Door({**models, "reciprocal": published(reciprocal, "tensor")}) as opened:
        yield opened


def texts(array: np.ndarray[Any, Any]) -> list[Any]:
    """BYTES come back as bytes or as texts: the same elements as texts."""
    return [e.decode() if isinstance(e, bytes) else e for e in array.ravel().tolist()]


@pytest.mark.parametrize("given", ["raw", "json"])
@pytest.mark.parametrize("wanted", ["raw", "json"])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_goes_and_comes_unchanged(
    identities: Door, datatype: str, given: str, wanted: str
) -> None:
    array = oip.extremes(datatype)
    result = oip.infer(
        identities,
        datatype,
        [oip.tensor("x", array, binary=given == "raw")],
        [InferRequestedOutput("y", binary_data=wanted == "raw")],
    )
    found = result.as_numpy("y")
    assert result.get_output("y")["datatype"] == datatype
    assert found.shape == array.shape
    assert texts(found) == texts(array)


def test_data_may_be_nested(door: Door) -> None:
    flat = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": [1, 2, 3, 4, 5, 6, 7, 8]}
    nested = {**flat, "data": [[1, 2, 3, 4], [5, 6, 7, 8]]}
    answers = [oip.post(door, "rows", {"inputs": [given]}).json() for given in (flat, nested)]
    assert answers[0]["outputs"] == answers[1]["outputs"]
    assert answers[0]["outputs"][0]["shape"] == [2, 3]
    assert len(answers[0]["outputs"][0]["data"]) == 6


def test_the_answer_names_the_model_the_version_and_the_request(door: Door) -> None:
    body = oip.post(door, "ROWS", {**ROW, "id": "42"}).json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("rows", "1.0.0", "42")
    assert "id" not in oip.post(door, "rows", ROW).json()


@pytest.mark.parametrize("version", ["1.0.0", "v1.0.0", "^1.0", "%5E1", "latest", "1.x"])
def test_a_version_may_be_named(door: Door, version: str) -> None:
    answer = door.request("POST", f"/v2/models/rows/versions/{version}/infer", json=ROW)
    assert answer.json()["model_version"] == "1.0.0"


def test_names_are_percent_decoded(door: Door) -> None:
    assert door.request("POST", "/v2/models/r%6Fws/infer", json=ROW).status_code == 200


TWO = [
    {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1]},
    {"name": "b", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]},
]


@pytest.mark.parametrize("wanted", [["same"], ["same", "sum"], ["sum", "same"]])
def test_outputs_come_as_they_are_asked_for(door: Door, wanted: list[str]) -> None:
    request = {"inputs": TWO[::-1], "outputs": [{"name": name} for name in wanted]}
    outputs = oip.post(door, "two", request).json()["outputs"]
    assert [output["name"] for output in outputs] == wanted
    data = {output["name"]: output["data"] for output in outputs}
    assert data["same"] == [1, 2]
    assert data.get("sum", [1.5, 3]) == [1.5, 3]


@pytest.mark.parametrize("outputs", [None, []])
def test_all_outputs_come_where_none_is_named(door: Door, outputs: list[Any] | None) -> None:
    answer = oip.post(door, "two", {"inputs": TWO, "outputs": outputs})
    assert [output["name"] for output in answer.json()["outputs"]] == ["sum", "same"]


def test_raw_and_json_tensors_mix(door: Door) -> None:
    inputs = [
        oip.tensor("a", np.array([[1, 2]], np.float32), binary=False),
        oip.tensor("b", np.array([[3, 4]], np.int32)),
    ]
    outputs = [InferRequestedOutput("same", binary_data=True), InferRequestedOutput("sum", False)]
    result = oip.infer(door, "two", inputs, outputs)
    assert result.get_output("same")["parameters"] == {"binary_data_size": 8}
    assert result.get_output("sum")["data"] == [4, 6]
    assert result.as_numpy("same").tolist() == [[3, 4]]


def test_all_outputs_may_be_asked_for_raw(door: Door) -> None:
    answer = oip.post(door, "two", {"inputs": TWO, "parameters": {"binary_data_output": True}})
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.content[:length])["outputs"]
    assert [output["parameters"]["binary_data_size"] for output in outputs] == [8, 8]
    assert np.frombuffer(answer.content[length:][:8], "<f4").tolist() == [1.5, 3]


def test_one_output_may_be_kept_out_of_the_raw_ones(door: Door) -> None:
    wanted = [{"name": "sum", "parameters": {"binary_data": False}}, {"name": "same"}]
    request = {"inputs": TWO, "outputs": wanted, "parameters": {"binary_data_output": True}}
    answer = oip.post(door, "two", request)
    outputs = json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])
    assert [("data" in output) for output in outputs["outputs"]] == [True, False]


@pytest.mark.parametrize("name", ["chelsea.png", "rocket.jpg"])
@pytest.mark.parametrize("way", ["raw", "base64", "column", "pixels"])
def test_a_picture_is_recognised_however_it_comes(door: Door, name: str, way: str) -> None:
    data, labels = samples.photo(name), {"chelsea.png": "tiger cat", "rocket.jpg": "missile"}
    spec = door.run(door.pool.get(door.routes().models["lite"].resolve())).spec
    given = {
        "raw": lambda: oip.tensor("input", np.array([data], np.object_)),
        "base64": lambda: oip.tensor(
            "input", np.array([base64.b64encode(data)], np.object_), binary=False
        ),
        "column": lambda: oip.tensor("input", np.array([[data]], np.object_)),
        "pixels": lambda: oip.tensor("input", read(data, spec.preprocessing, 10**7)[None]),
    }
    result = oip.infer(
        door, "lite", [given[way]()], [InferRequestedOutput("output", class_count=2)]
    )
    first, second = result.as_numpy("output")[0]
    score, index, label = first.decode().split(":")
    assert label == labels[name] == spec.labels[int(index)]
    assert float(score) > float(second.decode().split(":")[0])


def test_several_pictures_are_one_batch(door: Door) -> None:
    pictures = [samples.photo("chelsea.png"), samples.photo("coffee.png")]
    result = oip.infer(door, "lite", [oip.tensor("input", np.array(pictures, np.object_))])
    classes = result.as_numpy("output").argmax(axis=1)
    assert [samples.imagenet_labels()[i] for i in classes] == ["tiger cat", "espresso"]


def test_classes_have_no_label_where_the_model_has_none(door: Door) -> None:
    wanted = [{"name": "logits", "parameters": {"classification": 2}}]
    (output,) = oip.post(door, "rows", {**ROW, "outputs": wanted}).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    scores = [float(entry.split(":")[0]) for entry in output["data"]]
    assert scores == sorted(scores, reverse=True)
    assert all(len(entry.split(":")) == 2 for entry in output["data"])


def test_no_more_classes_come_than_there_are(door: Door) -> None:
    wanted = [{"name": "logits", "parameters": {"classification": 1000}}]
    (output,) = oip.post(door, "rows", {**ROW, "outputs": wanted}).json()["outputs"]
    assert output["shape"] == [1, 3]


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_request_may_be_compressed(door: Door, encoding: str, compress: Any) -> None:
    answer = door.request(
        "POST",
        "/v2/models/rows/infer",
        content=compress(json.dumps(ROW).encode()),
        headers={"Content-Encoding": encoding},
    )
    assert answer.json()["outputs"][0]["shape"] == [1, 3]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_long_answer_is_compressed_for_who_accepts_it(identities: Door, encoding: str) -> None:
    rows = [[1.5, 2.5]] * 1000
    request, headers = {"inputs": [oip.fp32("x", rows)]}, {"Accept-Encoding": encoding}
    answer = oip.post(identities, "FP32", request, headers=headers)
    assert answer.headers["content-encoding"] == encoding
    assert int(answer.headers["content-length"]) < 500
    assert answer.json()["outputs"][0]["data"] == [1.5, 2.5] * 1000


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.000"])
def test_no_answer_is_compressed_for_who_does_not(identities: Door, accepted: str) -> None:
    request = {"inputs": [oip.fp32("x", [[1.5, 2.5]] * 1000)]}
    answer = oip.post(identities, "FP32", request, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers


def test_a_raw_answer_holds_nan_and_infinity(identities: Door) -> None:
    x = np.array([[0, -0.0], [np.nan, 2]], np.float32)
    y = oip.infer(identities, "reciprocal", [oip.tensor("x", x)]).as_numpy("y")
    np.testing.assert_array_equal(y, np.array([[np.inf, -np.inf], [np.nan, 0.5]], np.float32))


def test_json_holds_neither(identities: Door) -> None:
    answer = oip.post(identities, "reciprocal", {"inputs": [oip.fp32("x", [[0, 1]])]})
    assert "binary" in oip.error(answer, 422)


def test_a_large_tensor_is_read_beside_the_loop(identities: Door) -> None:
    array = np.arange(200_000, dtype=np.float32).reshape(-1, 2)
    for binary in (True, False):
        given = [oip.tensor("x", array, binary=binary)]
        found = oip.infer(identities, "FP32", given, [InferRequestedOutput("y", binary)])
        np.testing.assert_array_equal(found.as_numpy("y"), array)
