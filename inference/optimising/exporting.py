"""From a torch module to an ONNX file."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inference.runtimes.base import Arrays
from inference.runtimes.torch_runtime import TorchModel
from inference.signature import TensorSpec
from registry.refusals import N_, Refused

_OPSET = 17
_MAX_BYTES = 2 * 1024**3 - 1024**2  # what one protobuf message holds, less the graph itself


class _Positional(nn.Module):
    """A model as exporters call it: tensors in the signature's order, a tuple of answers."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.module = model.module  # registered, so that its weights are the graph's
        self._compute = model.compute
        self._names = [tensor.name for tensor in model.signature.inputs]
        self.outputs: list[str] = []

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answers = self._compute(dict(zip(self._names, tensors, strict=True)))
        self.outputs = list(answers)
        return tuple(answers.values())


def export(model: TorchModel, example: Arrays, path: Path) -> None:
    """Write FP32 ONNX with the signature's names and open axes; Refused where that fails.

    `model` is on the CPU in FP32; `example` holds its inputs for a batch of two.
    """
    if model.parameter_count * 4 > _MAX_BYTES:
        raise Refused(N_("Models above 2 GiB are not converted to ONNX."))
    inputs = tuple(torch.from_numpy(example[t.name]) for t in model.signature.inputs)
    try:
        with _silence(), torch.inference_mode():
            _export(_Positional(model), inputs, model, path)
    except Exception as error:  # exporters raise anything at what they do not know
        raise Refused(
            N_("The model cannot be converted to ONNX: %(error)s."), error=_first_line(error)
        ) from error


def _export(
    module: _Positional, inputs: tuple[torch.Tensor, ...], model: TorchModel, path: Path
) -> None:
    module.eval()
    module(*inputs)  # says which outputs there are
    signature = model.signature
    torch.onnx.export(
        module,
        inputs,
        path,
        dynamo=False,
        opset_version=_OPSET,
        input_names=[tensor.name for tensor in signature.inputs],
        output_names=module.outputs,
        dynamic_axes={t.name: _open_axes(t) for t in (*signature.inputs, *signature.outputs)},
    )


def _open_axes(tensor: TensorSpec) -> dict[int, str]:
    """Open axes of the same place have one name: the inputs of a text model are equally long."""
    lengths = enumerate(tensor.shape)
    return {axis: f"axis{axis}" if axis else "batch" for axis, length in lengths if length < 0}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """A failing exporter prints thousands of lines; a working one warns of its age."""
    nowhere: Any = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        yield


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".")
