"""Writing the part of one chunk."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from inference.batch.outputs.batch import batch_of
from inference.batch.outputs.formats import format_of
from inference.batch.outputs.shape import Part, Shape
from inference.batch.outputs.sums import Summed
from inference.batch.rows import Fault, Rows
from inference.runtimes.base import Arrays


class PartWriter:
    """A part in a file of its own: the same calls write the same bytes. Leaving the context
    without `close` leaves an unfinished file behind."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self._shape = shape
        self._file = path.open("wb")
        self._summed = Summed(self._file, "sha256")
        self._encoder = format_of(shape).encoder(self._summed, shape)
        self._rows = self._failed = 0

    def write(self, rows: Rows, outputs: Arrays | None, faults: Mapping[int, Fault]) -> None:
        """Add rows. `faults` has every row without a prediction, by index; `outputs` are the
        others', by name, first axis the rows in order (None: there are no others).

        Scores that are no numbers fail their row. ValueError for outputs of another length.
        """
        batch = batch_of(self._shape, rows.keys, outputs, faults)
        self._encoder.write(batch)
        self._rows += len(rows.keys)
        self._failed += len(batch.errors)

    def close(self) -> Part:
        """The file is whole after this."""
        checks = self._encoder.close()
        self._file.close()
        sums = self._summed.sums()
        return Part(self._rows, self._failed, self._summed.size, **sums, checks=checks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Encoders hold on to the file until they are closed."""
        try:
            if not self._file.closed:
                self._encoder.close()
        finally:
            self._file.close()
