"""Keys and predictions as JSON, many rows at a time, as online answers write them."""

from typing import Any

import numpy as np
import orjson

from inference.batch.outputs.batch import Batch
from inference.batch.outputs.ranking import Ranking
from inference.batch.outputs.shape import Shape
from inference.batch.rows import Keys
from inference.runtimes.base import Array, Arrays


def keys(values: Keys) -> list[bytes]:
    if isinstance(values, np.ndarray):
        return rows_of(values)
    return [orjson.dumps(value) for value in values]


def predictions(batch: Batch, shape: Shape) -> list[bytes]:
    """Of the fine rows, in order."""
    if batch.ranking is not None:
        return _ranked(batch.ranking, shape)
    return _by_name(batch.outputs)


def rows_of(array: Array) -> list[bytes]:
    """Each row of an array; NaN and infinity are null.

    All rows are written by one call, and cut at the brackets between them.
    """
    if array.dtype.kind in "OSU":
        return [orjson.dumps(row, default=_bytes) for row in array.tolist()]
    if not array.size:
        return [orjson.dumps(row.tolist()) for row in array]
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    depth = array.ndim - 1
    opened, closed = b"[" * depth, b"]" * depth
    return text[1:-1].replace(closed + b"," + opened, closed + b"\n" + opened).split(b"\n")


def _by_name(outputs: Arrays) -> list[bytes]:
    """A single output plain, several as an object."""
    columns = [rows_of(array) for array in outputs.values()]
    if len(columns) <= 1:
        return columns[0] if columns else []
    names = [orjson.dumps(name) + b":" for name in outputs]
    return [
        b"{" + b",".join(map(bytes.__add__, names, row)) + b"}"
        for row in zip(*columns, strict=True)
    ]


def _ranked(ranking: Ranking, shape: Shape) -> list[bytes]:
    classes, top = ranking.classes.ravel().tolist(), ranking.classes.shape[1]
    heads = {
        number: b'{"label":' + orjson.dumps(shape.label(number)) + b',"score":'
        for number in set(classes)
    }
    cells = [
        heads[number] + score + b"}"
        for number, score in zip(classes, rows_of(ranking.scores.ravel()), strict=True)
    ]
    starts = range(0, len(cells), top) if top else []
    return [b"[" + b",".join(cells[start : start + top]) + b"]" for start in starts]


def _bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    raise TypeError(f"no text: {type(value)}")
