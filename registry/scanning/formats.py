"""The real format of a file, by content alone."""

from pathlib import Path, PurePosixPath

from registry.refusals import N_, Refused
from registry.scanning import archives, protobuf, safetensors_files
from registry.scanning.door import EMPTY
from registry.scanning.signatures import (
    ENDS_EARLY,
    HEAD,
    LEGACY,
    NOT_A_MODEL,
    OTHER_MODEL,
    ZIP,
    refuse_known,
)

TORCHSCRIPT = N_(
    "This is a TorchScript archive, a program. Publish the weights alone "
    "(torch.save(model.state_dict(), …)) or export the model to ONNX."
)
TORCH_EXPORT = N_(
    "This is a torch.export archive (.pt2), which could run code when loaded. Publish the weights "
    "alone (torch.save(model.state_dict(), …)) or export the model to ONNX."
)
PLAIN_ZIP = N_(
    "This is a zip archive without a model of its own. Unpack it and send the model file."
)
UNKNOWN = N_(
    "The format of this file is not known. Send a PyTorch state_dict "
    "(torch.save(model.state_dict(), …)), a safetensors or an ONNX file."
)


def identify(path: Path) -> str:
    """One of `state_dict`, `safetensors`, `onnx`; Refused with the reason for anything else."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Refused(EMPTY, name=path.name)
    refuse_known(head)
    if head.startswith(ZIP):
        return _identify_zip(path)
    if head.startswith(LEGACY):
        return "state_dict"
    if safetensors_files.header_length(head) is not None:
        return "safetensors"
    return _identify_protobuf(path)


def _identify_zip(path: Path) -> str:
    names = [PurePosixPath(name) for name in archives.names(path)]
    inner = {str(PurePosixPath(*name.parts[1:])) for name in names if len(name.parts) > 1}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise Refused(TORCHSCRIPT)
    if inner & {"archive_format", "archive_version", "serialized_exported_program.json"}:
        raise Refused(TORCH_EXPORT)
    if "data.pkl" in inner:
        return "state_dict"
    raise _other_zip({name.name for name in names})


def _other_zip(names: set[str]) -> Refused:
    if "serialized_exported_program.json" in names:
        return Refused(TORCH_EXPORT)
    if "model.weights.h5" in names:
        return Refused(OTHER_MODEL, kind="Keras")
    if "saved_model.pb" in names:
        return Refused(OTHER_MODEL, kind="TensorFlow SavedModel")
    if names and all(name.endswith(".npy") for name in names):
        return Refused(NOT_A_MODEL, kind="NumPy")
    return Refused(PLAIN_ZIP)


def _identify_protobuf(path: Path) -> str:
    fields, complete = protobuf.top_level_fields(path)
    if complete and protobuf.IR_VERSION in fields and protobuf.GRAPH in fields:
        return "onnx"
    if not complete and protobuf.looks_like_onnx(fields):
        raise Refused(ENDS_EARLY)
    raise Refused(UNKNOWN)
