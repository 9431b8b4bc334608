"""What each format of outputs can do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from inference.batch.outputs.batch import Batch
from inference.batch.outputs.shape import Part, Shape
from inference.batch.outputs.sums import Summed

Row = dict[str, Any]  # key, predictions, version, error


@dataclass(frozen=True, slots=True)
class Content:
    """What was written: rows, those of them with an error, and the part's `checks`."""

    rows: int
    failed: int
    checks: Mapping[str, int]


class Encoder(Protocol):
    """Writes rows behind each other into one file."""

    def write(self, batch: Batch) -> None: ...

    def close(self) -> Mapping[str, int]:
        """Write what is left; the part's `checks`. The file stays open."""


class Format(Protocol):
    """One of `FORMATS`. Files begin with the first row of a part, or are whole outputs."""

    def encoder(self, file: Summed, shape: Shape) -> Encoder: ...

    def errors(self, part: Path, shape: Shape) -> Iterator[tuple[int, Any, str]]:
        """Index, key and error of the rows of a part that have one."""

    def replace(
        self, part: Path, shape: Shape, new: Path, at: Sequence[int], out: Summed
    ) -> Content:
        """Write a part anew, with the rows of `new` at these rising indices. ValueError unless
        there are as many."""

    def rows(self, output: IO[bytes], shape: Shape, most: int) -> Iterator[Row]:
        """The first rows of a whole output."""

    def join(self, shape: Shape, parts: Iterable[tuple[Part, IO[bytes]]], out: Summed) -> None:
        """Write parts as one output. Each stream is read to its end before the next."""


def format_of(shape: Shape) -> Format:
    """Arrow takes a third of a second to import, so only Parquet's own workers do."""
    if shape.format == "jsonl":
        from inference.batch.outputs import json_lines

        return json_lines.JsonLines()
    if shape.format == "csv":
        from inference.batch.outputs import csv_records

        return csv_records.CsvRecords()
    if shape.format == "parquet":
        from inference.batch.outputs import parquet

        return parquet.Parquet()
    raise ValueError(f"no format of outputs: {shape.format}")
