"""Records of a text file, by streaming: lines of JSON, or rows of CSV with newlines in quotes."""

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aihub.problems import N_
from inference.batch.inputs.sources import Stream
from inference.batch.rows import Fault

BLOCK = 1 << 20
MAX_QUOTED = 1 << 20  # bytes within which an opening quote must find its end
MAX_LINE = 64 << 20
BOM = b"\xef\xbb\xbf"
_LARGEST_READ = 8 << 20

Numbers = npt.NDArray[np.int64]
TOO_LONG = N_("The line is longer than %(most)s MiB.")
NO_END = N_("An opening quote finds no end.")
CUT = N_("The file is damaged from here on, or ends early.")


@dataclass(slots=True)
class Block:
    """Whole records. `starts` and `ends` (behind the newline) are positions in `data`, `lines`
    the line (from 1) in which each begins; `at` is the position of `data` in the stream."""

    at: int
    data: bytes
    starts: Numbers
    ends: Numbers
    lines: Numbers
    faults: dict[int, Fault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts)

    def record(self, index: int) -> bytes:
        """A record without its newline."""
        data = self.data[self.starts[index] : self.ends[index]]
        return data.removesuffix(b"\n").removesuffix(b"\r")


@dataclass(slots=True)
class Found:
    """Ends of the records in a piece of text, and which of them are broken (by index)."""

    ends: Numbers
    newlines: Numbers
    broken: list[int] = field(default_factory=list)
    blank: bytes = b"\r\n"  # a record of nothing else is none


Scan = Callable[[bytes, bool], Found]  # a text that begins with a record, and whether it is all


def blocks(
    stream: Stream, scan: Scan, *, at: int = 0, line: int = 1, held: bytes = b""
) -> Iterator[Block]:
    """The records of a stream, without blank ones. `at` and `line` are where it begins, `held` is
    what was already read of it. Where it is damaged, the last record is the fault CUT."""
    final = False
    while not final:
        data = stream.read(min(max(BLOCK, len(held)), _LARGEST_READ))
        final = not data
        if stream.damaged and final:
            yield _faulty(b"", at, line, CUT)
            return
        held = held + data if held else data
        if final and not held:
            break
        found = scan(held, final)
        used = int(found.ends[-1]) if len(found.ends) else 0
        if not used and len(held) > MAX_LINE:
            at, line, held = yield from _too_long(stream, held, at, line)
            continue
        if not used:
            continue
        yield _block(held[:used] if used < len(held) else held, found, at, line)
        at, held = at + used, held[used:]
        line += int(np.searchsorted(found.newlines, used))


def _too_long(
    stream: Stream, held: bytes, at: int, line: int
) -> Generator[Block, None, tuple[int, int, bytes]]:
    """Pass over the rest of a line; returns where the next begins, and what is held of it."""
    message: str | None = TOO_LONG
    while held:
        newline = held.find(b"\n") + 1
        data = held[:newline] if newline else held
        yield _faulty(data, at, line, message)
        at, message = at + len(data), None
        if newline:
            return at, line + 1, held[newline:]
        held = stream.read(BLOCK)
    return at, line, b""


def _faulty(data: bytes, at: int, line: int, message: str | None) -> Block:
    """A block of one record that cannot be read, or (the rest of it) of none."""
    count = 1 if message else 0
    numbers = np.zeros(count, np.int64)
    values = {"most": MAX_LINE >> 20} if message == TOO_LONG else {}
    faults = {0: Fault(message, values, line)} if message else {}
    return Block(at, data, numbers, numbers + len(data), numbers + line, faults)


def _block(data: bytes, found: Found, at: int, line: int) -> Block:
    ends = found.ends
    starts = np.concatenate(([0], ends[:-1])).astype(np.int64)
    lines = np.searchsorted(found.newlines, starts) + line
    full = _full(data, starts, found.blank)
    faults = {index: Fault(NO_END, {}, int(lines[index])) for index in found.broken}
    for index in np.flatnonzero(ends - starts > MAX_LINE).tolist():
        faults[index] = Fault(TOO_LONG, {"most": MAX_LINE >> 20}, int(lines[index]))
    if full.all():
        return Block(at, data, starts, ends, lines, faults)
    place = np.cumsum(full) - 1
    moved = {int(place[index]): fault for index, fault in faults.items()}
    return Block(at, data, starts[full], ends[full], lines[full], moved)


def _full(data: bytes, starts: Numbers, blank: bytes) -> npt.NDArray[np.bool_]:
    """Which records are more than the end of a line: however many are not, none is looked at by
    itself."""
    octets = np.frombuffer(data, np.uint8)
    says = np.ones(256, np.bool_)
    says[list(blank)] = False
    full: npt.NDArray[np.bool_] = says[octets[starts]]
    return full if full.all() else np.logical_or.reduceat(says[octets], starts)


def newlines_of(data: bytes) -> Numbers:
    """Positions of all newlines."""
    octets = np.frombuffer(data, np.uint8)
    pieces = [
        np.flatnonzero(octets[start : start + BLOCK] == 10) + start
        for start in range(0, len(data), BLOCK)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


def json_lines(data: bytes, final: bool) -> Found:
    """Every newline ends a record."""
    newlines = newlines_of(data)
    return Found(_ended(data, newlines + 1, final), newlines, blank=b" \t\r\n")


def csv_records(delimiter: str) -> Scan:
    """A newline within quotes belongs to its record; quotes count at the beginning of a field."""
    mark = re.escape(delimiter.encode())
    quoted = re.compile(rb"(?:\A|(?<=[\n" + mark + rb']))"(?:[^"]++|"")*+("?)')

    def scan(data: bytes, final: bool) -> Found:
        newlines = newlines_of(data)
        if b'"' not in data:
            return Found(_ended(data, newlines + 1, final), newlines)
        return _outside_quotes(data, newlines, quoted, final)

    return scan


def _outside_quotes(
    data: bytes, newlines: Numbers, quoted: re.Pattern[bytes], final: bool
) -> Found:
    ending = np.ones(len(newlines), np.bool_)
    broken: list[int] = []
    position, limit = 0, len(data)
    while match := quoted.search(data, position):
        start, end = match.span()
        closed = bool(match[1]) and (final or end < len(data))
        if closed and end - start <= MAX_QUOTED:
            if data.find(b"\n", start, end) >= 0:
                ending[slice(*np.searchsorted(newlines, (start, end)))] = False
            position = end
        elif final or len(data) - start > MAX_QUOTED:
            broken.append(start)
            position = data.find(b"\n", start) + 1 or len(data)
        else:  # more has to be read before it can be judged
            limit = start
            break
    ends = newlines[ending] + 1
    ends = _ended(data, ends[ends <= limit], final)
    return Found(ends, newlines, np.searchsorted(ends, broken, side="right").tolist())


def _ended(data: bytes, ends: Numbers, final: bool) -> Numbers:
    """The last line of a file may lack its newline."""
    if final and (not len(ends) or ends[-1] < len(data)):
        return np.append(ends, len(data))
    return ends
