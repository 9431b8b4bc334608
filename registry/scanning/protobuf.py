"""The outermost fields of a protobuf message, read without its schema and without its content."""

from pathlib import Path
from typing import BinaryIO

IR_VERSION = 1
"""`ModelProto.ir_version`, a varint that ONNX writers put first."""
GRAPH = 7
"""`ModelProto.graph`."""

SAVED_MODEL = [1, 2]
"""The fields of TensorFlow's `SavedModel`: a version and graphs."""

_KNOWN = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26))
_MAX_FIELDS = 1_000_000


def top_level_fields(path: Path) -> tuple[list[int], bool]:
    """The numbers of the fields in order of appearance, and whether the file ends with a field."""
    seen: dict[int, None] = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        for _ in range(_MAX_FIELDS):
            left = size - file.tell()
            if left == 0:
                return list(seen), True
            number, length = _read_field(file)
            if number not in _KNOWN:
                break
            seen[number] = None
            if length > left:
                break
            file.seek(length, 1)
    return list(seen), False


def looks_like_onnx(fields: list[int]) -> bool:
    """Whether a cut message began as ONNX: the version first, and a graph."""
    return fields[:1] == [IR_VERSION] and GRAPH in fields


def _read_field(file: BinaryIO) -> tuple[int, int]:
    """A field's number (0 when there is none) and how many bytes of it follow."""
    tag = _varint(file)
    match tag & 7:
        case 0:
            _varint(file)
            return tag >> 3, 0
        case 1:
            return tag >> 3, 8
        case 2:
            return tag >> 3, _varint(file)
        case 5:
            return tag >> 3, 4
    return 0, 0


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 63, 7):
        byte = file.read(1)
        if not byte:
            return 0
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return 0
