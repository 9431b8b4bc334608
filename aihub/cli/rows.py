"""The inputs of a batch, in order, each with its key; none is read before its turn."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from aihub.cli.calling import Picture, one_row
from aihub.cli.failures import Exit, Failure

PICTURES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"])
LARGEST = 256 * 1024 * 1024  # bytes of one picture, unpacked


class Unreadable(Exception):
    """Why one row cannot be sent."""


@dataclass(frozen=True)
class Row:
    """An input: `read` gives a picture, or what stands for a batch of one in JSON."""

    key: str
    read: Callable[[], Any]


def rows(given: Sequence[Path]) -> Iterator[Row]:
    """Pictures, folders and zips of pictures, and files of lines of JSON."""
    for path in given:
        if not path.exists():
            raise Failure(f"There is no file {path}.", Exit.USAGE)
    for path in given:
        if path.is_dir():
            yield from _of_folder(path)
        elif path.suffix.lower() == ".zip":
            yield from _of_zip(path)
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            yield from _of_lines(path)
        else:
            yield _of_file(path, str(path))


def _of_folder(folder: Path) -> Iterator[Row]:
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in _natural(files):
            path = Path(top) / name
            if path.suffix.lower() in PICTURES:
                yield _of_file(path, path.relative_to(folder).as_posix())


def _of_file(path: Path, key: str) -> Row:
    def read() -> Picture:
        try:
            if path.stat().st_size > LARGEST:
                raise Unreadable("the file is too large.")
            return Picture(path.name, path.read_bytes())
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error

    return Row(key, read)


def _of_zip(path: Path) -> Iterator[Row]:
    try:
        archive = ZipFile(path)  # open until the command ends: rows are read after this
    except BadZipFile:
        raise Failure(f"{path} is no zip archive.", Exit.USAGE) from None
    lock = threading.Lock()
    for entry in archive.infolist():
        if Path(entry.filename).suffix.lower() in PICTURES and not entry.is_dir():
            yield Row(entry.filename, _member(archive, entry, lock))


def _member(archive: ZipFile, entry: ZipInfo, lock: threading.Lock) -> Callable[[], Picture]:
    def read() -> Picture:
        try:
            with lock, archive.open(entry) as file:
                content = file.read(LARGEST + 1)
        except (BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
            raise Unreadable(str(error)) from error
        if len(content) > LARGEST:
            raise Unreadable("the picture is too large, unpacked.")
        return Picture(Path(entry.filename).name, content)

    return read


def _of_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield Row(str(number), _line(line))


def _line(line: bytes) -> Callable[[], Any]:
    def read() -> Any:
        try:
            return one_row(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"not valid JSON: {error}") from error

    return read


def _natural(names: Sequence[str]) -> list[str]:
    """In the order that people expect: 2 before 10."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"([0-9]+)", name)
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]

    return sorted(names, key=lambda name: (key(name), name))
