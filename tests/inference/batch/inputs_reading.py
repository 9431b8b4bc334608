"""Reading a whole input the way a job does, for tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inference.batch.inputs import Described, describe, places, rows_of
from inference.batch.rows import PICTURES, TENSORS, TEXTS, Fault, Place, Rows, Wanted
from inference.signature import TensorSpec
from tests.inference.batch.folder import FolderFiles

PICTURE, TEXT = Wanted(PICTURES), Wanted(TEXTS)


def tensors(*specs: tuple[str, str, tuple[int, ...]]) -> Wanted:
    return Wanted(TENSORS, tuple(TensorSpec(*spec) for spec in specs))


FOUR = tensors(("x", "FP32", (-1, 4)))


def chunks(
    folder: Path, wanted: Wanted, *files: str, rows: int = 1000, batch: int = 64, **said: Any
) -> Iterator[tuple[Place, list[Rows]]]:
    """Every chunk with its groups of rows; all passes through JSON in between."""
    store = FolderFiles(folder)
    described = describe(store, Described(files, **said), wanted)
    described = Described.from_json(json.loads(json.dumps(described.as_json())))
    for place in places(store, described, wanted, rows, "spill"):
        place = Place(
            **json.loads(
                json.dumps(
                    {
                        "kind": place.kind,
                        "first": place.first,
                        "rows": place.rows,
                        "where": dict(place.where),
                    }
                )
            )
        )
        yield place, list(rows_of(store, place, described, wanted, batch))


def outcomes(groups: list[Rows]) -> Iterator[tuple[Any, Any]]:
    """(key, what the row is, or its Fault) of each."""
    for rows in groups:
        good = 0
        for index, key in enumerate(rows.keys):
            key = int(key) if isinstance(key, np.integer) else key
            if index in rows.faults:
                yield key, rows.faults[index]
            elif rows.items is not None:
                yield key, rows.items[index]
            else:
                assert rows.arrays is not None
                yield key, {name: array[good] for name, array in rows.arrays.items()}
                good += 1
        if rows.arrays is not None:
            assert all(len(array) == good for array in rows.arrays.values())


def read(folder: Path, wanted: Wanted, *files: str, **said: Any) -> list[tuple[Any, Any]]:
    """All rows of an input; checks what holds of every plan."""
    found: list[tuple[Any, Any]] = []
    for place, groups in chunks(folder, wanted, *files, **said):
        rows = list(outcomes(groups))
        assert place.first == len(found)
        assert place.rows == len(rows)
        assert all(len(group.keys) <= said.get("batch", 64) for group in groups)
        found += rows
    return found


def plain(rows: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Rows that can be compared: arrays as lists, faults as texts."""
    return [(key, _plain(value)) for key, value in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, Fault):
        return str(value)
    if isinstance(value, dict):
        return {name: (array.dtype.str, array.tolist()) for name, array in value.items()}
    return value


def values(rows: list[tuple[Any, Any]], name: str = "x") -> list[Any]:
    """What one input is in each row; the text of a fault."""
    return [
        str(value) if isinstance(value, Fault) else np.asarray(value[name]).tolist()
        for _, value in rows
    ]
