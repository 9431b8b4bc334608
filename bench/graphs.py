"""Small models in ONNX, made in a moment: of any size, or without an end."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Weights = npt.NDArray[Any]
WIDTH = 256  # numbers that a dense model takes and gives
_OPSET = 17


def dense(path: Path, megabytes: float, seed: int) -> Path:
    """Two matrices with a ReLU between them: [N, 256] to [N, 256], with so many MB of weights."""
    hidden = max(1, round(megabytes * 1e6 / 4 / (2 * WIDTH)))
    random = np.random.default_rng(seed)
    first = random.standard_normal((WIDTH, hidden), np.float32) / np.float32(WIDTH**0.5)
    second = random.standard_normal((hidden, WIDTH), np.float32) / np.float32(hidden**0.5)
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["y"]),
    ]
    return _saved(path, nodes, WIDTH, {"first": first, "second": second})


def endless(path: Path) -> Path:
    """Numbers up to 99 come back at once; above, one is added 2**62 times: [N, 1]."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Add", ["before", "one"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ["N", 1]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ["N", 1]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "limit"], ["beyond"]),
        helper.make_node("Loop", ["rounds", "beyond", "x"], ["y"], body=body),
    ]
    values: dict[str, Weights] = {
        "limit": np.array(99, np.float32),
        "one": np.ones((1, 1), np.float32),
        "rounds": np.array(2**62, np.int64),
    }
    return _saved(path, nodes, 1, values)


def _saved(path: Path, nodes: list[onnx.NodeProto], width: int, values: dict[str, Weights]) -> Path:
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "benchmark",
        [tensor("x", TensorProto.FLOAT, ["N", width])],
        [tensor("y", TensorProto.FLOAT, ["N", width])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opset = [helper.make_opsetid("", _OPSET)]
    onnx.save_model(helper.make_model(graph, ir_version=10, opset_imports=opset), path)
    return path
