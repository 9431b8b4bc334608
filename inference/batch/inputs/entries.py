"""Pictures in an archive: what is known of each before it is read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson

from aihub.problems import N_
from inference.batch.inputs.taking import MAX_PICTURE, TOO_LARGE
from inference.batch.rows import Fault, Files, Rows

DAMAGED = N_("The archive is damaged here, or ends early.")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive: `packed` bytes from `start` on; `fault` says why it is not read."""

    name: str
    start: int = 0
    packed: int = 0
    size: int = 0
    method: int = 0
    check: int | None = None  # CRC-32
    fault: Fault | None = None

    def as_line(self) -> bytes:
        """A line of an index."""
        fault = self.fault and [self.fault.message, self.fault.values]
        fields = (self.name, self.start, self.packed, self.size, self.method, self.check, fault)
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_line(cls, line: bytes) -> "Entry":
        name, start, packed, size, method, check, fault = orjson.loads(line)
        return cls(name, start, packed, size, method, check, Fault(*fault) if fault else None)


def is_wanted(name: str) -> bool:
    """Neither a folder nor what systems hide in archives."""
    if not name or name.endswith("/"):
        return False
    if not name.startswith((".", "__MACOSX")) and "/." not in name and "/__MACOSX" not in name:
        return True
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return "__MACOSX" not in parts and not hidden


def too_large(size: int) -> Fault | None:
    """The fault of a picture of so many bytes, if any."""
    if size <= MAX_PICTURE:
        return None
    return Fault(TOO_LARGE, {"count": size, "most": MAX_PICTURE})


def printable(name: str) -> str:
    """A name that UTF-8 can hold: archives may have any bytes in names."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def index_write(files: Files, key: str, entries: Iterable[Entry]) -> None:
    """Lay down the entries of a chunk."""
    with files.write(key) as file:
        file.writelines(entry.as_line() for entry in entries)


def index_read(files: Files, key: str) -> Iterator[Entry]:
    """The entries of a chunk."""
    with files.open(key) as file:
        yield from map(Entry.from_line, _lines(file))


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    held = b""
    while data := file.read(1 << 20):
        *lines, held = (held + data).split(b"\n")
        yield from lines
    if held:
        yield held


def picture_row(name: str, outcome: Any) -> Rows:
    """One row: bytes, or a Fault."""
    if isinstance(outcome, Fault):
        return Rows([name], {0: outcome}, items=[None])
    return Rows([name], items=[outcome])
