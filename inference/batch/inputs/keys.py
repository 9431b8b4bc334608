"""What a row of a table is called in the output."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from inference.batch.inputs.described import Described
from inference.batch.rows import Keys


class Naming:
    """Keys of rows that follow one another: of a column, else their numbers, which count from 1.

    `row` counts the rows of the file in front of the next, from 0.
    """

    def __init__(self, described: Described, file: str, row: int) -> None:
        self._file = file if described.several else None
        self._row = row

    def next(self, count: int, values: Sequence[Any] | None = None) -> Keys:
        """Keys of the next `count` rows; `values` are those of the key column, None where empty."""
        start, self._row = self._row, self._row + count
        if values is not None:
            return [
                self._text(start + i) if value is None or value == "" else _text(value)
                for i, value in enumerate(values)
            ]
        if self._file is not None:
            return [self._text(start + i) for i in range(count)]
        return np.arange(start + 1, start + count + 1, dtype=np.int64)

    def _text(self, row: int) -> str:
        return str(row + 1) if self._file is None else f"{self._file}:{row + 1}"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
