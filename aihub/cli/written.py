"""The output of a batch: a row for each input, and after an interruption those that are there."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

COLUMNS = ("key", "predictions", "error")


class Written:
    """Rows appended to a file, JSON lines or CSV by its name; each is whole, or not there."""

    def __init__(self, path: Path, *, anew: bool = False) -> None:
        self._csv = path.suffix.lower() == ".csv"
        self._file: IO[bytes] = path.open("w+b" if anew or not path.exists() else "r+b")

    def rows(self) -> Iterator[tuple[str, bool]]:
        """Of each row that is there: its key, and whether it failed; ValueError for other text."""
        lines = [line for line in self._file if line.endswith(b"\n")]
        if not lines and self._file.tell():
            raise ValueError
        if self._csv:
            yield from _of_csv(lines)
        else:
            for line in lines:
                found = json.loads(line)
                yield str(found["key"]), bool(found["error"])

    def go_on(self) -> None:
        """After the rows; the half of a line that a killed process left is dropped."""
        self._file.seek(0)
        end = sum(len(line) for line in self._file if line.endswith(b"\n"))
        self._file.truncate(end)
        self._file.seek(end)
        if self._csv and end == 0:
            self._append(_csv_line(COLUMNS))

    def add(self, key: str, predictions: Any, error: str | None) -> None:
        if self._csv:
            said = "" if predictions is None else json.dumps(predictions, ensure_ascii=False)
            self._append(_csv_line((key, said, error or "")))
        else:
            self._append(json_line(key, predictions, error))

    def close(self) -> None:
        self._file.close()

    def _append(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()


def _of_csv(lines: Sequence[bytes]) -> Iterator[tuple[str, bool]]:
    rows = csv.reader(line.decode() for line in lines)
    if tuple(next(rows, COLUMNS)) != COLUMNS:
        raise ValueError
    for key, _, error in rows:
        yield key, bool(error)


def json_line(key: str, predictions: Any, error: str | None) -> bytes:
    row = {"key": key, "predictions": predictions, "error": error}
    return json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n"


def _csv_line(cells: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    plain = ["".join(c if c.isprintable() else " " for c in cell) for cell in cells]
    csv.writer(text, lineterminator="\n").writerow(plain)
    return text.getvalue().encode(errors="replace")
