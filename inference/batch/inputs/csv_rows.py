"""Rows of CSV: numbers by blocks where all of a block are sound, else record by record."""

import csv
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from aihub.problems import N_
from inference.batch.inputs.described import Described
from inference.batch.inputs.grouping import Outcome, rows_from
from inference.batch.inputs.keys import Naming
from inference.batch.inputs.lines import MAX_LINE, Block
from inference.batch.inputs.taking import Taker
from inference.batch.inputs.tensors import EMPTY, FALSE, TRUE, Bad, Target, together
from inference.batch.inputs.text_tables import encoding_of
from inference.batch.rows import TENSORS, Fault, Keys, Rows, Wanted
from inference.runtimes.base import Array, Arrays

RAGGED = N_("The row has %(found)s cells; the table has %(expected)s columns.")
NOT_ENCODED = N_("The row is not valid %(encoding)s.")
NO_CSV = N_("The row is no CSV: %(error)s.")

csv.field_size_limit(MAX_LINE)  # ours is checked for records, before they are parsed


class Parser:
    """Cells of one record after the other."""

    def __init__(self, delimiter: str) -> None:
        self._next: str | None = None
        self._reader = csv.reader(self, delimiter=delimiter)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next is None:
            raise StopIteration
        text, self._next = self._next, None
        return text

    def cells(self, record: str) -> list[str]:
        """The cells of a record; csv.Error."""
        self._next = record
        return next(self._reader, [])


class CsvRows:
    """Makes rows of blocks; `header` names the columns."""

    def __init__(
        self, described: Described, wanted: Wanted, header: list[str], naming: Naming
    ) -> None:
        self._kind = wanted.kind
        self._encoding = encoding_of(described)
        self._width = len(header)
        self._index = {name: index for index, name in reversed(list(enumerate(header)))}
        self._key = self._index[described.key] if described.key else None
        self._parser = Parser(described.delimiter)
        self._taker = Taker(described, wanted, cells=True)
        self._naming = naming
        self._whole = any(t.spec and t.spec.dtype.kind in "iu" for t in self._taker.targets)
        quick = wanted.kind == TENSORS and all(map(_is_flat, self._taker.targets))
        self._table = self._table_reader(described) if quick else None

    def rows(self, block: Block) -> Iterator[Rows]:
        """The rows of a block, in one piece or in several."""
        quick = self._at_once(block)
        if quick is not None:
            yield quick
            return
        records = [self._cells(block, index) for index in range(len(block))]
        outcomes = [self._outcome(cells, int(block.lines[i])) for i, cells in enumerate(records)]
        yield from rows_from(self._keys(records), outcomes, self._kind)

    def _keys(self, records: list[list[str] | Fault]) -> Keys:
        if self._key is None:
            return self._naming.next(len(records))
        values = [cells[self._key] if isinstance(cells, list) else None for cells in records]
        return self._naming.next(len(records), values)

    def _cells(self, block: Block, index: int) -> list[str] | Fault:
        line = int(block.lines[index])
        if index in block.faults:
            return block.faults[index]
        try:
            cells = self._parser.cells(block.record(index).decode(self._encoding))
        except UnicodeDecodeError:
            return Fault(NOT_ENCODED, {"encoding": self._encoding}, line)
        except csv.Error as error:
            return Fault(NO_CSV, {"error": str(error).partition(" - ")[0]}, line)
        if len(cells) != self._width:
            return Fault(RAGGED, {"found": len(cells), "expected": self._width}, line)
        return cells

    def _outcome(self, cells: list[str] | Fault, line: int) -> Outcome:
        if isinstance(cells, Fault):
            return cells

        def get(column: str) -> str:
            cell = cells[self._index[column]]
            if not cell:
                raise Bad(EMPTY, column=column)
            return cell

        return self._taker.take(get, line)

    def _table_reader(self, described: Described) -> Callable[[bytes], pa.Table]:
        """Reads the needed columns of a text without quotes, by index; or pa.ArrowInvalid."""
        types = {
            str(self._index[column]): _arrow_type(target)
            for target in self._taker.targets
            for column in target.columns
        }
        if self._key is not None:
            if str(self._key) in types:  # it is text and number at once
                return _refuse
            types[str(self._key)] = pa.string()
        parse = pa_csv.ParseOptions(delimiter=described.delimiter, quote_char=False)
        convert = pa_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            true_values=list(TRUE),
            false_values=list(FALSE),
        )
        names = [str(index) for index in range(self._width)]

        def read(data: bytes) -> pa.Table:
            options = pa_csv.ReadOptions(
                column_names=names, block_size=len(data) + 1, use_threads=False
            )
            return pa_csv.read_csv(pa.BufferReader(data), options, parse, convert)

        return read

    def _at_once(self, block: Block) -> Rows | None:
        """The rows of a block that has no faults, or None."""
        if self._table is None or not len(block) or block.faults or not self._is_simple(block.data):
            return None
        try:
            table = self._table(block.data)
        except pa.ArrowInvalid:
            return None
        if table.num_rows != len(block):
            return None
        arrays: Arrays = {}
        for target in self._taker.targets:
            array = self._array(table, target)
            if array is None:
                return None
            arrays[target.name] = array
        values = None if self._key is None else table[str(self._key)].to_pylist()
        return Rows(self._naming.next(len(block), values), arrays=arrays)

    def _is_simple(self, data: bytes) -> bool:
        """Whether both ways read the same: Arrow takes lone returns, and hexadecimal numbers."""
        if b'"' in data or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
            return False
        if self._whole and (b"0x" in data or b"0X" in data):
            return False
        return data.isascii() or (self._encoding == "utf-8" and _is_utf8(data))

    def _array(self, table: pa.Table, target: Target) -> Array | None:
        columns = [table[str(self._index[column])] for column in target.columns]
        if any(column.null_count for column in columns):
            return None
        arrays = [column.to_numpy() for column in columns]
        array = arrays[0][:, None] if len(arrays) == 1 else np.stack(arrays, axis=1)
        return together(target, array if target.shape else array[:, 0])


def _refuse(data: bytes) -> pa.Table:
    raise pa.ArrowInvalid


def _is_flat(target: Target) -> bool:
    """Whether its columns are numbers, one a cell."""
    assert target.spec is not None
    return target.spec.dtype.kind != "O" and (len(target.columns) > 1 or target.scalar)


def _arrow_type(target: Target) -> Any:
    """Fractions are read in 64 bits and rounded once, as record by record."""
    assert target.spec is not None
    return pa.float64() if target.spec.is_float else pa.from_numpy_dtype(target.spec.dtype)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
