"""Parquet: a part is a whole file, whose row groups the output takes as they are."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inference.batch.outputs import columns, parquet_join
from inference.batch.outputs.batch import Batch
from inference.batch.outputs.formats import Content, Row
from inference.batch.outputs.shape import Part, Shape
from inference.batch.outputs.sums import Summed

GROUP_ROWS = 1 << 20  # of a row group, at most, and its bytes in memory, about
GROUP_BYTES = 1 << 27
PAGE = 1 << 16  # bytes read at a time where only the first rows are wanted
ROWS = ["key", "predictions", "version", "error"]


class Parquet:
    """Columns as `columns.schema` says, compressed with zstd."""

    def encoder(self, file: Summed, shape: Shape) -> "ParquetEncoder":
        return ParquetEncoder(file, shape)

    def errors(self, part: Path, shape: Shape) -> Iterator[tuple[int, Any, str]]:
        first = 0
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(columns=["key", "error"], use_threads=False):
                places = np.flatnonzero(batch["error"].is_valid())
                for place, row in zip(places.tolist(), batch.take(places).to_pylist(), strict=True):
                    yield first + place, row["key"], row["error"]
                first += len(batch)

    def replace(
        self, part: Path, shape: Shape, new: Path, at: Sequence[int], out: Summed
    ) -> Content:
        """Row group by row group, which stay as long as they are."""
        places = np.asarray(at, np.int64)
        rows = failed = 0
        with (
            pq.ParquetFile(part) as old,
            pq.ParquetFile(new) as others,
            _writer(out, columns.schema(shape)) as writer,
        ):
            if others.metadata.num_rows != len(places) or (places >= old.metadata.num_rows).any():
                raise ValueError("not one new row for each index, or an index that is no row")
            fresh = others.read(use_threads=False)
            for number in range(old.num_row_groups):
                group = old.read_row_group(number, use_threads=False)
                start, end = np.searchsorted(places, [rows, rows + len(group)]).tolist()
                group = _replaced(group, fresh[start:end], places[start:end] - rows)
                writer.write_table(group, GROUP_ROWS)
                rows += len(group)
                failed += len(group) - group["error"].null_count
        return Content(rows, failed, _checks(out))

    def rows(self, output: IO[bytes], shape: Shape, most: int) -> Iterator[Row]:
        """Page by page, so that the first row group is not read to its end."""
        with pq.ParquetFile(output, buffer_size=PAGE, pre_buffer=False) as file:
            batches = file.iter_batches(most, columns=ROWS, use_threads=False)
            yield from islice((row for batch in batches for row in batch.to_pylist()), most)

    def join(self, shape: Shape, parts: Iterable[tuple[Part, IO[bytes]]], out: Summed) -> None:
        empty = io.BytesIO()
        _writer(empty, columns.schema(shape)).close()
        parquet_join.join(empty.getvalue(), parts, out)


class ParquetEncoder:
    """Gathers rows to row groups of about `GROUP_BYTES`."""

    def __init__(self, file: Summed, shape: Shape) -> None:
        self._file, self._shape = file, shape
        self._schema = columns.schema(shape)
        self._writer = _writer(file, self._schema)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, batch: Batch) -> None:
        rows = columns.record_batch(batch, self._shape, self._schema)
        self._waiting.append(rows)
        self._rows += len(rows)
        self._bytes += rows.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> Mapping[str, int]:
        self._flush()
        self._writer.close()
        return _checks(self._file)

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting), GROUP_ROWS)
        self._waiting, self._rows, self._bytes = [], 0, 0


def _writer(file: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """Dictionaries where values repeat; neither page index nor Bloom filters, which lie apart from
    the pages and could not be joined."""
    repeated = ["prediction", "predictions.list.element.label", "version", "error"]
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        use_dictionary=repeated,
        write_statistics=["key", "prediction", "score", "version", "error"],
        column_encoding={"key": "DELTA_BINARY_PACKED"} if schema.types[0] == pa.int64() else None,
    )


def _checks(written: Summed) -> Mapping[str, int]:
    length = int.from_bytes(written.last[:4], "little")
    return {parquet_join.BODY: written.size - parquet_join.TAIL - length}


def _replaced(group: pa.Table, fresh: pa.Table, at: npt.NDArray[np.int64]) -> pa.Table:
    order = np.arange(len(group))
    order[at] = len(group) + np.arange(len(at))
    return pa.concat_tables([group, fresh]).take(order)
