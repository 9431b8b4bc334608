"""The tar layer, plain or gzipped: files in folders and nothing else, in bounded bytes."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from registry.refusals import N_, Refused, in_layer
from registry.scanning import archives
from registry.scanning.signatures import GZIP

_MOST_AT_ONCE = 1 << 20
"""Bytes of one header: names longer than that are made to take memory."""

DAMAGED = N_("The tar archive is damaged or ends early. Make it again.")
NO_FILE = N_("The archive holds %(member)s, which is neither a file nor a folder.")


def is_tar(path: Path) -> bool:
    """Whether it reads as a tar archive, gzipped or not."""
    try:
        names(path)
    except Refused:
        return False
    return True


@in_layer(archives.LAYER)
def names(path: Path) -> list[str]:
    """The names of all members, unchecked; Refused if it cannot be read."""
    with _opened(path) as archive:
        return [info.name for info in _infos(archive)]


@in_layer(archives.LAYER)
def members(path: Path) -> dict[str, int]:
    """The files with their bytes, checked: paths, kinds, doubled names, what it unpacks to."""
    with _opened(path) as archive:
        infos = list(_infos(archive))
    found = [_plain(info.name) for info in infos]
    archives.check_names([name for name in found if name])
    for info in infos:
        if not (info.isreg() or info.isdir()):
            raise Refused(NO_FILE, member=info.name[:200])
    archives.check_growth(path.stat().st_size, sum(info.size for info in infos if info.isreg()))
    return {_plain(info.name): info.size for info in infos if info.isreg()}


def unpack(path: Path, root: PurePosixPath, folder: Path) -> None:
    """Put the files below `root` into `folder`; the archive has passed `members`."""
    with _opened(path) as archive:
        for info in _infos(archive):
            name = PurePosixPath(_plain(info.name))
            if not info.isreg() or not name.is_relative_to(root):
                continue
            target = folder / name.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            source = cast(IO[bytes], archive.extractfile(info))
            with source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy)


def _plain(name: str) -> str:
    """`./a/` is how tar calls `a`, and `.` the folder that it was made in."""
    name = name.removesuffix("/")
    return "" if name == "." else name.removeprefix("./")


def _infos(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for count, info in enumerate(archive):
        if count >= archives.MAX_ENTRIES:
            raise Refused(archives.TOO_MANY, limit=archives.MAX_ENTRIES)
        yield info


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with path.open("rb") as raw, _plain_bytes(raw) as plain:
            bounded = _Bounded(plain, path.stat().st_size)
            with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
                yield archive
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError) as error:
        raise Refused(DAMAGED) from error


@contextmanager
def _plain_bytes(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    zipped = raw.read(len(GZIP)) == GZIP
    raw.seek(0)
    if not zipped:
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as plain:
        yield cast(IO[bytes], plain)


class _Bounded:
    """A file of which no more is read than an honest archive of this size unpacks to."""

    def __init__(self, file: IO[bytes], packed: int) -> None:
        self._file, self._packed = file, packed

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError("a header that large")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        self._check(place)
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, place: int) -> None:
        archives.check_growth(self._packed, place)
