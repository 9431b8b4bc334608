"""The real format of a file, by content alone."""

from pathlib import Path, PurePosixPath

from registry.refusals import N_, Refused
from registry.scanning import (
    archives,
    ir_files,
    paddle_files,
    protobuf,
    safetensors_files,
    saved_models,
    tars,
    tflite_files,
)
from registry.scanning.door import EMPTY
from registry.scanning.signatures import (
    ENDS_EARLY,
    GZIP,
    HEAD,
    KERAS_MODEL,
    LEGACY,
    NOT_A_MODEL,
    PACKED,
    TAR,
    TAR_AT,
    ZIP,
    refuse_known,
)

PLAIN_ZIP = N_(
    "This is a zip archive without a model of its own. Unpack it and send the model file."
)
UNKNOWN = N_(
    "The format of this file is not known. Send a PyTorch state_dict "
    "(torch.save(model.state_dict(), …)), a safetensors or an ONNX file."
)
LONE_GRAPH = N_(
    "This looks like the saved_model.pb of a TensorFlow SavedModel. Send its whole folder as one "
    ".zip or .tar.gz archive."
)

EXPORTED = {"archive_format", "archive_version", "serialized_exported_program.json"}


def identify(path: Path) -> str:
    """The format's name as in `scan`; Refused with the reason where there is none."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Refused(EMPTY, name=path.name)
    refuse_known(head)
    if head.startswith(ZIP):
        return _identify_zip(path)
    if head.startswith(GZIP) or head.startswith(TAR, TAR_AT):
        return _identify_tar(path, "gzip" if head.startswith(GZIP) else "tar")
    if head.startswith(LEGACY):
        return "state_dict"
    if safetensors_files.header_length(head) is not None:
        return "safetensors"
    if head.startswith(tflite_files.MAGIC, 4):
        return "tflite"
    if ir_files.is_description(head):
        return "openvino"
    if paddle_files.is_program(path, head):
        return "paddle"
    return _identify_protobuf(path)


def _identify_zip(path: Path) -> str:
    names = [PurePosixPath(name) for name in archives.names(path)]
    inner = {str(PurePosixPath(*name.parts[1:])) for name in names if len(name.parts) > 1}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "torchscript"
    if inner & EXPORTED or "serialized_exported_program.json" in {name.name for name in names}:
        return "torch_export"
    if "data.pkl" in inner:
        return "state_dict"
    if saved_models.is_saved_model(map(str, names)):
        return "saved_model"
    raise _other_zip({name.name for name in names})


def _identify_tar(path: Path, kind: str) -> str:
    """Of all that comes in tar archives, a SavedModel is a model."""
    if saved_models.is_saved_model(tars.names(path)):
        return "saved_model"
    raise Refused(PACKED, kind=kind)


def _other_zip(names: set[str]) -> Refused:
    if "model.weights.h5" in names:
        return Refused(KERAS_MODEL, kind="Keras")
    if names and all(name.endswith(".npy") for name in names):
        return Refused(NOT_A_MODEL, kind="NumPy")
    return Refused(PLAIN_ZIP)


def _identify_protobuf(path: Path) -> str:
    fields, complete = protobuf.top_level_fields(path)
    if complete and protobuf.IR_VERSION in fields and protobuf.GRAPH in fields:
        return "onnx"
    if not complete and protobuf.looks_like_onnx(fields):
        raise Refused(ENDS_EARLY)
    if complete and fields == protobuf.SAVED_MODEL:
        raise Refused(LONE_GRAPH)
    raise Refused(UNKNOWN)
