"""Thrift's compact protocol, as far as the footers of Parquet files need it.

A struct is a dictionary from field numbers to values with their kinds; nothing is interpreted, so
what is read can be written again with single fields changed. Written after the public description
of the protocol (thrift-compact-protocol.md of Apache Thrift).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

DEEPEST = 32


class Malformed(ValueError):
    """These bytes are no value of the protocol, or of a kind that no footer has."""


class Kind(IntEnum):
    """What a field holds; the numbers are the protocol's. FALSE only ever stands on the wire."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    STRUCT = 12


class Field(NamedTuple):
    """A value and its kind; booleans are TRUE, whatever they are."""

    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Items:
    """The value of a list or a set: values of one kind."""

    kind: Kind
    values: list[Any]


class Encoded(bytes):
    """A struct that is already written."""


Struct = dict[int, Field]
_KINDS = {int(kind): kind for kind in Kind}
_BITS = {Kind.I16: 16, Kind.I32: 32, Kind.I64: 64}


def decode(data: bytes) -> Struct:
    """The struct that these bytes are, all of them; Malformed for anything else."""
    reader = _Reader(data)
    value = reader.struct(0)
    if reader.at != len(data):
        raise Malformed("bytes behind the struct")
    return value


def encode(value: Struct) -> Encoded:
    """The bytes of a struct, fields by rising number. ValueError for what does not fit its kind."""
    out = bytearray()
    _write_struct(out, value)
    return Encoded(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int) -> Struct:
        if depth > DEEPEST:
            raise Malformed("structs within structs without end")
        fields: Struct = {}
        number = 0
        while head := self._byte():
            step = head >> 4
            number = number + step if step else self._integer(16)
            if number in fields:
                raise Malformed(f"field {number} twice")
            fields[number] = self._field(_kind(head & 15), depth)
        return fields

    def _field(self, kind: Kind, depth: int) -> Field:
        """Booleans stand in the head of their field."""
        if kind in (Kind.TRUE, Kind.FALSE):
            return Field(Kind.TRUE, kind is Kind.TRUE)
        return Field(kind, self._value(kind, depth))

    def _value(self, kind: Kind, depth: int) -> Any:
        match kind:
            case Kind.STRUCT:
                return self.struct(depth + 1)
            case Kind.LIST | Kind.SET:
                return self._items(depth + 1)
            case Kind.BINARY:
                return self._take(self._varint(32))
            case Kind.DOUBLE:
                return struct.unpack("<d", self._take(8))[0]
            case Kind.BYTE:
                return struct.unpack("<b", self._take(1))[0]
            case Kind.TRUE | Kind.FALSE:  # in a list
                return self._boolean()
            case _:
                return self._integer(_BITS[kind])

    def _items(self, depth: int) -> Items:
        if depth > DEEPEST:
            raise Malformed("lists within lists without end")
        head = self._byte()
        length = head >> 4 if head >> 4 < 15 else self._varint(32)
        kind = _kind(head & 15)
        if length > len(self._data) - self.at:  # nothing takes less than a byte
            raise Malformed("a list longer than the data")
        values = [self._value(kind, depth) for _ in range(length)]
        return Items(Kind.TRUE if kind is Kind.FALSE else kind, values)

    def _boolean(self) -> bool:
        byte = self._byte()
        if byte not in (Kind.TRUE, Kind.FALSE):
            raise Malformed(f"no boolean: {byte}")
        return byte == Kind.TRUE

    def _integer(self, bits: int) -> int:
        coded = self._varint(bits)
        return (coded >> 1) ^ -(coded & 1)

    def _varint(self, bits: int) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if value >> bits or shift > bits:
                raise Malformed(f"a number of more than {bits} bits")
            if byte < 128:
                return value
            shift += 7

    def _byte(self) -> int:
        at = self.at
        if at >= len(self._data):
            raise Malformed("the data end within a value")
        self.at = at + 1
        return self._data[at]

    def _take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self._data):
            raise Malformed("the data end within a value")
        taken = self._data[self.at : end]
        self.at = end
        return taken


def _kind(code: int) -> Kind:
    kind = _KINDS.get(code)
    if kind is None:
        raise Malformed(f"a kind that no footer has: {code}")
    return kind


def _write_struct(out: bytearray, value: Struct | Encoded) -> None:
    if isinstance(value, Encoded):
        out += value
        return
    last = 0
    for number, field in sorted(value.items()):
        kind = Kind.FALSE if field.kind is Kind.TRUE and not field.value else field.kind
        if 0 < number - last < 16:
            out.append((number - last) << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, number, 16)
        last = number
        if field.kind is not Kind.TRUE:
            _write(out, kind, field.value)
    out.append(0)


def _write(out: bytearray, kind: Kind, value: Any) -> None:
    match kind:
        case Kind.STRUCT:
            _write_struct(out, value)
        case Kind.LIST | Kind.SET:
            _write_items(out, value)
        case Kind.BINARY:
            _write_varint(out, len(value))
            out += value
        case Kind.DOUBLE:
            out += struct.pack("<d", value)
        case Kind.BYTE:
            out += value.to_bytes(1, "little", signed=True)
        case Kind.TRUE | Kind.FALSE:
            out.append(Kind.TRUE if value else Kind.FALSE)
        case _:
            _write_integer(out, value, _BITS[kind])


def _write_items(out: bytearray, items: Items) -> None:
    length = len(items.values)
    out.append(min(length, 15) << 4 | items.kind)
    if length >= 15:
        _write_varint(out, length)
    for value in items.values:
        _write(out, items.kind, value)


def _write_integer(out: bytearray, value: int, bits: int) -> None:
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError(f"{value} has more than {bits} bits")
    _write_varint(out, value << 1 if value >= 0 else ~(value << 1))


def _write_varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
