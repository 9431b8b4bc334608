"""Outputs of every kind of model, and what stands in the files made of them."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from inference.batch.outputs import Joined, Part, PartWriter, Shape, assemble
from inference.batch.rows import Fault, Rows
from inference.runtimes.base import Arrays
from inference.signature import TensorSpec

LABELS = ("cat", "dog, large", 'so-called "bird"', "line\nbreak", "鱼")
VECTOR = TensorSpec("vector", "FP32", (-1, 3))
FAULT = Fault("This is no image: %(why)s.", {"why": 'a "text",\nof two lines'}, line=7)


def shape(form: str, **changes: Any) -> Shape:
    """Of a model with one output `vector`, with row numbers."""
    usual = {
        "format": form,
        "version": "1.2.0",
        "classes": False,
        "top": 3,
        "labels": (),
        "probabilities": False,
        "outputs": (VECTOR,),
        "scores": "",
        "numbered": True,
    }
    return Shape(**{**usual, **changes})


def classifier(form: str, **changes: Any) -> Shape:
    """Of five classes, the last of which have no names, with texts as keys."""
    usual = {
        "classes": True,
        "labels": LABELS[:4],
        "outputs": (TensorSpec("scores", "FP32", (-1, 5)),),
        "scores": "scores",
        "numbered": False,
    }
    return shape(form, **{**usual, **changes})


def write(
    path: Path,
    of: Shape,
    keys: Any,
    outputs: Arrays | None,
    faults: Mapping[int, Fault] | None = None,
) -> Part:
    """One part of one call."""
    with PartWriter(path, of) as writer:
        writer.write(Rows(keys), outputs, faults or {})
        return writer.close()


def join(of: Shape, parts: Sequence[tuple[Part, bytes]]) -> tuple[Joined, bytes]:
    out = io.BytesIO()
    joined = assemble(of, ((part, io.BytesIO(content)) for part, content in parts), out)
    return joined, out.getvalue()


def rows_of(of: Shape, output: bytes) -> list[dict[str, Any]]:
    """A whole output as other people's readers see it: predictions decoded, empty is None."""
    if of.format == "jsonl":
        return [orjson.loads(line) for line in output.splitlines()]
    if of.format == "parquet":
        rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(output)).to_pylist()
        return rows
    found = list(csv.DictReader(io.StringIO(output.decode(), newline="")))
    return [_from_csv(of, row) for row in found]


def _from_csv(of: Shape, row: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: text or None for name, text in row.items()}
    values["key"] = int(row["key"]) if of.numbered else row["key"]
    if row["predictions"]:
        values["predictions"] = orjson.loads(row["predictions"])
    if row.get("score"):
        values["score"] = float(row["score"])
    return values


def numbers(rows: int) -> np.ndarray[Any, Any]:
    """Row numbers that do not begin at 0."""
    return np.arange(1000, 1000 + rows)
