"""Reading an owner's sample files: pictures, archives of them, lines of JSON, and arrays.

What cannot be read or does not fit is passed over: the door has judged the files already.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from inference.runtimes.base import Array, Arrays
from inference.signature import TensorSpec

Samples = Mapping[str, Path]  # local paths by the names that the owner gave

MAX_ROWS = 1000
_MAX_PICTURE = 64 * 1024 * 1024  # bytes
_OTHER = (".jsonl", ".npy", ".npz")


def pictures(samples: Samples) -> Iterator[bytes]:
    """Encoded pictures, also those within archives."""
    for name, path in samples.items():
        if name.lower().endswith(".zip"):
            yield from _archived(path)
        elif not name.lower().endswith(_OTHER):
            yield path.read_bytes()


def texts(samples: Samples) -> list[str]:
    """Lines of JSON that are texts."""
    found = (value for value in _lines(samples) if isinstance(value, str) and value.strip())
    return list(islice(found, MAX_ROWS))


def rows(samples: Samples, items: Sequence[TensorSpec]) -> Iterator[Arrays]:
    """Inputs of one item by name, of the shapes that `items` names."""
    values = [*_json_rows(samples, items), *_array_rows(samples, items)]
    fitting = (row for row in values if _fits(row, items))
    return islice(fitting, MAX_ROWS)


def _archived(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not entry.is_dir() and entry.file_size <= _MAX_PICTURE:
                yield archive.read(entry)


def _lines(samples: Samples) -> Iterator[Any]:
    for name, path in samples.items():
        if name.lower().endswith(".jsonl"):
            with path.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in islice(file, MAX_ROWS) if line.strip())


def _json_rows(samples: Samples, items: Sequence[TensorSpec]) -> Iterator[Arrays]:
    """A line is an object by input names, or the only input's array."""
    for value in _lines(samples):
        given = value if isinstance(value, dict) else {items[0].name: value}
        try:
            yield {t.name: np.asarray(given[t.name], dtype=t.dtype) for t in items}
        except (KeyError, ValueError, TypeError, OverflowError):
            continue


def _array_rows(samples: Samples, items: Sequence[TensorSpec]) -> Iterator[Arrays]:
    for name, path in samples.items():
        if not name.lower().endswith((".npy", ".npz")):
            continue
        loaded = np.load(path, allow_pickle=False)
        arrays = {items[0].name: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
        if all(tensor.name in arrays for tensor in items):
            yield from _unstacked(arrays, items)


def _unstacked(arrays: Mapping[str, Array], items: Sequence[TensorSpec]) -> Iterator[Arrays]:
    for index in range(min(len(arrays[tensor.name]) for tensor in items)):
        yield {t.name: np.asarray(arrays[t.name][index]).astype(t.dtype) for t in items}


def _fits(row: Arrays, items: Iterable[TensorSpec]) -> bool:
    return all(tensor.fits(row[tensor.name].shape) for tensor in items)
