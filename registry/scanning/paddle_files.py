"""The PaddlePaddle layer: a program (`.pdmodel`), its weights in a `.pdiparams` beside it.

The weights are tensors one after the other, each with its type and shape before its bytes; what
they are called stands in the program alone.
"""

import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO

from registry.refusals import N_, Refused
from registry.scanning import companions, protobuf
from registry.scanning.report import Finding, Report, TensorInfo
from registry.scanning.signatures import ENDS_EARLY
from registry.scanning.tensors import DTYPES, MALFORMED, MAX_DIMENSIONS

NO_WEIGHTS = N_("The weights are missing: send the .pdiparams file together with the .pdmodel.")
BROKEN = N_("The weights are not those of a PaddlePaddle model, or damaged. Export them again.")

MAX_DESCRIPTION = 4096  # bytes of one tensor's type and shape
_TYPES = {
    0: "bool",
    1: "int16",
    2: "int32",
    3: "int64",
    4: "float16",
    5: "float32",
    6: "float64",
    20: "uint8",
    21: "int8",
    22: "bfloat16",
}
_TYPE, _DIMS = 1, 2  # of TensorDesc
_BLOCKS, _VERSION = 1, 4  # of ProgramDesc
_FIRST = 0x0A  # `blocks`, a message: ONNX has a number there


def is_program(path: Path, head: bytes) -> bool:
    """Whether the file is a PaddlePaddle program, by its outermost fields."""
    if not head.startswith(bytes([_FIRST])):
        return False
    fields, complete = protobuf.top_level_fields(path)
    return complete and fields[0] == _BLOCKS and _VERSION in fields


def scan(siblings: Mapping[str, Path]) -> Report:
    """The report of the weights beside a program; Refused unless they are whole to the byte."""
    weights = [name for name in siblings if name.endswith(".pdiparams")]
    if len(weights) != 1:
        raise Refused(NO_WEIGHTS)
    companions.check(siblings, frozenset(weights))
    with siblings[weights[0]].open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        tensors = {str(number): info for number, info in enumerate(_tensors(file, size))}
    message = N_("%(count)s tensors lie within their stored bytes.")
    return Report([Finding("paddle", "info", message, {"count": len(tensors)})], tensors)


def _tensors(file: BinaryIO, size: int) -> Iterator[TensorInfo]:
    while (place := file.tell()) < size:
        version, levels = _numbers(file, "<IQ")
        _, described = _numbers(file, "<II")
        if version or levels or not 0 < described <= MAX_DESCRIPTION:
            raise Refused(BROKEN)
        code, shape = _description(_exactly(file, described))
        if code not in _TYPES or any(not 0 <= length < 1 << 63 for length in shape):
            raise Refused(MALFORMED, tensor=f"@{place}")
        dtype = _TYPES[code]
        length = prod(shape) * DTYPES[dtype].itemsize
        if length > size - file.tell():
            raise Refused(ENDS_EARLY)
        file.seek(length, 1)
        yield TensorInfo(dtype, shape)


def _description(data: bytes) -> tuple[int, tuple[int, ...]]:
    """A tensor's type and shape, from a message of two fields."""
    code, shape, place = -1, [], 0
    while place < len(data):
        tag, place = _varint(data, place)
        value, place = _varint(data, place)
        match tag >> 3, tag & 7:
            case (number, 0) if number == _TYPE:
                code = value
            case (number, 0) if number == _DIMS:
                shape.append(value)
            case (number, 2) if number == _DIMS:
                end = place + value
                while place < end:
                    length, place = _varint(data, place)
                    shape.append(length)
            case _:
                raise Refused(BROKEN)
        if len(shape) > MAX_DIMENSIONS:
            raise Refused(BROKEN)
    return code, tuple(shape)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise Refused(BROKEN)
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise Refused(BROKEN)


def _numbers(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _exactly(file, struct.calcsize(layout)))


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise Refused(ENDS_EARLY)
    return data
