"""The output of a batch: a row for each input, and after an interruption those that are there."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

COLUMNS = ("key", "predictions", "error")


class Written:
    """Rows appended to a file, JSON lines or CSV by its name; each is whole, or not there."""

    def __init__(self, path: Path, *, anew: bool = False) -> None:
        self._csv = path.suffix.lower() == ".csv"
        self._file: IO[bytes] = path.open("w+b" if anew or not path.exists() else "r+b")
        self._cut()
        if self._csv and self._file.tell() == 0:
            self._append(_csv_line(COLUMNS))

    def rows(self) -> Iterator[tuple[str, bool]]:
        """Of each row that is there: its key, and whether it failed."""
        self._file.seek(0)
        if self._csv:
            text = io.TextIOWrapper(self._file, "utf-8", newline="")
            for found in csv.DictReader(text):
                yield str(found.get("key")), bool(found.get("error"))
            text.detach()
        else:
            for line in self._file:
                found = json.loads(line)
                yield str(found["key"]), bool(found["error"])
        self._file.seek(0, os.SEEK_END)

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

    def _cut(self) -> None:
        """Drop the half of a line that a killed process left."""
        end = 0
        for line in self._file:
            end += len(line) if line.endswith(b"\n") else 0
        self._file.truncate(end)
        self._file.seek(end)


def json_line(key: str, predictions: Any, error: str | None) -> bytes:
    row = {"key": key, "predictions": predictions, "error": error}
    return json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n"


def _csv_line(cells: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    plain = ["".join(c if c.isprintable() else " " for c in cell) for cell in cells]
    csv.writer(text, lineterminator="\n").writerow(plain)
    return text.getvalue().encode(errors="replace")
