"""JSON lines: one object a row, `{"key", "predictions", "version", "error"}`."""

from collections.abc import Iterator
from typing import IO, cast

import orjson

from inference.batch.outputs import json_rows
from inference.batch.outputs.batch import Batch
from inference.batch.outputs.formats import Row
from inference.batch.outputs.lines import LineFormat
from inference.batch.outputs.shape import Shape


class JsonLines(LineFormat):
    """UTF-8. Where there is an error, `predictions` is null; else `error` is."""

    fine = b',"error":null}\n'

    def header(self, shape: Shape) -> bytes:
        return b""

    def columns(self, batch: Batch, shape: Shape) -> list[bytes | list[bytes]]:
        said = batch.spread(json_rows.predictions(batch, shape), b"null")
        ends = [self.fine] * len(batch.keys)
        for index, error in batch.errors.items():
            ends[index] = b',"error":' + orjson.dumps(error) + b"}\n"
        version = b',"version":' + orjson.dumps(shape.version)
        return [b'{"key":', json_rows.keys(batch.keys), b',"predictions":', said, version, ends]

    def records(self, file: IO[bytes]) -> Iterator[bytes]:
        return iter(file)

    def row(self, record: bytes, shape: Shape) -> Row:
        return cast(Row, orjson.loads(record))
