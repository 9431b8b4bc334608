"""The scan of a whole file, by its format."""

from collections.abc import Mapping
from pathlib import Path

from registry.refusals import in_layer
from registry.scanning import (
    companions,
    ir_files,
    onnx_files,
    paddle_files,
    safetensors_files,
    saved_models,
    tflite_files,
    torch_files,
    torch_programs,
)
from registry.scanning.report import Report


def scan(path: Path, format: str, *, siblings: Mapping[str, Path]) -> Report:  # noqa: A002
    """What the file holds, after every layer's checks; Refused for what must not pass.

    `format` is what `identify` returned; `siblings` are the version's other files by their paths,
    where some formats keep the weights, and which may hold no second model.
    """
    with in_layer(format):
        return _scanned(path, format, siblings)


def _scanned(path: Path, format: str, siblings: Mapping[str, Path]) -> Report:  # noqa: A002
    match format:
        case "state_dict":
            companions.check(siblings)
            return torch_files.scan(path)
        case "safetensors":
            companions.check(siblings)
            return safetensors_files.scan(path)
        case "onnx":
            return onnx_files.scan(path, siblings)
        case "openvino":
            return ir_files.scan(path, siblings)
        case "tflite":
            companions.check(siblings)
            return tflite_files.scan(path)
        case "paddle":
            return paddle_files.scan(siblings)
        case "saved_model":
            companions.check(siblings)
            return saved_models.scan(path)
        case "torchscript" | "torch_export":
            companions.check(siblings)
            return torch_programs.scan(path, format)
    raise ValueError(f"there is no format {format!r}")
