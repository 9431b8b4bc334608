"""The runtimes, by the format that they load. Each imports its library when it is first needed."""

from collections.abc import Callable, Iterable, Mapping

from inference.runtimes.base import Runtime
from registry.refusals import N_, Refused


def _torch(architectures: Iterable[str]) -> Runtime:
    from inference.architectures import Architectures
    from inference.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(Architectures(architectures))


def _onnx(architectures: Iterable[str]) -> Runtime:
    from inference.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime()


_BY_FORMAT: Mapping[str, Callable[[Iterable[str]], Runtime]] = {
    "state_dict": _torch,
    "safetensors": _torch,
    "onnx": _onnx,
}


def runtime_for(format: str, architectures: Iterable[str]) -> Runtime:  # noqa: A002
    """The runtime of a format; `architectures` are those that the operator lists."""
    if format not in _BY_FORMAT:
        raise Refused(N_("There is no runtime for the format “%(format)s”."), format=format)
    return _BY_FORMAT[format](architectures)
