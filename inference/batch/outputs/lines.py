"""What JSON lines and CSV have in common: parts are records that need only be put together."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from inference.batch.outputs.batch import Batch
from inference.batch.outputs.formats import Content, Row
from inference.batch.outputs.shape import Part, Shape
from inference.batch.outputs.sums import BLOCK, Summed


class LineFormat(ABC):
    """Records of bytes; `fine` ends those without an error, and no others."""

    fine: bytes

    @abstractmethod
    def header(self, shape: Shape) -> bytes:
        """What stands once in front of a whole output."""

    @abstractmethod
    def columns(self, batch: Batch, shape: Shape) -> Sequence[bytes | list[bytes]]:
        """What the records of rows are made of, each with its line end: what is the same in all,
        or one piece a row."""

    @abstractmethod
    def records(self, file: IO[bytes]) -> Iterator[bytes]:
        """One record after the other, with their line ends."""

    @abstractmethod
    def row(self, record: bytes, shape: Shape) -> Row:
        """What a record says."""

    def encoder(self, file: Summed, shape: Shape) -> "LineEncoder":
        return LineEncoder(self, file, shape)

    def errors(self, part: Path, shape: Shape) -> Iterator[tuple[int, Any, str]]:
        with part.open("rb") as file:
            for index, record in enumerate(self.records(file)):
                if not record.endswith(self.fine):
                    row = self.row(record, shape)
                    yield index, row["key"], row["error"]

    def replace(
        self, part: Path, shape: Shape, new: Path, at: Sequence[int], out: Summed
    ) -> Content:
        rows = failed = 0
        with part.open("rb") as old, new.open("rb") as others:
            for record in replaced(self.records(old), self.records(others), at):
                out.write(record)
                rows += 1
                failed += not record.endswith(self.fine)
        return Content(rows, failed, {})

    def rows(self, output: IO[bytes], shape: Shape, most: int) -> Iterator[Row]:
        records = self.records(output)
        if self.header(shape):
            next(records, None)
        return (self.row(record, shape) for record in islice(records, most))

    def join(self, shape: Shape, parts: Iterable[tuple[Part, IO[bytes]]], out: Summed) -> None:
        out.write(self.header(shape))
        for _, file in parts:
            shutil.copyfileobj(file, out, BLOCK)


class LineEncoder:
    """Writes records behind each other."""

    def __init__(self, form: LineFormat, file: Summed, shape: Shape) -> None:
        self._form, self._file, self._shape = form, file, shape

    def write(self, batch: Batch) -> None:
        self._file.write(woven(len(batch.keys), self._form.columns(batch, self._shape)))

    def close(self) -> Mapping[str, int]:
        return {}


def woven(rows: int, columns: Sequence[bytes | list[bytes]]) -> bytes:
    """One row behind the other: a single join, five times cheaper than one a row."""
    width = len(columns)
    cells = [b""] * (rows * width)
    for place, column in enumerate(columns):
        cells[place::width] = [column] * rows if isinstance(column, bytes) else column
    return b"".join(cells)


def replaced(old: Iterator[bytes], new: Iterator[bytes], at: Sequence[int]) -> Iterator[bytes]:
    """Old records with new ones at these rising indices; ValueError unless they fit."""
    wanted = iter(at)
    following = next(wanted, None)
    for index, record in enumerate(old):
        if index != following:
            yield record
            continue
        following = next(wanted, None)
        try:
            yield next(new)
        except StopIteration:
            raise ValueError("fewer new rows than indices") from None
    if following is not None or next(new, None) is not None:
        raise ValueError("more new rows than indices, or an index that is no row")
