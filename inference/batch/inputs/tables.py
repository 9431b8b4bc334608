"""The columns of a table, as far as its beginning or its schema tells them."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from aihub.problems import N_
from inference.batch.inputs.csv_rows import Parser
from inference.batch.inputs.described import CSV, PARQUET, Described, Unreadable
from inference.batch.inputs.json_values import NoJson, elements, json_value
from inference.batch.inputs.lines import Block
from inference.batch.inputs.parquet import parquet_file
from inference.batch.inputs.tensors import is_number
from inference.batch.inputs.text_tables import encoding_of, read_from_start
from inference.batch.rows import Files

NUMBER, LIST, TEXT, BYTES, OTHER = "number", "list", "text", "bytes", "other"
_SAMPLE = 50  # rows
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `length` is the number of elements of a list, where it is known."""

    name: str
    kind: str
    length: int | None = None


def columns_in(files: Files, key: str, described: Described) -> list[Column]:
    """The columns of a file of the table; Unreadable."""
    if described.form == PARQUET:
        return _parquet_columns(files, key, described)
    if described.form == CSV:
        return _csv_columns(files, key, described)
    return _json_columns(files, key, described)


def header_of(files: Files, key: str, described: Described) -> list[str]:
    """The names of a CSV file's columns; without a header they are numbers, from 1 on."""
    first = next(_sample(files, key, described), None)
    if first is None:
        return []
    cells = _cells(first, described)
    return cells if described.header else [str(number) for number in range(1, len(cells) + 1)]


def delimiter_of(files: Files, key: str, described: Described) -> str:
    """The character that stands most often between the cells of the first record."""
    with read_from_start(files, key, described) as text:
        head = text.held + text.stream.read(64 << 10)
    line = head.lstrip(b"\r\n").partition(b"\n")[0].decode(encoding_of(described), "replace")
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _sample(files: Files, key: str, described: Described) -> Iterator[str]:
    """The first records that are texts."""
    with read_from_start(files, key, described) as text:
        for block in text.blocks(described):
            yield from islice(_texts(block, encoding_of(described)), _SAMPLE)
            return


def _texts(block: Block, encoding: str) -> Iterator[str]:
    for index in range(min(len(block), 2 * _SAMPLE)):
        if index not in block.faults:
            yield block.record(index).decode(encoding, "replace")


def _cells(record: str, described: Described) -> list[str]:
    try:
        return Parser(described.delimiter).cells(record)
    except csv.Error:
        return [record]


def _csv_columns(files: Files, key: str, described: Described) -> list[Column]:
    sample = [_cells(record, described) for record in _sample(files, key, described)]
    if not sample:
        return []
    rows = sample[1:] if described.header else sample
    names = sample[0] if described.header else [str(i + 1) for i in range(len(sample[0]))]
    return [
        _cell_column(name, [row[i] for row in rows if len(row) == len(names)])
        for i, name in enumerate(names)
    ]


def _cell_column(name: str, cells: list[str]) -> Column:
    full = [cell for cell in cells if cell]
    if full and sum(map(is_number, full)) * 2 > len(full):
        return Column(name, NUMBER)
    if full and full[0].startswith("["):
        with suppress(NoJson):
            return _value_column(name, json_value(full[0]))
    return Column(name, TEXT)


def _json_columns(files: Files, key: str, described: Described) -> list[Column]:
    columns: dict[str, Any] = {}
    for record in _sample(files, key, described):
        with suppress(NoJson):
            value = json_value(record)
            if isinstance(value, Mapping):
                columns.update({k: v for k, v in value.items() if columns.get(k) is None})
    return [_value_column(name, value) for name, value in columns.items()]


def _value_column(name: str, value: Any) -> Column:
    if isinstance(value, list):
        return Column(name, LIST, elements(value))
    if isinstance(value, int | float):
        return Column(name, NUMBER)
    return Column(name, TEXT if isinstance(value, str) else OTHER)


def _parquet_columns(files: Files, key: str, described: Described) -> list[Column]:
    with parquet_file(files, key, described.name(key)) as file:
        columns = [_arrow_column(field) for field in file.schema_arrow]
        unknown = [column.name for column in columns if column.kind == LIST and not column.length]
        if not unknown:
            return columns
        batch = next(file.iter_batches(1, columns=unknown, use_threads=False), None)
    if batch is None or not batch.num_rows:
        return columns
    found = {name: elements(batch.column(name)[0].as_py() or []) for name in unknown}
    return [Column(c.name, c.kind, found.get(c.name, c.length)) for c in columns]


def _arrow_column(field: pa.Field) -> Column:
    kind, length = field.type, 1
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return Column(field.name, LIST)
    while pa.types.is_fixed_size_list(kind):
        length, kind = length * kind.list_size, kind.value_type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return Column(field.name, LIST)
    if kind is not field.type and pa.types.is_fixed_size_list(field.type):
        return Column(field.name, LIST, length)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return Column(field.name, NUMBER)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Column(field.name, TEXT)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind):
        return Column(field.name, BYTES)
    return Column(field.name, OTHER)


def check_columns(columns: list[Column], needed: set[str], name: str) -> None:
    """Unreadable where a file lacks columns that are needed."""
    there = [column.name for column in columns]
    missing = sorted(needed.difference(there))
    if missing:
        raise Unreadable(
            N_("“%(name)s” has no column %(missing)s; it has %(columns)s."),
            name=name,
            missing=quoted(missing),
            columns=quoted(there),
        )


def quoted(names: list[str]) -> str:
    """Names for a person, the first twenty of them."""
    shown = ", ".join(f"“{name}”" for name in names[:20]) or "–"
    return shown if len(names) <= 20 else f"{shown}, …"
