"""Tensors as the Open Inference Protocol sends them raw: little-endian, in C order.

Each element of BYTES is its length as a 32-bit little-endian number, then its bytes.
"""

import math
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from aihub.problems import N_
from inference.protocol.tensors import Misfit
from inference.runtimes.base import Array
from inference.signature import DATATYPES

Buffer = bytes | bytearray | memoryview
_LENGTH = struct.Struct("<I")


def raw_to_array(datatype: str, shape: Sequence[int], buffer: Buffer) -> Array:
    """A tensor of its own memory, BYTES as objects of `bytes`; Misfit where the two disagree."""
    if datatype not in DATATYPES:
        raise unknown_datatype(datatype)
    if any(length < 0 for length in shape):
        raise Misfit(N_("The shape is %(shape)s."), shape=list(shape))
    if datatype == "BYTES":
        return _objects(list(_elements(memoryview(buffer))), shape)
    return _numbers(datatype, shape, buffer)


def array_to_raw(array: Array) -> bytes:
    """The bytes of a tensor; texts as UTF-8."""
    if array.dtype.kind in "OSU":
        return b"".join(map(_with_length, array.ravel().tolist()))
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def unknown_datatype(datatype: str) -> Misfit:
    return Misfit(
        N_("There is no datatype “%(datatype)s”; there are %(datatypes)s."),
        datatype=datatype[:20],
        datatypes=", ".join(DATATYPES),
    )


def _numbers(datatype: str, shape: Sequence[int], buffer: Buffer) -> Array:
    dtype = DATATYPES[datatype].newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if len(buffer) != expected:
        raise Misfit(
            N_("%(datatype)s %(shape)s takes %(expected)s bytes, not %(found)s."),
            datatype=datatype,
            shape=list(shape),
            expected=expected,
            found=len(buffer),
        )
    if datatype == "BOOL":  # any byte but 0 is true; NumPy's own booleans know 0 and 1 only
        return np.frombuffer(buffer, np.uint8).astype(np.bool_).reshape(shape)
    # A copy: the buffer may be unaligned and read-only, and runtimes want neither.
    return np.frombuffer(buffer, dtype).astype(DATATYPES[datatype]).reshape(shape)


def _objects(elements: list[bytes], shape: Sequence[int]) -> Array:
    if len(elements) != math.prod(shape):
        raise Misfit(
            N_("%(shape)s takes %(expected)s elements, not %(found)s."),
            shape=list(shape),
            expected=math.prod(shape),
            found=len(elements),
        )
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array.reshape(shape)


def _elements(buffer: memoryview) -> Iterator[bytes]:
    at = 0
    while at < len(buffer):
        start = at + _LENGTH.size
        if start > len(buffer):
            raise _cut_short()
        at = start + _LENGTH.unpack_from(buffer, start - _LENGTH.size)[0]
        if at > len(buffer):
            raise _cut_short()
        yield bytes(buffer[start:at])


def _cut_short() -> Misfit:
    return Misfit(N_("An element of BYTES is cut short: each has its length before it."))


def _with_length(element: bytes | str) -> bytes:
    data = element if isinstance(element, bytes) else str(element).encode()
    return _LENGTH.pack(len(data)) + data
