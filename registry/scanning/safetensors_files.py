"""The safetensors layer: a JSON header, then the tensors' bytes without overlaps or holes.

The format is described at https://huggingface.co/docs/safetensors.
"""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from registry.refusals import N_, Refused
from registry.scanning import checkpoints
from registry.scanning.report import Finding, Report, TensorInfo
from registry.scanning.signatures import ENDS_EARLY
from registry.scanning.tensors import DTYPES, MAX_DIMENSIONS, are_sizes

MAX_HEADER = 16 << 20
"""Bytes; the format allows 100 MB, a thousand tensors take a tenth of one."""

BAD_HEADER = N_("The header of the safetensors file cannot be read. Save the file again.")
TOO_LARGE = N_("The header of the safetensors file is too large (at most %(limit)s bytes).")
DOUBLED = N_("The safetensors header names %(tensor)s twice.")
BAD_TENSOR = N_("The tensor %(tensor)s is described wrongly in the safetensors header.")
BAD_DTYPE = N_("The tensor %(tensor)s has the type %(dtype)s, which cannot be served.")
WRONG_SIZE = N_(
    "The tensor %(tensor)s should take %(claimed)s bytes, but %(stored)s are stored for it."
)
MISPLACED = N_("The tensor %(tensor)s overlaps another or leaves a hole in the file.")
GARBAGE = N_("%(count)s bytes follow the end of the weights. Save the file again.")
NO_TENSORS = N_("The safetensors file holds no tensors.")

_LENGTH = struct.Struct("<Q")
_NAMES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "I64": "int64",
    "U64": "uint64",
    "F64": "float64",
    "C64": "complex64",
}


class _Entry(NamedTuple):
    """A tensor's place among the bytes after the header."""

    begin: int
    end: int
    name: str
    info: TensorInfo


def header_length(head: bytes) -> int | None:
    """The length in bytes of the header, if the first bytes look like safetensors."""
    if len(head) <= _LENGTH.size or head[_LENGTH.size :][:1] != b"{":
        return None
    length: int = _LENGTH.unpack_from(head)[0]
    return length if 2 <= length < 1 << 32 else None


def scan(path: Path) -> Report:
    """The report of a safetensors file; Refused unless header and bytes agree to the byte."""
    header, stored = _read_header(path)
    header.pop("__metadata__", None)
    entries = sorted(_entry(name, value) for name, value in header.items())
    if not entries:
        raise Refused(NO_TENSORS)
    _check_places(entries, stored)
    tensors = checkpoints.without_parallel_prefix({entry.name: entry.info for entry in entries})
    message = N_("%(count)s tensors lie within their stored bytes.")
    return Report([Finding("safetensors", "info", message, {"count": len(entries)})], tensors)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes follow it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = header_length(file.read(_LENGTH.size + 1))
        if length is None:
            raise Refused(BAD_HEADER)
        if length > MAX_HEADER:
            raise Refused(TOO_LARGE, limit=MAX_HEADER)
        if _LENGTH.size + length > size:
            raise Refused(ENDS_EARLY)
        file.seek(_LENGTH.size)
        return _parse(file.read(length)), size - _LENGTH.size - length


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise Refused(BAD_HEADER) from error
    if not isinstance(header, dict):
        raise Refused(BAD_HEADER)
    return header


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        key.encode()  # half a surrogate pair could be kept nowhere
        if key in result:
            raise Refused(DOUBLED, tensor=key[:200])
        result[key] = value
    return result


def _entry(name: str, value: Any) -> _Entry:
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end], **rest}:
            if rest or not are_sizes([*shape, begin, end]) or len(shape) > MAX_DIMENSIONS:
                raise Refused(BAD_TENSOR, tensor=name[:200])
        case _:
            raise Refused(BAD_TENSOR, tensor=name[:200])
    if dtype not in _NAMES:
        raise Refused(BAD_DTYPE, tensor=name[:200], dtype=dtype[:50])
    info = TensorInfo(_NAMES[dtype], tuple(shape))
    claimed = prod(shape) * DTYPES[info.dtype].itemsize
    if claimed != end - begin:
        raise Refused(WRONG_SIZE, tensor=name[:200], claimed=claimed, stored=end - begin)
    return _Entry(begin, end, name, info)


def _check_places(entries: list[_Entry], stored: int) -> None:
    """Each begins where the one before ends, and the last ends with the file."""
    place = 0
    for entry in entries:
        if entry.begin != place:
            raise Refused(MISPLACED, tensor=entry.name[:200])
        place = entry.end
    if place > stored:
        raise Refused(ENDS_EARLY)
    if place < stored:
        raise Refused(GARBAGE, count=stored - place)
