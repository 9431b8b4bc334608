"""Parquet: places in its row groups, and rows from them in memory that stays flat."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aihub.problems import N_
from inference.batch.inputs.described import Described, Unreadable
from inference.batch.inputs.grouping import rows_from
from inference.batch.inputs.keys import Naming
from inference.batch.inputs.sources import Watched
from inference.batch.inputs.taking import Taker
from inference.batch.inputs.tensors import Target, together
from inference.batch.rows import PICTURES, TENSORS, Fault, Files, Place, Rows, Wanted
from inference.runtimes.base import Array, Arrays

BLOCK = 2 << 20  # bytes of values that are read together
_MOST_ROWS = 8192
_BUFFERS = 32 << 20  # bytes for all columns that are read at once


@contextmanager
def parquet_file(files: Files, key: str, name: str, columns: int = 1) -> Iterator[Any]:
    """A file of which a window a column is in memory; Unreadable where it is damaged."""
    with files.open(key) as opened:
        watched = Watched(opened)
        buffer = min(max(_BUFFERS // columns, 64 << 10), 4 << 20)
        try:
            yield pq.ParquetFile(
                pa.PythonFile(watched, mode="r"), buffer_size=buffer, pre_buffer=False
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            if watched.failure is not None:
                raise watched.failure from None
            raise Unreadable(
                N_("“%(name)s” is damaged: %(error)s."), name=name, error=_first_line(error)
            ) from error


def parquet_places(
    files: Files, described: Described, key: str, rows: int, before: int
) -> Iterator[Place]:
    """Small row groups together, large ones in parts. `before` are the rows of files before."""
    with parquet_file(files, key, described.name(key)) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    row = 0
    for group, skip, count in _spans(sizes, rows):
        where = {"file": key, "group": group, "skip": skip, "row": row}
        yield Place(described.form, before + row, count, where)
        row += count


def _spans(sizes: list[int], rows: int) -> Iterator[tuple[int, int, int]]:
    """(first group, rows of it to skip, rows)."""
    first = held = 0
    for group, size in enumerate(sizes):
        if held and held + size > rows:
            yield first, 0, held
            held = 0
        if not held:
            first = group
        if size > 2 * rows:
            for skip in range(0, size, rows):
                yield group, skip, min(rows, size - skip)
        else:
            held += size
    if held:
        yield first, 0, held


def parquet_rows(
    files: Files, place: Place, described: Described, wanted: Wanted
) -> Iterator[Rows]:
    """Blocks of a chunk's rows; what cannot be decoded, and all behind it, are faults."""
    where = place.where
    taker = Taker(described, wanted)
    naming = Naming(described, where["file"], where["row"])
    done = 0
    try:
        for batch in _batches(files, place, described, taker):
            done += batch.num_rows
            yield from _rows(batch, described, wanted, taker, naming)
    except Unreadable as error:
        for start in range(done, place.rows, _MOST_ROWS):
            count = min(_MOST_ROWS, place.rows - start)
            fault = Fault(error.message, error.values)
            yield from rows_from(naming.next(count), [fault] * count, wanted.kind)


def _batches(
    files: Files, place: Place, described: Described, taker: Taker
) -> Iterator[pa.RecordBatch]:
    columns = list(dict.fromkeys(c for target in taker.targets for c in target.columns))
    if described.key and described.key not in columns:
        columns.append(described.key)
    skip, left = place.where["skip"], place.rows
    name = described.name(place.where["file"])
    with parquet_file(files, place.where["file"], name, len(columns)) as file:
        groups = _groups(file.metadata, place.where["group"], skip + left)
        size = _block_rows(file.metadata, groups, columns)
        for batch in file.iter_batches(size, groups, columns, use_threads=False):
            part = batch.slice(skip, left)
            skip -= min(skip, batch.num_rows)
            left -= part.num_rows
            if part.num_rows:
                yield part
            if not left:
                return


def _groups(metadata: Any, first: int, rows: int) -> list[int]:
    """The row groups from `first` on that hold so many rows."""
    groups = []
    while rows > 0 and first < metadata.num_row_groups:
        groups.append(first)
        rows -= metadata.row_group(first).num_rows
        first += 1
    return groups


def _block_rows(metadata: Any, groups: list[int], columns: list[str]) -> int:
    """How many rows of these columns have about BLOCK bytes."""
    size = rows = 1
    for group in (metadata.row_group(index) for index in groups[:16]):
        rows += group.num_rows
        for index in range(group.num_columns):
            column = group.column(index)
            if column.path_in_schema.startswith(tuple(columns)):
                size += column.total_uncompressed_size
    return min(max(BLOCK * rows // size, 1), _MOST_ROWS)


def _rows(
    batch: pa.RecordBatch, described: Described, wanted: Wanted, taker: Taker, naming: Naming
) -> Iterator[Rows]:
    values = batch.column(described.key).to_pylist() if described.key else None
    keys = naming.next(batch.num_rows, values)
    arrays = _at_once(batch, taker.targets) if wanted.kind == TENSORS else None
    if arrays is not None:
        yield Rows(keys, arrays=arrays)
        return
    columns = {c: batch.column(c).to_pylist() for target in taker.targets for c in target.columns}
    outcomes = [
        taker.take(lambda column, i=i: columns[column][i])  # type: ignore[misc]
        for i in range(batch.num_rows)
    ]
    if wanted.kind != PICTURES:
        yield from rows_from(keys, outcomes, wanted.kind)
        return
    for i, outcome in enumerate(outcomes):
        yield from rows_from(keys[i : i + 1], [outcome], wanted.kind)


def _at_once(batch: pa.RecordBatch, targets: tuple[Target, ...]) -> Arrays | None:
    """All rows of a block where none has a fault, or None."""
    arrays: Arrays = {}
    for target in targets:
        columns = [_dense(batch.column(name)) for name in target.columns]
        if any(column is None for column in columns):
            return None
        array = columns[0]
        if len(columns) > 1:
            if any(column.ndim > 1 for column in columns if column is not None):
                return None
            array = _side_by_side(columns)
        found = None if array is None else together(target, array)
        if found is None:
            return None
        arrays[target.name] = found
    return arrays


def _side_by_side(columns: list[Any]) -> Array:
    if len({column.dtype for column in columns}) > 1:
        return np.stack(columns, axis=1)
    array = np.empty((len(columns[0]), len(columns)), columns[0].dtype)
    for index, column in enumerate(columns):
        array[:, index] = column
    return array


def _dense(column: pa.Array) -> Array | None:
    """Numbers, or lists of one length, without nulls: [rows, …]; else None."""
    shape = [len(column)]
    while (
        pa.types.is_list(column.type)
        or pa.types.is_large_list(column.type)
        or (pa.types.is_fixed_size_list(column.type))
    ):
        if column.null_count or not len(column):
            return None
        length = _common_length(column)
        if length is None:
            return None
        shape.append(length)
        column = column.flatten()
    kind = column.type
    if column.null_count or not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    ):
        return None
    array: Array = column.to_numpy(zero_copy_only=False)
    return array.reshape(shape)


def _common_length(column: pa.Array) -> int | None:
    if pa.types.is_fixed_size_list(column.type):
        return int(column.type.list_size)
    limits = pc.min_max(pc.list_value_length(column))
    least, most = limits["min"].as_py(), limits["max"].as_py()
    return int(least) if least == most else None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200].rstrip(".")
