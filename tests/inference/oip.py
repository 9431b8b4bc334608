"""The Open Inference Protocol in the tests' words, encoded by a client that others use."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import np_to_triton_dtype

from inference.signature import DATATYPES
from tests.inference.door import Door

KINDS = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def identity_onnx(path: Path, datatype: str) -> Path:
    """`y` is `x`, rows of two elements of that datatype."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [value("x", KINDS[datatype], ["N", 2])],
        [value("y", KINDS[datatype], ["N", 2])],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save_model(model, path)
    return path


def extremes(datatype: str) -> np.ndarray[Any, Any]:
    """[3, 2] of what the datatype holds, its limits among them."""
    if datatype == "BYTES":
        return np.array([["", "a"], ["é中", "\0"], ["x" * 300, "\U0001f600"]], np.object_)
    if datatype == "BOOL":
        return np.array([[True, False], [False, True], [True, True]])
    dtype = DATATYPES[datatype]
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return np.array([[0, 1], [limits.min, limits.max], [100, 101]], dtype)


def tensor(name: str, array: np.ndarray[Any, Any], *, binary: bool = True) -> InferInput:
    """An input that the client sends raw or in JSON."""
    found = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def infer(
    door: Door,
    model: str,
    inputs: Sequence[InferInput],
    outputs: Sequence[InferRequestedOutput] | None = None,
    **more: Any,
) -> InferResult:
    """What the client makes of the door's answer, which has to be a good one."""
    body, length = InferenceServerClient.generate_request_body(inputs, outputs=outputs, **more)
    headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
    answer = door.request("POST", f"/v2/models/{model}/infer", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    length = answer.headers.get("Inference-Header-Content-Length")
    return InferenceServerClient.parse_response_body(
        answer.content, header_length=None if length is None else int(length)
    )


def post(door: Door, model: str, request: Mapping[str, Any], **kwargs: Any) -> httpx.Response:
    """An inference request in JSON."""
    return door.request("POST", f"/v2/models/{model}/infer", json=request, **kwargs)


def post_raw(
    door: Door, model: str, header: Mapping[str, Any], blobs: bytes = b"", **headers: str
) -> httpx.Response:
    """An inference request with raw tensors behind its JSON."""
    head = json.dumps(header).encode()
    lengths = {"Inference-Header-Content-Length": str(len(head)), **headers}
    path = f"/v2/models/{model}/infer"
    return door.request("POST", path, content=head + blobs, headers=lengths)


def fp32(name: str, rows: Sequence[Sequence[float]]) -> dict[str, Any]:
    """An input of FP32 rows in JSON."""
    shape = [len(rows), len(rows[0])]
    return {"name": name, "datatype": "FP32", "shape": shape, "data": rows}


def error(answer: httpx.Response, status: int) -> str:
    """The text of an error in the protocol's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    assert type(body["error"]) is str
    assert body["error"]
    found: str = body["error"]
    return found
