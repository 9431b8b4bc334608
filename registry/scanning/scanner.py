"""The scan of a whole file, by its format."""

from collections.abc import Mapping
from pathlib import Path

from registry.scanning import onnx_files, safetensors_files, torch_files
from registry.scanning.report import Report


def scan(path: Path, format: str, *, siblings: Mapping[str, Path]) -> Report:  # noqa: A002
    """What the file holds, after every layer's checks; Refused for what must not pass.

    `format` is what `identify` returned; `siblings` are the version's other files by their paths,
    where an ONNX model may keep its weights.
    """
    match format:
        case "state_dict":
            return torch_files.scan(path)
        case "safetensors":
            return safetensors_files.scan(path)
        case "onnx":
            return onnx_files.scan(path, siblings)
    raise ValueError(f"there is no format {format!r}")
