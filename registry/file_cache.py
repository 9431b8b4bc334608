"""Local copies of content from a remote store: verified, bounded, shared by a host's processes.

A copy lies under its SHA-256. Its lock (`flock`, which the kernel frees when a process dies) says
what may happen to it: who uses it holds it shared, who fills, renames or removes it exclusively.
Whoever got a lock looks whether its path still leads to that file, and else begins again. The time
of access is ours: copies leave in its order, never before it. The time of modification stays as it
was when the copy was verified, so that a change shows.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

KEPT = 60.0  # seconds that a copy stays, at the least, which is handed out outside `kept`
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NANO = 10**9

Source = Callable[[], Iterable[bytes]]
_kept: ContextVar[ExitStack | None] = ContextVar("kept", default=None)


class WrongContent(Exception):
    """What the store sent has another sum or size than what was asked for."""


class Content(NamedTuple):
    """Content by its SHA-256 (hexadecimal) and size (bytes)."""

    sha256: str
    size: int


@contextmanager
def kept() -> Iterator[None]:
    """While the block lasts, every copy handed out in it stays where it is."""
    with ExitStack() as stack:
        token = _kept.set(stack)
        try:
            yield
        finally:
            _kept.reset(token)


@dataclass(frozen=True, slots=True)
class _Open:
    """An open file with its path; closing it lets go of its lock, in forked children too."""

    path: Path
    fd: int

    @classmethod
    def at(cls, path: Path, flags: int) -> Self:
        return cls(path, os.open(path, flags, 0o600))

    def close(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def share(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_SH)

    def claim(self) -> bool:
        """Take the lock for oneself; False at once where another has it."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def in_place(self) -> bool:
        """Whether the path still leads to this file."""
        try:
            return os.path.samestat(self.stat(), self.path.stat())
        except FileNotFoundError:
            return False

    def stat(self) -> os.stat_result:
        return os.fstat(self.fd)

    def stamp(self, moment: float) -> None:
        """Write down when it was used, and from when on it may leave."""
        os.utime(self.fd, ns=(int(moment * _NANO), self.stat().st_mtime_ns))

    def mark(self) -> tuple[int, int, int]:
        """What changes with the content."""
        stat = self.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def sha256(self) -> str:
        with os.fdopen(os.dup(self.fd), "rb") as file:
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()


class FileCache:
    """Copies in a folder, of `limit` bytes together; times by `clock`, in seconds."""

    def __init__(self, folder: Path, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._limit = limit
        self._clock = clock
        self._verified: dict[str, tuple[int, int, int]] = {}

    def local(self, content: Content, source: Source) -> Path:
        """A file with the content, from `source` where there is none; it stays as `kept` says.

        Raises WrongContent, OSError where the disk is full, and what `source` raises.
        """
        while (copy := self._found(content) or self._fetched(content, source)) is None:
            pass
        stack = _kept.get()
        self._stamp(copy, self._clock() + (KEPT if stack is None else 0.0))
        if stack is None:
            copy.close()
        else:
            stack.callback(copy.close)
        return copy.path

    def _stamp(self, copy: _Open, moment: float) -> None:
        """Write down when it was used and may leave, unless another was promised more."""
        before = copy.stat().st_atime
        copy.stamp(max(moment, before) if before - self._clock() <= KEPT else moment)

    def _path(self, content: Content) -> Path:
        return self._folder / content.sha256[:2] / content.sha256

    def _found(self, content: Content) -> _Open | None:
        """The copy that is there and right, its lock shared."""
        try:
            copy = _Open.at(self._path(content), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            copy.share()
            if copy.in_place() and self._is_right(copy, content):
                return copy
        except BaseException:
            copy.close()
            raise
        copy.close()
        return None

    def _is_right(self, copy: _Open, content: Content) -> bool:
        """Read through once a process, and again where it was touched."""
        mark = copy.mark()
        if self._verified.get(content.sha256) == mark:
            return True
        if mark[1] != content.size or copy.sha256() != content.sha256:
            return False
        self._verified[content.sha256] = mark
        return True

    def _fetched(self, content: Content, source: Source) -> _Open | None:
        """A new copy, its lock shared; None after waiting for another that fetched it."""
        path = self._path(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _Open.at(path.with_name(f"{path.name}.part"), os.O_RDWR | os.O_CREAT)
        if not part.claim():
            part.share()  # until the other has finished, failed or died
            part.close()
            return None
        if not part.in_place():
            part.close()
            return None
        return self._found_or_filled(part, content, source)

    def _found_or_filled(self, part: _Open, content: Content, source: Source) -> _Open | None:
        """What another placed while we came here, else the claimed `part`, filled."""
        try:
            found = self._found(content)
            if found is None:
                self._fill(part, content, source)
        except BaseException:
            part.path.unlink()
            part.close()
            raise
        if found is None:
            return self._placed(part, content)
        part.path.unlink()
        part.close()
        return found

    def _fill(self, part: _Open, content: Content, source: Source) -> None:
        self._make_room(part, content.size)
        digest, written = hashlib.sha256(), 0
        with os.fdopen(os.dup(part.fd), "wb") as file:
            for chunk in source():
                digest.update(chunk)
                written += len(chunk)
                if written > content.size:
                    raise WrongContent
                file.write(chunk)
        if Content(digest.hexdigest(), written) != content:
            raise WrongContent
        os.fchmod(part.fd, 0o400)

    def _placed(self, part: _Open, content: Content) -> _Open | None:
        """The full `part` under its own name, in one step, its lock shared; None if it left."""
        copy = _Open(self._path(content), part.fd)
        part.path.replace(copy.path)
        copy.share()
        if not copy.in_place():
            copy.close()
            return None
        self._verified[content.sha256] = copy.mark()
        return copy

    def _make_room(self, part: _Open, size: int) -> None:
        """Let others leave, and set the bytes aside: a full disk is known before the download."""
        self._evict(self._limit - size if size <= self._limit else self._limit)
        os.ftruncate(part.fd, 0)  # a killed process may have left some of it
        if not size:
            return
        try:
            os.posix_fallocate(part.fd, 0, size)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._evict(0)
            os.posix_fallocate(part.fd, 0, size)

    def _evict(self, limit: int) -> None:
        """Let copies leave until the rest fits: the least recently used first.

        A copy that is larger than the whole cache leaves before all, and for its sake none does.
        """
        now = self._clock()
        files = sorted(self._listed(now))
        total = sum(size for _, size, _ in files if size <= self._limit)
        for moment, size, path in files:
            large = size > self._limit
            if (large or total > limit) and moment <= now and _removed(path):
                total -= 0 if large else size

    def _listed(self, now: float) -> Iterator[tuple[float, int, Path]]:
        """From when on each file may leave, its bytes, its path."""
        for path in self._folder.glob("??/*"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # another process removed it
            moment = stat.st_atime_ns / _NANO
            # One further ahead than any is set comes from a clock that was wrong.
            yield (moment if moment - now <= KEPT else 0.0), stat.st_size, path


def _removed(path: Path) -> bool:
    """Remove a file unless it is in use; whether it is gone."""
    try:
        file = _Open.at(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        if not file.claim():
            return False
        if file.in_place():
            path.unlink()
        return True
    finally:
        file.close()
