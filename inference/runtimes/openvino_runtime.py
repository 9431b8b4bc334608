"""Models that OpenVINO reads, run on the CPU."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from inference.runtimes.base import Arrays, Form, LoadedModel, Runtime, Unfit
from inference.runtimes.one_by_one import OneByOne, takes_one
from inference.runtimes.openvino_formats import FORMATS, laid_out, made_alike
from inference.signature import Signature, TensorSpec
from inference.spec import ModelSpec
from registry.refusals import N_, Refused

_DATATYPES = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
    "string": "BYTES",
}
# What floating-point layers compute in. Left to itself OpenVINO takes bf16 where there is AMX.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


class OpenVinoModel(LoadedModel):
    """A compiled model with one request: its buffers are reused, so answers are copies.

    A run cannot be stopped: `InferRequest.cancel` does not reach into a graph's loop.
    """

    def __init__(self, compiled: ov.CompiledModel, signature: Signature, parameters: int) -> None:
        self.signature = signature
        self.parameter_count = parameters
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._ports = {tensor.name: compiled.output(tensor.name) for tensor in signature.outputs}

    def predict(self, inputs: Arrays) -> Arrays:
        try:
            answer = self._request.infer(inputs, share_inputs=True, share_outputs=False)
        except Exception as error:  # RuntimeError, TypeError or ValueError, by what does not fit
            raise Unfit(str(error)) from error
        return {name: answer[port] for name, port in self._ports.items()}

    def close(self) -> None:
        del self._ports, self._request, self._compiled


class OpenVinoRuntime(Runtime):
    """A model is one file, one with its data beside it, or an archive of a folder."""

    name = "openvino"
    formats = FORMATS

    def load(self, spec: ModelSpec, files: Mapping[str, Path], form: Form) -> LoadedModel:
        with laid_out(spec, files) as path:
            compiled, parameters = _compiled(spec, path, form)
        declared = Signature(_tensors(compiled.inputs), _tensors(compiled.outputs))
        if spec.takes_images and takes_one(declared):
            return OneByOne(OpenVinoModel(compiled, declared, parameters), spec.signature)
        return OpenVinoModel(compiled, spec.signature or declared, parameters)


@cache
def _core() -> ov.Core:
    """One for the process: each keeps its plugins and threads."""
    return ov.Core()


def _compiled(spec: ModelSpec, path: Path, form: Form) -> tuple[ov.CompiledModel, int]:
    """The model ready to run, and how many parameters it has."""
    try:
        model = _core().read_model(path)
        if spec.format != "onnx":
            model = made_alike(model, takes_images=spec.takes_images)
        parameters = _parameter_count(model)
        return _core().compile_model(model, "CPU", _settings(form)), parameters
    except Exception as error:  # the library's exceptions have no common base
        raise Refused(
            N_("OpenVINO cannot load the model: %(error)s."),
            error=_last_line(error)[:300].rstrip("."),
        ) from error


def _settings(form: Form) -> dict[str, Any]:
    """Unpinned threads: models that run at once share the cores well only then."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _PRECISIONS[form.precision],
        "INFERENCE_NUM_THREADS": form.threads,
        "ENABLE_CPU_PINNING": False,
    }


def _parameter_count(model: ov.Model) -> int:
    """Elements of all constants that are no whole numbers: those are shapes and axes."""
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    return sum(
        int(np.prod(constant.get_output_shape(0), dtype=np.int64))
        for constant in constants
        if constant.get_output_element_type(0).is_real()
    )


def _tensors(ports: Iterable[ov.ConstOutput]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(p.any_name, _datatype(p), _shape(p.partial_shape)) for p in ports)


def _datatype(port: ov.ConstOutput) -> str:
    name = port.element_type.get_type_name()
    if name not in _DATATYPES:
        raise Refused(
            N_("“%(name)s” is of the type %(type)s; tensors of numbers or texts are served."),
            name=port.any_name,
            type=name,
        )
    return _DATATYPES[name]


def _shape(shape: ov.PartialShape) -> tuple[int, ...]:
    """Unknown lengths become -1."""
    if shape.rank.is_dynamic:
        return ()
    return tuple(-1 if length.is_dynamic else length.get_length() for length in shape)


def _last_line(error: Exception) -> str:
    """OpenVINO's messages begin with where in its sources they arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
