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

    def encode(self, batch: Batch, shape: Shape) -> Iterator[bytes]:
        version = b',"version":' + orjson.dumps(shape.version)
        fine = version + self.fine
        said = json_rows.predictions(batch, shape)
        for index, (key, place) in enumerate(
            zip(json_rows.keys(batch.keys), batch.places(), strict=True)
        ):
            if place is None:
                error = version + b',"error":' + orjson.dumps(batch.errors[index]) + b"}\n"
                yield b'{"key":' + key + b',"predictions":null' + error
            else:
                yield b'{"key":' + key + b',"predictions":' + said[place] + fine

    def records(self, file: IO[bytes]) -> Iterator[bytes]:
        return iter(file)

    def row(self, record: bytes, shape: Shape) -> Row:
        return cast(Row, orjson.loads(record))
