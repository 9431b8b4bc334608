"""The zip layer: which members an archive has and where, before any is opened.

torch's reader and Python's must see the same archive, so what two readers could understand in two
ways is refused: doubled names, prefixes, comments, disagreeing headers, overlaps.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from stat import S_ISLNK
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from registry.refusals import N_, Refused, in_layer
from registry.scanning.signatures import ENDS_EARLY, ZIP

LAYER = "archive"
END_RECORD = b"PK\x05\x06"
MAX_ENTRIES = 100_000
MAX_DIRECTORY = 16 << 20
MAX_RATIO = 20
"""How many times smaller deflate may make a member: weights barely shrink at all."""
SMALL = 4096
"""Bytes under which the ratio says nothing, as a run of zeros may be legitimate."""
MAX_PATH, MAX_PART = 1024, 255
"""Bytes of a member's path, and of each folder and name in it: file systems take no more."""
MAX_GROWTH, GROWTH_FLOOR = 10, 1 << 28
"""How many times its size, beyond so many bytes, a whole archive may unpack to."""

BROKEN = N_("The archive is damaged or was altered by hand. Save it again with torch.save.")
TOO_MANY = N_("The archive has too many members (at most %(limit)s).")
DOUBLED = N_("The archive holds %(member)s twice.")
BAD_PATH = N_("The archive holds a member with a forbidden path: %(member)s.")
ENCRYPTED = N_("The archive is encrypted. Save it again with torch.save.")
ODD_METHOD = N_("%(member)s is compressed in a way torch cannot read.")
BOMB = N_("%(member)s would unpack from %(packed)s to %(unpacked)s bytes, like a zip bomb.")
WHOLE_BOMB = N_("The archive would unpack from %(packed)s to %(unpacked)s bytes, like a zip bomb.")
OVERLAP = N_("The members %(first)s and %(second)s of the archive overlap.")
TOO_LARGE = N_("%(member)s is larger than the %(limit)s bytes that are read of it.")

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
_UTF8, _ENCRYPTED = 0x800, 0x2041


@dataclass(frozen=True)
class Member:
    """A member by its name, with the place and sizes of its data in bytes."""

    name: str
    header: int
    start: int
    packed: int
    size: int
    compressed: bool

    @property
    def end(self) -> int:
        return self.start + self.packed


@in_layer(LAYER)
def names(path: Path) -> list[str]:
    """The names in the directory, unchecked; Refused if there is no readable directory."""
    return [info.filename for info in _directory(path)[0]]


@in_layer(LAYER)
def members(path: Path, *, folders: bool = False, ratio: int = MAX_RATIO) -> dict[str, Member]:
    """The checked members by name, in the order of their data.

    `folders` may have entries of their own, which are left out; deflate may have made a member
    `ratio` times smaller.
    """
    infos, data_end = _directory(path)
    check_names([info.filename.removesuffix("/" if folders else "") for info in infos])
    with path.open("rb") as file:
        found = [_member(file, info, ratio) for info in infos]
    found.sort(key=lambda member: member.header)
    _check_places(found, data_end)
    return {member.name: member for member in found if not member.name.endswith("/")}


@in_layer(LAYER)
def read(path: Path, member: Member, limit: int) -> bytes:
    """A member's bytes, never more than `limit`; Refused if it is larger or broken."""
    if member.size > limit or member.packed > limit:
        raise Refused(TOO_LARGE, member=member.name, limit=limit)
    with path.open("rb") as file:
        file.seek(member.start)
        data = file.read(member.packed)
    if member.compressed:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)
        except zlib.error as error:
            raise Refused(BROKEN) from error
    if len(data) != member.size:
        raise Refused(BROKEN)
    return data


def _directory(path: Path) -> tuple[list[ZipInfo], int]:
    """The entries and where their data ends, after the limits that keep reading them cheap."""
    count, start = _end_of(path)
    try:
        with ZipFile(path) as archive:
            infos = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError) as error:
        raise Refused(BROKEN) from error
    if len(infos) != count:
        raise Refused(BROKEN)
    return infos, start


def _end_of(path: Path) -> tuple[int, int]:
    """The number of entries and the start of the directory, from the record at the very end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        window = _END64.size + _LOCATOR64.size + _END.size
        file.seek(max(0, size - window))
        tail = file.read().rjust(window, b"\0")
    magic, *_, count, length, start, _comment = _END.unpack_from(tail, window - _END.size)
    end = size - _END.size
    if magic != END_RECORD:
        raise Refused(ENDS_EARLY)
    if tail[_END64.size :].startswith(b"PK\x06\x07"):
        end -= _END64.size + _LOCATOR64.size
        count, length, start = _end64(tail, end)
    if count > MAX_ENTRIES or length > MAX_DIRECTORY:
        raise Refused(TOO_MANY, limit=MAX_ENTRIES)
    if start + length != end:
        raise Refused(BROKEN)
    return count, start


def _end64(tail: bytes, place: int) -> tuple[int, int, int]:
    """Entries, length and start of the directory of a large archive."""
    _, _, located, _ = _LOCATOR64.unpack_from(tail, _END64.size)
    magic, *_, count, length, start = _END64.unpack_from(tail)
    if located != place or magic != b"PK\x06\x06":
        raise Refused(BROKEN)
    return count, length, start


@in_layer(LAYER)
def check_growth(packed: int, unpacked: int) -> None:
    """Refuse an archive that unpacks to much more than it has, whatever each member does."""
    if unpacked > MAX_GROWTH * packed + GROWTH_FLOOR:
        raise Refused(WHOLE_BOMB, packed=packed, unpacked=unpacked)


def check_names(found: Sequence[str]) -> None:
    """Upper and lower case are one name: torch's reader finds members in any case."""
    seen: set[str] = set()
    for name in found:
        if not _is_path(name):
            raise Refused(BAD_PATH, member=name[:200])
        if name.casefold() in seen:
            raise Refused(DOUBLED, member=name[:200])
        seen.add(name.casefold())


def _is_path(name: str) -> bool:
    """Whether a member may be called so: a path within the archive that can be unpacked."""
    parts = [part.encode(errors="replace") for part in name.split("/")]
    if len(b"/".join(parts)) > MAX_PATH or max(map(len, parts)) > MAX_PART:
        return False
    return not {b"", b".", b".."} & {*parts} and "\\" not in name and ":" not in name


def _member(file: BinaryIO, info: ZipInfo, ratio: int) -> Member:
    _check_entry(info, ratio)
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise Refused(BROKEN)
    magic, _, _, method, *_, name_length, extra_length = _LOCAL.unpack(header)
    name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
    if magic != ZIP or method != info.compress_type or file.read(name_length) != name:
        raise Refused(BROKEN)
    start = info.header_offset + _LOCAL.size + name_length + extra_length
    return Member(
        info.filename,
        info.header_offset,
        start,
        info.compress_size,
        info.file_size,
        method == ZIP_DEFLATED,
    )


def _check_entry(info: ZipInfo, ratio: int) -> None:
    name = info.filename[:200]
    if info.orig_filename != info.filename or S_ISLNK(info.external_attr >> 16):
        raise Refused(BAD_PATH, member=name)
    if info.flag_bits & _ENCRYPTED:
        raise Refused(ENCRYPTED)
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refused(ODD_METHOD, member=name)
    if info.compress_type == ZIP_STORED and info.compress_size != info.file_size:
        raise Refused(BROKEN)
    if info.file_size > ratio * max(info.compress_size, SMALL):
        raise Refused(BOMB, member=name, packed=info.compress_size, unpacked=info.file_size)


def _check_places(found: Sequence[Member], data_end: int) -> None:
    if found and (found[0].header != 0 or max(m.end for m in found) > data_end):
        raise Refused(BROKEN)
    for before, after in pairwise(found):
        if before.end > after.header:
            raise Refused(OVERLAP, first=before.name, second=after.name)
