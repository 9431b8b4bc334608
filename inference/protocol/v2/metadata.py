"""What the hub and its models say of themselves, in the protocol's words.

For REST as they are, and for gRPC to fill its messages from.
"""

from collections.abc import Sequence
from typing import Any, Final

from aihub import __version__
from inference.protocol.serving import Ticket
from inference.protocol.v2.inputs import taken
from inference.routing import READY, ModelRoute
from inference.runtimes import reference_runtime
from inference.signature import TensorSpec

SERVER: Final = {
    "name": "aihub",
    "version": __version__,
    "extensions": [
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "model_repository",
        "model_repository(unload_dependents)",
        "statistics",
    ],
}
BACKENDS: Final = {"torch": "pytorch", "onnxruntime": "onnxruntime", "openvino": "openvino"}


def ready_versions(route: ModelRoute) -> list[str]:
    """The versions that can be called, in semantic order."""
    ready = (version for version in route.versions.values() if version.state == READY)
    return [version.version for version in sorted(ready, key=lambda version: version.sort_key)]


def model_metadata(ticket: Ticket) -> dict[str, Any]:
    """Name, versions, platform, inputs and outputs of the version that the ticket is for."""
    handle = ticket.handle
    return {
        "name": ticket.route.name,
        "versions": ready_versions(ticket.route),
        "platform": platform(ticket),
        "inputs": [tensor.as_json() for tensor in taken(handle.spec, handle.signature)],
        "outputs": [tensor.as_json() for tensor in handle.signature.outputs],
    }


def model_config(ticket: Ticket, items: int) -> dict[str, Any]:
    """Triton's configuration of the model; `items` is how many rows a request may have.

    Where every tensor goes by rows, `dims` leave the first axis out, as Triton's do.
    """
    handle = ticket.handle
    inputs, outputs = taken(handle.spec, handle.signature), handle.signature.outputs
    by_rows = all(tensor.shape[:1] == (-1,) for tensor in (*inputs, *outputs))
    return {
        "name": ticket.route.name,
        "platform": platform(ticket),
        "backend": BACKENDS[runtime(ticket)],
        "max_batch_size": items if by_rows else 0,
        "input": _configured(inputs, by_rows),
        "output": _configured(outputs, by_rows),
    }


def platform(ticket: Ticket) -> str:
    """The runtime and the format of the files, as `onnxruntime_onnx`."""
    return f"{BACKENDS[runtime(ticket)]}_{ticket.handle.spec.format}"


def runtime(ticket: Ticket) -> str:
    """The runtime that answers for this ticket."""
    variant = ticket.handle.variant
    return variant.runtime if variant else reference_runtime(ticket.handle.spec.format)


def _configured(tensors: Sequence[TensorSpec], by_rows: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": tensor.name,
            "data_type": f"TYPE_{'STRING' if tensor.datatype == 'BYTES' else tensor.datatype}",
            "dims": list(tensor.shape[1:] if by_rows else tensor.shape),
        }
        for tensor in tensors
    ]
