"""The weights of an ONNX model, inside it or in its sibling files."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from registry.refusals import N_, Refused, in_layer
from registry.scanning.report import TensorInfo
from registry.scanning.tensors import MAX_DIMENSIONS, are_sizes

if TYPE_CHECKING:
    from onnx import TensorProto

SPARSE = N_("The ONNX model holds sparse tensors. Export it with dense ones.")
BAD_TENSOR = N_("The tensor %(tensor)s of the ONNX model has an impossible type or shape.")
WRONG_SIZE = N_(
    "The tensor %(tensor)s should take %(claimed)s bytes, but %(stored)s are stored for it."
)
OUTSIDE = N_(
    "The tensor %(tensor)s lies in %(location)s, outside of the version. Send that file along, in "
    "the model's folder."
)
BEYOND_END = N_(
    "The tensor %(tensor)s reaches beyond the end of %(location)s. Send the whole file."
)

# By TensorProto.DataType: torch's name, bits an element, the field of values not kept as raw bytes
# and how many of its numbers make an element.
_TYPES: dict[int, tuple[str, int, str, int]] = {
    1: ("float32", 32, "float_data", 1),
    2: ("uint8", 8, "int32_data", 1),
    3: ("int8", 8, "int32_data", 1),
    4: ("uint16", 16, "int32_data", 1),
    5: ("int16", 16, "int32_data", 1),
    6: ("int32", 32, "int32_data", 1),
    7: ("int64", 64, "int64_data", 1),
    9: ("bool", 8, "int32_data", 1),
    10: ("float16", 16, "int32_data", 1),
    11: ("float64", 64, "double_data", 1),
    12: ("uint32", 32, "uint64_data", 1),
    13: ("uint64", 64, "uint64_data", 1),
    14: ("complex64", 64, "float_data", 2),
    15: ("complex128", 128, "double_data", 2),
    16: ("bfloat16", 16, "int32_data", 1),
    17: ("float8_e4m3fn", 8, "int32_data", 1),
    18: ("float8_e4m3fnuz", 8, "int32_data", 1),
    19: ("float8_e5m2", 8, "int32_data", 1),
    20: ("float8_e5m2fnuz", 8, "int32_data", 1),
    21: ("uint4", 4, "int32_data", 1),
    22: ("int4", 4, "int32_data", 1),
    23: ("float4_e2m1", 4, "int32_data", 1),
    24: ("float8_e8m0fnu", 8, "int32_data", 1),
    25: ("uint2", 2, "int32_data", 1),
    26: ("int2", 2, "int32_data", 1),
}
_STRING, _EXTERNAL = 8, 1


class Weights:
    """Checks tensors against the bytes they have, in the model or in its siblings."""

    def __init__(self, siblings: Mapping[str, Path]) -> None:
        self._siblings = siblings
        self._used: set[str] = set()

    @property
    def used(self) -> frozenset[str]:
        """The siblings that hold tensors, as far as tensors were checked."""
        return frozenset(self._used)

    @in_layer("tensors")
    def check(self, tensor: TensorProto) -> TensorInfo:
        """The tensor's type and shape; Refused unless exactly its bytes are there."""
        name, shape = tensor.name[:200], tuple(tensor.dims)
        known = tensor.data_type in _TYPES or tensor.data_type == _STRING
        if not known or len(shape) > MAX_DIMENSIONS or not are_sizes(shape):
            raise Refused(BAD_TENSOR, tensor=name)
        if tensor.data_type == _STRING:
            _compare(name, prod(shape), len(tensor.string_data))
            return TensorInfo("string", shape)
        claimed = (prod(shape) * _TYPES[tensor.data_type][1] + 7) // 8
        if tensor.data_location == _EXTERNAL:
            self._check_external(tensor, claimed)
        else:
            _compare(name, *_inside(tensor, prod(shape), claimed))
        return TensorInfo(_TYPES[tensor.data_type][0], shape)

    def _check_external(self, tensor: TensorProto, claimed: int) -> None:
        name, entries = tensor.name[:200], {e.key: e.value for e in tensor.external_data}
        if len(entries) != len(tensor.external_data):
            raise Refused(BAD_TENSOR, tensor=name)
        location = entries.get("location", "")
        size = self._size(name, location)
        offset = _number(name, entries.get("offset", "0"))
        _compare(name, claimed, _number(name, entries.get("length", str(claimed))))
        if offset + claimed > size:
            raise Refused(BEYOND_END, tensor=name, location=location[:200])

    def _size(self, name: str, location: str) -> int:
        """The size in bytes of a sibling; a way out of the folder or a link is none."""
        path = PurePosixPath(location)
        sibling = self._siblings.get(str(path))
        escapes = path.is_absolute() or ".." in path.parts or "\\" in location
        if escapes or sibling is None or sibling.is_symlink() or not sibling.is_file():
            raise Refused(OUTSIDE, tensor=name, location=location[:200])
        self._used.add(str(path))
        return sibling.stat().st_size


def hollow(tensor: TensorProto) -> None:
    """Take a checked tensor's values out of it, leaving an empty one of its type."""
    name, kind = tensor.name, tensor.data_type
    tensor.Clear()
    tensor.name, tensor.data_type = name, kind
    tensor.dims.append(0)


def _inside(tensor: TensorProto, count: int, claimed: int) -> tuple[int, int]:
    """What is claimed and what is stored: bytes, or numbers when kept in a field of numbers."""
    if tensor.HasField("raw_data"):
        return claimed, len(tensor.raw_data)
    _, bits, field, numbers = _TYPES[tensor.data_type]
    packed = max(1, 8 // bits)
    return -(-count * numbers // packed), len(getattr(tensor, field))


def _compare(name: str, claimed: int, stored: int) -> None:
    if claimed != stored:
        raise Refused(WRONG_SIZE, tensor=name, claimed=claimed, stored=stored)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(BAD_TENSOR, tensor=name)
    return int(text)
