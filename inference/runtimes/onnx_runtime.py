"""ONNX models, run by ONNX Runtime on the CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from inference.runtimes.base import Arrays, Form, LoadedModel, Runtime, Unfit
from inference.runtimes.folders import one_folder
from inference.runtimes.one_by_one import OneByOne, takes_one
from inference.signature import Signature, TensorSpec
from inference.spec import ModelSpec
from registry.refusals import N_, Refused

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
# Nested graphs are their only attributes, and functions were refused or inlined before.
_LOOPS = frozenset({"Loop", "Scan", "If", "SequenceMap"})


class OnnxModel(LoadedModel):
    """A session."""

    def __init__(
        self, session: ort.InferenceSession, signature: Signature, parameters: int, *, bounded: bool
    ) -> None:
        self.signature = signature
        self.parameter_count = parameters
        self.bounded = bounded
        self._names = [output.name for output in signature.outputs]
        self._session = session
        self._options = ort.RunOptions()

    def predict(self, inputs: Arrays) -> Arrays:
        self._options.terminate = False
        try:
            outputs = self._session.run(self._names, inputs, self._options)
        except Exception as error:  # the library's exceptions have no common base
            raise Unfit(str(error)) from error
        return dict(zip(self._names, outputs, strict=True))

    def interrupt(self) -> None:
        self._options.terminate = True


class OnnxRuntime(Runtime):
    """A model is one file, or one with its external data beside it."""

    name = "onnxruntime"
    formats = frozenset({"onnx"})

    def load(self, spec: ModelSpec, files: Mapping[str, Path], form: Form) -> LoadedModel:
        with one_folder(spec.main_file, files) as path:
            session = _session(path, form.threads)
        parameters, bounded = _outline(files[spec.main_file])
        declared = Signature(_tensors(session.get_inputs()), _tensors(session.get_outputs()))
        if spec.takes_images and takes_one(declared):
            model = OnnxModel(session, declared, parameters, bounded=bounded)
            return OneByOne(model, spec.signature)
        return OnnxModel(session, spec.signature or declared, parameters, bounded=bounded)


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait by spinning take the cores from other models and from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's exceptions have no common base
        raise Refused(
            N_("ONNX Runtime cannot load the model: %(error)s."),
            error=str(error)[:300].rstrip("."),
        ) from error


def _tensors(values: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(v.name, _datatype(v), _shape(v.shape)) for v in values)


def _datatype(value: Any) -> str:
    if value.type not in _DATATYPES:
        raise Refused(
            N_("“%(name)s” is of the type %(type)s; tensors of numbers or texts are served."),
            name=value.name,
            type=value.type,
        )
    return _DATATYPES[value.type]


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """Named and unknown lengths become -1."""
    return tuple(length if isinstance(length, int) and length > 0 else -1 for length in shape)


def _outline(path: Path) -> tuple[int, bool]:
    """Elements of all initial values, read without their data; and whether nothing in it loops."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    parameters = sum(int(np.prod(i.dims, dtype=np.int64)) for i in graph.initializer)
    return parameters, not any(node.op_type in _LOOPS for node in graph.node)
