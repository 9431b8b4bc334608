"""Tables of a flatbuffer, read by position; nothing outside the bytes is ever touched.

The layout is described at https://flatbuffers.dev/internals.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from registry.refusals import N_, Refused

BROKEN = N_("The file is damaged: what it points at does not lie within it.")

_U8, _U16, _I32, _U32, _U64 = (struct.Struct(f"<{code}") for code in "BHiIQ")


@dataclass(frozen=True, slots=True)
class Buffer:
    """The bytes of a file."""

    data: mmap.mmap

    def read(self, layout: struct.Struct, place: int) -> int:
        if not 0 <= place <= len(self.data) - layout.size:
            raise Refused(BROKEN)
        return int(layout.unpack_from(self.data, place)[0])

    def root(self) -> "Table":
        return Table(self, self.read(_U32, 0))


@dataclass(frozen=True, slots=True)
class Table:
    """A table at a place; its fields by their numbers in the schema. Refused where it is broken."""

    buffer: Buffer
    place: int

    def index(self, field: int) -> int:
        """An unsigned field of 32 bits."""
        return self._scalar(field, _U32)

    def long(self, field: int) -> int:
        """An unsigned field of 64 bits."""
        return self._scalar(field, _U64)

    def byte(self, field: int) -> int:
        """An unsigned field of 8 bits."""
        return self._scalar(field, _U8)

    def has(self, field: int) -> bool:
        return self._field(field) is not None

    def length(self, field: int, itemsize: int) -> int:
        """How many items a vector has, which lie in the file; 0 where there is none."""
        return self._vector(field, itemsize)[1]

    def numbers(self, field: int) -> tuple[int, ...]:
        """A vector of signed numbers of 32 bits."""
        start, count = self._vector(field, _I32.size)
        return tuple(self.buffer.read(_I32, start + _I32.size * n) for n in range(count))

    def tables(self, field: int) -> Iterator["Table"]:
        """A vector of tables."""
        start, count = self._vector(field, _U32.size)
        for place in range(start, start + count * _U32.size, _U32.size):
            yield Table(self.buffer, place + self.buffer.read(_U32, place))

    def text(self, field: int, most: int) -> str:
        """The first `most` bytes of a text."""
        start, count = self._vector(field, 1)
        return self.buffer.data[start : start + min(count, most)].decode(errors="replace")

    def _scalar(self, field: int, layout: struct.Struct) -> int:
        """A number, 0 where it has its default."""
        place = self._field(field)
        return 0 if place is None else self.buffer.read(layout, place)

    def _field(self, number: int) -> int | None:
        """Where a field lies; None where it has its default."""
        layout = self.place - self.buffer.read(_I32, self.place)
        slot = 4 + 2 * number
        if slot >= self.buffer.read(_U16, layout):
            return None
        offset = self.buffer.read(_U16, layout + slot)
        return self.place + offset if offset else None

    def _vector(self, field: int, itemsize: int) -> tuple[int, int]:
        """Where a vector's items begin, and how many there are."""
        place = self._field(field)
        if place is None:
            return 0, 0
        start = place + self.buffer.read(_U32, place)
        count = self.buffer.read(_U32, start)
        if start + _U32.size + count * itemsize > len(self.buffer.data):
            raise Refused(BROKEN)
        return start + _U32.size, count
