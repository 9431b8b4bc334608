"""The TensorFlow Lite layer: a flatbuffer whose tensors must lie within their stored bytes.

Field numbers are those of `tflite/schema.fbs`.
"""

import mmap
from math import prod
from pathlib import Path

from registry.refusals import N_, Refused
from registry.scanning.flatbuffer import BROKEN, Buffer, Table
from registry.scanning.report import Finding, Report, TensorInfo
from registry.scanning.safetensors_files import BAD_DTYPE, WRONG_SIZE
from registry.scanning.tensors import MALFORMED, MAX_DIMENSIONS, are_sizes

MAGIC = b"TFL3"
MAX_ITEMS = 500_000
"""Tensors, operators and what they name, together: thousands are many."""

TOO_MANY = N_("The model has too many tensors and operators (at most %(limit)s).")

_CODES, _GRAPHS, _BUFFERS = 1, 2, 4  # of Model
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3  # of SubGraph
_SHAPE, _TYPE, _BUFFER, _NAME, _SPARSITY = 0, 1, 2, 3, 6  # of Tensor
_OPCODE, _OP_INPUTS, _OP_OUTPUTS = 0, 1, 2  # of Operator
_DATA, _OFFSET, _SIZE = 0, 1, 2  # of Buffer
_STRING = 5
_TYPES = {
    0: ("float32", 32),
    1: ("float16", 16),
    2: ("int32", 32),
    3: ("uint8", 8),
    4: ("int64", 64),
    6: ("bool", 8),
    7: ("int16", 16),
    9: ("int8", 8),
    10: ("float64", 64),
    12: ("uint64", 64),
    15: ("uint32", 32),
    16: ("uint16", 16),
    17: ("int4", 4),
    18: ("bfloat16", 16),
}


def scan(path: Path) -> Report:
    """The report of a TFLite file; Refused where it points beyond its bytes."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tensors = _Reading(data).tensors()
    message = N_("%(count)s tensors lie within their stored bytes.")
    return Report([Finding("tflite", "info", message, {"count": len(tensors)})], tensors)


class _Reading:
    """One look through a file. What it may read is counted: parts of a flatbuffer may overlap."""

    def __init__(self, data: mmap.mmap) -> None:
        self._size = len(data)
        self._left = MAX_ITEMS
        self._model = Buffer(data).root()

    def tensors(self) -> dict[str, TensorInfo]:
        """The tensors with stored values; every number that names something must name one."""
        stored = [self._stored(buffer) for buffer in self._tables(self._model, _BUFFERS)]
        codes = len(self._tables(self._model, _CODES))
        found: dict[str, TensorInfo] = {}
        for graph in self._tables(self._model, _GRAPHS):
            tensors = self._tables(graph, _TENSORS)
            self._check_graph(graph, len(tensors), codes)
            named = (_check_tensor(tensor, stored) for tensor in tensors)
            found |= {name: info for name, info in named if info is not None}
        return found

    def _check_graph(self, graph: Table, tensors: int, codes: int) -> None:
        used = self._numbers(graph, _INPUTS) + self._numbers(graph, _OUTPUTS)
        for operator in self._tables(graph, _OPERATORS):
            if operator.index(_OPCODE) >= codes:
                raise Refused(BROKEN)
            used += self._numbers(operator, _OP_INPUTS) + self._numbers(operator, _OP_OUTPUTS)
        if any(not -1 <= number < tensors for number in used):
            raise Refused(BROKEN)

    def _stored(self, buffer: Table) -> int:
        """How many bytes a buffer holds: inside the flatbuffer, or behind it in a large file."""
        offset, length = buffer.long(_OFFSET), buffer.long(_SIZE)
        if offset <= 1:
            return buffer.length(_DATA, 1)
        if offset + length > self._size:
            raise Refused(BROKEN)
        return length

    def _tables(self, table: Table, field: int) -> list[Table]:
        self._spend(table.length(field, 4))
        return list(table.tables(field))

    def _numbers(self, table: Table, field: int) -> list[int]:
        self._spend(table.length(field, 4))
        return list(table.numbers(field))

    def _spend(self, items: int) -> None:
        self._left -= items
        if self._left < 0:
            raise Refused(TOO_MANY, limit=MAX_ITEMS)


def _check_tensor(tensor: Table, stored: list[int]) -> tuple[str, TensorInfo | None]:
    """A tensor's name, and what it is where the file holds its values."""
    name, number = tensor.text(_NAME, 200), tensor.index(_BUFFER)
    if number >= len(stored) or tensor.length(_SHAPE, 4) > MAX_DIMENSIONS:
        raise Refused(MALFORMED, tensor=name)
    shape, held, code = tensor.numbers(_SHAPE), stored[number], tensor.byte(_TYPE)
    if not held or code == _STRING:
        return name, None
    if code not in _TYPES:
        raise Refused(BAD_DTYPE, tensor=name, dtype=f"#{code}")
    dtype, bits = _TYPES[code]
    if not are_sizes(shape):
        raise Refused(MALFORMED, tensor=name)
    claimed = -(-prod(shape) * bits // 8)
    if claimed != held and not (tensor.has(_SPARSITY) and held < claimed):
        raise Refused(WRONG_SIZE, tensor=name, claimed=claimed, stored=held)
    return name, TensorInfo(dtype, shape)
