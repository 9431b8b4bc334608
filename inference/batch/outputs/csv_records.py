"""CSV as in RFC 4180: UTF-8, CRLF behind each record, quotes where they are needed."""

import re
from collections.abc import Iterator
from typing import IO

import orjson

from inference.batch.outputs import json_rows
from inference.batch.outputs.batch import Batch
from inference.batch.outputs.formats import Row
from inference.batch.outputs.lines import LineFormat
from inference.batch.outputs.shape import Shape

END = b"\r\n"
_FIELD = re.compile(rb'("[^"]*(?:""[^"]*)*"|[^",]*)(?:,|\r\n\Z)')


class CsvRecords(LineFormat):
    """Columns `key`, for classifiers `prediction` and `score` (the best class), `predictions` (as
    JSON), `version`, `error`. What a row does not have is empty."""

    fine = b"," + END

    def header(self, shape: Shape) -> bytes:
        best = b"prediction,score," if shape.classes else b""
        return b"key," + best + b"predictions,version,error" + END

    def columns(self, batch: Batch, shape: Shape) -> list[bytes | list[bytes]]:
        nothing = b",," if shape.classes else b""
        said = batch.spread(self._predictions(batch, shape), nothing)
        ends = [self.fine] * len(batch.keys)
        for index, error in batch.errors.items():
            ends[index] = b"," + field(error.encode()) + END
        return [_keys(batch), b",", said, b"," + field(shape.version.encode()), ends]

    def records(self, file: IO[bytes]) -> Iterator[bytes]:
        """A record ends at the first line end behind an even number of quotes."""
        lines: list[bytes] = []
        quotes = 0
        for line in file:
            lines.append(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0:
                yield b"".join(lines)
                lines.clear()
                quotes = 0

    def row(self, record: bytes, shape: Shape) -> Row:
        fields = fields_of(record)
        predictions = orjson.loads(fields[-3]) if fields[-3] else None
        key = int(fields[0]) if shape.numbered else fields[0]
        version, error = fields[-2], fields[-1] or None
        return {"key": key, "predictions": predictions, "version": version, "error": error}

    def _predictions(self, batch: Batch, shape: Shape) -> list[bytes]:
        texts = [field(text) for text in json_rows.predictions(batch, shape)]
        if batch.ranking is None:
            return texts
        first = batch.ranking.classes[:, 0].tolist()
        names = {number: field(shape.label(number).encode()) for number in set(first)}
        scores = json_rows.rows_of(batch.ranking.scores[:, 0])
        return [
            names[number] + b"," + score + b"," + text
            for number, score, text in zip(first, scores, texts, strict=True)
        ]


def field(text: bytes) -> bytes:
    """As it stands between two commas."""
    if b'"' in text:
        return b'"' + text.replace(b'"', b'""') + b'"'
    if b"," in text or b"\n" in text or b"\r" in text:
        return b'"' + text + b'"'
    return text


def fields_of(record: bytes) -> list[str]:
    """The fields of a record; the standard library's reader refuses those above 128 KiB."""
    fields = _FIELD.findall(record)
    return [
        (text[1:-1].replace(b'""', b'"') if text[:1] == b'"' else text).decode() for text in fields
    ]


def _keys(batch: Batch) -> list[bytes]:
    if isinstance(batch.keys, list):
        return [field(key.encode()) for key in batch.keys]
    return json_rows.keys(batch.keys)
