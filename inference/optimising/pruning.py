"""Global magnitude pruning: the smallest weights of all layers together become zero."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from torch import nn
from torch.nn.utils import prune

from inference.runtimes.base import Array
from registry.refusals import N_, Refused

_MODULES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def prune_module(module: nn.Module, sparsity: float) -> None:
    """Set a share of `sparsity` of its layers' weights to zero, in place; Refused without any."""
    layers = [layer for layer in module.modules() if isinstance(layer, _MODULES)]
    if not layers:
        raise _nothing()
    prune.global_unstructured(
        [(layer, "weight") for layer in layers],
        pruning_method=prune.L1Unstructured,
        amount=sparsity,
    )
    for layer in layers:
        prune.remove(layer, "weight")  # type: ignore[no-untyped-call]


def prune_onnx(source: Path, sparsity: float, target: Path) -> None:
    """Write `source` with a share of `sparsity` of its layers' weights zero.

    Refused where it has no layers of floating-point weights.
    """
    model = onnx.load(source)
    weights = list(_weights(model.graph))
    if not weights:
        raise _nothing()
    threshold = _threshold([numpy_helper.to_array(weight) for weight in weights], sparsity)
    for weight in weights:
        values = numpy_helper.to_array(weight)
        kept = np.where(np.abs(values) > threshold, values, values.dtype.type(0))
        weight.CopyFrom(numpy_helper.from_array(kept, weight.name))
    onnx.save(model, target)


def _nothing() -> Refused:
    return Refused(N_("The model has no weights to prune."))


def _weights(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Initial values of at least two axes that a layer multiplies with; biases stay."""
    used = {name for node in graph.node if node.op_type in _LAYERS for name in node.input}
    for initial in graph.initializer:
        floating = initial.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        if initial.name in used and floating and len(initial.dims) >= 2:
            yield initial


def _threshold(weights: list[Array], sparsity: float) -> float:
    """The magnitude that a share of `sparsity` of all weights does not exceed; exact."""
    magnitudes = np.concatenate([np.abs(weight).ravel() for weight in weights])
    place = int(sparsity * len(magnitudes)) - 1
    return float(np.partition(magnitudes, place)[place]) if place >= 0 else -1.0
