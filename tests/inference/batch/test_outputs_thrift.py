"""The compact protocol: what is written is read again, and nothing else is read."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from inference.batch.outputs.thrift import (
    DEEPEST,
    Field,
    Items,
    Kind,
    Malformed,
    Struct,
    decode,
    encode,
)

PLAIN: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TRUE: st.booleans(),
    Kind.BYTE: st.integers(-(1 << 7), (1 << 7) - 1),
    Kind.I16: st.integers(-(1 << 15), (1 << 15) - 1),
    Kind.I32: st.integers(-(1 << 31), (1 << 31) - 1),
    Kind.I64: st.integers(-(1 << 63), (1 << 63) - 1),
    Kind.DOUBLE: st.floats(allow_nan=False),
    Kind.BINARY: st.binary(max_size=200),
}


def fields(kinds: dict[Kind, st.SearchStrategy[Any]]) -> st.SearchStrategy[Field]:
    return st.sampled_from(list(kinds)).flatmap(
        lambda kind: st.builds(Field, st.just(kind), kinds[kind])
    )


def items(kinds: dict[Kind, st.SearchStrategy[Any]]) -> st.SearchStrategy[Items]:
    return st.sampled_from(list(kinds)).flatmap(
        lambda kind: st.builds(Items, st.just(kind), st.lists(kinds[kind], max_size=20))
    )


def structs(kinds: dict[Kind, st.SearchStrategy[Any]]) -> st.SearchStrategy[Struct]:
    numbers = st.integers(-(1 << 15), (1 << 15) - 1) | st.integers(1, 20)
    return st.dictionaries(numbers, fields(kinds), max_size=6)


def nested() -> st.SearchStrategy[Struct]:
    kinds = dict(PLAIN)
    for _ in range(3):
        inner = dict(kinds)
        kinds = {
            **PLAIN,
            Kind.STRUCT: structs(inner),
            Kind.LIST: items(inner),
            Kind.SET: items(inner),
        }
    return structs(kinds)


@given(nested())
def test_what_is_written_is_read(value: Struct) -> None:
    assert decode(encode(value)) == value


@given(nested(), st.data())
def test_what_is_cut_is_refused(value: Struct, data: st.DataObject) -> None:
    written = encode(value)
    length = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(Malformed):
        decode(written[:length])


@given(st.binary(max_size=300))
def test_other_bytes_are_refused_or_read_whole(content: bytes) -> None:
    try:
        value = decode(content)
    except Malformed:
        return
    assert str(decode(encode(value))) == str(value)  # NaN equals nothing


def test_it_reads_and_writes_a_real_footer() -> None:
    out = io.BytesIO()
    table = pa.table({"a": [1, 2, None], "b": [["x"], [], None]})
    pq.write_table(table, out)
    content = out.getvalue()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert encode(decode(footer)) == footer


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "end"),
        (b"\x00\x00", "behind"),
        (b"\x1b\x00\x00", "kind"),  # a map
        (b"\x15\x02\x05\x02\x02\x00", "twice"),
        (b"\x15\xff\xff\xff\xff\x7f\x00", "32 bits"),
        (b"\x15\x80\x80\x80\x80\x80\x80\x00\x00", "32 bits"),
        (b"\x19\xfc\xff\xff\xff\xff\x0f\x00", "longer"),
        (b"\x18\xff\xff\xff\xff\x0f", "end"),
        (b"\x19\x21\x01\x03\x00", "boolean"),
        (b"\x1c" * (DEEPEST + 2), "without end"),
        (b"\x19" * (DEEPEST + 2), "without end"),
    ],
)
def test_it_says_what_is_wrong(content: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        decode(content)


def test_numbers_must_fit_their_kind() -> None:
    with pytest.raises(ValueError, match="16 bits"):
        encode({1: Field(Kind.I16, 1 << 15)})
