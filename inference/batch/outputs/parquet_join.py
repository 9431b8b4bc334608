"""Several Parquet files as one, without decoding them.

Row groups are copied byte for byte and one footer is written for all. Its structs are those of
Apache Parquet's `parquet.thrift`; the numbers below are of their fields.
"""

from collections.abc import Iterable
from typing import IO

from inference.batch.outputs.shape import DamagedPart, Part
from inference.batch.outputs.sums import BLOCK, Summed
from inference.batch.outputs.thrift import (
    Encoded,
    Field,
    Items,
    Kind,
    Malformed,
    Struct,
    decode,
    encode,
)

MAGIC = b"PAR1"
TAIL = 8  # bytes of the footer's length and the magic
BODY = "body"  # of a part's checks: where its footer begins
MOST_ORDINALS = 1 << 15  # a row group's number is an i16

# FileMetaData
SCHEMA, ROWS, GROUPS, ENCRYPTION = 2, 3, 4, 8
# RowGroup
COLUMNS, GROUP_OFFSET, ORDINAL = 1, 5, 7
# ColumnChunk: another file, its offset, its metadata, page indices and encryption
FILE_PATH, CHUNK_OFFSET, CHUNK_META = 1, 2, 3
CHUNK_ELSEWHERE = (FILE_PATH, 4, 5, 6, 7, 8, 9)
# ColumnMetaData: data, index and dictionary pages; Bloom filters
PAGE_OFFSETS = (9, 10, 11)
BLOOM = (14, 15)


def join(empty: bytes, parts: Iterable[tuple[Part, IO[bytes]]], out: Summed) -> None:
    """Write files as one, of the schema and with the metadata of a file that is `empty`.

    DamagedPart where a file has another schema.
    """
    out.write(MAGIC)
    joint = _Footer(_decoded(empty[len(MAGIC) :]))
    for part, file in parts:
        shift = out.size - len(MAGIC)
        _copy(file, out, part.checks[BODY])
        joint.add(_decoded(_rest(file)), shift)
    footer = joint.encoded()
    out.write(footer)
    out.write(len(footer).to_bytes(4, "little") + MAGIC)


class _Footer:
    """One footer out of many. Row groups are kept as bytes: there may be a million of them."""

    def __init__(self, empty: Struct) -> None:
        self._frame = empty
        self._rows = 0
        self._groups: list[Encoded] = []

    def add(self, footer: Struct, shift: int) -> None:
        """Take the row groups of a file that now lies `shift` bytes further on."""
        if footer[SCHEMA] != self._frame[SCHEMA] or ENCRYPTION in footer:
            raise DamagedPart("a part of another schema")
        for group in footer[GROUPS].value.values:
            self._groups.append(encode(_moved(group, shift, len(self._groups))))
        self._rows += footer[ROWS].value

    def encoded(self) -> bytes:
        groups = Field(Kind.LIST, Items(Kind.STRUCT, self._groups))
        return encode({**self._frame, ROWS: Field(Kind.I64, self._rows), GROUPS: groups})


def _copy(file: IO[bytes], out: Summed, body: int) -> None:
    """The pages of a file, without the magic in front."""
    left = body - len(file.read(len(MAGIC)))
    while left > 0:
        block = file.read(min(BLOCK, left))
        out.write(block)
        left -= len(block)
        if not block:
            raise DamagedPart("a part that ends before its footer")


def _rest(file: IO[bytes]) -> bytes:
    return b"".join(iter(lambda: file.read(BLOCK), b""))


def _decoded(tail: bytes) -> Struct:
    """The footer that the end of a file is."""
    if tail[-4:] != MAGIC or int.from_bytes(tail[-TAIL:-4], "little") != len(tail) - TAIL:
        raise DamagedPart("a part whose footer is not where it should be")
    try:
        return decode(tail[:-TAIL])
    except Malformed as error:
        raise DamagedPart(f"a part whose footer cannot be read: {error}") from None


def _moved(group: Struct, shift: int, ordinal: int) -> Struct:
    """A row group whose pages lie `shift` bytes further on."""
    columns: Items = group[COLUMNS].value
    moved = {
        **_shifted(group, (GROUP_OFFSET,), shift),
        COLUMNS: Field(Kind.LIST, Items(Kind.STRUCT, [_chunk(c, shift) for c in columns.values])),
        ORDINAL: Field(Kind.I16, ordinal),
    }
    if ordinal >= MOST_ORDINALS:
        del moved[ORDINAL]
    return moved


def _chunk(chunk: Struct, shift: int) -> Struct:
    meta: Struct = chunk[CHUNK_META].value
    if any(number in chunk for number in CHUNK_ELSEWHERE) or any(n in meta for n in BLOOM):
        raise DamagedPart("a part with page indices, Bloom filters or other files")
    moved = Field(Kind.STRUCT, _shifted(meta, PAGE_OFFSETS, shift))
    return {**_shifted(chunk, (CHUNK_OFFSET,), shift), CHUNK_META: moved}


def _shifted(struct: Struct, offsets: tuple[int, ...], shift: int) -> Struct:
    """0 stands for an offset that is not given."""
    return {
        number: Field(field.kind, field.value + shift)
        if number in offsets and field.value
        else field
        for number, field in struct.items()
    }
