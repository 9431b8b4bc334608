"""Tar archives: members by streaming. Those of compressed ones are laid out anew, by chunk."""

import tarfile
from collections.abc import Iterator
from typing import IO, Any

import orjson

from inference.batch.inputs.entries import (
    DAMAGED,
    Entry,
    is_wanted,
    picture_row,
    printable,
    too_large,
)
from inference.batch.inputs.sources import Stream, Window, filled
from inference.batch.rows import Fault, Rows

_LARGEST_HEADER = 1 << 20  # bytes of a name or of other data about a member
_BLOCK = 512


class Forward:
    """What `tarfile` reads headers from: a stream that goes forward, and no large piece at once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._at = 0
        self.ended = False

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        if size > _LARGEST_HEADER:
            raise tarfile.ReadError("too large a header")
        return self.data(size)

    def data(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        data = self._stream.read(size)
        self._at += len(data)
        self.ended = len(data) < size
        return data

    def seek(self, position: int) -> None:
        while self._at < position and self.data(min(position - self._at, 1 << 20)):
            pass


class Seeking(Forward):
    """The same over an object that lies plain: what is passed over is not read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._window = Window(file, 64 << 10)
        self._at = 0
        self.ended = False

    def data(self, size: int) -> bytes:
        data = self._window.at(self._at, size)
        self._at += len(data)
        return data

    def seek(self, position: int) -> None:
        self._at = position


def tar_entries(source: Forward, size: int | None) -> Iterator[Entry]:
    """Every picture of an archive; `size` are its bytes, where they are known. The last is a fault
    where it is cut or damaged."""
    try:
        tar = tarfile.TarFile(fileobj=source, mode="r", errorlevel=0)  # type: ignore[arg-type]
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it keeps them all
            name = printable(member.name)
            if not member.isreg() or not is_wanted(name):
                continue
            cut = size is not None and member.offset_data + member.size > size
            fault = Fault(DAMAGED) if cut or member.issparse() else too_large(member.size)
            yield Entry(name, member.offset_data, member.size, member.size, fault=fault)
            if cut or source.ended:
                return
        source.seek(tar.offset)
        if source.data(_BLOCK).strip(b"\0"):
            yield Entry("?", fault=Fault(DAMAGED))
    except (tarfile.TarError, ValueError, OverflowError):
        yield Entry("?", fault=Fault(DAMAGED))


def tar_rows(file: IO[bytes], entries: Iterator[Entry]) -> Iterator[Rows]:
    """The entries' pictures, one by one, in one pass."""
    window = Window(file)
    for entry in entries:
        data: bytes | Fault = entry.fault or window.at(entry.start, entry.size)
        yield picture_row(entry.name, data)


def lay(sink: Any, source: Forward, entry: Entry) -> None:
    """Lay down an entry of a stream that stands at it: a line about it, and its bytes."""
    fault = entry.fault
    data = b""
    if fault is None:
        source.seek(entry.start)
        data = source.data(entry.size)
        fault = Fault(DAMAGED) if len(data) < entry.size else None
    about = (entry.name, len(data) if fault is None else 0, fault and [fault.message, fault.values])
    sink.write(orjson.dumps(about, option=orjson.OPT_APPEND_NEWLINE))
    if fault is None:
        sink.write(data)


def laid_rows(file: IO[bytes]) -> Iterator[Rows]:
    """What was laid down, in order."""
    while line := file.readline():
        name, size, fault = orjson.loads(line)
        yield picture_row(name, Fault(*fault) if fault else filled(file, size))
