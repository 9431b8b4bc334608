"""Zip archives: the directory by streaming, and entries where they lie.

An archive whose end is missing has no directory: its entries are then found one behind the other.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from aihub.problems import N_
from inference.batch.inputs.entries import DAMAGED, Entry, is_wanted, picture_row, too_large
from inference.batch.inputs.sources import Window, filled
from inference.batch.rows import Fault, Rows

STORED, DEFLATED = 0, 8
MAX_RATIO, RATIO_FROM = 1000, 1 << 20
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL = 0xFFFFFFFF
_STREAMED = 8  # the flag of an entry whose sizes stand behind it

ENCRYPTED = N_("The entry is encrypted.")
METHOD = N_("The entry is compressed by method %(method)s; stored and deflated ones are read.")
BOMB = N_("The entry grows from %(packed)s to %(size)s bytes; it is not unpacked.")
BROKEN = N_("The entry is damaged.")


def zip_entries(file: IO[bytes], size: int) -> Iterator[Entry]:
    """Every picture of an archive of `size` bytes, in the directory's order."""
    found = _directory(file, size)
    entries = _recovered(file, size) if found is None else _listed(file, *found)
    for entry in entries:
        if is_wanted(entry.name):
            yield entry


def zip_rows(file: IO[bytes], entries: Iterator[Entry]) -> Iterator[Rows]:
    """The entries' pictures, one by one, in one pass where they follow one another."""
    window = Window(file)
    for entry in entries:
        yield picture_row(entry.name, entry.fault or _content(window, entry))


def _directory(file: IO[bytes], size: int) -> tuple[int, int, int] | None:
    """Where the directory begins, its bytes, and what is in front of the archive; or None."""
    tail_size = min(size, _END.size + 0xFFFF)
    file.seek(size - tail_size)
    tail = filled(file, tail_size)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        return None
    *_, length, offset, _ = _END.unpack_from(tail, place)
    end = size - tail_size + place
    if _FULL in (length, offset) or 0xFFFF in _END.unpack_from(tail, place)[3:5]:
        large = _end_64(file, end)
        if large is not None:
            end, length, offset = large
    before = end - length - offset
    return (offset + before, length, before) if before >= 0 else None


def _end_64(file: IO[bytes], end: int) -> tuple[int, int, int] | None:
    """The same of an archive with 64-bit numbers: where its end record is, bytes, offset."""
    if end < _LOCATOR.size:
        return None
    file.seek(end - _LOCATOR.size)
    signature, _, offset, _ = _LOCATOR.unpack(filled(file, _LOCATOR.size))
    if signature != b"PK\x06\x07":
        return None
    for place in (offset, end - _LOCATOR.size - _END_64.size):  # with something in front
        file.seek(max(place, 0))
        data = filled(file, _END_64.size)
        if len(data) == _END_64.size and data.startswith(b"PK\x06\x06"):
            *_, length, start = _END_64.unpack(data)
            return max(place, 0), length, start
    return None


def _listed(file: IO[bytes], start: int, length: int, before: int) -> Iterator[Entry]:
    window, end = Window(file, 1 << 20), start + length
    while start + _CENTRAL.size <= end:
        head = window.at(start, _CENTRAL.size)
        if len(head) < _CENTRAL.size or not head.startswith(b"PK\x01\x02"):
            yield Entry("?", fault=Fault(DAMAGED))
            return
        fields = _CENTRAL.unpack(head)
        name_size, extra_size, comment_size = fields[10:13]
        rest = window.at(start + _CENTRAL.size, name_size + extra_size)
        name, extra = rest[:name_size], rest[name_size:]
        sizes = _large([fields[9], fields[8], fields[16]], extra)
        flags, method, check = fields[3], fields[4], fields[7]
        entry = Entry(_name(name, flags), before + sizes[2], sizes[1], sizes[0], method, check)
        yield _judged(entry, flags)
        start += _CENTRAL.size + name_size + extra_size + comment_size


def _large(numbers: list[int], extra: bytes) -> list[int]:
    """Numbers that do not fit 32 bits stand in a field of the entry's extra data, in order."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            data = extra[4 : 4 + length]
            for index, number in enumerate(numbers):
                if number == _FULL and len(data) >= 8:
                    numbers[index] = struct.unpack_from("<Q", data)[0]
                    data = data[8:]
            return numbers
        extra = extra[4 + length :]
    return numbers


def _name(data: bytes, flags: int) -> str:
    """UTF-8 where it is, said or not; else the code page of old."""
    data = data.partition(b"\0")[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace") if flags & 0x800 else data.decode("cp437")


def _judged(entry: Entry, flags: int) -> Entry:
    fault = _fault(entry, flags)
    return entry if fault is None else replace(entry, fault=fault)


def _fault(entry: Entry, flags: int) -> Fault | None:
    if flags & 1:
        return Fault(ENCRYPTED)
    if entry.method not in (STORED, DEFLATED):
        return Fault(METHOD, {"method": entry.method})
    if entry.size > RATIO_FROM and entry.size > MAX_RATIO * entry.packed:
        return Fault(BOMB, {"packed": entry.packed, "size": entry.size})
    return too_large(max(entry.size, entry.packed))


def _content(window: Window, entry: Entry) -> bytes | Fault:
    head = window.at(entry.start, _LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
        return Fault(BROKEN)
    skip = sum(_LOCAL.unpack(head)[9:11])
    data = window.at(entry.start + _LOCAL.size + skip, entry.packed)
    if entry.method == DEFLATED:
        data = _inflated(data, entry.size)
    sound = len(data) == entry.size and entry.check in (None, zlib.crc32(data))
    return data if sound else Fault(BROKEN)


def _inflated(data: bytes, size: int) -> bytes:
    """No more than is told of the entry; nothing where it is damaged."""
    try:
        return zlib.decompressobj(-15).decompress(data, size + 1)
    except zlib.error:
        return b""


def _recovered(file: IO[bytes], size: int) -> Iterator[Entry]:
    """Entries from the beginning on, as far as they are whole; the one that is not is a fault."""
    window, start = Window(file), 0
    while start + _LOCAL.size <= size:
        head = window.at(start, _LOCAL.size)
        if not head.startswith(b"PK\x03\x04"):
            if not head.startswith(b"PK"):
                yield Entry("?", fault=Fault(DAMAGED))
            return
        _, _, flags, method, _, _, check, packed, unpacked, name_size, extra_size = _LOCAL.unpack(
            head
        )
        rest = window.at(start + _LOCAL.size, name_size + extra_size)
        name = _name(rest[:name_size], flags)
        unpacked, packed = _large([unpacked, packed], rest[name_size:])
        begin = start + _LOCAL.size + name_size + extra_size
        if flags & _STREAMED and not packed:
            found = _measured(window, begin) if method == DEFLATED else None
            packed, unpacked, check = found or (size, 0, 0)
        entry = Entry(name, start, packed, unpacked, method, check)
        if begin + packed > size:
            yield replace(entry, fault=Fault(DAMAGED))
            return
        yield _judged(entry, flags)
        start = _next(window, begin + packed) if flags & _STREAMED else begin + packed


def _measured(window: Window, start: int) -> tuple[int, int, int] | None:
    """(packed, unpacked, check) of deflated data whose end is not told; None without an end."""
    inflater, begin, size, check = zlib.decompressobj(-15), start, 0, 0
    while data := window.at(start, 1 << 16):
        start += len(data)
        while data and not inflater.eof:
            try:
                piece = inflater.decompress(data, 1 << 20)
            except zlib.error:
                return None
            size, check = size + len(piece), zlib.crc32(piece, check)
            data = inflater.unconsumed_tail
        if inflater.eof:
            return start - begin - len(inflater.unused_data), size, check
    return None


def _next(window: Window, start: int) -> int:
    """Behind the sizes that follow an entry, which take 12 to 24 bytes."""
    data = window.at(start, 28)
    place = data.find(b"PK", 4)
    return start + place if place >= 0 else start + len(data)
