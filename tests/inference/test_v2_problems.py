"""Everything that the Open Inference Protocol refuses over REST, always as `{"error": "…"}`."""

import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aihub.problems import Problem
from inference.protocol.v2.infer_request import parse
from inference.signature import DATATYPES
from tests.inference import oip
from tests.inference.door import LIMITS, Door

X = oip.fp32("x", [[1, 2, 3, 4]])
BINARY = {"name": "x", "datatype": "FP32", "shape": [1, 4]}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"name": "z"}, "x FP32 [-1, 4]"),
        ({"datatype": "FP64"}, "FP64"),
        ({"datatype": "BF16"}, "BF16"),
        ({"datatype": "float"}, "float"),
        ({"datatype": None}, "datatype"),
        ({"shape": [1, 3], "data": [1, 2, 3]}, "[1, 3]"),
        ({"shape": [4]}, "[4]"),
        ({"shape": [2, 4]}, "[2, 4]"),
        ({"shape": [1, 2, 2]}, "[1, 2, 2]"),
        ({"shape": [0, 4], "data": []}, "shape"),
        ({"shape": [-1, 4]}, "shape"),
        ({"shape": [True, 4]}, "shape"),
        ({"shape": [1] * 40}, "32"),
        ({"shape": "1,4"}, "shape"),
        ({"shape": None}, "shape"),
        ({"data": [1, 2, 3]}, "4 elements, not 3"),
        ({"data": [1, 2, 3, True]}, "FP32"),
        ({"data": [1, 2, 3, "4"]}, "FP32"),
        ({"data": [1, 2, 3, None]}, "FP32"),
        ({"data": [1, 2, 3, 1e39]}, "range"),
        ({"data": [[1, 2], [3, 4]]}, "nested"),
        ({"data": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "nested"),
        ({"data": [[1, 2, 3, [4]]]}, "FP32"),
        ({"data": {"0": 1}}, "data"),
        ({"data": None}, "data"),
        ({"parameters": []}, "parameters"),
        ({"parameters": {"shared_memory_region": "r"}}, "Shared memory"),
        ({"parameters": {"binary_data_size": 16}}, "binary_data_size"),
        ({"parameters": {"binary_data_size": -1}}, "binary_data_size"),
    ],
)
def test_an_input_must_fit(door: Door, changed: dict[str, Any], word: str) -> None:
    answer = oip.post(door, "rows", {"inputs": [{**X, **changed}]})
    assert word in oip.error(answer, 400)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("UINT8", 256), ("UINT8", -1), ("INT8", 128), ("INT64", 2**63), ("UINT64", -1)]
    + [("INT32", 1.0), ("INT32", True), ("BOOL", 1), ("BYTES", 1), ("FP16", 1e5), ("FP16", True)],
)
def test_numbers_must_be_of_their_datatype(door: Door, datatype: str, value: Any) -> None:
    tensor = {"name": "x", "datatype": datatype, "shape": [1], "data": [value]}
    assert datatype in oip.error(oip.post(door, "rows", {"inputs": [tensor]}), 400)


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": []},
        {"inputs": None},
        {"inputs": {"x": 1}},
        {"inputs": ["x"]},
        {"inputs": [{**X, "name": 1}]},
        {"inputs": [X, X]},
        {"inputs": [X, {**X, "name": "y"}]},
        {"id": 1},
        {"parameters": "p"},
        {"parameters": {"binary_data_output": 1}},
        {"parameters": {"timeout": "soon"}},
        {"parameters": {"timeout": -1}},
        {"outputs": "logits"},
        {"outputs": ["logits"]},
        {"outputs": [{"name": "none"}]},
        {"outputs": [{"name": "logits"}, {"name": "logits"}]},
        {"outputs": [{"name": "logits", "parameters": {"classification": -1}}]},
        {"outputs": [{"name": "logits", "parameters": {"classification": "all"}}]},
        {"outputs": [{"name": "logits", "parameters": {"binary_data": "yes"}}]},
        {"outputs": [{"name": "logits", "parameters": {"shared_memory_region": "r"}}]},
    ],
)
def test_a_request_must_fit(door: Door, changed: dict[str, Any]) -> None:
    oip.error(oip.post(door, "rows", {"inputs": [X], **changed}), 400)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 5000, b"NaN", b'"a"'])
def test_a_body_must_be_an_object_in_json(door: Door, content: bytes) -> None:
    oip.error(door.request("POST", "/v2/models/rows/infer", content=content), 400)


def test_rows_of_two_inputs_must_be_as_many(door: Door) -> None:
    a = oip.fp32("a", [[1, 2], [3, 4]])
    b = {"name": "b", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]}
    assert "rows" in oip.error(oip.post(door, "two", {"inputs": [a, b]}), 400)


@pytest.mark.parametrize(
    ("size", "blobs", "word"),
    [
        (16, bytes(15), "binary_data_size"),
        (16, bytes(17), "1 bytes at the end"),
        (12, bytes(12), "takes 16 bytes, not 12"),
        ("16", bytes(16), "binary_data_size"),
        (True, bytes(1), "binary_data_size"),
    ],
)
def test_raw_tensors_must_be_as_long_as_they_say(
    door: Door, size: Any, blobs: bytes, word: str
) -> None:
    header = {"inputs": [{**BINARY, "parameters": {"binary_data_size": size}}]}
    assert word in oip.error(oip.post_raw(door, "rows", header, blobs), 400)


@pytest.mark.parametrize("length", ["100000", "x", "-1", "1.5", "9" * 30, "%D9%A1", ""])
def test_the_length_of_the_json_must_be_one(door: Door, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    oip.error(oip.post_raw(door, "rows", {"inputs": [X]}, **headers), 400)


@pytest.mark.parametrize("blobs", [b"\1", b"\5\0\0\0abc", b"\xff\xff\xff\xff", b""])
def test_elements_of_bytes_must_be_whole(door: Door, blobs: bytes) -> None:
    tensor = {"name": "x", "datatype": "BYTES", "shape": [1]}
    header = {"inputs": [{**tensor, "parameters": {"binary_data_size": len(blobs)}}]}
    oip.error(oip.post_raw(door, "rows", header, blobs), 400)


@pytest.mark.parametrize(
    ("shape", "data", "status", "word"),
    [
        ([1], ["!"], 422, "base64"),
        ([2], ["aGk=", "aGk="], 422, "x[1]"),
        ([1, 1, 1], ["aGk="], 400, "BYTES [-1]"),
        ([1, 2], ["aGk=", "aGk="], 400, "BYTES [-1]"),
        ([5], ["aGk="] * 5, 422, "at most 4"),
    ],
)
def test_a_picture_must_be_one(
    door: Door, shape: list[int], data: list[str], status: int, word: str
) -> None:
    tensor = {"name": "x", "datatype": "BYTES", "shape": shape, "data": data}
    assert word in oip.error(oip.post(door, "small", {"inputs": [tensor]}), status)


def test_too_many_prepared_pictures_are_refused_too(door: Door) -> None:
    tensor = oip.tensor("x", np.zeros((5, 3, 8, 8), np.float32), binary=False)._get_tensor()
    assert "at most 4" in oip.error(oip.post(door, "small", {"inputs": [tensor]}), 422)


def test_only_a_model_of_pictures_takes_pictures(door: Door) -> None:
    tensor = {"name": "x", "datatype": "BYTES", "shape": [1], "data": ["aGk="]}
    assert "BYTES" in oip.error(oip.post(door, "rows", {"inputs": [tensor]}), 400)


def test_what_the_model_cannot_compute_is_told(door: Door) -> None:
    tensor = oip.fp32("x", [[1, 2, 3]])
    assert "x FP32" in oip.error(oip.post(door, "picky", {"inputs": [tensor]}), 422)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("none/infer", 404),
        ("rows/versions/9.9.9/infer", 404),
        ("rows/versions/1/infer", 404),
        ("rows/versions/newest/infer", 404),
        ("waiting/infer", 409),
        ("misfit/infer", 409),
        ("lost/infer", 503),
    ],
)
def test_a_model_must_be_there(door: Door, path: str, status: int) -> None:
    answer = door.request("POST", f"/v2/models/{path}", json={"inputs": [X]})
    oip.error(answer, status)
    assert ("retry-after" in answer.headers) is (status == 503)


@pytest.mark.parametrize(("who", "status"), [("", 401), ("outsider", 404), ("publisher", 403)])
def test_a_caller_must_be_allowed(door: Door, who: str, status: int) -> None:
    answer = oip.post(door, "rows", {"inputs": [X]}, headers={"Authorization": who})
    oip.error(answer, status)
    assert ("www-authenticate" in answer.headers) is (status == 401)


@pytest.mark.parametrize("path", ["/v2/x", "/v2/models/rows/x", "/v2/models//infer", "/v2/health"])
def test_other_paths_are_not_there(door: Door, path: str) -> None:
    oip.error(door.request("GET", path), 404)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_told_the_right_one(door: Door, method: str) -> None:
    answer = door.request(method, "/v2/models/rows/infer", headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=b", "image/png"])
def test_another_content_type_is_refused(door: Door, kind: str) -> None:
    headers = {"Content-Type": kind}
    answer = door.request("POST", "/v2/models/rows/infer", content=b"{}", headers=headers)
    oip.error(answer, 415)


@pytest.mark.parametrize("encoding", ["br", "identity, gzip"])
def test_another_encoding_is_refused(door: Door, encoding: str) -> None:
    oip.error(oip.post(door, "rows", {"inputs": [X]}, headers={"Content-Encoding": encoding}), 415)


WHOLE = gzip.compress(json.dumps({"inputs": [X]}).encode())


@pytest.mark.parametrize("content", [b"", b"{}", WHOLE[:-1], WHOLE + b"x", WHOLE[::-1]])
def test_a_damaged_compressed_body_is_refused(door: Door, content: bytes) -> None:
    headers = {"Content-Encoding": "gzip"}
    answer = door.request("POST", "/v2/models/rows/infer", content=content, headers=headers)
    oip.error(answer, 400)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_refused(door: Door, encoding: str) -> None:
    compress = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    content = compress(bytes(LIMITS.body + 1))
    headers = {"Content-Encoding": encoding}
    answer = door.request("POST", "/v2/models/rows/infer", content=content, headers=headers)
    assert len(content) < LIMITS.body / 500
    oip.error(answer, 413)


def test_a_body_over_the_limit_is_refused(door: Door) -> None:
    content = bytes(LIMITS.body + 1)
    oip.error(door.request("POST", "/v2/models/rows/infer", content=content), 413)


@pytest.mark.parametrize("limit", ["parameter", "header"])
def test_a_deadline_that_passed_is_a_504(door: Door, limit: str) -> None:
    request = {"inputs": [X], "parameters": {"timeout": 1} if limit == "parameter" else {}}
    headers = {"X-Request-Timeout-Ms": "60000" if limit == "parameter" else "x"}
    answer = oip.post(door, "rows", request, headers=headers)
    oip.error(answer, 504 if limit == "parameter" else 400)


def test_a_caller_is_told_in_their_language(door: Door) -> None:
    request, headers = {"inputs": [{**X, "shape": [4]}]}, {"Accept-Language": "zh"}
    text = oip.error(oip.post(door, "rows", request, headers=headers), 400)
    assert text.count("【") == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x") | JSON,
        "datatype": st.sampled_from(sorted(DATATYPES)) | JSON,
        "shape": st.lists(st.integers(-1, 5), max_size=3) | JSON,
        "data": JSON,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 9)}) | JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TENSOR, max_size=2) | JSON, JSON, JSON, st.binary(max_size=12))
def test_whatever_is_sent_is_read_or_refused(
    inputs: Any, outputs: Any, parameters: Any, blobs: bytes
) -> None:
    value = {"inputs": inputs, "outputs": outputs, "parameters": parameters}
    head = json.dumps(value).encode(errors="replace")
    status = 200
    try:
        parse(head + blobs, len(head))
    except Problem as problem:
        status = problem.status
    assert status in (200, 400)
