"""The runtimes, by the format that they load. Each imports its library when it is first needed."""

from collections.abc import Callable, Iterable, Mapping

from aihub.memory import settle
from inference.runtimes.base import Runtime
from registry.refusals import N_, Refused


def _torch(architectures: Iterable[str]) -> Runtime:
    from inference.architectures import Architectures
    from inference.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(Architectures(architectures))


def _onnx(architectures: Iterable[str]) -> Runtime:
    from inference.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime()


def _openvino(architectures: Iterable[str]) -> Runtime:
    from inference.runtimes.openvino_runtime import OpenVinoRuntime

    return OpenVinoRuntime()


_RUNTIMES: Mapping[str, Callable[[Iterable[str]], Runtime]] = {
    "torch": _torch,
    "onnxruntime": _onnx,
    "openvino": _openvino,
}
# What serves a format as it was published: its reference.
REFERENCE: Mapping[str, str] = {
    "state_dict": "torch",
    "safetensors": "torch",
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "paddle": "openvino",
}
# Formats that hold programs: what they were converted into, in the sandbox, is served.
CONVERTED = frozenset(("torchscript", "torch_export", "saved_model", "tflite"))
NOT_CONVERTED = N_("This version was published before programs were converted. Publish it again.")

_imported: set[str] = set()


def runtime_named(name: str, architectures: Iterable[str]) -> Runtime:
    """The runtime of that name; `architectures` are those that the operator lists."""
    runtime = _RUNTIMES[name](architectures)
    if name not in _imported:
        _imported.add(name)
        settle()
    return runtime


def reference_runtime(format: str) -> str:  # noqa: A002
    """The name of the runtime that serves a format; Refused where there is none.

    Programs have none: what they were converted into is served.
    """
    if format in CONVERTED:
        raise Refused(NOT_CONVERTED)
    if format not in REFERENCE:
        raise Refused(N_("There is no runtime for the format “%(format)s”."), format=format)
    return REFERENCE[format]
