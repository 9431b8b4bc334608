"""Predictions as Arrow columns, built from whole arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from inference.batch.outputs.batch import Batch
from inference.batch.outputs.ranking import Ranking
from inference.batch.outputs.shape import Shape
from inference.runtimes.base import Array
from inference.signature import TensorSpec

BEST = pa.struct([("label", pa.string()), ("score", pa.float32())])


def schema(shape: Shape) -> pa.Schema:
    """`key`, for classifiers `prediction` and `score` (the best class), `predictions`, `version`,
    `error`. What a row does not have is null."""
    best = [("prediction", pa.string()), ("score", pa.float32())] if shape.classes else []
    return pa.schema(
        [
            ("key", pa.int64() if shape.numbered else pa.string()),
            *best,
            ("predictions", pa.list_(BEST) if shape.classes else _outputs_type(shape.outputs)),
            ("version", pa.string()),
            ("error", pa.string()),
        ]
    )


def record_batch(batch: Batch, shape: Shape, wanted: pa.Schema) -> pa.RecordBatch:
    """Rows as a record batch of `schema(shape)`."""
    length = len(batch.keys)
    said = _said(batch, shape, wanted)
    if len(batch.fine) < length:
        places = pa.array(batch.spread([*range(len(batch.fine))], None), pa.int64())
        said = [column.take(places) for column in said]
    errors = pa.nulls(length, pa.string())
    if batch.errors:
        errors = pa.array([batch.errors.get(index) for index in range(length)], pa.string())
    columns = [
        pa.array(batch.keys, wanted.field("key").type),
        *said,
        pa.repeat(pa.scalar(shape.version, pa.string()), length),
        errors,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _said(batch: Batch, shape: Shape, wanted: pa.Schema) -> list[pa.Array]:
    """The columns between key and version, of the fine rows."""
    if not len(batch.fine):
        return [pa.array([], field.type) for field in list(wanted)[1:-2]]
    if batch.ranking is not None:
        return _ranked(batch.ranking, shape)
    columns = [_column(batch.outputs[spec.name], spec) for spec in shape.outputs]
    if len(columns) == 1:
        return columns
    return [pa.StructArray.from_arrays(columns, fields=list(_outputs_type(shape.outputs)))]


def _ranked(ranking: Ranking, shape: Shape) -> list[pa.Array]:
    rows, top = ranking.classes.shape
    names = pa.array([shape.label(index) for index in range(ranking.width)], pa.string())
    labels = names.take(pa.array(ranking.classes.ravel()))
    scores = pa.array(ranking.scores.astype(np.float32).ravel())
    best = pa.StructArray.from_arrays([labels, scores], fields=list(BEST))
    firsts = pa.array(np.arange(0, rows * top, top))
    return [labels.take(firsts), scores.take(firsts), _listed(best, rows, top)]


def _outputs_type(outputs: Sequence[TensorSpec]) -> pa.DataType:
    """The output's own type where there is one, else a struct of all by name."""
    if len(outputs) == 1:
        return _type(outputs[0])
    return pa.struct([(spec.name, _type(spec)) for spec in outputs])


def _type(spec: TensorSpec) -> pa.DataType:
    """Lists within lists, as deep as a row of the output."""
    kind = pa.string() if spec.datatype == "BYTES" else pa.from_numpy_dtype(_stored(spec))
    for _ in spec.shape[1:]:
        kind = pa.list_(kind)
    return kind


def _stored(spec: TensorSpec) -> np.dtype[Any]:
    """FP16 widens: few readers know Parquet's own half floats."""
    return np.dtype(np.float32) if spec.datatype == "FP16" else spec.dtype


def _column(array: Array, spec: TensorSpec) -> pa.Array:
    if array.ndim != len(spec.shape):
        raise ValueError(f"output {spec.name} should have {len(spec.shape)} axes: {array.shape}")
    column = _values(array, spec)
    for axis in range(array.ndim - 1, 0, -1):
        column = _listed(column, int(np.prod(array.shape[:axis])), array.shape[axis])
    return column


def _values(array: Array, spec: TensorSpec) -> pa.Array:
    """All numbers or texts of an array, one behind the other."""
    if spec.datatype != "BYTES":
        return pa.array(np.ascontiguousarray(array, _stored(spec)).ravel())
    texts = [
        value.decode(errors="replace") if isinstance(value, bytes) else value
        for value in array.ravel().tolist()
    ]
    return pa.array(texts, pa.string())


def _listed(values: pa.Array, rows: int, length: int) -> pa.Array:
    """So many lists of the same length."""
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(length)
    return pa.ListArray.from_arrays(pa.array(ends), values)
